"""Embeddings from the real all-MiniLM-L6-v2, in the real child process."""

from __future__ import annotations

import asyncio
import math
import struct
from array import array
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from minerva_desktop.chat.limits import RequestLimits, Wait
from minerva_desktop.engine import connection
from minerva_desktop.engine.deadlines import Deadlines
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import KvType, LoadOptions, LoraAdapter
from minerva_desktop.engine.queue_limit import QueueLimit
from minerva_desktop.errors import (
    ContextLimitExceeded,
    GenerationTimeout,
    InvalidRequest,
    ModelLoadError,
)

CAT = "A cat sleeps on the sofa."
ITS_KIND = "a model that makes embeddings"
KITTEN = "A kitten naps on the couch."
TAXES = "The tax return is due in April."


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(embedding_model: Path) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine(embedding_model)
    await engine.load()
    yield engine
    await engine.unload()


def _dot(one: array[float], other: array[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


async def test_texts_that_mean_the_same_lie_close_together(engine: LlamaEngine) -> None:
    cat, kitten, taxes = (await engine.embed([CAT, KITTEN, TAXES])).vectors
    assert len(cat) == engine.get_context_info().n_embd == 384
    assert _dot(cat, kitten) > 0.6
    assert abs(_dot(cat, taxes)) < 0.2


async def test_vectors_have_a_length_of_1_unless_not_wanted(engine: LlamaEngine) -> None:
    (vector,) = (await engine.embed([CAT])).vectors
    assert math.sqrt(_dot(vector, vector)) == pytest.approx(1.0, abs=1e-5)
    (raw,) = (await engine.embed([CAT], normalize=False)).vectors
    length = math.sqrt(_dot(raw, raw))
    assert length != pytest.approx(1.0, abs=0.01)
    assert [value / length for value in raw] == pytest.approx(list(vector), abs=1e-6)


async def test_a_text_has_the_same_vector_alone_and_in_a_batch_of_many(engine: LlamaEngine) -> None:
    texts = [f"Sentence number {number}. " + "More words. " * (number % 7) for number in range(80)]
    together = await engine.embed(texts)
    assert len(together.vectors) == 80
    for index in (0, 37, 79):
        (alone,) = (await engine.embed([texts[index]])).vectors
        assert _dot(alone, together.vectors[index]) == pytest.approx(1.0, abs=1e-3)


async def test_tokens_are_taken_as_they_are(engine: LlamaEngine) -> None:
    tokens = (await engine.tokenize(CAT, add_special=True)).tokens
    by_text, by_tokens = (await engine.embed([CAT, tokens])).vectors
    assert list(by_text) == pytest.approx(list(by_tokens), abs=1e-5)
    assert (await engine.embed([CAT])).n_tokens == (len(tokens),)


async def test_requests_are_served_in_turn(engine: LlamaEngine) -> None:
    many = asyncio.create_task(engine.embed(["Long story. " * 100] * 12))
    few = asyncio.create_task(engine.embed([CAT]))
    done, _ = await asyncio.wait([many, few], return_when=asyncio.FIRST_COMPLETED)
    assert done == {few}
    assert len((await many).vectors) == 12


async def test_a_cancelled_request_frees_the_engine(engine: LlamaEngine) -> None:
    many = asyncio.create_task(engine.embed(["Long story. " * 100] * 40))
    await engine.embed([CAT])
    many.cancel()
    with pytest.raises(asyncio.CancelledError):
        await many
    assert len((await engine.embed([CAT])).vectors) == 1


async def test_who_waits_too_long_leaves_the_queue(engine: LlamaEngine) -> None:
    long = "Long story. " * 150  # two of which make no batch
    many = asyncio.create_task(engine.embed([long] * 6))
    await engine.embed([CAT])  # the others are begun
    with pytest.raises(GenerationTimeout) as caught:
        await engine.embed([long], queue_seconds=0.001)
    assert caught.value.message == (
        "Embeddings request timed out: it took 0.0 s in the queue, and at most 0.001 s were allowed"
    )
    assert not many.done()
    assert len((await many).vectors) == 6


async def test_a_limit_of_the_wait_that_is_no_time_is_refused(engine: LlamaEngine) -> None:
    for wrong in (0.0, -1.0, math.nan):
        with pytest.raises(InvalidRequest, match="queue_seconds must be more than 0"):
            await engine.embed([CAT], queue_seconds=wrong)


async def test_who_was_begun_waits_no_longer(
    embedding_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it takes from then on."""
    over: list[tuple[Wait, ...]] = []

    class Noted(Deadlines):
        def note(self, request_id: int, *waits: Wait) -> None:
            over.append(waits)
            super().note(request_id, *waits)

    monkeypatch.setattr(connection, "Deadlines", Noted)
    engine = LlamaEngine(embedding_model)
    await engine.load()
    assert len((await engine.embed(["Long story. " * 150] * 3, queue_seconds=60.0)).vectors) == 3
    assert over == [(Wait.QUEUE,)]
    await engine.unload()


async def test_a_wait_that_is_over_does_not_pass() -> None:
    loop = asyncio.get_running_loop()
    passed: asyncio.Queue[int] = asyncio.Queue()
    deadlines = Deadlines(loop, lambda request_id, _: passed.put_nowait(request_id))
    for request_id in (1, 2):  # whose time would pass in this order
        deadlines.watch(request_id, RequestLimits(queue_seconds=0.001))
    deadlines.note(1, Wait.QUEUE)
    assert await passed.get() == 2


async def test_one_that_ran_out_of_time_counts_no_longer_than_the_child_has_it(
    embedding_model: Path,
) -> None:
    engine = LlamaEngine(embedding_model, queue=QueueLimit(2))
    await engine.load()
    long = "Long story. " * 150
    for _ in range(2):
        many = asyncio.create_task(engine.embed([long] * 6))
        await engine.embed([CAT])  # the others are begun
        with pytest.raises(GenerationTimeout):
            await engine.embed([long], queue_seconds=0.001)
        assert len((await many).vectors) == 6
    both = await asyncio.gather(engine.embed([CAT]), engine.embed([CAT]))
    assert [len(found.vectors) for found in both] == [1, 1]
    await engine.unload()


async def test_a_text_that_is_too_long_is_refused_with_both_numbers(engine: LlamaEngine) -> None:
    assert engine.get_context_info().n_ctx == 512  # what the model was trained for
    with pytest.raises(ContextLimitExceeded, match=r"max 512, required \d{3,}"):
        await engine.embed(["word " * 600])
    assert (await engine.embed(["word " * 500])).n_tokens == (502,)


@pytest.mark.parametrize(
    ("inputs", "words"), [([], "no text"), (["a", ""], "empty"), ([()], "empty")]
)
async def test_nothing_to_embed_is_said(engine: LlamaEngine, inputs: list[str], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        await engine.embed(inputs)


async def test_a_token_that_is_not_there_is_named(engine: LlamaEngine) -> None:
    with pytest.raises(InvalidRequest, match=r"input names token 999999.*30,522"):
        await engine.embed([(101, 999999)])


async def test_an_embedding_model_does_not_chat(engine: LlamaEngine) -> None:
    info = engine.get_context_info()
    assert (info.capabilities.embeddings, info.capabilities.chat) == (True, False)
    with pytest.raises(InvalidRequest, match="only makes embeddings"):
        await engine.generate("Once", 4).text()
    assert len((await engine.embed([CAT])).vectors) == 1


async def test_a_chat_model_makes_no_embeddings(model_path: Path) -> None:
    engine = LlamaEngine(model_path)
    await engine.load(512)
    with pytest.raises(InvalidRequest, match="makes no embeddings"):
        await engine.embed([CAT])
    assert await engine.generate("Once", 4).text()
    await engine.unload()


async def test_options_that_mean_nothing_to_it_are_refused(embedding_model: Path) -> None:
    engine = LlamaEngine(embedding_model)
    with pytest.raises(InvalidRequest, match="neither adapters nor speculation"):
        await engine.load(options=LoadOptions(lora=(LoraAdapter(b"x.gguf"),)))


def _pooling_otherwise(embedding_model: Path, folder: Path, pooling: int) -> LlamaEngine:
    """For a copy of the model that says another ``llama_pooling_type``."""
    raw = bytearray(embedding_model.read_bytes())
    value = raw.index(b"bert.pooling_type") + len(b"bert.pooling_type") + 4  # behind its type
    assert struct.unpack_from("<II", raw, value - 4) == (4, 1)  # a uint32, which says "mean"
    struct.pack_into("<I", raw, value, pooling)
    other = folder / "other.gguf"
    other.write_bytes(raw)
    return LlamaEngine(other)


@pytest.mark.parametrize(("pooling", "words"), [(0, "none of a whole text"), (4, "is a reranker")])
async def test_a_model_that_makes_no_vector_of_a_text_is_refused(
    embedding_model: Path, tmp_path: Path, pooling: int, words: str
) -> None:
    with pytest.raises(ModelLoadError, match=words):
        await _pooling_otherwise(embedding_model, tmp_path, pooling).load()


async def test_a_text_is_pooled_as_the_model_says(
    engine: LlamaEngine, embedding_model: Path, tmp_path: Path
) -> None:
    """Not as another would be: that of its first token alone looks at the others, and differs."""
    first = _pooling_otherwise(embedding_model, tmp_path, 2)
    await first.load()
    (mean,), (of_first,) = [(await each.embed([CAT])).vectors for each in (engine, first)]
    await first.unload()
    assert _dot(of_first, of_first) == pytest.approx(1.0, abs=1e-5)
    assert 0.2 < _dot(mean, of_first) < 0.95


async def test_a_context_that_it_cannot_have_is_told(embedding_model: Path) -> None:
    engine = LlamaEngine(embedding_model)
    info = await engine.load(4096)
    assert info.n_ctx == 512
    assert "the model has positions for 512 tokens, not for 4,096" in info.warnings
    await engine.unload()


async def test_what_has_no_effect_on_it_is_told(embedding_model: Path) -> None:
    engine = LlamaEngine(embedding_model)
    info = await engine.load(
        options=LoadOptions(n_batch=64, n_parallel=8, kv_type_k=KvType.Q8_0, kv_type_v=KvType.Q8_0)
    )
    assert info.warnings == (
        "no KV cache in q8_0: this model keeps none",
        f"a batch of 512 tokens instead of 64: {ITS_KIND} reads each text in one step",
        f"up to 64 texts in one step instead of 8: {ITS_KIND} takes those of all requests together",
    )
    assert len((await engine.embed([CAT])).vectors) == 1
    await engine.unload()


async def test_what_is_as_usual_is_not_told(engine: LlamaEngine) -> None:
    assert engine.get_context_info().warnings == ()
