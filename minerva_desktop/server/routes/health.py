"""``GET /health``: that the endpoint lives, and which models are loaded. Needs no API key, but does
not tell of models without one where keys are asked for."""

from __future__ import annotations

from fastapi import APIRouter, Request
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from minerva_desktop import __version__
from minerva_desktop.server.errors import json_response
from minerva_desktop.server.request_info import request_info
from minerva_desktop.server.schemas.models import Health
from minerva_desktop.server.services import ServerContext


def health_router(context: ServerContext) -> APIRouter:
    """The route, on the models of the pool."""
    router = APIRouter()

    @router.api_route("/health", methods=["GET", "HEAD"])
    async def health(request: Request) -> Response:
        loaded: tuple[str, ...] | UnsetType = UNSET
        if not context.key_ring.is_locked or request_info(request.scope).key_name is not None:
            loaded = tuple(sorted(context.catalog.id_of(path) for path in context.pool.loaded()))
        return json_response(Health(version=__version__, loaded=loaded))

    return router
