"""``GET /v1/models`` and ``GET /v1/models/{id}``: what a request may name as its model."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.responses import Response

from minerva_desktop.server.errors import json_response
from minerva_desktop.server.model_description import loaded_info, model_object
from minerva_desktop.server.schemas.models import ModelList
from minerva_desktop.server.services import ServerContext


def models_router(context: ServerContext) -> APIRouter:
    """The routes, on the models of the catalog; the pool says which are loaded. Neither waits for
    a model."""
    catalog, pool = context.catalog, context.pool
    router = APIRouter()

    @router.api_route("/v1/models", methods=["GET", "HEAD"])
    async def list_models() -> Response:
        files = await asyncio.to_thread(catalog.models)
        models = tuple(model_object(file, loaded_info(pool, file)) for file in files)
        first, last = (models[0].id, models[-1].id) if models else (None, None)
        return json_response(ModelList(data=models, first_id=first, last_id=last))

    # A path, because names with a slash ("org/model") are common elsewhere: they get a clean 404.
    @router.api_route("/v1/models/{name:path}", methods=["GET", "HEAD"])
    async def get_model(name: str) -> Response:
        file = await asyncio.to_thread(catalog.find, name)
        return json_response(model_object(file, loaded_info(pool, file)))

    return router
