"""The quick choice of the likeliest token is llama.cpp's own, whatever the row holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions

# In a process of its own, for it loads llama.cpp.
COMPARE = """
import ctypes, math, random
from minerva_desktop.engine.core.bindings import llama
from minerva_desktop.engine.core.greedy import GreedyChoice

greedy = llama.llama_sampler_init_greedy()
chooser = random.Random(5)
NAN, BAN = math.nan, -math.inf

def of_llama(values):
    data = (llama.llama_token_data * len(values))(*((i, x, 0.0) for i, x in enumerate(values)))
    array = llama.llama_token_data_array(data, len(values), -1, False)
    llama.llama_sampler_apply(greedy, array)
    return array.selected

def rows(size):
    row = [chooser.gauss(0.0, 3.0) for _ in range(size)]
    yield row
    yield [BAN] * size
    yield [chooser.choice((1.0, 2.0, BAN)) for _ in range(size)]  # many are the largest
    yield [chooser.choice((0.0, -0.0)) for _ in range(size)]
    for where in {0, 1, 2, 3, size // 2, size - 3, size - 2, size - 1}:
        yield [*row[:where], 50.0, *row[where + 1 :]]
        yield [*row[:where], NAN, *row[where + 1 :]]

n_equal = n_left = 0
for size in (*range(4, 24), 1001):
    for values in rows(size):
        for banned in ((), (0, size - 1), (size // 2,)):
            logits = (ctypes.c_float * size)(*values)
            before = bytes(logits)
            found = GreedyChoice(greedy, size, banned).pick(logits)
            assert bytes(logits) == before
            if found is None:
                assert any(map(math.isnan, values[1:4])), values[:4]
                n_left += 1
                continue
            masked = [BAN if i in banned else x for i, x in enumerate(values)]
            assert found == of_llama(masked), (size, banned, found)
            n_equal += 1
assert n_equal > 1000 > n_left > 50, (n_equal, n_left)
print("compared")
"""


def test_it_finds_what_llama_cpp_finds() -> None:
    """Also among equals, without any numbers, and with what is banned."""
    command = [sys.executable, "-c", COMPARE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("compared\n", 0), done.stderr[-2000:]


async def test_an_answer_is_that_of_the_whole_chain(quantised_path: Path) -> None:
    """A bias of nothing leaves the choice to the chain; log-probabilities want the row whole."""
    engine = LlamaEngine(quantised_path)
    await engine.load(options=LoadOptions(n_ctx=512))
    quick = SamplingParameters(temperature=0.0, max_tokens=24, ignore_eos=True)
    slow = msgspec.structs.replace(quick, logit_bias={0: 0.0})
    texts = [
        await engine.generate("My favourite animals are", sampling=each).text()
        for each in (quick, slow, msgspec.structs.replace(quick, top_logprobs=2))
    ]
    await engine.unload()
    assert texts[0] == texts[1] == texts[2]
    assert len(texts[0]) > 20
