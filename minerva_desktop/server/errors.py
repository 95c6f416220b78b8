"""Errors as HTTP answers: one body shape on every path, in every status.

Called by the exception handlers of `app`, by the guards of `auth` and by running event streams,
on the endpoint's asyncio loop. The body is OpenAI's: ``{"error": {message, type, param, code}}``.
A `MinervaError`'s ``detail`` stays out of it: it may hold paths and a dead child's stderr.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import msgspec
from starlette.responses import Response

from minerva_desktop.errors import (
    EndpointError,
    InvalidRequest,
    MinervaError,
    QueueFull,
    Unauthorized,
)

RETRY_AFTER_S = 1

_TYPE_OF_STATUS = MappingProxyType(
    {
        401: "authentication_error",
        403: "permission_error",
        408: "timeout_error",
        500: "server_error",
        503: "unavailable_error",
    }
)


class UnsupportedParameter(InvalidRequest):
    """A field that clients know and that this version cannot honour; ``param`` names it."""

    code = "unsupported_parameter"


class UnsupportedMediaType(InvalidRequest):
    """The body is not announced as JSON."""

    code = "unsupported_media_type"
    http_status = 415


class PayloadTooLarge(InvalidRequest):
    """The body is over the limit (bytes)."""

    code = "payload_too_large"
    http_status = 413


class EndpointStopped(EndpointError):
    """The endpoint was switched off while the request ran."""

    code = "endpoint_stopped"
    http_status = 503


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
        return cls(ErrorObject(error.message, kind, error.param, error.code))


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


def error_response(error: MinervaError) -> Response:
    """The answer to a request that failed with ``error``."""
    headers = {}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, QueueFull):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return json_response(ErrorBody.of(error), error.http_status, headers)


def json_response(
    value: msgspec.Struct, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """``value`` as a JSON answer."""
    return Response(
        msgspec.json.encode(value), status, headers=headers, media_type="application/json"
    )
