"""Errors as HTTP answers, in the shape that the clients of a path read, in every status.

Called by the exception handlers of `app`, by the guards of `auth` and by running event streams,
on the endpoint's asyncio loop. The body is OpenAI's, ``{"error": {message, type, param, code}}``,
on every path but ``/v1/messages`` and below: the clients of those know only Anthropic's,
``{"type": "error", "error": {type, message, details}, "request_id"}``; our code and the name of
the field stand in its ``details``. An answer finds out where it goes when it is sent, so whoever
makes one need not know.
A `MinervaError`'s ``detail`` stays out of it: it may hold paths and a dead child's stderr.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Literal

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from minerva_desktop.errors import (
    AppReplaced,
    ContextLimitExceeded,
    EndpointStopped,
    EngineDied,
    Forbidden,
    GenerationTimeout,
    InferenceError,
    InvalidRequest,
    LoadCancelled,
    MemoryInUse,
    MinervaError,
    ModelLoadError,
    ModelNotFound,
    ModelUnloaded,
    OutOfMemory,
    QueueFull,
    RequestCancelled,
    Unauthorized,
)
from minerva_desktop.server.request_info import request_info

RETRY_AFTER_S = 1
MESSAGES_PATH = "/v1/messages"
# Anthropic's clients find the id of their request here.
REQUEST_ID_HEADER = "request-id"
# LiteLLM, LangChain and coding agents shorten a chat and ask again where an error's message has
# words of OpenAI's in it ("maximum context length") or of Anthropic's ("prompt is too long").
TOO_LONG = ". The prompt is too long for the maximum context length that the model is loaded with"
# The pool starts another engine for whoever asks next.
LOADS_AGAIN = ". The next request for this model loads it again"
# False where a second try would not help, cost as much as the first, or undo what the person did.
SHOULD_RETRY_HEADER = "x-should-retry"

_TYPE_OF_STATUS = MappingProxyType(
    {
        401: "authentication_error",
        403: "permission_error",
        408: "timeout_error",
        500: "server_error",
        503: "unavailable_error",
    }
)
_MESSAGES_TYPE_OF_STATUS = MappingProxyType(
    {
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        408: "timeout_error",
        413: "request_too_large",
        429: "rate_limit_error",
        499: "api_error",
    }
)


class UnsupportedParameter(InvalidRequest):
    """A field that clients know and that this version cannot honour; ``param`` names it."""

    code = "unsupported_parameter"


class ThreadUnsupported(UnsupportedParameter):
    """A conversation that Anthropic's API would keep. By this code its clients know that they have
    to send all of it instead, which their tool runners then do by themselves."""

    code = "thread_unsupported_request"


class UnsupportedMediaType(InvalidRequest):
    """The body is not announced as JSON."""

    code = "unsupported_media_type"
    http_status = 415


class PayloadTooLarge(InvalidRequest):
    """The body is over the limit (bytes)."""

    code = "payload_too_large"
    http_status = 413


class RequestTimeout(InvalidRequest):
    """The client began a request and did not end it."""

    code = "request_timeout"
    http_status = 408


class ClientTooSlow(MinervaError):
    """The client read its streamed answer so slowly that too much of it waited for too long."""

    code = "client_too_slow"
    http_status = 408


class FileUnreadable(MinervaError):
    """A file that came with a request is as it should be, and this machine cannot read it now."""

    code = "file_unreadable"


class ModelStillLoads(GenerationTimeout):
    """The time was over before the model was there. Its load goes on, so asking again helps."""


class HeadersTooLarge(InvalidRequest):
    """The request's head is over the limits."""

    code = "headers_too_large"
    http_status = 431


class HttpVersionNotSupported(InvalidRequest):
    """Neither HTTP/1.0 nor 1.1."""

    code = "http_version_not_supported"
    http_status = 505


class TooManyConnections(QueueFull):
    """As many clients as may be are connected."""

    code = "too_many_connections"


# The clients of OpenAI and Anthropic try again by themselves at any 408, 500 and 503. Each try
# would be a load or as long as the first, or load at once what the person has just unloaded; or
# nothing can be loaded before the app is started again.
_FINAL = (GenerationTimeout, ModelLoadError, OutOfMemory, ModelUnloaded, AppReplaced)
# What an answer's ``error.code`` may be, but for the router's own and `internal_error`.
ERRORS: tuple[type[MinervaError], ...] = (
    InvalidRequest,
    UnsupportedParameter,
    ThreadUnsupported,
    ContextLimitExceeded,
    Unauthorized,
    Forbidden,
    ModelNotFound,
    RequestTimeout,
    ClientTooSlow,
    FileUnreadable,
    GenerationTimeout,
    PayloadTooLarge,
    UnsupportedMediaType,
    HeadersTooLarge,
    RequestCancelled,
    ModelLoadError,
    LoadCancelled,
    OutOfMemory,
    InferenceError,
    MemoryInUse,
    QueueFull,
    TooManyConnections,
    EngineDied,
    ModelUnloaded,
    EndpointStopped,
    HttpVersionNotSupported,
)


class ErrorObject(msgspec.Struct, frozen=True):
    """What clients read out of ``error``."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(msgspec.Struct, frozen=True):
    """The whole body of an error answer, or the value of the event that ends a stream."""

    error: ErrorObject

    @classmethod
    def of(cls, error: MinervaError) -> ErrorBody:
        """Pack ``error`` for a client."""
        kind = error_type(error.http_status)
        message = error.message
        if isinstance(error, ContextLimitExceeded):
            message = message.rstrip(".") + TOO_LONG
        elif isinstance(error, EngineDied) and not isinstance(error, AppReplaced):
            message = message.rstrip(".") + LOADS_AGAIN
        return cls(ErrorObject(message, kind, error.param, error.code))


class MessagesErrorDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """What programs branch on: our code, and the field that was wrong."""

    error_code: str
    param: str | None = None


class MessagesErrorObject(msgspec.Struct, frozen=True):
    """What Anthropic's clients read out of ``error``."""

    type: str
    message: str
    details: MessagesErrorDetails


class MessagesErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """An error as Anthropic's API writes it, as a body and as an event."""

    type: Literal["error"] = "error"
    error: MessagesErrorObject
    request_id: str | None

    @classmethod
    def of(cls, error: ErrorObject, status: int, request_id: str) -> MessagesErrorBody:
        """The same error. ``status`` is that of HTTP; ``request_id`` may be empty."""
        if status == 503 and error.code in {QueueFull.code, MemoryInUse.code}:
            kind = "overloaded_error"
        else:
            default = "api_error" if status >= 500 else "invalid_request_error"
            kind = _MESSAGES_TYPE_OF_STATUS.get(status, default)
        details = MessagesErrorDetails(error.code, error.param)
        return cls(
            error=MessagesErrorObject(kind, error.message, details), request_id=request_id or None
        )


class ErrorAnswer(Response):
    """An error on its way to a client, which chooses the shape by its path."""

    media_type = "application/json"

    def __init__(
        self, error: ErrorObject, status: int, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(msgspec.json.encode(ErrorBody(error)), status, headers)
        self._error = error
        self._own_headers = headers or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        info = request_info(scope)
        if not info.is_refused:  # by its connection, whose words the client got
            info.error_code, info.error_message = self._error.code, self._error.message
        if not speaks_messages(scope["path"]):
            await super().__call__(scope, receive, send)
        else:
            await self.for_messages(info.request_id)(scope, receive, send)

    def for_messages(self, request_id: str) -> Response:
        """The same in the shape of Anthropic's API."""
        body = MessagesErrorBody.of(self._error, self.status_code, request_id)
        headers = self._own_headers | request_id_headers(request_id)
        return json_response(body, self.status_code, headers)


def speaks_messages(path: str) -> bool:
    """Whether the clients of ``path`` are Anthropic's."""
    return path == MESSAGES_PATH or path.startswith(f"{MESSAGES_PATH}/")


def request_id_headers(request_id: str) -> dict[str, str]:
    """The headers in which Anthropic's clients look for the id, where there is one."""
    return {REQUEST_ID_HEADER: request_id} if request_id else {}


@contextmanager
def renamed_fields(names: Mapping[str, str]) -> Iterator[None]:
    """Let errors name the request's own fields: ``names`` are those of the chat completions, by
    which the engine calls what it was given, with what this endpoint calls them."""
    try:
        yield
    except MinervaError as error:
        if error.param is not None:
            error.param = names.get(error.param, error.param)
        raise


def error_type(status: int) -> str:
    """The ``type`` that goes with an HTTP status."""
    return _TYPE_OF_STATUS.get(status, "invalid_request_error")


def error_response(error: MinervaError) -> ErrorAnswer:
    """The answer to a request that failed with ``error``."""
    headers = {}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    may_pass = isinstance(error, QueueFull | MemoryInUse | EngineDied)
    if may_pass and not isinstance(error, AppReplaced):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    elif isinstance(error, _FINAL) and not isinstance(error, ModelStillLoads):
        headers[SHOULD_RETRY_HEADER] = "false"
    return ErrorAnswer(ErrorBody.of(error).error, error.http_status, headers)


def unforeseen_error() -> MinervaError:
    """What a client is told of a bug of ours; the log has the exception."""
    return MinervaError("The endpoint failed at this request; its log says why")


def json_response(
    value: msgspec.Struct, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """``value`` as a JSON answer."""
    return Response(
        msgspec.json.encode(value), status, headers=headers, media_type="application/json"
    )
