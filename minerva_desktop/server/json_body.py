"""`BodyReader`: reads a request's JSON body without trusting it. Called by the POST routes.

Stricter than `json.loads` alone, because what two readers understand differently is how checks
are walked around: UTF-8 only, one value a key, no NaN, an object at the top.

The endpoint's loop carries every stream, so that a body may hold it for a few milliseconds only.
What is not small is read in a thread, which has to let the loop in meanwhile: Python's own scanner
does, the one written in C keeps the interpreter to itself until it is done.
"""

from __future__ import annotations

import asyncio
import json
import json.scanner
import re
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

import msgspec
from starlette.requests import Request

from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.errors import PayloadTooLarge, UnsupportedMediaType
from minerva_desktop.server.request_info import request_info
from minerva_desktop.units import format_bytes

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_SMALL_BYTES = 32 * 1024  # of a body that the loop itself can read
# What takes time to read, and memory: lists, objects, and what is in them. OpenAI takes 300,000
# tokens in one request for embeddings.
PART_MARKS = (b",", b":", b"[", b"{")
MAX_PARTS = 320_000
MAX_KEYS = 10_000  # of one object
_STEP_BYTES = 256 * 1024  # that are counted at once
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


ResultT = TypeVar("ResultT")


class BodyReader:
    """Reads the bodies of one endpoint's requests, on its loop; computes what else would take that
    too long."""

    def __init__(self) -> None:
        # One thread: each more that computes would keep the loop waiting for as long again.
        self._thread = ThreadPoolExecutor(1, "request-body")

    def close(self) -> None:
        """Take no more, and end the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def compute(self, work: Callable[[], ResultT]) -> ResultT:
        """What ``work`` returns, or raises, in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def read(
        self, request: Request, parameters: Callable[[dict[str, Any]], ResultT]
    ) -> ResultT:
        """What ``parameters`` makes of the body of ``request``, in a thread if that may take long.
        Notes the model that it names, for the log.

        Raises `UnsupportedMediaType`, `PayloadTooLarge` (as soon as the limit is passed),
        `InvalidRequest`, Starlette's `ClientDisconnect`, and what ``parameters`` raises.
        """
        _check_media_type(request)
        raw = await _read_limited(request)

        def work() -> ResultT:
            body = parse_json_object(raw)
            if isinstance(model := body.get("model"), str):
                request_info(request.scope).asked_model = model
            return parameters(body)

        return work() if len(raw) <= MAX_SMALL_BYTES else await self.compute(work)


def _check_media_type(request: Request) -> None:
    # A web page can post a form or plain text across origins without asking; JSON it cannot.
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType("The body must come with Content-Type: application/json")
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity"}:
        raise UnsupportedMediaType("The body must come without a Content-Encoding, uncompressed")


def parse_json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``; raises `InvalidRequest`."""
    if not body:
        raise InvalidRequest("The body is empty, and must be a JSON object")
    if len(body) > MAX_PARTS and has_too_many_parts(body):
        raise InvalidRequest(
            f"The body has more than {MAX_PARTS:,} parts: commas, colons and opening brackets"
            " outside of strings"
        )
    try:
        text = body.decode("utf-8-sig")  # Windows' shells write a mark before the first character
        value = _decoder(is_small=len(body) <= MAX_SMALL_BYTES).decode(text)
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


def has_too_many_parts(body: bytes) -> bool:
    """Whether JSON in ``body`` has more than `MAX_PARTS`. Far quicker than to read it."""
    n_parts = at = 0
    while at < len(body):
        quote = body.find(b'"', at)
        end = len(body) if quote < 0 else quote
        while at < end:
            behind = min(at + _STEP_BYTES, end)
            n_parts += sum(body.count(mark, at, behind) for mark in PART_MARKS)
            at = behind
        if n_parts > MAX_PARTS:
            return True
        at = _behind_string(body, end + 1)
    return False


def _behind_string(body: bytes, at: int) -> int:
    """Where the string ends whose first character is ``at``."""
    while (quote := body.find(b'"', at)) >= 0:
        n_backslashes = quote - at - len(body[at:quote].rstrip(b"\\"))
        at = quote + 1
        if n_backslashes % 2 == 0:
            return at
    return len(body)


def _decoder(*, is_small: bool) -> json.JSONDecoder:
    decoder = json.JSONDecoder(
        object_pairs_hook=_unique_keys,
        parse_float=_read_float,
        parse_constant=_refuse_constant,
    )
    if not is_small:
        decoder.scan_once = json.scanner.py_make_scanner(decoder)  # type: ignore[attr-defined]
    return decoder


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
    if len(pairs) > MAX_KEYS:
        raise InvalidRequest(f"The body has an object of more than {MAX_KEYS:,} keys")
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
