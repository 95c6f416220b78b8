"""`POST /v1/embeddings` with a scripted model behind it."""

from __future__ import annotations

import asyncio
import base64
import json
from array import array
from collections.abc import Sequence

import openai
import pytest

from minerva_desktop.chat.limits import RequestLimits, Wait, timed_out
from minerva_desktop.chat.served_request import RequestState
from minerva_desktop.engine.engine import Embeddings
from minerva_desktop.errors import ContextLimitExceeded, MinervaError, QueueFull
from tests.patience import SECONDS
from tests.server.fake_models import MODEL, FakeEngine, serving

PATH = "/v1/embeddings"
BODY = {"model": MODEL.model_id, "input": "Hi"}


async def test_the_official_client_gets_vectors_in_order() -> None:
    async with serving() as served, served.openai() as client:
        answer = await client.embeddings.create(model=MODEL.model_id, input=["a", "bcd"])
        floats = await client.embeddings.create(
            model=MODEL.model_id, input=[[1, 2], [3]], encoding_format="float"
        )
    assert answer.object == "list"
    assert answer.model == MODEL.model_id
    assert [(each.index, each.object) for each in answer.data] == [
        (0, "embedding"),
        (1, "embedding"),
    ]
    # The client asks for base64 by itself, and decodes it.
    assert answer.data[0].embedding == pytest.approx([0.6, 0.8], abs=1e-7)
    assert answer.data[0].embedding == floats.data[1].embedding
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (4, 4)
    assert served.engine.embedded == [("a", "bcd"), ((1, 2), (3,))]
    assert served.pool.leases == 0


async def test_base64_is_of_little_endian_floats() -> None:
    async with serving() as served:
        answer = (await served.http.post(PATH, json=BODY | {"encoding_format": "base64"})).json()
        plain = (await served.http.post(PATH, json=BODY)).json()
    raw = base64.b64decode(answer["data"][0]["embedding"], validate=True)
    assert raw.hex() == "9a99193fcdcc4c3f"
    assert plain["data"] == [
        {"object": "embedding", "index": 0, "embedding": list(array("f", [0.6, 0.8]))}
    ]


async def test_fewer_dimensions_are_cut_and_scaled_again() -> None:
    async with serving() as served, served.openai() as client:
        cut = await client.embeddings.create(model=MODEL.model_id, input="a", dimensions=1)
        assert cut.data[0].embedding == [1.0]
        raw = await served.http.post(PATH, json=BODY | {"dimensions": 1, "embd_normalize": -1})
        assert raw.json()["data"][0]["embedding"] == [3.0]
        with pytest.raises(openai.BadRequestError, match="at most 2") as caught:
            await client.embeddings.create(model=MODEL.model_id, input="a", dimensions=3)
        assert caught.value.param == "dimensions"
    assert len(served.engine.embedded) == 2


async def test_a_model_that_makes_none_is_a_400() -> None:
    async with serving() as served, served.openai() as client:
        served.engine.makes_embeddings = False
        with pytest.raises(openai.BadRequestError, match="makes no embeddings") as caught:
            await client.embeddings.create(model=MODEL.model_id, input="a")
    assert caught.value.param == "model"
    assert served.engine.embedded == []


class Stubborn(FakeEngine):
    """Fails, or never answers."""

    def __init__(self, engine: FakeEngine, error: MinervaError | None) -> None:
        super().__init__(engine.script)
        self.error = error

    async def embed(
        self,
        inputs: Sequence[str | Sequence[int]],
        *,
        normalize: bool = True,
        queue_seconds: float | None = None,
    ) -> Embeddings:
        self.asked.set()
        if self.error is not None:
            raise self.error
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
        raise AssertionError


class Crowded(FakeEngine):
    """Has no turn for anybody."""

    async def embed(
        self,
        inputs: Sequence[str | Sequence[int]],
        *,
        normalize: bool = True,
        queue_seconds: float | None = None,
    ) -> Embeddings:
        assert queue_seconds is not None
        raise timed_out(Wait.QUEUE, waited=queue_seconds, limit=queue_seconds)


@pytest.mark.parametrize(
    ("error", "status", "param"),
    [(ContextLimitExceeded.of(512, 602), 400, "input"), (QueueFull("full"), 503, None)],
)
async def test_an_error_of_the_engine_names_our_field(
    error: MinervaError, status: int, param: str | None
) -> None:
    async with serving() as served:
        served.pool.engine = Stubborn(served.engine, error)
        answer = await served.http.post(PATH, json=BODY)
    assert answer.status_code == status
    assert answer.json()["error"]["param"] == param
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_a_client_that_goes_away_cancels_its_work() -> None:
    async with serving() as served:
        engine = served.pool.engine = Stubborn(served.engine, None)
        content = json.dumps(BODY).encode()
        _, writer = await served.connect()
        writer.write(
            f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        await asyncio.wait_for(engine.asked.wait(), SECONDS)
        writer.transport.abort()
        await asyncio.wait_for(engine.cancelled.wait(), SECONDS)
        await asyncio.wait_for(served.pool.returned.wait(), SECONDS)
        assert served.pool.leases == 0


async def test_what_takes_too_long_is_a_408() -> None:
    async with serving(request_timeout_s=0.05) as served:
        engine = served.pool.engine = Stubborn(served.engine, None)
        answer = await served.http.post(PATH, json=BODY)
        assert engine.cancelled.is_set()
        assert served.pool.leases == 0
        await served.http.post("/v1/completions", json={"model": MODEL.model_id, "prompt": "Hi"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (408, "generation_timeout")
    assert answer.json()["error"]["message"] == (
        "Embeddings request timed out: it may take 0.05 s in all, and the answer was not done by "
        "then"
    )
    limits = engine.asked_with[0]["limits"]
    assert isinstance(limits, RequestLimits)
    assert limits.total_seconds == 0.05


async def test_the_limit_of_the_queue_is_for_embeddings_too() -> None:
    async with serving(queue_timeout_s=0.5, first_token_timeout_s=0.1) as served:
        served.pool.engine = Crowded(served.engine.script)
        answer = await served.http.post(PATH, json=BODY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (408, "generation_timeout")
    assert " 0.5 s in the queue, and at most 0.5 s were allowed" in answer.text


async def test_the_list_of_requests_has_its_tokens_and_texts() -> None:
    async with serving() as served:
        await served.http.post(PATH, json=BODY | {"input": ["one", "two!"]})
        await served.http.post(PATH, json=BODY | {"input": list(b"abc")})
        tokens, texts = served.activity.snapshot()
        assert await served.activity.prompt(texts.number) == "one\ntwo!"
        assert await served.activity.prompt(tokens.number) == "abc"
    assert (texts.dialect, texts.prompt_tokens, texts.generated_tokens) == ("embeddings", 7, 0)
    assert texts.status == 200


async def test_the_window_can_end_it() -> None:
    async with serving() as served:
        engine = served.pool.engine = Stubborn(served.engine, None)
        asked = asyncio.create_task(served.http.post(PATH, json=BODY))
        await asyncio.wait_for(engine.asked.wait(), SECONDS)
        (running,) = served.activity.snapshot()
        assert running.state is RequestState.PREFILL
        served.activity.cancel(running.number)
        answer = await asyncio.wait_for(asked, SECONDS)
        assert engine.cancelled.is_set()
    assert answer.json()["error"]["code"] == "request_cancelled"


async def test_two_thousand_vectors_come_whole() -> None:
    async with serving() as served:
        answer = await served.http.post(PATH, json=BODY | {"input": ["x"] * 2048})
    data = answer.json()["data"]
    assert [each["index"] for each in data] == [*range(2048)]
