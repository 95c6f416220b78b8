"""Puts the HTTP application together: guards, routes, and the errors of all of them.

`endpoint.Endpoint` makes one application for each time it listens; its asyncio loop runs it.
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from minerva_desktop import __version__
from minerva_desktop.errors import InvalidRequest, MinervaError
from minerva_desktop.server.access import CLIENT_GONE
from minerva_desktop.server.api_operations import OPERATIONS
from minerva_desktop.server.auth import ApiKeyGuard, HostOriginGuard
from minerva_desktop.server.errors import (
    ERRORS,
    REQUEST_ID_HEADER,
    SHOULD_RETRY_HEADER,
    ErrorAnswer,
    ErrorObject,
    error_response,
    error_type,
    unforeseen_error,
)
from minerva_desktop.server.parameters.parser import IGNORED_FIELDS_HEADER
from minerva_desktop.server.plain_paths import PlainPaths
from minerva_desktop.server.routes.chat import chat_router
from minerva_desktop.server.routes.completions import completions_router
from minerva_desktop.server.routes.docs import docs_router
from minerva_desktop.server.routes.embeddings import embeddings_router
from minerva_desktop.server.routes.health import health_router
from minerva_desktop.server.routes.home import home_router
from minerva_desktop.server.routes.messages import messages_router
from minerva_desktop.server.routes.metrics import metrics_router
from minerva_desktop.server.routes.models import models_router
from minerva_desktop.server.routes.props import props_router
from minerva_desktop.server.routes.responses import responses_router
from minerva_desktop.server.routes.tokens import tokens_router
from minerva_desktop.server.services import ServerContext

MAX_ECHOED_PATH = 100
WHOLE_SERVER = "*"  # as OPTIONS may ask
# What the scripts of a page may read: the official clients look into all of them.
READABLE_HEADERS = (
    IGNORED_FIELDS_HEADER,
    "X-Request-Id",
    REQUEST_ID_HEADER,
    "Retry-After",
    SHOULD_RETRY_HEADER,
)


def create_app(context: ServerContext) -> FastAPI:
    """The application."""
    app = FastAPI(
        title="Minerva Desktop",
        version=__version__,
        # FastAPI knows nothing of bodies that are read by hand, and its page for the description
        # loads scripts from the network: `routes.docs` has our own.
        openapi_url=None,
        redirect_slashes=False,
        middleware=_guards(context),
        exception_handlers={
            MinervaError: _on_minerva_error,
            HTTPException: _on_http_exception,
            ClientDisconnect: _on_client_disconnect,
            RecursionError: _on_deep_body,
            Exception: _on_unforeseen_error,
        },
    )
    app.include_router(home_router())
    app.include_router(health_router(context))
    app.include_router(models_router(context))
    app.include_router(chat_router(context))
    app.include_router(responses_router(context))
    app.include_router(messages_router(context))
    app.include_router(metrics_router(context))
    app.include_router(docs_router(context, OPERATIONS, ERRORS))
    app.include_router(completions_router(context))
    app.include_router(embeddings_router(context))
    app.include_router(tokens_router(context))
    app.include_router(props_router(context))
    return app


def _guards(context: ServerContext) -> list[Middleware]:
    """Outermost first: what a refusal looks like depends on the path, and a browser's CORS
    preflight carries an Origin but no API key."""
    config = context.config
    guards = [Middleware(PlainPaths), Middleware(HostOriginGuard, config=config)]
    if config.allowed_origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=config.browser_origins(),
            allow_methods=("*",),
            allow_headers=("*",),
            allow_private_network=True,
            expose_headers=READABLE_HEADERS,
        )
        guards.append(cors)
    guards.append(Middleware(ApiKeyGuard, key_ring=context.key_ring))
    return guards


async def _on_minerva_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, MinervaError)
    return error_response(error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """What the router itself refuses: unknown paths (404) and methods (405)."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    path = request.url.path[:MAX_ECHOED_PATH]
    if request.method == "OPTIONS" and request.scope["path"] == WHOLE_SERVER:
        return Response(status_code=204, headers={"Allow": "GET, HEAD, POST, OPTIONS"})
    if request.method == "OPTIONS" and error.status_code == 405:
        return Response(status_code=204, headers=headers)
    if error.status_code == 405:
        code, message = "method_not_allowed", f"{path} does not take {request.method}"
    else:
        code, message = "not_found", f"There is no {path} here; /docs lists what there is"
    found = ErrorObject(message, error_type(error.status_code), None, code)
    return ErrorAnswer(found, error.status_code, headers)


async def _on_client_disconnect(_: Request, __: Exception) -> Response:
    """Nobody is left to read it."""
    return Response(status_code=CLIENT_GONE)


async def _on_deep_body(_: Request, __: Exception) -> Response:
    """Nothing but a body's value is that deep. Python could read it, but not write it again."""
    return error_response(InvalidRequest("The body is nested too deeply"))


async def _on_unforeseen_error(_: Request, __: Exception) -> Response:
    """A bug of ours; uvicorn logs the traceback."""
    return error_response(unforeseen_error())
