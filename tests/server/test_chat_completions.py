from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest

from minerva_desktop import __version__
from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.errors import (
    ContextLimitExceeded,
    EngineDied,
    ModelLoadError,
    QueueFull,
)
from tests.patience import SECONDS
from tests.server.fake_models import (
    MODEL,
    Served,
    chat_body,
    fails,
    says,
    says_and_goes_on,
    serving,
)

PATH = "/v1/chat/completions"
STREAM_BODY = json.dumps(chat_body(stream=True)).encode()


def post(body: bytes, headers: str = "") -> bytes:
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Type: application/json\r\n"
        f"{headers}Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def ask(served: Served, **fields: object) -> httpx.Response:
    return await served.http.post(PATH, json=chat_body(**fields))


async def send_on(served: Served, body: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await served.connect()
    writer.write(post(body).replace(b"PORT", str(served.port).encode()))
    return reader, writer


def events(text: str) -> list[dict[str, Any]]:
    lines = [line for line in text.split("\n\n") if line.startswith("data: {")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


async def test_the_official_client_gets_a_whole_answer() -> None:
    async with serving() as served, served.openai() as client:
        answer = await client.chat.completions.create(
            model=MODEL.model_id,
            messages=[
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            ],
            temperature=0,
            seed=3,
            max_completion_tokens=5,
        )
    choice = answer.choices[0]
    assert answer.id.startswith("chatcmpl-")
    assert answer.object == "chat.completion"
    assert answer.model == MODEL.model_id
    assert answer.system_fingerprint == f"minerva-{__version__}-0c1e570-{MODEL.model_id}"
    assert (choice.message.role, choice.message.content) == ("assistant", "Hello, world")
    assert choice.message.refusal is None
    assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "stop", None)
    assert answer.usage is not None
    assert answer.usage.model_dump(exclude_none=True) == {
        "prompt_tokens": 12,
        "completion_tokens": 3,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
    assert answer.model_dump()["timings"] == {
        "cache_n": 4,
        "prompt_n": 8,
        "prompt_ms": 16.0,
        "prompt_per_token_ms": 2.0,
        "prompt_per_second": 500.0,
        "predicted_n": 3,
        "predicted_ms": 40.0,
        "predicted_per_token_ms": 20.0,
        "predicted_per_second": 50.0,
        "queue_ms": 1.0,
        "first_token_ms": 20.0,
    }
    assert served.engine.prompts == [
        (ChatTurn(Role.SYSTEM, "Be brief."), ChatTurn(Role.USER, "Hi"))
    ]
    sampling = served.engine.samplings[0]
    assert sampling is not None
    assert (sampling.temperature, sampling.seed, sampling.max_tokens) == (0.0, 3, 5)
    assert served.pool.leases == 0


async def test_the_official_client_reads_a_stream() -> None:
    async with serving(says("", "Hello", "")) as served, served.openai() as client:
        stream = await client.chat.completions.create(
            model=MODEL.model_id,
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    build = {chunk.system_fingerprint for chunk in chunks}
    assert build == {f"minerva-{__version__}-0c1e570-{MODEL.model_id}"}
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert [delta.role for delta in deltas] == ["assistant", None, None]
    assert [delta.content for delta in deltas] == ["", "Hello", None]
    assert [chunk.choices[0].finish_reason for chunk in chunks[:3]] == [None, None, "stop"]
    assert [chunk.usage is None for chunk in chunks] == [True, True, True, False]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 15
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert served.pool.leases == 0


async def test_a_stream_on_the_wire() -> None:
    async with serving(says("Hi\n\ndata: x")) as served:
        answer = await ask(served, stream=True)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert "content-length" not in answer.headers
    assert answer.text.endswith("data: [DONE]\n\n")
    role, content, finish = events(answer.text)
    assert role["choices"][0] == {
        "delta": {"role": "assistant", "content": ""},
        "finish_reason": None,
        "index": 0,
        "logprobs": None,
    }
    assert content["choices"][0]["delta"] == {"content": "Hi\n\ndata: x"}
    assert finish["choices"][0]["delta"] == {}
    assert finish["timings"]["predicted_n"] == 3
    assert all("usage" not in event for event in (role, content, finish))


async def test_an_empty_answer_still_has_all_its_chunks() -> None:
    async with serving(says()) as served:
        role, finish = events((await ask(served, stream=True)).text)
    assert role["choices"][0]["delta"]["role"] == "assistant"
    assert finish["choices"][0]["finish_reason"] == "stop"


async def test_a_chunk_leaves_when_its_tokens_come() -> None:
    async with serving(says_and_goes_on("One")) as served, served.openai() as client:
        stream = await client.chat.completions.create(
            model=MODEL.model_id, messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        seen = aiter(stream)
        assert (await anext(seen)).choices[0].delta.role == "assistant"
        assert (await anext(seen)).choices[0].delta.content == "One"
        served.engine.streams[0].push_token("Two")
        assert (await anext(seen)).choices[0].delta.content == "Two"
        await stream.close()


async def test_an_answer_that_hit_its_limit_says_so() -> None:
    ending = Completion(finish_reason=FinishReason.LENGTH, timings=Timings(), seed=1)
    async with serving(says("x", completion=ending)) as served:
        choice = (await ask(served)).json()["choices"][0]
    assert choice["finish_reason"] == "length"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_the_window_cancelled_is_no_whole_answer(stream: bool) -> None:
    ending = Completion(finish_reason=FinishReason.CANCELLED, timings=Timings(), seed=1)
    async with serving(says("x", completion=ending)) as served:
        answer = await ask(served, stream=stream)
    error = events(answer.text)[-1]["error"] if stream else answer.json()["error"]
    assert error["code"] == "inference_failed"
    assert "[DONE]" not in answer.text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status"),
    [(ContextLimitExceeded.of(2048, 5000), 400), (EngineDied("It died", detail="/secret"), 503)],
)
async def test_an_error_before_the_first_token_has_its_status(
    stream: bool, error: ContextLimitExceeded | EngineDied, status: int
) -> None:
    async with serving(fails(error)) as served:
        answer = await ask(served, stream=stream)
        assert served.pool.leases == 0
    assert answer.status_code == status
    assert answer.json()["error"]["message"].startswith(error.message)
    assert answer.json()["error"]["code"] == error.code
    assert "/secret" not in answer.text


async def test_a_model_that_does_not_load() -> None:
    async with serving() as served:
        served.pool.load_error = ModelLoadError("tiny needs an architecture that is not known")
        answer = await ask(served, stream=True)
    assert answer.status_code == 500
    assert answer.json()["error"] == {
        "message": "tiny needs an architecture that is not known",
        "type": "server_error",
        "param": None,
        "code": "model_load_failed",
    }


async def test_a_full_queue_says_when_to_come_back() -> None:
    async with serving(fails(QueueFull("64 requests wait already"))) as served:
        answer = await ask(served)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


async def test_an_error_in_a_running_stream_ends_it_with_one_event() -> None:
    async with (
        serving(fails(EngineDied("It died"), "Half an ans")) as served,
        served.openai() as client,
    ):
        answer = await ask(served, stream=True)
        stream = await client.chat.completions.create(
            model=MODEL.model_id, messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        with pytest.raises(openai.APIError, match="It died"):
            _ = [chunk async for chunk in stream]
    assert answer.status_code == 200
    assert events(answer.text)[1]["choices"][0]["delta"]["content"] == "Half an ans"
    assert events(answer.text)[-1]["error"]["code"] == "engine_died"
    assert "[DONE]" not in answer.text


async def test_unknown_model() -> None:
    async with serving() as served, served.openai() as client:
        with pytest.raises(openai.NotFoundError) as caught:
            await client.chat.completions.create(
                model="../../etc/passwd", messages=[{"role": "user", "content": "Hi"}]
            )
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"


async def test_the_official_client_understands_a_refused_parameter() -> None:
    async with serving() as served, served.openai() as client:
        with pytest.raises(openai.BadRequestError, match="verbosity is not supported") as caught:
            await client.chat.completions.create(
                model=MODEL.model_id, messages=[{"role": "user", "content": "Hi"}], verbosity="low"
            )
    assert caught.value.param == "verbosity"
    assert caught.value.code == "unsupported_parameter"
    assert served.engine.prompts == []


@pytest.mark.parametrize("stream", [False, True])
async def test_ignored_fields_are_in_a_header(stream: bool) -> None:
    async with serving() as served:
        answer = await ask(served, stream=stream, **{"zap": 1, "": 2})
    assert answer.status_code == 200
    assert answer.headers["x-minerva-ignored-fields"] == 'zap, ""'


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_goes_away_cancels_its_generation(stream: bool) -> None:
    async with serving(says_and_goes_on("Once", " upon")) as served:
        _, writer = await send_on(served, json.dumps(chat_body(stream=stream)).encode())
        await asyncio.wait_for(served.engine.asked.wait(), SECONDS)
        assert served.pool.leases == 1
        writer.transport.abort()
        await asyncio.wait_for(served.engine.cancelled.wait(), SECONDS)
        assert (await ask(served, n=0)).status_code == 400
        assert served.pool.leases == 0


async def test_a_client_that_goes_away_while_its_model_loads_asks_nothing() -> None:
    async with serving() as served:
        served.pool.may_load.clear()
        reader, writer = await send_on(served, STREAM_BODY)
        await asyncio.wait_for(served.pool.leased.wait(), SECONDS)
        writer.transport.abort()
        await asyncio.wait_for(served.pool.returned.wait(), SECONDS)
        assert served.engine.prompts == []
        assert await reader.read() == b""


async def test_a_loading_model_keeps_its_connection_alive() -> None:
    async with serving(keep_alive_s=0.01) as served:
        served.pool.may_load.clear()
        reader, writer = await send_on(served, STREAM_BODY)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        for _ in range(2):
            await asyncio.wait_for(reader.readuntil(b": keep-alive\n\n"), SECONDS)
        served.pool.may_load.set()
        rest = await reader.readuntil(b"[DONE]\n\n")
        assert b'"content":"Hello, world"' in rest
        writer.close()
        await writer.wait_closed()


async def test_the_time_is_over_while_a_stream_waits_for_its_model() -> None:
    async with serving(keep_alive_s=0.01, request_timeout_s=0.1) as served:
        served.pool.may_load.clear()
        answer = await served.http.post("/v1/chat/completions", json=chat_body(stream=True))
        assert answer.status_code == 200
        comments, error = answer.text.split("data: ")
        assert set(comments.split("\n\n")) == {": keep-alive", ""}
        assert json.loads(error)["error"]["code"] == "generation_timeout"
        assert "its load goes on, so ask again" in error
        served.pool.may_load.set()
        assert (
            "[DONE]"
            in (await served.http.post("/v1/chat/completions", json=chat_body(stream=True))).text
        )


async def test_a_load_that_fails_after_a_keep_alive_ends_the_stream_with_an_error() -> None:
    async with serving(keep_alive_s=0.01) as served:
        served.pool.may_load.clear()
        served.pool.load_error = ModelLoadError("No such architecture")
        reader, writer = await send_on(served, STREAM_BODY)
        await reader.readuntil(b": keep-alive\n\n")
        served.pool.may_load.set()
        rest = await reader.readuntil(b"0\r\n\r\n")
        assert b'data: {"error":{"message":"No such architecture"' in rest
        writer.close()
        await writer.wait_closed()


async def test_sixteen_answers_at_once_are_not_mixed_up() -> None:
    numbers = [str(number) for number in range(16)]
    async with serving() as served:
        engine = served.engine

        def answer_all_once_all_asked(_: TokenStream) -> None:
            if len(engine.prompts) == len(numbers):
                for prompt, stream in zip(engine.prompts, engine.streams, strict=True):
                    turn = prompt[0]
                    assert isinstance(turn, ChatTurn)
                    says(turn.text)(stream)

        async def ask_for(number: str) -> str:
            answer = await ask(served, messages=[{"role": "user", "content": number}])
            return str(answer.json()["choices"][0]["message"]["content"])

        engine.script = answer_all_once_all_asked
        assert await asyncio.gather(*map(ask_for, numbers)) == numbers


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/chat/completions", {}),
        ("/v1/chat/completions", {"stream": True}),
        ("/v1/messages", {"max_tokens": 5}),
        ("/v1/messages/count_tokens", {}),
        ("/v1/responses/input_tokens", {"input": "Hi", "messages": None}),
        ("/v1/completions", {"prompt": "Hi", "messages": None}),
        ("/v1/embeddings", {"input": "Hi", "messages": None}),
        ("/tokenize", {"content": "Hi"}),
    ],
)
async def test_the_time_of_a_request_counts_from_before_the_model_loads(
    path: str, fields: dict[str, object]
) -> None:
    async with serving(request_timeout_s=0.05) as served:
        served.pool.may_load.clear()
        answer = await asyncio.wait_for(served.http.post(path, json=chat_body(**fields)), SECONDS)
        assert served.pool.leases == 0
    assert answer.status_code == 408
    assert b"generation_timeout" in answer.content
    assert "x-should-retry" not in answer.headers
    loading = f"it may take 0.05 s in all, and {MODEL.model_id} is not loaded yet"
    assert loading.encode() in answer.content


async def test_a_compressed_body_is_not_taken() -> None:
    async with serving() as served:
        for encoding, status in (("gzip", 415), ("br", 415), ("identity", 200)):
            answer = await served.http.post(
                "/v1/chat/completions", json=chat_body(), headers={"Content-Encoding": encoding}
            )
            assert answer.status_code == status
