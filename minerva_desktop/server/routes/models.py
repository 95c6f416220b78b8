"""``GET /v1/models`` and ``GET /v1/models/{id}``: what a request may name as its model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response

from minerva_desktop.errors import InvalidRequest
from minerva_desktop.library.model_file import ModelFile
from minerva_desktop.server.errors import json_response
from minerva_desktop.server.model_description import loaded_info, model_object
from minerva_desktop.server.parameters.complaints import must_be
from minerva_desktop.server.parameters.tokens import question
from minerva_desktop.server.query import query_fields
from minerva_desktop.server.schemas.models import MAX_LISTED, ModelList, ModelsQuery
from minerva_desktop.server.services import ServerContext


def models_router(context: ServerContext) -> APIRouter:
    """The routes, on the models of the catalog; the pool says which are loaded. Neither waits for
    a model."""
    catalog, pool = context.catalog, context.pool
    router = APIRouter()

    @router.api_route("/v1/models", methods=["GET", "HEAD"])
    async def list_models(request: Request) -> Response:
        asked, headers = question(query_fields(request), ModelsQuery)
        files, has_more = _page(await asyncio.to_thread(catalog.models), asked)
        models = tuple(model_object(file, loaded_info(pool, file)) for file in files)
        first, last = (models[0].id, models[-1].id) if models else (None, None)
        found = ModelList(data=models, has_more=has_more, first_id=first, last_id=last)
        return json_response(found, headers=headers)

    # A path, because names with a slash ("org/model") are common elsewhere: they get a clean 404.
    @router.api_route("/v1/models/{name:path}", methods=["GET", "HEAD"])
    async def get_model(name: str) -> Response:
        file = await asyncio.to_thread(catalog.find, name)
        return json_response(model_object(file, loaded_info(pool, file)))

    return router


def _page(models: Sequence[ModelFile], asked: ModelsQuery) -> tuple[Sequence[ModelFile], bool]:
    """Those that were asked for, and whether there are more in that direction."""
    limit = len(models) if asked.limit is None else _limit(asked.limit)
    if asked.before_id is not None:
        if asked.after_id is not None:
            raise InvalidRequest("before_id and after_id exclude each other", param="before_id")
        rest = models[: _place(models, asked.before_id, "before_id")]
        return rest[max(0, len(rest) - limit) :], len(rest) > limit
    rest = models
    if asked.after_id is not None:
        rest = models[_place(models, asked.after_id, "after_id") + 1 :]
    return rest[:limit], len(rest) > limit


def _limit(given: str) -> int:
    is_number = given.isascii() and given.isdigit() and len(given) <= len(str(MAX_LISTED))
    if not is_number or not 1 <= int(given) <= MAX_LISTED:
        raise must_be("limit", f"a whole number from 1 to {MAX_LISTED:,}", given)
    return int(given)


def _place(models: Sequence[ModelFile], model_id: str, param: str) -> int:
    for place, model in enumerate(models):
        if model.model_id == model_id:
            return place
    raise InvalidRequest(f"{param} is the id of no model that is listed", param=param)
