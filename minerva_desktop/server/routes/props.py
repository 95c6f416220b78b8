"""``GET /props``: a model and what holds for it where requests say nothing, as llama-server tells
it. Loads no model."""

from __future__ import annotations

import asyncio

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from minerva_desktop.server.errors import json_response
from minerva_desktop.server.model_choice import described_model
from minerva_desktop.server.model_description import loaded_info, model_props
from minerva_desktop.server.parameters.tokens import question
from minerva_desktop.server.query import query_fields
from minerva_desktop.server.schemas.models import Props, PropsQuery
from minerva_desktop.server.services import ServerContext


def props_router(context: ServerContext) -> APIRouter:
    """The route, on the models of the catalog; the pool says which are loaded."""
    pool, catalog = context.pool, context.catalog
    router = APIRouter()

    @router.api_route("/props", methods=["GET", "HEAD"])
    async def props(request: Request) -> Response:
        asked, headers = question(query_fields(request), PropsQuery)
        file = await described_model(context, asked.model)
        loaded = list(pool.loaded())
        files = {each.path: each for each in await asyncio.to_thread(catalog.models)}
        shown = model_props(file, loaded_info(pool, file))
        models = [
            model_props(files[path], info)
            for path in loaded
            if path in files and (info := loaded_info(pool, files[path])) is not None
        ]
        answer = Props(**msgspec.structs.asdict(shown), models=tuple(models))
        return json_response(answer, headers=headers)

    return router
