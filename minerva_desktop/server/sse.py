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
from contextlib import asynccontextmanager, suppress
from typing import Any, NoReturn, Protocol

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from minerva_desktop.errors import MinervaError
from minerva_desktop.server.config import ConnectionLimits, EndpointConfig
from minerva_desktop.server.errors import ClientTooSlow, ErrorBody, unforeseen_error
from minerva_desktop.server.lifetime import Lifetime, disconnected
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
    """Where the events of one answer go. Any number of tasks of one loop may send.

    What the client has not taken yet waits here, so that the answer is done, and its model free,
    when its last token is computed, however slowly it is read. That is bounded twice: beyond
    ``limits.backlog_bytes`` the answer waits for its reader, and when that has taken
    ``limits.behind_s`` in all, it ends. Use it as a context manager: it writes until that ends.
    """

    def __init__(
        self, start: Callable[[], Awaitable[None]], send: Send, limits: ConnectionLimits
    ) -> None:
        self._start = start
        self._send = send
        self._limits = limits
        self._patience_s = limits.behind_s
        self._waiting: list[bytes] = []
        self._n_waiting = 0  # bytes
        self._has_more = asyncio.Event()
        self._has_room = asyncio.Event()
        self._is_written = False
        self._leaving: asyncio.Future[NoReturn] | None = None
        self._is_over = False
        self._last_written = asyncio.get_running_loop().time()
        self.started = False

    async def __aenter__(self) -> EventSink:
        self._writer = asyncio.create_task(self._write())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)

    @property
    def silent_s(self) -> float:
        """For how many seconds there was nothing to send."""
        if self._n_waiting:
            return 0.0
        return asyncio.get_running_loop().time() - self._last_written

    async def send(self, event: bytes) -> None:
        """Send ``event``. Waits while too much waits already; raises `ClientTooSlow` when that has
        been too long."""
        if self._n_waiting >= self._limits.backlog_bytes:
            await self._wait_for_room()
        self._put(event)

    async def end(self, receive: Receive, event: bytes = b"") -> None:
        """Send the last event, if there is one, and wait until the client has it all. Raises
        `ClientDisconnect` when it goes away before, of which ``receive`` tells."""
        if event:
            self._put(event)
        self._leaving = asyncio.ensure_future(disconnected(receive))
        self._is_over = True
        self._has_more.set()
        try:
            await asyncio.wait([self._writer, self._leaving], return_when=asyncio.FIRST_COMPLETED)
            await (self._writer if self._writer.done() else self._leaving)
        finally:
            self._leaving.cancel()
            await asyncio.gather(self._leaving, return_exceptions=True)

    def _put(self, event: bytes) -> None:
        self.started = True
        self._waiting.append(event)
        self._n_waiting += len(event)
        self._has_more.set()

    async def _wait_for_room(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._patience_s):
                while self._n_waiting >= self._limits.backlog_bytes and not self._writer.done():
                    self._has_room.clear()
                    await self._has_room.wait()
        except TimeoutError:
            raise ClientTooSlow(
                f"The answer was ended, for it was read too slowly: {self._n_waiting:,} bytes of "
                f"it waited for its reader, and more had to wait for {self._limits.behind_s:g} s"
            ) from None
        finally:
            self._patience_s -= loop.time() - began
        if self._writer.done():
            await self._writer  # raises why

    async def _write(self) -> None:
        """Send what waits, all at once: one write for many small events is far cheaper."""
        try:
            while self._waiting or not self._is_over:
                self._has_more.clear()
                if self._waiting:
                    await self._write_waiting()
                else:
                    await self._has_more.wait()
            # To write for one who is gone is no error, but what was not sent has no end.
            if self._leaving is not None and self._leaving.done():
                raise ClientDisconnect
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._has_room.set()

    async def _write_waiting(self) -> None:
        if not self._is_written:
            self._is_written = True
            await self._start()
        body = b"".join(self._waiting)
        self._waiting.clear()
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
        self._n_waiting -= len(body)
        self._last_written = asyncio.get_running_loop().time()
        self._has_room.set()


class EventStream(Response):
    """An answer whose events ``produce`` sends, for as long as ``lifetime`` allows.

    When there was nothing to send for ``config.keep_alive_s``, ``keep_alive`` is sent (a comment,
    unless the dialect has an event for it), so that neither the client nor a proxy takes a loading
    model for a dead connection. ``failed`` makes the events that end a stream which an error broke
    off.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        produce: Callable[[EventSink], Coroutine[Any, Any, None]],
        lifetime: Lifetime,
        config: EndpointConfig,
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
        self._config = config
        self._failed = failed
        self._keep_alive = keep_alive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; raises what came before the first event."""

        async def start() -> None:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})

        async with EventSink(start, send, self._config.limits) as sink:
            with suppress(ClientDisconnect):  # the access layer sees that the answer has no end
                await sink.end(receive, await self._last_event(sink, scope, receive))

    async def _last_event(self, sink: EventSink, scope: Scope, receive: Receive) -> bytes:
        """Produce; empty unless an error broke it off. Raises what came before the first event."""
        try:
            await self._lifetime.run(self._produce_alive(sink), receive)
        except ClientDisconnect:
            raise
        except Exception as error:  # a bug of ours must not look like a broken connection
            if not sink.started:
                raise
            return self._broken_off(scope, error)
        return b""

    def _broken_off(self, scope: Scope, error: Exception) -> bytes:
        """Tells the client what ended a stream that had begun."""
        if isinstance(error, MinervaError):
            known = error
        else:
            _log.error("A bug of Minerva ended a streamed answer", exc_info=error)
            known = unforeseen_error()
        request_info(scope).fail(known.code)
        return self._failed(known)

    async def _produce_alive(self, sink: EventSink) -> None:
        async with _kept_alive(sink, self._config.keep_alive_s, self._keep_alive):
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
    while True:
        await asyncio.sleep(interval_s - sink.silent_s)
        if sink.silent_s >= interval_s:
            await sink.send(event)
