"""``GET /health``: that the endpoint lives, and which models are loaded. Needs no API key."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from minerva_desktop import __version__
from minerva_desktop.server.errors import json_response
from minerva_desktop.server.schemas.models import Health
from minerva_desktop.server.services import ServerContext


def health_router(context: ServerContext) -> APIRouter:
    """The route, on the models of the pool."""
    router = APIRouter()

    @router.api_route("/health", methods=["GET", "HEAD"])
    async def health() -> Response:
        loaded = tuple(sorted(context.catalog.id_of(path) for path in context.pool.loaded()))
        return json_response(Health(version=__version__, loaded=loaded))

    return router
