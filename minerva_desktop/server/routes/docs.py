"""``GET /docs`` and ``GET /openapi.json``: what this endpoint can do, for people and programs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from minerva_desktop.errors import MinervaError
from minerva_desktop.library.model_file import ModelFile
from minerva_desktop.server.api_description import Json, describe, without_key
from minerva_desktop.server.docs_page import DocsPage
from minerva_desktop.server.network_addresses import called_url
from minerva_desktop.server.operation import Operation
from minerva_desktop.server.services import ServerContext


def docs_router(
    context: ServerContext,
    operations: Sequence[Operation],
    errors: Sequence[type[MinervaError]],
) -> APIRouter:
    """The routes, on ``operations`` and the ``errors`` that they end in."""
    router = APIRouter()
    made = _Made(operations, errors)

    @router.api_route("/openapi.json", methods=["GET", "HEAD"])
    async def openapi() -> Response:
        description, _ = await asyncio.to_thread(made.texts)
        shown = description if context.key_ring.is_locked else without_key(description)
        return Response(msgspec.json.encode(shown), media_type="application/json")

    @router.api_route("/docs", methods=["GET", "HEAD"])
    async def docs(request: Request) -> Response:
        # The page needs no key, so where keys are asked for it must not tell what models there are.
        is_locked = context.key_ring.is_locked
        models = [] if is_locked else await asyncio.to_thread(context.catalog.models)
        url = called_url(request.headers)
        _, page = await asyncio.to_thread(made.texts)
        html = page.render(
            url=url,
            model=_first(models, embeds=False),
            embedder=_first(models, embeds=True),
            needs_key=is_locked,
        )
        headers = {"Content-Security-Policy": page.policy, "Referrer-Policy": "no-referrer"}
        return Response(html, media_type="text/html", headers=headers)

    return router


class _Made:
    """The description and the page. They are made when somebody asks for one of them: that takes
    as long as all the rest of the endpoint's start. Any thread."""

    def __init__(
        self, operations: Sequence[Operation], errors: Sequence[type[MinervaError]]
    ) -> None:
        self._operations = operations
        self._errors = errors

    def texts(self) -> tuple[Json, DocsPage]:
        """For programs, and what people read."""
        return self._texts

    @cached_property
    def _texts(self) -> tuple[Json, DocsPage]:
        description = describe(self._operations)
        return description, DocsPage(self._operations, self._errors, description)


def _first(models: Sequence[ModelFile], *, embeds: bool) -> str | None:
    return next((each.model_id for each in models if each.makes_embeddings is embeds), None)
