"""``GET /docs`` and ``GET /openapi.json``: what this endpoint can do, for people and programs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from minerva_desktop.server.api_description import describe
from minerva_desktop.server.docs_page import DocsPage
from minerva_desktop.server.operation import Operation
from minerva_desktop.server.services import ServerContext

SOME_MODEL = "MODEL"


def docs_router(context: ServerContext, operations: Sequence[Operation]) -> APIRouter:
    """The routes, on ``operations``."""
    router = APIRouter()
    description = describe(operations)
    program_text = msgspec.json.encode(description)
    page = DocsPage(operations, description)

    @router.api_route("/openapi.json", methods=["GET", "HEAD"])
    async def openapi() -> Response:
        return Response(program_text, media_type="application/json")

    @router.api_route("/docs", methods=["GET", "HEAD"])
    async def docs(request: Request) -> Response:
        # The page needs no key, so where keys are asked for it must not tell what models there are.
        is_locked = context.key_ring.is_locked
        model = SOME_MODEL if is_locked else await asyncio.to_thread(_example_model, context)
        # The guard let no foreign Host through.
        url = f"http://{request.headers['host']}"
        html = page.render(url=url, model=model, needs_key=is_locked)
        headers = {"Content-Security-Policy": page.policy, "Referrer-Policy": "no-referrer"}
        return Response(html, media_type="text/html", headers=headers)

    return router


def _example_model(context: ServerContext) -> str:
    models = context.catalog.models()
    return models[0].model_id if models else SOME_MODEL
