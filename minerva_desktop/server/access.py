"""The outermost layer: gives each request its id, and tells log and metrics how it went.

One line a request goes to the logger ``minerva_desktop.server.access``: who asked, for what, with
which key (its name), and what came of it. No prompt, no key, no query; nothing that a client sent
gets into the line but what is checked or escaped. Asyncio loop of the endpoint.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from minerva_desktop.errors import InvalidRequest, MinervaError, QueueFull
from minerva_desktop.library.display_text import one_line
from minerva_desktop.server.activity import Activity
from minerva_desktop.server.errors import (
    HeadersTooLarge,
    HttpVersionNotSupported,
    error_response,
)
from minerva_desktop.server.metrics import Metrics
from minerva_desktop.server.plain_paths import plain_path
from minerva_desktop.server.request_info import End, RequestInfo, request_info

MAX_HEADERS = 100
MAX_HEAD_BYTES = 32 * 1024
MAX_LOGGED_PATH = 200
MAX_LOGGED_MODEL = 100
MAX_BODIES_BYTES = 256 * 1024 * 1024  # of all requests that run
CLIENT_GONE = 499  # as nginx logs it
UNROUTED = "other"
NO_METHOD = "-"
NOT_HTTP = "HTTP"  # in the list of requests, where the API stands
LEFT_EARLY = "The client went away before its request was whole"
# Asked for every few seconds, for ever: at the usual level they would push all else out.
QUIET_PATHS = frozenset({"/health", "/metrics"})
# The API of each path whose requests are listed.
DIALECTS = MappingProxyType(
    {
        "/v1/chat/completions": "chat",
        "/v1/completions": "completions",
        "/v1/embeddings": "embeddings",
        "/v1/messages": "messages",
        "/v1/messages/count_tokens": "messages",
        "/v1/responses": "responses",
        "/v1/responses/input_tokens": "responses",
    }
)
# Asked at each key that is pressed; see `routes.tokens`.
UNLISTED_PATHS = frozenset({"/tokenize", "/detokenize", "/apply-template"})
MAX_SHOWN_PATH = 60
NO_SNIFFING = (b"x-content-type-options", b"nosniff")
Headers = list[tuple[bytes, bytes]]

_log = logging.getLogger(__name__)


class AccessLayer:
    """Wraps the whole application, ``app``, which may be exchanged. Answers requests that are no
    HTTP/1.x or oversized itself."""

    def __init__(self, app: ASGIApp, metrics: Metrics, activity: Activity) -> None:
        self.app = app
        self._metrics = metrics
        self._activity = activity
        self._bodies = _Bodies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, and note what becomes of it."""
        info = request_info(scope)
        info.is_open = True
        exchange = _Exchange(scope, receive, send, info, self._bodies)
        error = _objection(scope)
        app = self.app if error is None else error_response(error)
        try:
            await app(scope, exchange.receive, exchange.send)
        except Exception:
            if info.status and not exchange.is_complete:
                info.fail(MinervaError.code)
            raise
        finally:
            self._bodies.n_bytes -= info.body_bytes
            self._note(scope, exchange, is_malformed=error is not None)

    def note_malformed(self, info: RequestInfo) -> None:
        """What never became a request was refused by its connection."""
        self._metrics.observe(info, path=UNROUTED, method=NO_METHOD)
        self._activity.note_refusal(info, dialect=NOT_HTTP)
        _log.info(
            "%s - - %d %s id=%s %s",
            *(info.client, info.status, info.error_code, info.request_id),
            printable(info.error_message),
        )

    def _note(self, scope: Scope, exchange: _Exchange, *, is_malformed: bool) -> None:
        info = exchange.info
        info.status = info.status or CLIENT_GONE
        is_cut = not exchange.is_complete and not info.is_refused and info.end is End.COMPLETE
        if info.status == CLIENT_GONE or is_cut:
            info.end = End.CANCELLED
        if info.status == CLIENT_GONE and exchange.owes_body:
            info.error_message = LEFT_EARLY
        path = getattr(scope.get("route"), "path", UNROUTED)
        self._metrics.observe(info, path=path, method=scope["method"])
        info.is_open = False
        if info.is_listed:
            self._activity.close(info)
        elif info.error_code or info.error_message:
            self._list_refusal(scope, info, is_malformed=is_malformed)
        level = logging.DEBUG if path in QUIET_PATHS else logging.INFO
        if _log.isEnabledFor(level):
            _log.log(level, "%s", _line(scope, exchange))

    def _list_refusal(self, scope: Scope, info: RequestInfo, *, is_malformed: bool) -> None:
        """What never got as far as its model is looked for in the list of requests all the same:
        it is there that a developer sees why a client fails."""
        path = plain_path(scope["path"])
        is_asked = path in DIALECTS or (scope["method"] == "POST" and path not in UNLISTED_PATHS)
        if is_asked or is_malformed or info.is_refused:
            dialect = DIALECTS.get(path, one_line(path, MAX_SHOWN_PATH))
            self._activity.note_refusal(info, dialect=dialect)


@dataclass(slots=True)
class _Bodies:
    """What the bodies of all running requests take."""

    n_bytes: int = 0


class _Exchange:
    """Receives and sends for one request, and counts."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, info: RequestInfo, bodies: _Bodies
    ) -> None:
        self.info = info
        self._bodies = bodies
        self.is_complete = False
        self._receive = receive
        self._send = send
        self._is_head = scope["method"] == "HEAD"
        self.owes_body = any(
            name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
            for name, value in scope["headers"]
        )

    async def receive(self) -> Message:
        """The next piece of the body; raises `QueueFull` where there are too many."""
        message = await self._receive()
        if message["type"] == "http.request":
            n_bytes = len(message["body"])
            self.info.body_bytes += n_bytes
            self._bodies.n_bytes += n_bytes
            self.owes_body = self.owes_body and message["more_body"]
            if n_bytes and self._bodies.n_bytes > MAX_BODIES_BYTES:
                raise QueueFull("Too much is being sent to this endpoint already")
        return message

    async def send(self, message: Message) -> None:
        """The next piece of the answer; none of it gets out once the connection has refused."""
        if self.info.is_refused:
            return
        if message["type"] == "http.response.start":
            self.info.status = message["status"]
            headers = stamped_headers(self.info, message.get("headers", ()))
            # What comes behind a request of another version is no request: HTTP/2 begins with one.
            if self.owes_body or self.info.status == HttpVersionNotSupported.http_status:
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        else:
            if not self._is_head:
                self.info.sent_bytes += len(message.get("body", b""))
            self.is_complete = not message.get("more_body", False)
        await self._send(message)


def stamped_headers(info: RequestInfo, headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """``headers`` with those that every answer has."""
    return [*headers, (b"x-request-id", info.request_id.encode()), NO_SNIFFING]


def printable(text: str) -> str:
    """``text`` in one line, with whatever a terminal might obey written out."""
    return text if text.isascii() and text.isprintable() else ascii(text)[1:-1]


def _objection(scope: Scope) -> MinervaError | None:
    if scope["http_version"] not in {"1.0", "1.1"}:
        return HttpVersionNotSupported("This endpoint speaks HTTP/1.1")
    headers = scope["headers"]
    if len(headers) > MAX_HEADERS:
        return HeadersTooLarge(f"The request has more than {MAX_HEADERS} headers")
    n_bytes = len(scope["raw_path"]) + len(scope["query_string"])
    n_bytes += sum(len(name) + len(value) for name, value in headers)
    if n_bytes > MAX_HEAD_BYTES:
        return HeadersTooLarge(f"The request's head is larger than {MAX_HEAD_BYTES:,} bytes")
    names = [name for name, _ in headers]
    # What two servers read differently is how a request is smuggled past one of them.
    if b"transfer-encoding" in names and b"content-length" in names:
        return InvalidRequest("The request has both Content-Length and Transfer-Encoding")
    return None


def _line(scope: Scope, exchange: _Exchange) -> str:
    info = exchange.info
    path = scope["raw_path"][:MAX_LOGGED_PATH].decode("latin-1")
    parts = [
        info.client or "-",
        printable(scope["method"][:MAX_LOGGED_PATH]),
        printable(path),
        _ended(info),
        f"{info.seconds() * 1000:.1f}ms",
        f"{info.sent_bytes}B",
        f"id={info.request_id}",
    ]
    if info.key_name is not None:
        parts.append(f'key="{printable(info.key_name)}"')
    if model := info.model or info.asked_model:
        parts.append(f"model={_word(model[:MAX_LOGGED_MODEL])}")
    if info.generations:
        tokens = f"{info.prompt_tokens}+{info.generated_tokens}"
        parts.append(f"tokens={tokens} cached={info.cached_tokens}")
    return " ".join(parts)


def _word(text: str) -> str:
    """``text`` as one word: in quotes where it could be read as more of the line's parts."""
    shown = printable(text)
    if not any(mark in shown for mark in ' "='):
        return shown
    return '"' + shown.replace('"', "'") + '"'


def _ended(info: RequestInfo) -> str:
    """The status, how the answer ended where that was not as a whole, and the error's code."""
    end = "" if info.end is End.COMPLETE else info.end
    return " ".join(part for part in (str(info.status), end, info.error_code) if part)
