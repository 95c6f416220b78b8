"""`Operation`: what one route takes and gives, for people and for programs. Values, any thread."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from pydantic import BaseModel

from minerva_desktop.server.errors import ErrorBody

EVENT_STREAM = "text/event-stream"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One route.

    ``path`` and ``methods`` are the route's own, the first method is the one that is described.
    ``request`` is the type of its JSON body, the fields of ``query`` come in the URL.
    ``answer`` is the type of a JSON answer, or a media type. ``events``: what a streamed answer
    consists of, where there is one; ``last_data`` is then in its last event, unless that is one of
    them, too. ``errors``: statuses beside those of every route; ``error`` is what then comes.
    ``example`` is a request's body, ``python`` a program; ``$URL``, ``$MODEL`` and ``$EMBEDDER``
    (a model that makes embeddings) stand in for this endpoint's, ``$KEY`` for the client's.
    """

    path: str
    methods: tuple[str, ...]
    group: str
    summary: str
    details: str = ""
    request: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    answer: type[msgspec.Struct] | str
    events: tuple[type[msgspec.Struct], ...] = ()
    last_data: str = ""
    errors: tuple[int, ...] = ()
    error: type[msgspec.Struct] = ErrorBody
    is_open: bool = False
    example: Mapping[str, Any] = msgspec.field(default_factory=lambda: MappingProxyType({}))
    python: str = ""

    @property
    def method(self) -> str:
        """The one that is described."""
        return self.methods[0]

    @property
    def anchor(self) -> str:
        """A name for links to it: ``get-v1-models``."""
        words = [word for word in self.path.replace("{", "/").replace("}", "/").split("/") if word]
        names = [word.partition(":")[0] for word in words] or ["root"]
        return "-".join([self.method.lower(), *names])
