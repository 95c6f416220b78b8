"""What stands behind a request on its connection: another one, a line end too many, or the end."""

from __future__ import annotations

import asyncio
import json

import pytest

from minerva_desktop.chat.served_request import RequestState
from minerva_desktop.server.config import ConnectionLimits
from minerva_desktop.server.http_protocol import MAX_PIPELINED_BYTES
from tests.server.fake_models import (
    COMPLETION,
    Served,
    chat_body,
    says,
    says_and_goes_on,
    serving,
)

SHORT = 0.1  # seconds
PATIENCE_S = 5
END = b'"first_token_ms":20.0}}'  # of a whole answer


def request(served: Served, method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{served.port}", *headers]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chat(served: Served, *headers: str, stream: bool = False) -> bytes:
    body = json.dumps(chat_body(stream=stream)).encode()
    return request(served, "POST", "/v1/chat/completions", body, *headers)


async def asked(served: Served) -> None:
    await asyncio.wait_for(served.engine.asked.wait(), PATIENCE_S)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("behind", [b"\r\n", b"GET /health HTTP/1.1\r\n", b"x" * 5000])
async def test_who_leaves_is_noticed_whatever_stands_behind_its_request(
    behind: bytes, stream: bool
) -> None:
    async with serving(says_and_goes_on("Once")) as served:
        _, writer = await served.connect()
        writer.write(chat(served, stream=stream))
        await asked(served)
        writer.write(behind)
        await writer.drain()
        # Its own packet, and read: to end both sides at once would be noticed anyhow.
        await served.http.get("/health")
        writer.close()
        await asyncio.wait_for(served.engine.cancelled.wait(), PATIENCE_S)


@pytest.mark.parametrize("stream", [False, True])
async def test_who_sends_too_much_behind_a_request_ends_it(stream: bool) -> None:
    """It could not be read from any more, and so not be noticed when it leaves."""
    async with serving(says_and_goes_on("Once")) as served:
        reader, writer = await served.connect()
        writer.write(chat(served, stream=stream))
        begun = await reader.readuntil(b'"content":"Once"') if stream else b""
        await asked(served)
        writer.write(b"x" * (MAX_PIPELINED_BYTES + 1))
        async with asyncio.timeout(PATIENCE_S):
            await served.engine.cancelled.wait()
            answer = begun + await reader.read()
    if stream:
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert not answer.endswith(b"0\r\n\r\n")
    else:
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"More than 65.5 kB came behind an unanswered request" in answer


async def test_as_much_as_may_wait_behind_a_request_does_no_harm() -> None:
    async with serving(says_and_goes_on("Once")) as served:
        reader, writer = await served.connect()
        writer.write(chat(served))
        await asked(served)
        body = b'{"tokens": [72]}'.ljust(MAX_PIPELINED_BYTES)
        head = len(request(served, "POST", "/detokenize", body, "Connection: close")) - len(body)
        behind = request(served, "POST", "/detokenize", body[:-head], "Connection: close")
        assert len(behind) == MAX_PIPELINED_BYTES
        writer.write(behind)
        await writer.drain()
        await served.http.get("/health")
        served.engine.streams[0].finish(COMPLETION)
        async with asyncio.timeout(PATIENCE_S):
            answer = await reader.read()
    assert (answer.count(b"HTTP/1.1 200"), answer.count(b"HTTP/1.1 ")) == (2, 2)
    assert answer.endswith(b'{"content":"H"}')


async def test_a_pipelined_request_has_no_more_time_than_others() -> None:
    """Its first part comes together with the request before it."""
    limits = ConnectionLimits(head_s=SHORT, body_idle_s=SHORT)
    async with serving(limits=limits) as served:
        health = request(served, "GET", "/health")
        for part in (b"POST /v1/chat", chat(served)[:-5]):
            async with asyncio.timeout(PATIENCE_S):
                answer = await served.exchange(health + part)
            assert answer.count(b"HTTP/1.1 ") == 2
            assert b"HTTP/1.1 408 Request Timeout\r\n" in answer
        assert served.engine.prompts == []


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\n\r\n"])
async def test_a_line_end_behind_a_body_counts_for_nothing(end: bytes) -> None:
    async with serving(says("Hi")) as served:
        last = chat(served, "Connection: close")
        together = await served.exchange(chat(served) + end + chat(served) + end + last + end)
        reader, writer = await served.connect()
        for each in (chat(served), chat(served)):
            writer.write(each)
            answer = await reader.readuntil(END)
            assert b'"content":"Hi"' in answer
            writer.write(end)
            await writer.drain()
            await served.http.get("/health")
        writer.write(last)
        alone = await reader.read()
    assert (together.count(b"HTTP/1.1 200"), together.count(b"HTTP/1.1 ")) == (3, 3)
    assert (alone.count(b"HTTP/1.1 200"), alone.count(b"HTTP/1.1 ")) == (1, 1)


@pytest.mark.parametrize("stream", [False, True])
async def test_what_comes_behind_the_last_request_of_a_connection_is_no_matter(
    stream: bool,
) -> None:
    async with serving(says_and_goes_on("Once")) as served:
        reader, writer = await served.connect()
        writer.write(chat(served, "Connection: close", stream=stream))
        await asked(served)
        writer.write(b"\r\nGET /health HTTP/1.1\r\n\r\n")
        await writer.drain()
        await served.http.get("/health")
        served.engine.streams[0].finish(COMPLETION)
        async with asyncio.timeout(PATIENCE_S):
            answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b'"finish_reason":"stop"' in answer


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_who_closes_its_side_counts_as_gone_and_is_told_so(path: str) -> None:
    """As it does to llama-server: from here it cannot be told from one that left."""
    body = json.dumps(chat_body(max_tokens=9)).encode()
    async with serving(says_and_goes_on("Once")) as served:
        reader, writer = await served.connect()
        writer.write(request(served, "POST", path, body))
        await asked(served)
        served.pool.returned.clear()
        writer.write_eof()
        async with asyncio.timeout(PATIENCE_S):
            answer = await reader.read()
            await served.pool.returned.wait()
        (record,) = served.activity.snapshot()
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"which counts as leaving: keep it open until the answer is there" in answer
    assert (b'"type":"error"' in answer) is (path == "/v1/messages")
    assert (record.state, record.status) == (RequestState.CANCELLED, 499)


async def test_who_closes_its_side_within_a_stream_gets_the_end_of_the_connection() -> None:
    async with serving(says_and_goes_on("Once")) as served:
        reader, writer = await served.connect()
        writer.write(chat(served, stream=True))
        begun = await reader.readuntil(b"Once")
        writer.write_eof()
        await asyncio.wait_for(served.engine.cancelled.wait(), PATIENCE_S)
        rest = await asyncio.wait_for(reader.read(), PATIENCE_S)
    assert (begun + rest).count(b"HTTP/1.1 ") == 1
    assert b"[DONE]" not in rest
