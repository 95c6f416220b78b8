"""Server-sent events: a streamed answer on its way to a client. Used by the POST routes.

The answer's status goes out with its first event. Until then an error is a plain HTTP error with
its own status; afterwards it ends the stream, in the words of the stream's dialect: in most, one
``data: {"error": …}`` event.
Everything here runs on the endpoint's asyncio loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from minerva_desktop.errors import MinervaError
from minerva_desktop.server.errors import ErrorBody, unforeseen_error
from minerva_desktop.server.lifetime import Lifetime
from minerva_desktop.server.request_info import request_info

_log = logging.getLogger(__name__)

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
# The last: nginx collects an answer before passing it on, unless told not to.
STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class NamedEvent(Protocol):
    """A msgspec Struct, the value of an event whose name is its ``type``."""

    @property
    def type(self) -> str:
        """The name."""


def encode_event(value: msgspec.Struct) -> bytes:
    """``value`` as one event."""
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def encode_named_events(values: Iterable[NamedEvent]) -> bytes:
    """``values`` as events."""
    return b"".join(
        b"event: " + value.type.encode() + b"\ndata: " + msgspec.json.encode(value) + b"\n\n"
        for value in values
    )


def error_event(error: MinervaError) -> bytes:
    """The end of a stream that failed, in OpenAI's chat API and its kin."""
    return encode_event(ErrorBody.of(error))


class EventSink:
    """Where the events of one answer go. Any number of tasks of one loop may send."""

    def __init__(self, start: Callable[[], Awaitable[None]], send: Send) -> None:
        self._start = start
        self._send = send
        self._lock = asyncio.Lock()
        self.started = False
        self.last_sent = asyncio.get_running_loop().time()

    async def send(self, event: bytes) -> None:
        """Send ``event``; waits while the client reads slower than we write."""
        async with self._lock:
            if not self.started:
                await self._start()
                self.started = True
            await self._send({"type": "http.response.body", "body": event, "more_body": True})
            self.last_sent = asyncio.get_running_loop().time()

    async def end(self) -> None:
        """Send the end of the answer."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class EventStream(Response):
    """An answer whose events ``produce`` sends, for as long as ``lifetime`` allows.

    When nothing was sent for ``keep_alive_s``, ``keep_alive`` is (a comment, unless the dialect has
    an event for it), so that neither the client nor a proxy takes a loading model for a dead
    connection. ``failed`` makes the events that end a stream which an error broke off.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        produce: Callable[[EventSink], Coroutine[Any, Any, None]],
        lifetime: Lifetime,
        keep_alive_s: float,
        headers: dict[str, str],
        *,
        failed: Callable[[MinervaError], bytes] = error_event,
        keep_alive: bytes = KEEP_ALIVE,
    ) -> None:
        # Not Response's own __init__: that one would announce a body of length 0.
        self.status_code = 200
        self.background = None
        self.init_headers({**STREAM_HEADERS, **headers})
        self._produce = produce
        self._lifetime = lifetime
        self._keep_alive_s = keep_alive_s
        self._failed = failed
        self._keep_alive = keep_alive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; raises what came before the first event."""

        async def start() -> None:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})

        sink = EventSink(start, send)
        try:
            await self._lifetime.run(self._produce_alive(sink), receive)
        except ClientDisconnect:
            return  # the access layer sees that the answer has no end
        except Exception as error:  # a bug of ours must not look like a broken connection
            if not sink.started:
                raise
            await self._break_off(sink, scope, error)
        await sink.end()

    async def _break_off(self, sink: EventSink, scope: Scope, error: Exception) -> None:
        """Tell the client what ended a stream that had begun."""
        if isinstance(error, MinervaError):
            known = error
        else:
            _log.error("A bug of Minerva ended a streamed answer", exc_info=error)
            known = unforeseen_error()
        request_info(scope).fail(known.code)
        await sink.send(self._failed(known))

    async def _produce_alive(self, sink: EventSink) -> None:
        async with _kept_alive(sink, self._keep_alive_s, self._keep_alive):
            await self._produce(sink)


@asynccontextmanager
async def _kept_alive(sink: EventSink, interval_s: float, event: bytes) -> AsyncIterator[None]:
    beat = asyncio.create_task(_beat(sink, interval_s, event))
    try:
        yield
    finally:
        beat.cancel()
        await asyncio.gather(beat, return_exceptions=True)


async def _beat(sink: EventSink, interval_s: float, event: bytes) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(sink.last_sent + interval_s - loop.time())
        if loop.time() >= sink.last_sent + interval_s:
            await sink.send(event)
