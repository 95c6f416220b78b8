"""What stands behind a request on its connection: another one, a line end too many, or the end."""

from __future__ import annotations

import asyncio
import json

import pytest

from minerva_desktop.server.config import ConnectionLimits
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


async def test_what_may_wait_behind_a_request_is_bounded() -> None:
    async with serving(says_and_goes_on("Once")) as served:
        reader, writer = await served.connect()
        writer.write(chat(served))
        await asked(served)

        async def flood() -> None:
            for _ in range(64):  # megabytes, of which the system holds some
                writer.write(b"x" * 1024**2)
                await asyncio.wait_for(writer.drain(), SHORT)

        with pytest.raises(TimeoutError):
            await flood()
        served.engine.streams[0].finish(COMPLETION)
        async with asyncio.timeout(PATIENCE_S):
            assert b'"content":"Once"' in await reader.readuntil(END)


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


async def test_who_closes_its_side_counts_as_gone() -> None:
    """As it does to llama-server: from here it cannot be told from one that left."""
    async with serving(says_and_goes_on("Once")) as served:
        reader, writer = await served.connect()
        writer.write(chat(served))
        await asked(served)
        writer.write_eof()
        await asyncio.wait_for(served.engine.cancelled.wait(), PATIENCE_S)
        assert await reader.read() == b""
