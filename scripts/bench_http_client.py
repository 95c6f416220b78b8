"""Asks a server for streamed chat completions over bare sockets, and reads the answers afterwards.

While the servers work, the client only keeps what arrives and when; it decodes all of it once the
last answer has ended. So it takes little of a machine that it shares with them, and the same from
both. Used by `bench_http`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench_process import HOST

PATH = "/v1/chat/completions"
REQUEST_SECONDS = 600.0
MAX_CAUSE = 500  # characters of an error that are shown
OK = 200
BAD_REQUEST = 400

Arrivals = Sequence[tuple[float, bytes]]


@dataclass(frozen=True)
class Answer:
    """One streamed answer. Times in seconds of `time.perf_counter`: ``asked`` before connecting,
    ``pieces`` at the arrival of each event with text. ``failure`` says why it is not whole, None
    when it is; ``status`` is 0 when there was none."""

    asked: float
    ended: float
    pieces: tuple[float, ...] = ()
    text: str = ""
    n_prompt: int = 0
    n_tokens: int = 0
    status: int = 0
    failure: str | None = None

    @property
    def first_token_ms(self) -> float:
        """From the request to the first text."""
        return (self.pieces[0] - self.asked) * 1000.0

    @property
    def gaps_ms(self) -> list[float]:
        """Between one piece of text and the next."""
        pairs = zip(self.pieces, self.pieces[1:], strict=False)
        return [(after - before) * 1000.0 for before, after in pairs]


async def ask_together(port: int, bodies: Sequence[dict[str, object]]) -> list[Answer]:
    """The answers to ``bodies``, all asked in the same moment, each on a connection of its own.
    Raises nothing for those that fail: they say so themselves."""
    exchanges = [_Exchange(_request(port, body)) for body in bodies]
    await asyncio.gather(*(exchange.run(port) for exchange in exchanges))
    return [exchange.answer() for exchange in exchanges]


def _request(port: int, body: dict[str, object]) -> bytes:
    asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
    content = json.dumps(asked).encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + content


class _Exchange(asyncio.Protocol):
    """One request and all that comes back, until the server hangs up."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._arrivals: list[tuple[float, bytes]] = []
        self._closed = asyncio.Event()
        self._broken: str | None = None
        self._asked = self._ended = 0.0

    async def run(self, port: int) -> None:
        """Ask, and wait for the end."""
        self._asked = time.perf_counter()
        transport: asyncio.Transport | None = None
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                loop = asyncio.get_running_loop()
                transport, _ = await loop.create_connection(lambda: self, HOST, port)
                await self._closed.wait()
        except (OSError, TimeoutError) as error:  # a timeout is an OSError as well
            self._broken = f"{type(error).__name__}: {error}"
        finally:
            self._ended = self._ended or time.perf_counter()
            if transport is not None:
                transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Keep ``data`` for later."""
        self._arrivals.append((time.perf_counter(), data))

    def connection_lost(self, exc: Exception | None) -> None:
        """Everything has come."""
        self._ended = time.perf_counter()
        if exc is not None:
            self._broken = f"{type(exc).__name__}: {exc}"
        self._closed.set()

    def answer(self) -> Answer:
        """What has come, decoded."""
        return read_answer(self._asked, self._ended, self._arrivals, self._broken)


def read_answer(
    asked: float, ended: float, arrivals: Arrivals, broken: str | None = None
) -> Answer:
    """An answer from what arrived when; ``broken`` tells why the connection failed."""
    status, body = _decoded(arrivals)
    if broken is not None or status != OK:
        words = b"".join(part for _, part in body).decode("utf-8", "replace")
        cause = broken or f"status {status}: {words}"
        return Answer(asked, ended, status=status, failure=cause[:MAX_CAUSE])
    pieces: list[float] = []
    text = ""
    usage: dict[str, int] = {}
    finish = error = None
    is_done = False
    for moment, data in _events(body):
        if data == b"[DONE]":
            is_done = True
            continue
        event: Any = json.loads(data)
        error = error or event.get("error")
        usage = event.get("usage") or usage
        for choice in event.get("choices", ()):
            finish = choice.get("finish_reason") or finish
            if piece := choice["delta"].get("content"):
                pieces.append(moment)
                text += piece
    return Answer(
        asked,
        ended,
        pieces=tuple(pieces),
        text=text,
        n_prompt=usage.get("prompt_tokens", 0),
        n_tokens=usage.get("completion_tokens", 0),
        status=status,
        failure=_failure(error, is_whole=is_done and finish is not None and bool(pieces)),
    )


def _failure(error: object, *, is_whole: bool) -> str | None:
    if error is not None:
        return f"error in the stream: {error}"[:MAX_CAUSE]
    return None if is_whole else "the stream ended before the answer"


def _decoded(arrivals: Arrivals) -> tuple[int, list[tuple[float, bytes]]]:
    """Status and body, in the pieces in which it was sent, with the times of their arrival."""
    pending = bytearray()
    body: list[tuple[float, bytes]] = []
    status = 0
    is_chunked = False
    for moment, data in arrivals:
        pending += data
        if not status:
            head, end, rest = pending.partition(b"\r\n\r\n")
            if not end:
                continue
            status = int(head.split(maxsplit=2)[1])
            is_chunked = b"transfer-encoding: chunked" in head.lower()
            pending = rest
        if is_chunked:
            body += [(moment, chunk) for chunk in _take_chunks(pending)]
        elif pending:
            body.append((moment, bytes(pending)))
            pending.clear()
    return status, body


def _take_chunks(pending: bytearray) -> Iterator[bytes]:
    """Remove all whole chunks from the front of ``pending``, and give what is in them."""
    while (end := pending.find(b"\r\n")) >= 0:
        start = end + len(b"\r\n")
        size = int(pending[:end].partition(b";")[0], 16)
        if size == 0 or len(pending) < start + size + len(b"\r\n"):
            return
        yield bytes(pending[start : start + size])
        del pending[: start + size + len(b"\r\n")]


def _events(body: Arrivals) -> Iterator[tuple[float, bytes]]:
    """The data of all server-sent events; comments are none."""
    pending = b""
    for moment, data in body:
        *events, pending = (pending + data).split(b"\n\n")
        for event in events:
            if event.startswith(b"data: "):
                yield moment, event.removeprefix(b"data: ")
