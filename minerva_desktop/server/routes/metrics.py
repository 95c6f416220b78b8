"""``GET /metrics``: numbers for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from minerva_desktop.server.metrics import CONTENT_TYPE
from minerva_desktop.server.services import ServerContext


def metrics_router(context: ServerContext) -> APIRouter:
    """The route."""
    router = APIRouter()
    pool, name_of = context.pool, context.catalog.id_of

    @router.api_route("/metrics", methods=["GET", "HEAD"])
    async def metrics() -> Response:
        engines = [(name_of(path), pool.loaded_engine(path)) for path in pool.loaded()]
        infos = [(name, engine.get_context_info()) for name, engine in engines if engine]
        body = context.metrics.render(context.activity.snapshot(), infos)
        return Response(body, headers={"Content-Type": CONTENT_TYPE})

    return router
