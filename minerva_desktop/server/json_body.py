"""`BodyReader`: reads a request's JSON body without trusting it. Called by the POST routes.

Stricter than `json.loads` alone, because what two readers understand differently is how checks
are walked around: UTF-8 only, one value a key, no NaN, an object at the top.

The endpoint's loop carries every stream, so that a body may hold it for a few milliseconds only.
What is not tiny is read in a thread, which has to let the loop in meanwhile: Python's own scanner
does, the one written in C keeps the interpreter to itself until it is done. So does any one call
of what is written in C, for which reason long texts are gone through in steps where that can be.
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
MAX_TINY_BYTES = 8 * 1024  # of a body that the loop itself reads
MAX_SMALL_BYTES = 32 * 1024  # of one that the scanner in C may read
MAX_QUICK_BYTES = 256 * 1024  # of one that waits for none that takes seconds
# What takes time to read, and memory: lists, objects, and what is in them. OpenAI takes 300,000
# tokens in one request for embeddings.
PART_MARKS = (b",", b":", b"[", b"{")
MAX_PARTS = 320_000
MAX_KEYS = 10_000  # of one object
_STEP = 256 * 1024  # bytes or characters that are looked through at once
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
        # One thread for each kind: each more that computes would keep the loop waiting for as long
        # again.
        self._quick = ThreadPoolExecutor(1, "quick-body")
        self._slow = ThreadPoolExecutor(1, "large-body")

    def close(self) -> None:
        """Take no more, and end the threads."""
        for thread in (self._quick, self._slow):
            thread.shutdown(wait=False, cancel_futures=True)

    async def compute(self, work: Callable[[], ResultT], n_bytes: int) -> ResultT:
        """What ``work`` returns, or raises. It reads or writes about ``n_bytes``, which says where
        it is done: at once, or in a thread behind others of its kind."""
        if n_bytes <= MAX_TINY_BYTES:
            return work()
        thread = self._quick if n_bytes <= MAX_QUICK_BYTES else self._slow
        return await asyncio.get_running_loop().run_in_executor(thread, work)

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

        return await self.compute(work, len(raw))


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
        if _has_surrogate_escape(text):
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
            behind = min(at + _STEP, end)
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


def _has_surrogate_escape(text: str) -> bool:
    ends = range(_STEP, len(text) + _STEP, _STEP)
    # One that a step cuts in two is found with the three characters behind it.
    return any(_SURROGATE_ESCAPE.search(text, end - _STEP, end + 3) for end in ends)


def _refuse_lone_surrogates(value: Any) -> None:
    # Python takes "\\ud800" alone for a character, but no encoder of a later step does.
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            left += each
            left += each.values()
        elif isinstance(each, list):
            left += each
        elif isinstance(each, str) and not each.isascii() and _has_surrogate(each):
            raise InvalidRequest("The body holds half of a surrogate pair")


def _has_surrogate(text: str) -> bool:
    try:
        for at in range(0, len(text), _STEP):
            text[at : at + _STEP].encode()
    except UnicodeEncodeError:
        return True
    return False


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequest(f"{name} is not a JSON number")
