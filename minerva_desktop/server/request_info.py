"""What the parts of the endpoint know of one request: one note that travels in its ASGI scope.

The access log makes it, the guards and routes add to it, and log and metrics read it at the end;
all on the endpoint's asyncio loop. No prompt and no key is ever in it.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from minerva_desktop.chat.completion import Timings

SCOPE_KEY = "minerva.request"
ID_HEADER = b"x-request-id"
_SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class End(StrEnum):
    """How an answer ended: whole (an error can be that, too), without a client, or broken off by an
    error after it had begun."""

    COMPLETE = "complete"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(slots=True, eq=False)
class RequestInfo:
    """One request. ``started`` is Unix time in seconds; ``key_name`` is the name of the API key
    that it came with; ``asked_model`` is what the client wrote, ``model`` the one that it meant,
    once its route knows it. ``body_bytes`` came, ``sent_bytes`` of body went; ``status`` is 0 until
    the answer begins, and ``end`` says how the answer ended, whatever its status promised;
    ``error_code`` is that of the error which was the answer, or broke it off; ``error_message`` are
    the words of one that was the answer, which may quote the request: they are not logged.
    ``files_s``: how long its files took to be read. ``is_listed``: it has or had its row in the
    list of requests. ``is_open``: the access layer has not seen the end of its answer yet.
    ``is_refused``: its connection answered it, for what came was no HTTP, or not whole in time."""

    request_id: str
    client: str
    started: float = field(default_factory=time.time)
    begun: float = field(default_factory=time.monotonic)
    key_name: str | None = None
    asked_model: str = ""
    model: str = ""
    body_bytes: int = 0
    sent_bytes: int = 0
    status: int = 0
    end: End = End.COMPLETE
    error_code: str = ""
    error_message: str = ""
    files_s: float = 0.0
    is_listed: bool = False
    is_open: bool = False
    is_refused: bool = False
    generations: list[Timings] = field(default_factory=list)

    def fail(self, code: str) -> None:
        """The answer was broken off by an error of that code."""
        self.end, self.error_code = End.FAILED, code

    def seconds(self) -> float:
        """How long it takes already."""
        return time.monotonic() - self.begun

    @property
    def prompt_tokens(self) -> int:
        """Of all its generations, the cached ones too."""
        return sum(each.prompt_tokens for each in self.generations)

    @property
    def cached_tokens(self) -> int:
        """Those of the prompt that the KV cache had."""
        return sum(each.cached_tokens for each in self.generations)

    @property
    def generated_tokens(self) -> int:
        """Of all its generations."""
        return sum(each.completion_tokens for each in self.generations)

    @property
    def tokens_per_second(self) -> float:
        """Of its generations together; 0.0 where there was none with two tokens."""
        slowest_ms = max((each.decode_ms for each in self.generations), default=0.0)
        steps = sum(max(0, each.completion_tokens - 1) for each in self.generations)
        return steps * 1000.0 / slowest_ms if slowest_ms > 0 else 0.0


def request_info(scope: MutableMapping[str, Any]) -> RequestInfo:
    """The note of the request with that ASGI scope; made now if it had none."""
    info = scope.get(SCOPE_KEY)
    if not isinstance(info, RequestInfo):
        client = scope.get("client")
        request_id = sane_request_id(scope.get("headers", ()))
        info = scope[SCOPE_KEY] = RequestInfo(request_id, client[0] if client else "")
    return info


def new_request_id() -> str:
    """An id that no other request has."""
    return f"req-{uuid.uuid4().hex}"


def sane_request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The client's own id for its request, if it sent one that may be logged; else a new one."""
    given = [value for name, value in headers if name == ID_HEADER]
    if len(given) == 1 and _SANE_ID.fullmatch(given[0]):
        return given[0].decode()
    return new_request_id()
