"""Clients that read a streamed answer slower than it is computed: they cost a bounded buffer, and
the model is free for others."""

from __future__ import annotations

import asyncio
import json
import logging
import socket

import pytest

from minerva_desktop.chat.served_request import RequestState
from minerva_desktop.server.config import ConnectionLimits
from minerva_desktop.server.http_protocol import HttpProtocol
from tests.patience import SECONDS
from tests.server.fake_models import (
    COMPLETION,
    Served,
    chat_body,
    says,
    says_and_goes_on,
    serving,
)

CHAT = "/v1/chat/completions"
TOKEN = "~" * 1000
FOR_EVER = 1e6  # seconds


async def ask_and_not_read(served: Served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that takes no more of a streamed answer than the system's buffers do."""
    reader, writer = await served.connect()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(_asking(served))
    await asyncio.wait_for(served.engine.asked.wait(), SECONDS)
    return reader, writer


def _asking(served: Served) -> bytes:
    body = json.dumps(chat_body(stream=True)).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def errors_in(answer: bytes) -> list[str]:
    events = [line[6:] for line in answer.split(b"\n") if line.startswith(b"data: {")]
    return [json.loads(event)["error"]["code"] for event in events if b'"error"' in event]


async def test_the_model_is_free_when_its_answer_is_done_not_when_it_is_read() -> None:
    tokens = [TOKEN] * 700
    async with serving(says_and_goes_on(*tokens)) as served:
        reader, writer = await ask_and_not_read(served)
        served.engine.streams[0].finish(COMPLETION)
        await asyncio.wait_for(served.pool.returned.wait(), SECONDS)
        assert served.pool.leases == 0
        (record,) = served.activity.snapshot()
        assert (record.state, record.is_over) == (RequestState.SENDING, False)
        assert not record.needs_model
        assert record.generated_tokens == COMPLETION.timings.completion_tokens
        served.activity.cancel(record.number)  # which has nothing left to end
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        answer = await reader.read()
    (record,) = served.activity.snapshot()
    assert (record.state, record.status) == (RequestState.FINISHED, 200)
    assert answer.count(b"~") == 700_000
    assert answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert errors_in(answer) == []


async def test_what_is_read_too_slowly_for_too_long_is_ended_and_told_so() -> None:
    limits = ConnectionLimits(backlog_bytes=10_000, behind_s=0.2, stall_s=FOR_EVER)
    async with serving(says_and_goes_on(), limits=limits) as served:
        reader, writer = await ask_and_not_read(served)
        stream = served.engine.streams[0]
        async with asyncio.timeout(SECONDS):
            while not served.engine.cancelled.is_set():
                stream.push_token(TOKEN)
                await asyncio.sleep(0)
            await served.pool.returned.wait()
        assert served.pool.leases == 0
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        answer = await reader.read()
        assert errors_in(answer) == ["client_too_slow"]
        assert answer.endswith(b"0\r\n\r\n")
        served.engine.script = says("Hi")
        assert (await served.http.post(CHAT, json=chat_body())).status_code == 200


async def test_who_leaves_before_the_rest_is_read_did_not_get_the_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "minerva_desktop.server.access")
    async with serving(says_and_goes_on(*[TOKEN] * 700)) as served:
        _, writer = await ask_and_not_read(served)
        served.engine.streams[0].finish(COMPLETION)
        await asyncio.wait_for(served.pool.returned.wait(), SECONDS)
        writer.transport.abort()
        async with asyncio.timeout(SECONDS):
            while CHAT not in caplog.text:
                await served.http.get("/health")
        (record,) = served.activity.snapshot()
        assert (record.state, record.status) == (RequestState.CANCELLED, 499)
        assert record.error == "The client did not take all of the answer"
    assert f"POST {CHAT} 200 cancelled" in caplog.text


async def test_who_takes_too_little_of_a_done_answer_is_hung_up_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes some whenever the connection looks whether it does: 64 kB, less than which Linux
    does not pass on."""
    n_looks, looked, lost = 0, asyncio.Event(), asyncio.Event()
    watch, lose = HttpProtocol._watch_writing, HttpProtocol.connection_lost

    def watch_and_tell(self: HttpProtocol) -> None:
        nonlocal n_looks
        n_looks += 1
        looked.set()
        watch(self)

    def lose_and_tell(self: HttpProtocol, exc: Exception | None) -> None:
        lost.set()
        lose(self, exc)

    monkeypatch.setattr(HttpProtocol, "_watch_writing", watch_and_tell)
    monkeypatch.setattr(HttpProtocol, "connection_lost", lose_and_tell)
    loop = asyncio.get_running_loop()
    limits = ConnectionLimits(stall_s=0.3, stall_bytes=250_000)
    async with serving(says_and_goes_on(*[TOKEN] * 700), limits=limits) as served:
        with socket.socket() as client:
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await loop.sock_connect(client, ("127.0.0.1", served.port))
            await loop.sock_sendall(client, _asking(served))
            await asyncio.wait_for(served.engine.asked.wait(), SECONDS)
            served.engine.streams[0].finish(COMPLETION)
            taking = asyncio.create_task(_take_some(client, looked))
            await asyncio.wait_for(lost.wait(), SECONDS)
            taking.cancel()
    assert n_looks == 1


async def _take_some(client: socket.socket, looked: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await looked.wait()
        looked.clear()
        for _ in range(64):
            await loop.sock_recv(client, 1024)
