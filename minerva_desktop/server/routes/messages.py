"""``POST /v1/messages``, streamed and not, and ``POST /v1/messages/count_tokens``.

Whatever ``anthropic-version`` a client names, it gets what its clients read today.
"""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import Response

from minerva_desktop.server.errors import json_response, request_id_headers
from minerva_desktop.server.generation import GenerationRequest
from minerva_desktop.server.message_writer import MessageWriter
from minerva_desktop.server.model_choice import chosen_model
from minerva_desktop.server.parameters.anthropic import (
    BETA_HEADER,
    MessagesParameters,
    PromptParameters,
    count_parameters,
    messages_parameters,
)
from minerva_desktop.server.prompt_count import count_prompt
from minerva_desktop.server.request_files import read_parameters
from minerva_desktop.server.request_info import request_info
from minerva_desktop.server.schemas.anthropic_answer import Ping, TokenCount
from minerva_desktop.server.services import ServerContext
from minerva_desktop.server.sse import EventStream, encode_named_events
from minerva_desktop.server.written_answer import WrittenAnswer

DIALECT = "messages"


def messages_router(context: ServerContext) -> APIRouter:
    """The routes, on the models of the catalog, loaded by the pool."""
    router = APIRouter()

    @router.post("/v1/messages")
    async def create_message(request: Request) -> Response:
        parse = partial(
            messages_parameters,
            request_timeout_s=context.config.request_timeout_s,
            has_betas=BETA_HEADER in request.headers,
        )
        parameters = await read_parameters(context, request, parse)
        return await _answer(context, request, parameters)

    @router.post("/v1/messages/count_tokens")
    async def count_tokens(request: Request) -> Response:
        parse = partial(count_parameters, has_betas=BETA_HEADER in request.headers)
        parameters = await read_parameters(context, request, parse)
        n_tokens = await count_prompt(
            context, request, parameters.model, parameters.turns, parameters.chat, dialect=DIALECT
        )
        return json_response(TokenCount(n_tokens), headers=_headers(request, parameters))

    return router


async def _answer(
    context: ServerContext, request: Request, parameters: MessagesParameters
) -> Response:
    model = await chosen_model(context, parameters.model)
    writer = MessageWriter(
        model.model_id,
        max_tokens=parameters.sampling.max_tokens,
        shows_thinking=parameters.shows_thinking,
        request_id=request_info(request.scope).request_id,
    )
    asked = GenerationRequest(
        model=model,
        prompt=parameters.turns,
        sampling=parameters.sampling,
        run=parameters.run,
        chat=parameters.chat,
    )
    answer = WrittenAnswer(context, request.scope, asked, writer, dialect=DIALECT)
    headers = _headers(request, parameters)
    if parameters.stream:
        return EventStream(
            answer.stream,
            context.lifetime,
            context.config,
            headers,
            failed=answer.failed,
            keep_alive=encode_named_events([Ping()]),
        )
    await context.lifetime.run(answer.complete(), request.receive)
    return json_response(writer.message, headers=headers)


def _headers(request: Request, parameters: PromptParameters) -> dict[str, str]:
    return parameters.headers | request_id_headers(request_info(request.scope).request_id)
