"""uvicorn's HTTP/1.1 protocol with what it leaves out: how long a client may take, and a clean end.

One `HttpProtocol` a connection, on the endpoint's asyncio loop. It hangs up on clients that begin a
request and do not end it, and on those that take next to nothing of their answer, so that none of
them holds a connection, a generation or memory for long. Whatever is no HTTP is answered in the
shape of all other errors.

A client that closes only its side of a connection (``nc -N``) counts as gone, as it does to
llama-server and to uvicorn: what comes of it here is what comes of one that left, and to go on
computing for those to find out which it was would break that a closed connection ends its work at
once. It is told so, in case that it still reads.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from minerva_desktop.errors import InvalidRequest, MinervaError
from minerva_desktop.server.access import MAX_HEAD_BYTES, stamped_headers
from minerva_desktop.server.config import ConnectionLimits
from minerva_desktop.server.errors import (
    HeadersTooLarge,
    PayloadTooLarge,
    RequestTimeout,
    TooManyConnections,
    error_response,
    speaks_messages,
)
from minerva_desktop.server.request_info import RequestInfo, new_request_id, request_info
from minerva_desktop.units import format_bytes

TLS_HANDSHAKE = b"\x16"
# h11 quotes what it objects to, which may be a key or a prompt.
_QUOTED_BYTES = re.compile(r":? (?:bytearray\(|b['\"])")
# Connections beyond the limit that are told so; beyond these they are only dropped.
SPARE_CONNECTIONS = 50
# A client that still sends has time to read the answer that ended its request.
LINGER_S = 2.0
HALF_CLOSED = (
    "The connection was closed on the client's side before the answer, which counts as leaving:"
    " keep it open until the answer is there (nc without -N, a socket without shutdown)"
)
MAX_DISCARDED_BYTES = 64 * 1024 * 1024
# What may wait behind a request that is being answered. Who sends more is hung up on: to keep it
# would cost memory, and who is not read from is not noticed when it leaves.
MAX_PIPELINED_BYTES = 64 * 1024
EMPTY_LINES = b"\r\n"


class HttpProtocol(H11Protocol):
    """One connection. ``limits`` come on top of uvicorn's own parameters; ``on_malformed`` is told
    of what was refused and never became a request."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ConnectionLimits,
        on_malformed: Callable[[RequestInfo], None],
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._on_malformed = on_malformed
        self._first_byte = b""
        self._n_discarded: int | None = None  # bytes since we hung up; None: we did not
        self._is_refused = False
        self._is_lost = False
        self._waiting: asyncio.TimerHandle | None = None  # for a head or a body
        self._body_until: float | None = None
        self._stalling: asyncio.TimerHandle | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._n_unsent = 0

    # -- the connection --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, or say that there are too many."""
        super().connection_made(cast("asyncio.Transport", _LingeringTransport(transport, self)))
        n_over = len(self.connections) - self._limits.max_connections
        if n_over > SPARE_CONNECTIONS:
            self.transport.abort()
        elif n_over > 0:
            self._refuse(TooManyConnections("Too many connections are open already"))
        else:
            self._waiting = self.loop.call_later(self._limits.head_s, self._on_late_head)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is left to wait for."""
        self._is_lost = True
        for timer in (self._waiting, self._stalling, self._closing):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The endpoint stops: end what is idle, let what runs be the last."""
        if self._n_discarded is not None:
            self.transport.abort()
        else:
            super().shutdown()

    def hang_up(self, transport: asyncio.Transport) -> None:
        """Close ``transport``, uvicorn's request for which comes here.

        While the client is still sending, a plain close would reset the connection, and take the
        answer away from a client that has not read it.
        """
        if self._is_lost or self._n_discarded is not None:
            transport.close()
            return
        self._stop_waiting()
        is_sending = self.conn.their_state is h11.SEND_BODY or bool(self._unread())
        if (self._is_refused or is_sending) and transport.can_write_eof():
            self._n_discarded = 0
            transport.write_eof()
            transport.resume_reading()
            self._closing = self.loop.call_later(LINGER_S, transport.abort)
        else:
            transport.close()
            # What is unsent keeps it open for as long as the client likes.
            self._closing = self.loop.call_later(self._limits.stall_s, transport.abort)

    @property
    def has_hung_up(self) -> bool:
        """Whether nothing is read or written any more."""
        return self._n_discarded is not None

    # -- what comes ------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take what came, and see what has to come next."""
        if self._n_discarded is not None:
            self._n_discarded += len(data)
            if self._n_discarded > MAX_DISCARDED_BYTES:
                self.transport.abort()
            return
        if self.conn.their_state is h11.MUST_CLOSE:
            return  # it said that this request is its last
        if self.conn.their_state is h11.IDLE and not self._unread():
            data = data.lstrip(EMPTY_LINES)  # some end a body with one that does not count as such
        if data:
            self._first_byte = self._first_byte or data[:1]
            super().data_received(data)
            self._await_rest()

    def eof_received(self) -> None:
        """The client sends no more, and is gone for whoever answers it. asyncio closes the
        connection behind what is written here."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is None or cycle.response_complete or self.has_hung_up:
            return
        if self.conn.our_state is h11.SEND_RESPONSE:
            scope = cast("dict[str, Any]", cycle.scope)
            error = InvalidRequest(HALF_CLOSED)
            self._write(error, request_info(scope), scope["path"], scope["method"])
        cycle.disconnected = True
        cycle.message_event.set()

    def on_response_complete(self) -> None:
        """The connection is free for the next request, which may be there already."""
        self._stop_waiting()
        behind = self._behind_empty_lines()
        super().on_response_complete()
        if behind:
            self.data_received(behind)
        else:
            self._await_rest()

    def _unread(self) -> bytes:
        """What came and was not taken yet."""
        unread, _ = self.conn.trailing_data
        return unread

    def _behind_empty_lines(self) -> bytes:
        """What came behind empty lines that follow a request which is answered. h11 would take
        such a line for the next request, so it gets none of that."""
        unread = self._unread()
        behind = unread.lstrip(EMPTY_LINES)
        is_free = self.conn.our_state is h11.DONE and self.conn.their_state is h11.DONE
        if not is_free or len(behind) == len(unread):
            return b""
        self.conn = h11.Connection(h11.SERVER, MAX_HEAD_BYTES)
        return behind

    def _await_rest(self) -> None:
        """See what has to come next, and by when."""
        if self.has_hung_up or self.transport.is_closing():
            return
        if self.conn.their_state is h11.SEND_BODY:
            self._await_body()
        elif self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
            if len(self._unread()) > MAX_PIPELINED_BYTES:
                size = format_bytes(MAX_PIPELINED_BYTES)
                self._refuse(PayloadTooLarge(f"More than {size} came behind an unanswered request"))
            else:
                # uvicorn stops at the first byte behind a request, and would not see it leave.
                self.flow.resume_reading()
        elif self._unread() and self._waiting is None:
            self._waiting = self.loop.call_later(self._limits.head_s, self._on_late_head)

    def _await_body(self) -> None:
        now = self.loop.time()
        if self._body_until is None:
            self._body_until = now + self._limits.body_s
        if self._waiting is not None:
            self._waiting.cancel()
        moment = min(now + self._limits.body_idle_s, self._body_until)
        self._waiting = self.loop.call_at(moment, self._on_late_body)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = self._body_until = None

    def _on_late_head(self) -> None:
        self._waiting = None
        if self._first_byte:
            seconds = f"{self._limits.head_s:g}"
            self._refuse(RequestTimeout(f"The request's head did not come within {seconds} s"))
        else:
            self.transport.close()

    def _on_late_body(self) -> None:
        self._waiting = None
        if self.flow.read_paused:  # by us: its route has not taken what came
            self._await_body()
        else:
            self._refuse(RequestTimeout("The request's body did not come in time"))

    # -- what goes -------------------------------------------------------------------------

    def pause_writing(self) -> None:
        """The client takes less than we have for it."""
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """It took most of it."""
        super().resume_writing()
        if self._stalling is not None:
            self._stalling.cancel()
            self._stalling = None

    def _watch_writing(self) -> None:
        self._n_unsent = self.transport.get_write_buffer_size()
        self._stalling = self.loop.call_later(self._limits.stall_s, self._on_stalled)

    def _on_stalled(self) -> None:
        n_taken = self._n_unsent - self.transport.get_write_buffer_size()
        if n_taken >= self._limits.stall_bytes:
            self._watch_writing()
        else:
            self.transport.abort()  # whoever writes the answer learns that its client is gone

    # -- refusals --------------------------------------------------------------------------

    def send_400_response(self, msg: str) -> None:
        """Refuse what h11 did not understand; called while its error is handled."""
        error = sys.exception()
        hint = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        if self._first_byte == TLS_HANDSHAKE:
            self._refuse(InvalidRequest("This endpoint speaks plain HTTP: use http://, not https"))
        elif hint == HeadersTooLarge.http_status:
            self._refuse(HeadersTooLarge("The request's head is too large"))
        else:
            reason = _QUOTED_BYTES.split(str(error or msg), maxsplit=1)[0]
            self._refuse(InvalidRequest(f"This is no valid HTTP/1.1 request: {reason}"))

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: a client may ask for an upgrade and has to live without it."""

    def _refuse(self, error: MinervaError) -> None:
        """Answer, and hang up: where the next request would begin is unknown."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.response_complete:
            scope = cast("dict[str, Any]", cycle.scope)
            self._answer(error, request_info(scope), scope["path"], scope["method"])
            cycle.disconnected = True
            cycle.message_event.set()  # so that its route ends, and it is noted as all others are
        else:
            info = RequestInfo(new_request_id(), self.client[0] if self.client else "")
            self._answer(error, info)
            self._on_malformed(info)
        self._is_refused = True
        self.transport.close()

    def _answer(
        self, error: MinervaError, info: RequestInfo, path: str = "", method: str = ""
    ) -> None:
        """Send ``error`` unless an answer is on its way already, which is broken off then."""
        info.error_code, info.error_message = error.code, error.message
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            info.fail(error.code)
            return
        info.status, info.is_refused = error.http_status, True
        info.sent_bytes = self._write(error, info, path, method)

    def _write(self, error: MinervaError, info: RequestInfo, path: str, method: str) -> int:
        """Send ``error`` as the answer; how many bytes its body has."""
        answer = error_response(error)
        is_messages = speaks_messages(path)
        response = answer.for_messages(info.request_id) if is_messages else answer
        body = b"" if method == "HEAD" else bytes(response.body)
        status = HTTPStatus(response.status_code)
        # uvicorn's own answers have the date among these.
        common = [*self.server_state.default_headers, *response.raw_headers]
        headers = [*stamped_headers(info, common), (b"connection", b"close")]
        for event in (
            h11.Response(status_code=status, headers=headers, reason=status.phrase.encode()),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        return len(body)


class _LingeringTransport:
    """A transport whose `close` is the protocol's to do."""

    def __init__(self, transport: asyncio.Transport, protocol: HttpProtocol) -> None:
        self._transport = transport
        self._protocol = protocol

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        """Hang up."""
        self._protocol.hang_up(self._transport)

    def is_closing(self) -> bool:
        """Whether there is no use in writing."""
        return self._protocol.has_hung_up or self._transport.is_closing()
