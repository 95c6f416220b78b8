"""Paths as clients write them, made those of the routes. Plain ASGI middleware, on the endpoint's
loop, in front of whatever looks at the path.

Clients put a base URL that a person typed before a path of their own, so that slashes double, and
the ``/v1`` is there twice, or not at all. What is meant is clear, and a redirect would not do:
many clients follow none after a POST.
"""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

VERSION = "/v1"
# llama-server answers these without the version, too: two of them, /completions and /embeddings, in
# words of its own. Here they mean the same either way.
VERSIONED = frozenset({"chat", "completions", "embeddings", "messages", "models", "responses"})
UNVERSIONED = frozenset(
    {
        "apply-template",
        "detokenize",
        "docs",
        "health",
        "metrics",
        "openapi.json",
        "props",
        "tokenize",
    }
)
_SLASHES = re.compile("/{2,}")


class PlainPaths:
    """Rewrites the path of each request by `plain_path`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one request."""
        if scope["type"] == "http":
            scope["path"] = plain_path(scope["path"])
        await self._app(scope, receive, send)


def plain_path(path: str) -> str:
    """``path`` without slashes at its end or side by side, and with one ``/v1`` where one belongs,
    and none where none does."""
    plain = _SLASHES.sub("/", path).rstrip("/") or "/"
    while plain.startswith(f"{VERSION}{VERSION}/") or plain == VERSION + VERSION:
        plain = plain.removeprefix(VERSION)
    first, _, rest = plain[1:].partition("/")
    if f"/{first}" == VERSION and rest in UNVERSIONED:
        return f"/{rest}"
    return VERSION + plain if first in VERSIONED else plain
