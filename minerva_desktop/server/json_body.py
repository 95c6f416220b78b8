"""Reads a request's JSON body without trusting it. Called by the POST routes.

Stricter than `json.loads` alone, because what two readers understand differently is how checks
are walked around: UTF-8 only, one value a key, no NaN, an object at the top.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn

import msgspec
from starlette.requests import Request

from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.errors import PayloadTooLarge, UnsupportedMediaType
from minerva_desktop.server.request_info import request_info
from minerva_desktop.units import format_bytes

MAX_BODY_BYTES = 8 * 1024 * 1024
# What Python's reader says, as people do.
_FLAWS: Mapping[str, str] = MappingProxyType(
    {
        "Expecting value": "a value is missing",
        "Expecting property name enclosed in double quotes": "a name in double quotes is missing",
        "Expecting ',' delimiter": "a comma is missing, or the end",
        "Expecting ':' delimiter": "a colon is missing",
        "Extra data": "something follows the end",
        "Invalid \\escape": "a backslash stands before a character that takes none",
        "Invalid \\uXXXX escape": "\\u stands without four hexadecimal digits",
        "Invalid control character at": "a line break or another control character is in a string",
        "Unterminated string starting at": "a string begins that does not end",
    }
)
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
# Refuses what is too large for a float, which Python takes for infinite. It is called for numbers
# with a point or an exponent only; written in C, it is faster than Python's own.
_read_float = msgspec.json.Decoder(float).decode


async def read_json_object(request: Request) -> dict[str, Any]:
    """The body of ``request``. Notes the model that it names, for the log.

    Raises `UnsupportedMediaType`, `PayloadTooLarge` (as soon as the limit is passed),
    `InvalidRequest`, and Starlette's `ClientDisconnect`.
    """
    # A web page can post a form or plain text across origins without asking; JSON it cannot.
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType("The body must come with Content-Type: application/json")
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity"}:
        raise UnsupportedMediaType("The body must come without a Content-Encoding, uncompressed")
    body = parse_json_object(await _read_limited(request))
    if isinstance(model := body.get("model"), str):
        request_info(request.scope).asked_model = model
    return body


def parse_json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``; raises `InvalidRequest`."""
    if not body:
        raise InvalidRequest("The body is empty, and must be a JSON object")
    try:
        text = body.decode("utf-8-sig")  # Windows' shells write a mark before the first character
        value = json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_float=_read_float,
            parse_constant=_refuse_constant,
        )
        if _SURROGATE_ESCAPE.search(text):
            _refuse_lone_surrogates(value)
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"The body is not valid JSON: its byte {error.start} is no UTF-8"
        ) from None
    except json.JSONDecodeError as error:
        what = _FLAWS.get(error.msg, "something stands where it cannot")
        raise InvalidRequest(
            f"The body is not valid JSON: in line {error.lineno}, column {error.colno} {what}"
        ) from None
    except msgspec.DecodeError:
        raise InvalidRequest("The body holds a number that is too large") from None
    except ValueError:
        # What Python says of an integer of thousands of digits speaks to programmers.
        raise InvalidRequest("The body holds a number with too many digits") from None
    if not isinstance(value, dict):
        raise InvalidRequest("The body must be a JSON object")
    return value


async def _read_limited(request: Request) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
        raise _too_large()
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()
    return bytes(body)


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The body is larger than {format_bytes(MAX_BODY_BYTES)} ({MAX_BODY_BYTES:,} bytes)"
    )


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        ((name, _),) = counts.most_common(1)
        raise InvalidRequest(f"The body gives the key {name[:100]!a} more than once")
    return value


def _refuse_lone_surrogates(value: Any) -> None:
    # Python takes "\\ud800" alone for a character, but no encoder of a later step does.
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidRequest("The body holds half of a surrogate pair") from None


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequest(f"{name} is not a JSON number")
