"""``POST /v1/responses``, streamed and not, and ``POST /v1/responses/input_tokens``.

Nothing is kept, so there is nothing to get later.
"""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import Response

from minerva_desktop.server.errors import json_response, renamed_fields
from minerva_desktop.server.generation import GenerationRequest
from minerva_desktop.server.model_choice import chosen_model
from minerva_desktop.server.parameters.responses import responses_parameters
from minerva_desktop.server.prompt_count import count_prompt
from minerva_desktop.server.request_files import read_parameters
from minerva_desktop.server.response_writer import ResponseWriter
from minerva_desktop.server.schemas.response_object import InputTokens
from minerva_desktop.server.services import ServerContext
from minerva_desktop.server.sse import EventStream
from minerva_desktop.server.written_answer import WrittenAnswer

DIALECT = "responses"


def responses_router(context: ServerContext) -> APIRouter:
    """The routes, on the models of the catalog, loaded by the pool."""
    lifetime, config = context.lifetime, context.config
    router = APIRouter()
    parse = partial(responses_parameters, request_timeout_s=config.request_timeout_s)

    @router.post("/v1/responses")
    async def create_response(request: Request) -> Response:
        parameters = await read_parameters(context, request, parse)
        model = await chosen_model(context, parameters.model)
        writer = ResponseWriter(
            model.model_id,
            parameters.settings,
            parameters.full_names,
            keeps_prompt=parameters.run.cache_prompt,
        )
        asked = GenerationRequest(
            model=model,
            prompt=parameters.turns,
            sampling=parameters.sampling,
            run=parameters.run,
            chat=parameters.chat,
        )
        answer = WrittenAnswer(context, request.scope, asked, writer, dialect=DIALECT)
        if parameters.stream:
            return EventStream(
                answer.stream,
                lifetime,
                config,
                parameters.headers,
                failed=answer.failed,
            )
        await lifetime.run(answer.complete(), request.receive)
        return json_response(writer.response, headers=parameters.headers)

    @router.post("/v1/responses/input_tokens")
    async def count_input_tokens(request: Request) -> Response:
        parameters = await read_parameters(context, request, parse)
        asked = parameters.model, parameters.turns, parameters.chat
        with renamed_fields(parameters.run.own_names):
            n_tokens = await count_prompt(context, request, *asked, dialect=DIALECT)
        return json_response(InputTokens(n_tokens), headers=parameters.headers)

    return router
