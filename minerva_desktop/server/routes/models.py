"""``GET /v1/models`` and ``GET /v1/models/{id}``: what a request may name as its model."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

from minerva_desktop.library.model_file import ModelFile
from minerva_desktop.server.errors import json_response
from minerva_desktop.server.schemas.models import ModelList, ModelMeta, ModelObject
from minerva_desktop.server.services import ServerContext


def models_router(context: ServerContext) -> APIRouter:
    """The routes, on the models of the catalog; the pool says which are loaded."""
    catalog, pool = context.catalog, context.pool
    router = APIRouter()

    @router.api_route("/v1/models", methods=["GET", "HEAD"])
    async def list_models() -> Response:
        files = await asyncio.to_thread(catalog.models)
        loaded = frozenset(pool.loaded())
        return json_response(ModelList(data=tuple(_model_object(file, loaded) for file in files)))

    # A path, because names with a slash ("org/model") are common elsewhere: they get a clean 404.
    @router.api_route("/v1/models/{name:path}", methods=["GET", "HEAD"])
    async def get_model(name: str) -> Response:
        file = await asyncio.to_thread(catalog.find, name)
        return json_response(_model_object(file, frozenset(pool.loaded())))

    return router


def _model_object(file: ModelFile, loaded: Collection[Path]) -> ModelObject:
    return ModelObject(
        id=file.model_id,
        created=file.modified_ns // 1_000_000_000,
        meta=ModelMeta(
            size_bytes=file.size,
            quantisation=file.quantisation or None,
            n_ctx_train=file.n_ctx_train or None,
            architecture=file.architecture,
            loaded=file.path in loaded,
        ),
    )
