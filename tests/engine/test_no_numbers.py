"""A model whose numbers are no numbers any more (NaN) says so, and spoils nobody else's answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import (
    FlashAttention,
    LoadOptions,
    LoraAdapter,
    SnapshotOptions,
)
from minerva_desktop.errors import InferenceError
from tests.engine.model_files import StoredTensor
from tests.engine.models import write_lora, write_with_weights
from tests.engine.native_script import said_by

pytestmark = pytest.mark.asyncio(loop_scope="module")

GREEDY = SamplingParameters(temperature=0.0, max_tokens=16, ignore_eos=True)
PROMPT = "The capital of France is"
SOUND, BROKEN = (0.0,), (1.0,)
NAN = (0x00, 0x7E)  # in 16 bits: a weight, or what a block of weights is scaled by
INFINITE = (0x00, 0x7C)  # likewise
LAST = 3  # of llama.cpp's ways to pool: the last token's numbers are the text's
SEVERAL = [f"{number} sound texts" for number in range(1, 9)]

# How many steps it takes until all requests of each set have an answer, and which have none.
COUNT_STEPS = """
import json, sys
from pathlib import Path
from minerva_desktop.engine.core.abort_flag import AbortFlag
from minerva_desktop.engine.core.desk import PreparedEmbedding
from minerva_desktop.engine.core.llama_log import LlamaLog
from minerva_desktop.engine.core.loading import load_core
from minerva_desktop.engine.load_options import FlashAttention, LoadOptions
from minerva_desktop.engine.messages import Embed, RequestFailed

options = LoadOptions(n_ctx=512, flash_attention=FlashAttention.OFF)
path = Path(sys.argv[1])
core = load_core(path, options, on_progress=lambda _: None, log=LlamaLog(), abort=AbortFlag())
found = []
for requests in SETS:
    for number, inputs in enumerate(requests):
        core.add(PreparedEmbedding(Embed(request_id=number, inputs=()), inputs))
    n_steps, events = 0, []
    while core.has_work:
        events += core.step()
        n_steps += 1
    failed = [event.request_id for event in events if isinstance(event, RequestFailed)]
    found.append([n_steps, len(events), failed])
print("\\n" + json.dumps(found))
"""

# What becomes of a prompt that is read in one step behind a shorter broken one, and goes on from
# what the cache holds, and of the same one alone.
ASK_BESIDE = """
import json, sys
from pathlib import Path
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.core.abort_flag import AbortFlag
from minerva_desktop.engine.core.desk import PreparedGeneration
from minerva_desktop.engine.core.llama_log import LlamaLog
from minerva_desktop.engine.core.loading import load_core
from minerva_desktop.engine.load_options import FlashAttention, LoadOptions
from minerva_desktop.engine.messages import Generate

options = LoadOptions(n_ctx=512, flash_attention=FlashAttention.OFF)
path = Path(sys.argv[1])
core = load_core(path, options, on_progress=lambda _: None, log=LlamaLog(), abort=AbortFlag())
builder = core.prompt_builder()
sampling = SamplingParameters(temperature=0.0, max_tokens=N_TOKENS, ignore_eos=True)
found = []
for prompts in ([SOUND[:100]], [BROKEN, SOUND], [SOUND]):
    for number, tokens in enumerate(prompts):
        asked = Generate(request_id=number, sampling=sampling, tokens=tuple(tokens))
        core.add(PreparedGeneration(asked, builder.build(asked), None, None, (), 0.0))
    answers = [["", None] for _ in prompts]
    while core.has_work:
        for event in core.step():
            for output in event.outputs:
                answers[output.request_id][0] += output.delta
                answers[output.request_id][1] = output.error and output.error.message[:32]
    found.append(answers)
print("\\n" + json.dumps(found))
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(
    small_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LlamaEngine]:
    """With an adapter that makes all numbers NaN, and without the flash attention that passes over
    what it gives no weight."""
    folder = tmp_path_factory.mktemp("broken")
    adapter = folder / "broken.gguf"
    write_lora(adapter, small_path, seed=1, strength=float("nan"))
    assert np.isnan(np.frombuffer(adapter.read_bytes()[-64:], np.float32)).all()
    engine = LlamaEngine(small_path)
    options = LoadOptions(
        n_ctx=1024,
        flash_attention=FlashAttention.OFF,
        lora=(LoraAdapter(bytes(adapter), 0.0),),
        snapshots=SnapshotOptions(bytes(folder / "states"), 1 << 30),
    )
    await engine.load(options=options)
    yield engine
    await engine.unload()


@pytest.mark.parametrize(
    "sampling",
    [
        GREEDY,
        SamplingParameters(max_tokens=8, seed=1),
        SamplingParameters(max_tokens=8, mirostat=2),
        SamplingParameters(max_tokens=8, grammar="root ::= [a-z]+"),
        SamplingParameters(max_tokens=8, min_tokens=4),
    ],
    ids=["greedy", "usual", "mirostat", "grammar", "no early end"],
)
async def test_no_token_is_made_up(engine: LlamaEngine, sampling: SamplingParameters) -> None:
    stream = engine.generate(PROMPT, sampling=sampling, lora=BROKEN)
    with pytest.raises(InferenceError, match=r"no numbers \(NaN\).* without adapters"):
        await stream.text()
    assert (str(stream), stream.total_tokens) == ("", 0)


async def test_nor_are_scores_of_a_prompt(engine: LlamaEngine) -> None:
    sampling = SamplingParameters(max_tokens=0, top_logprobs=2)
    stream = engine.generate(PROMPT, sampling=sampling, lora=BROKEN, score_prompt=True)
    with pytest.raises(InferenceError, match="no numbers"):
        await stream.text()


async def test_other_answers_are_as_without_it(engine: LlamaEngine) -> None:
    """Also one that runs beside it, and one that goes on where the cache held its beginning."""
    without = await engine.generate(PROMPT, sampling=GREEDY, lora=SOUND).text()
    long = SamplingParameters(temperature=0.0, max_tokens=80, ignore_eos=True)
    expected = await engine.generate("Paris is", sampling=long, lora=SOUND).text()
    running = engine.generate("Paris is", sampling=long, lora=SOUND, cache_prompt=False)
    await anext(aiter(running))
    broken = engine.generate("Some other text", sampling=GREEDY, lora=BROKEN)
    with pytest.raises(InferenceError, match="no numbers"):
        await broken.text()
    assert await running.text() == expected
    for cache_prompt in (True, False):
        stream = engine.generate(PROMPT, sampling=GREEDY, lora=SOUND, cache_prompt=cache_prompt)
        assert await stream.text() == without
    assert len(without) > 20


async def test_it_leaves_nothing_in_the_cache(engine: LlamaEngine) -> None:
    stream = engine.generate(list(range(5, 405)), sampling=GREEDY, lora=BROKEN, snapshot="chat-1")
    with pytest.raises(InferenceError, match="no numbers"):
        await stream.text()
    assert engine.get_context_info().n_used_cells == 0
    several = [engine.generate(PROMPT, sampling=GREEDY, lora=BROKEN) for _ in range(4)]
    failed = await asyncio.gather(*(each.text() for each in several), return_exceptions=True)
    assert {type(each) for each in failed} == {InferenceError}
    assert engine.get_context_info().n_used_cells == 0


@pytest.mark.parametrize("rows", [slice(None), slice(100, 101)], ids=["all tokens", "one token"])
async def test_infinite_numbers_are_none(small_path: Path, tmp_path: Path, rows: slice) -> None:
    """An answer was one token again and again, and each had a log-probability of NaN."""

    def break_rows(tensor: StoredTensor) -> None:
        if tensor.name == "output.weight":
            tensor.data[rows, :2] = INFINITE

    path = tmp_path / "infinite.gguf"
    write_with_weights(path, small_path, break_rows)
    engine = LlamaEngine(path)
    await engine.load(512)
    scored = SamplingParameters(max_tokens=8, seed=1, top_logprobs=2)
    for sampling in (GREEDY, SamplingParameters(max_tokens=8, seed=1), scored):
        with pytest.raises(InferenceError, match="no numbers"):
            await engine.generate(PROMPT, sampling=sampling).text()
    assert engine.get_context_info().n_used_cells == 0
    await engine.unload()


@pytest.mark.parametrize("n_tokens", [1, 8])
async def test_nor_does_it_spoil_what_is_next_in_its_step(
    small_path: Path, tmp_path: Path, n_tokens: int
) -> None:
    """The cache is wiped: what else was scheduled then stood there without its beginning, so that
    its next token was made up, and the one after that failed, or the engine died."""
    sound, broken = list(range(1000, 1120)), [500, 501, 338]

    def break_token(tensor: StoredTensor) -> None:
        if tensor.name == "token_embd.weight":
            tensor.data[broken[-1], :2] = NAN

    path = tmp_path / "broken.gguf"
    write_with_weights(path, small_path, break_token)
    given = f"N_TOKENS, SOUND, BROKEN = {n_tokens}, {sound}, {broken}"
    _, [failed, beside], [alone] = said_by(f"{given}\n{ASK_BESIDE}", path)
    assert failed == ["", "The model computed no numbers (N"]
    assert beside == alone
    assert len(alone[0]) >= n_tokens


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=["all at once", "with a cache"], ids=str
)
async def embedding(
    request: pytest.FixtureRequest,
    embedding_model: Path,
    small_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[LlamaEngine]:
    """Makes numbers of all texts but those with a "%" in them."""
    is_bert = request.param == "all at once"
    source = embedding_model if is_bert else small_path
    keys = {} if is_bert else {"llama.pooling_type": LAST}
    path = tmp_path_factory.mktemp("embedding") / "broken.gguf"
    whole = LlamaEngine(source)
    await whole.load(512)
    (token,) = (await whole.tokenize(" %", add_special=False)).tokens
    await whole.unload()

    def break_token(tensor: StoredTensor) -> None:
        if tensor.name == "token_embd.weight":
            tensor.data[token, :2] = NAN

    write_with_weights(path, source, break_token, keys)
    engine = LlamaEngine(path)
    # Without flash attention, which passes over what it gives no weight.
    await engine.load(options=LoadOptions(n_ctx=512, flash_attention=FlashAttention.OFF))
    yield engine
    await engine.unload()


@pytest.mark.parametrize("normalize", [True, False])
async def test_no_vector_is_made_up(embedding: LlamaEngine, normalize: bool) -> None:
    with pytest.raises(
        InferenceError, match=r"no numbers \(NaN\) for the text: .* on the GPU, or get the file"
    ):
        await embedding.embed(["5 %"], normalize=normalize)
    with pytest.raises(InferenceError, match=r"\(NaN\) for text 6 of 9: "):
        await embedding.embed([*SEVERAL[:5], "5 %", *SEVERAL[5:]], normalize=normalize)


async def test_other_vectors_are_as_without_it(embedding: LlamaEngine) -> None:
    """Those of the same step, which llama.cpp computes together with it, and of the next one."""
    expected = (await embedding.embed(SEVERAL)).vectors
    others = [asyncio.create_task(embedding.embed([text])) for text in SEVERAL[:4]]
    broken = [asyncio.create_task(embedding.embed(["5 %"])) for _ in range(3)]
    many = await embedding.embed(SEVERAL)
    failed = await asyncio.gather(*broken, return_exceptions=True)
    assert {type(each) for each in failed} == {InferenceError}
    alone = [(await each).vectors[0] for each in others]
    again = (await embedding.embed(SEVERAL)).vectors
    for vectors in (alone, many.vectors, again):
        for vector, same in zip(vectors, expected, strict=False):
            # Not the same to the bit: quantised weights are rounded otherwise in larger batches.
            assert np.dot(vector, same) == pytest.approx(1.0, abs=1e-3)
    assert (len(alone), len(many.vectors), len(again)) == (4, 8, 8)


async def test_what_is_spoilt_is_computed_alone_once(embedding: LlamaEngine) -> None:
    sound, broken = [list((await embedding.tokenize(text)).tokens) for text in ("5", "5 %")]
    sets = [
        [[*[sound] * 20, broken, *[sound] * 9]],
        [[sound] * 30, [broken]],  # one that is found leaves no doubt of the others
        [[sound], [sound] * 2, [sound] * 3],
    ]
    found = said_by(f"SETS = {sets!r}\n{COUNT_STEPS}", embedding.model_path)
    assert found == [[1 + 21, 1, [0]], [1 + 1 + 1, 2, [1]], [1, 3, []]]


async def test_a_vector_of_zeros_is_given_no_length(embedding_model: Path, tmp_path: Path) -> None:
    """As a download that was ended leaves the end of its file."""

    def empty(tensor: StoredTensor) -> None:
        tensor.data[...] = 0

    path = tmp_path / "zeros.gguf"
    write_with_weights(path, embedding_model, empty)
    engine = LlamaEngine(path)
    await engine.load()
    with pytest.raises(InferenceError, match=r"for text 1 of 2 are 0, .* Get it again, or ask for"):
        await engine.embed(SEVERAL[:2])
    assert set((await engine.embed(SEVERAL[:1], normalize=False)).vectors[0]) == {0.0}
    await engine.unload()
