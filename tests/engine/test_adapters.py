"""LoRA adapters on a small model: scales by request, beside each other and in the cache."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions, LoraAdapter
from minerva_desktop.errors import InvalidRequest, ModelLoadError, ModelNotFound, OutOfMemory
from minerva_desktop.units import format_bytes
from tests.engine.models import write_lora

pytestmark = pytest.mark.asyncio(loop_scope="module")

GREEDY = SamplingParameters(temperature=0.0, max_tokens=16)
PROMPT = "The capital of France is"


@pytest.fixture(scope="module")
def adapters(small_path: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    paths = (folder / "one.gguf", folder / "two.gguf")
    for seed, path in enumerate(paths, start=1):
        write_lora(path, small_path, seed=seed, strength=1.0)
    return paths


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(small_path: Path, adapters: tuple[Path, Path]) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine(small_path)
    one, two = adapters
    loaded = (LoraAdapter(bytes(one), 1.0), LoraAdapter(bytes(two), 0.0))
    await engine.load(options=LoadOptions(n_ctx=1024, lora=loaded))
    yield engine
    await engine.unload()


async def _answer(engine: LlamaEngine, lora: tuple[float, ...] | None) -> str:
    return await engine.generate(PROMPT, sampling=GREEDY, lora=lora).text()


async def test_a_scale_changes_the_answer_without_loading_again(
    engine: LlamaEngine, small_path: Path
) -> None:
    plain = LlamaEngine(small_path)
    await plain.load(1024)
    without = await plain.generate(PROMPT, sampling=GREEDY).text()
    await plain.unload()
    pid = engine.pid
    assert await _answer(engine, (0.0, 0.0)) == without
    one = await _answer(engine, (1.0, 0.0))
    two = await _answer(engine, (0.0, 1.0))
    assert len({without, one, two}) == 3
    assert await _answer(engine, None) == one  # as they were loaded
    assert await _answer(engine, (0.0, 0.0)) == without
    assert engine.pid == pid


async def test_requests_with_other_scales_run_beside_each_other_and_do_not_mix(
    engine: LlamaEngine,
) -> None:
    scales = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 0.0)]
    alone = [await _answer(engine, scale) for scale in scales]
    together = await asyncio.gather(*(_answer(engine, scale) for scale in scales))
    # Later words hang on how llama.cpp rounds in other cells: random weights leave little certain.
    begin = slice(0, 12)
    assert [text[begin] for text in together] == [text[begin] for text in alone]
    assert len({text[begin] for text in alone}) == 3


async def test_a_seed_gives_the_same_alone_and_beside_others(
    generated: Callable[..., Path], tmp_path: Path
) -> None:
    """To the last bit: the weights are quantised, but those of an adapter are floats."""
    shape = {"n_layers": 2, "width": 64, "n_heads": 2, "kv_heads": 2, "feed": 128, "head": 32}
    model, adapter = generated("llama", **shape, type_name="Q4_1"), tmp_path / "adapter.gguf"
    write_lora(adapter, model, seed=1, strength=0.5)
    engine = LlamaEngine(model)
    lora = (LoraAdapter(bytes(adapter)),)
    await engine.load(options=LoadOptions(n_ctx=2048, n_parallel=8, n_threads=2, lora=lora))
    seeded = SamplingParameters(seed=3, max_tokens=20, ignore_eos=True, top_logprobs=0)

    async def answer(number: int) -> list[float]:
        prompt = tuple(range(5 + 300 * number, 25 + 330 * number))
        stream = engine.generate(prompt, sampling=seeded, cache_prompt=False)
        await stream.wait_completion()
        return [each.logprob for each in stream.logprobs]

    alone = [await answer(number) for number in range(8)]
    together = await asyncio.gather(*map(answer, range(8)))
    await engine.unload()
    assert together == alone


async def test_what_one_adapter_computed_is_not_reused_by_another(engine: LlamaEngine) -> None:
    long = "Paris is" + " a city. " * 40
    first = await engine.generate(long, sampling=GREEDY, lora=(1.0, 0.0)).wait_completion()
    other = await engine.generate(long, sampling=GREEDY, lora=(0.0, 0.0)).wait_completion()
    again = await engine.generate(long, sampling=GREEDY, lora=(1.0, 0.0)).wait_completion()
    cached = [done.timings.cached_tokens for done in (first, other, again)]
    assert cached == [0, 0, first.timings.prompt_tokens - 1]


@pytest.mark.parametrize(
    ("scales", "words"),
    [
        ((1.0, 0.0, 1.0), "adapter with id 2, but 2 are loaded, with ids 0 to 1"),
        ((1.0, 1e9), "scale of a LoRA adapter must be between -100.0 and 100.0"),
    ],
)
async def test_scales_that_make_no_sense_are_refused(
    engine: LlamaEngine, scales: tuple[float, ...], words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words):
        await _answer(engine, scales)
    assert await _answer(engine, None)


async def test_an_adapter_that_is_gone_or_none_is_said_in_words(
    small_path: Path, tmp_path: Path, adapters: tuple[Path, Path], window_path: Path
) -> None:
    gone = LlamaEngine(small_path)
    with pytest.raises(ModelNotFound, match=r"“gone\.gguf” is not there"):
        await gone.load(options=LoadOptions(lora=(LoraAdapter(bytes(tmp_path / "gone.gguf")),)))
    wrong = LlamaEngine(small_path)
    with pytest.raises(ModelLoadError, match=r"expect general\.type to be 'adapter'"):
        await wrong.load(options=LoadOptions(lora=(LoraAdapter(bytes(small_path)),)))
    foreign = LlamaEngine(window_path)
    with pytest.raises(ModelLoadError, match=r"one.gguf does not fit this model: .*mismatch"):
        await foreign.load(options=LoadOptions(lora=(LoraAdapter(bytes(adapters[0])),)))


@pytest.mark.parametrize("n_bytes", [0, 300, -1])
async def test_an_adapter_that_is_cut_off_is_not_said_to_fit_another_model(
    small_path: Path, tmp_path: Path, adapters: tuple[Path, Path], n_bytes: int
) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(adapters[0].read_bytes()[:n_bytes])
    engine = LlamaEngine(small_path)
    size = re.escape(format_bytes(cut.stat().st_size))
    with pytest.raises(ModelLoadError, match=rf"cut.gguf cannot be read: .*\({size}\)\. Get it"):
        await engine.load(options=LoadOptions(n_ctx=512, lora=(LoraAdapter(bytes(cut)),)))


# All may be read until the adapters are. Root may read every file, so the child is an ordinary user
# from then on.
NOBODY = """
import os, runpy
from minerva_desktop.engine.core import loading
Adapters = loading.AdapterSet
def load_as_nobody(*arguments, **more):
    os.geteuid() or os.seteuid(65534)
    return Adapters(*arguments, **more)
loading.AdapterSet = load_as_nobody
runpy.run_module("minerva_desktop.engine.child", run_name="__main__")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there, a file that is there may be read")
async def test_an_adapter_that_this_user_may_not_read_is_not_called_damaged(
    small_path: Path, adapters: tuple[Path, Path]
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # which an ordinary user may look into
        Path(name).chmod(0o755)
        path = Path(shutil.copy(adapters[0], name))
        path.chmod(0)
        engine = LlamaEngine(small_path, command=[sys.executable, "-c", NOBODY])
        with pytest.raises(ModelLoadError) as caught:
            await engine.load(options=LoadOptions(n_ctx=512, lora=(LoraAdapter(bytes(path)),)))
    told = caught.value.message
    assert told == "The adapter “one.gguf” cannot be read: this user may not open it."


# As where another program takes what is left of the memory.
NO_MEMORY = """
import psutil, resource, runpy
from minerva_desktop.engine.core import loading
Adapters = loading.AdapterSet
def load_in_no_room(*arguments, **more):
    room = psutil.Process().memory_info().vms + 4_000_000
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    return Adapters(*arguments, **more)
loading.AdapterSet = load_in_no_room
runpy.run_module("minerva_desktop.engine.child", run_name="__main__")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the limit is none")
async def test_an_adapter_for_which_there_is_no_memory_is_not_said_to_fit_another_model(
    small_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "large.gguf"
    write_lora(path, small_path, seed=1, strength=0.5, rank=20_000)
    assert path.stat().st_size > 20_000_000
    engine = LlamaEngine(small_path, command=[sys.executable, "-c", NO_MEMORY])
    with pytest.raises(OutOfMemory) as caught:
        await engine.load(options=LoadOptions(n_ctx=512, lora=(LoraAdapter(bytes(path)),)))
    assert caught.value.message == "Not enough memory to load the adapter large.gguf"
