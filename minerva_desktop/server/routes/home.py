"""``GET /`` and ``GET /v1``: where everything is, for whoever opens the endpoint's bare address.

A browser is sent to the page at ``/docs``; programs get a few lines of JSON, with 200, which those
that only look whether somebody is there take for yes. Needs no API key.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from minerva_desktop import __version__
from minerva_desktop.server.errors import json_response
from minerva_desktop.server.network_addresses import called_url
from minerva_desktop.server.schemas.models import EndpointInfo

_HTML = "text/html"


def home_router() -> APIRouter:
    """The routes."""
    router = APIRouter()

    @router.api_route("/v1", methods=["GET", "HEAD"])
    @router.api_route("/", methods=["GET", "HEAD"])
    async def home(request: Request) -> Response:
        vary = {"Vary": "Accept"}
        if _HTML in request.headers.get("accept", ""):
            return RedirectResponse("/docs", 307, vary)
        url = called_url(request.headers)
        info = EndpointInfo(
            version=__version__,
            base_url=f"{url}/v1",
            docs=f"{url}/docs",
            openapi=f"{url}/openapi.json",
            health=f"{url}/health",
        )
        return json_response(info, headers=vary)

    return router
