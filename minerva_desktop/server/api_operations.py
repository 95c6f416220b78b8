"""All routes of the endpoint, described. A route that is missing here fails a test."""

from __future__ import annotations

from types import MappingProxyType

from minerva_desktop.server.metrics import CONTENT_TYPE
from minerva_desktop.server.operation import Operation
from minerva_desktop.server.schemas.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRequest,
)
from minerva_desktop.server.schemas.models import Health, ModelList, ModelObject

READ = ("GET", "HEAD")
# A generation's: what a body, a model and an engine can be wrong with.
WORK_ERRORS = (400, 404, 408, 413, 415, 499, 500, 503)

_CHAT_IN_PYTHON = """\
from openai import OpenAI

client = OpenAI(base_url="$URL/v1", api_key="$KEY")
stream = client.chat.completions.create(
    model="$MODEL",
    messages=[{"role": "user", "content": "Hello!"}],
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
"""
_MODELS_IN_PYTHON = """\
from openai import OpenAI

client = OpenAI(base_url="$URL/v1", api_key="$KEY")
for model in client.models.list():
    print(model.id)
"""

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        path="/v1/chat/completions",
        methods=("POST",),
        group="Chat",
        summary="Answer a conversation",
        details=(
            "OpenAI's chat API. With stream, the answer comes as server-sent events, a chunk for"
            " each step of the model, and ends with [DONE]; while a model loads, comments keep the"
            " connection alive. Fields that nobody here knows are named in the answer's"
            " X-Minerva-Ignored-Fields header."
        ),
        request=ChatCompletionRequest,
        answer=ChatCompletion,
        events=(ChatCompletionChunk,),
        errors=WORK_ERRORS,
        example=MappingProxyType(
            {"model": "$MODEL", "messages": [{"role": "user", "content": "Hello!"}]}
        ),
        python=_CHAT_IN_PYTHON,
    ),
    Operation(
        path="/v1/models",
        methods=READ,
        group="Models",
        summary="List the models",
        details="All that a request may name. One that is not loaded is loaded when it is asked.",
        answer=ModelList,
        python=_MODELS_IN_PYTHON,
    ),
    Operation(
        path="/v1/models/{name:path}",
        methods=READ,
        group="Models",
        summary="Show one model",
        answer=ModelObject,
        errors=(404,),
    ),
    Operation(
        path="/health",
        methods=READ,
        group="This endpoint",
        summary="Tell that the endpoint lives",
        details="Needs no API key.",
        answer=Health,
        is_open=True,
    ),
    Operation(
        path="/metrics",
        methods=READ,
        group="This endpoint",
        summary="Numbers for Prometheus",
        answer=CONTENT_TYPE,
    ),
    Operation(
        path="/openapi.json",
        methods=READ,
        group="This endpoint",
        summary="This description for programs",
        details="OpenAPI 3.1. Needs no API key.",
        answer="application/json",
        is_open=True,
    ),
    Operation(
        path="/docs",
        methods=READ,
        group="This endpoint",
        summary="This page",
        details="Needs no API key.",
        answer="text/html",
        is_open=True,
    ),
)
