"""``POST /v1/chat/completions``, streamed and not.

A generation holds a lease on its model, and is cancelled on every way out but its own end: a
client that left, a stopped endpoint, an error while sending.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, Request
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from minerva_desktop import __version__
from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.errors import InferenceError
from minerva_desktop.library.model_file import ModelFile
from minerva_desktop.server.errors import json_response
from minerva_desktop.server.json_body import read_json_object
from minerva_desktop.server.parameters import ChatParameters, ParameterParser
from minerva_desktop.server.schemas import (
    AnswerTimings,
    AssistantMessage,
    ChatCompletion,
    ChatCompletionChunk,
    Choice,
    ChunkChoice,
    Delta,
    PromptTokensDetails,
    Usage,
)
from minerva_desktop.server.services import Pool, ServerContext
from minerva_desktop.server.sse import DONE, EventSink, EventStream, encode_event


def chat_router(context: ServerContext) -> APIRouter:
    """The route, on the models of the catalog, loaded by the pool."""
    pool, catalog, lifetime = context.pool, context.catalog, context.lifetime
    keep_alive_s = context.config.keep_alive_s
    router = APIRouter()

    @router.post("/v1/chat/completions")
    async def create_chat_completion(request: Request) -> Response:
        body = await lifetime.run(read_json_object(request))
        parameters = ParameterParser(body).chat()
        model = await asyncio.to_thread(catalog.find, parameters.model)
        answer = ChatAnswer(pool, model, parameters)
        headers = parameters.headers()
        if parameters.stream:
            return EventStream(answer.stream, lifetime, keep_alive_s, headers)
        completion = await lifetime.run(answer.complete(), request.receive)
        return json_response(completion, headers=headers)

    return router


class ChatAnswer:
    """One request's answer, for one `complete` or one `stream`."""

    def __init__(self, pool: Pool, model: ModelFile, parameters: ChatParameters) -> None:
        self._pool = pool
        self._model = model
        self._parameters = parameters
        self._id = f"chatcmpl-{uuid.uuid4().hex}"
        self._created = int(time.time())
        # A version of ours stands for one build of the engine: the bindings are pinned.
        self._fingerprint = f"minerva-{__version__}-{model.model_id}"

    async def complete(self) -> ChatCompletion:
        """The whole answer. Raises what loading and generating raise."""
        async with self._generation() as tokens:
            completion = await tokens.wait_completion()
        return ChatCompletion(
            id=self._id,
            created=self._created,
            model=self._model.model_id,
            system_fingerprint=self._fingerprint,
            choices=(Choice(AssistantMessage(str(tokens)), _finish_reason(completion)),),
            usage=_usage(completion.timings),
            timings=_timings(completion.timings),
        )

    async def stream(self, sink: EventSink) -> None:
        """Send the answer to ``sink``, a chunk for every batch of tokens. Raises as `complete`."""
        async with self._generation() as tokens:
            role_sent = False
            async for batch in tokens.batches():
                if not role_sent:
                    await sink.send(self._chunk(Delta(role="assistant", content="")))
                    role_sent = True
                if text := "".join(batch):
                    await sink.send(self._chunk(Delta(content=text)))
            completion = await tokens.wait_completion()
            if not role_sent:
                await sink.send(self._chunk(Delta(role="assistant", content="")))
        await sink.send(
            self._chunk(Delta(), _finish_reason(completion), _timings(completion.timings))
        )
        if self._parameters.include_usage:
            await sink.send(self._usage_chunk(completion.timings))
        await sink.send(DONE)

    @asynccontextmanager
    async def _generation(self) -> AsyncIterator[TokenStream]:
        async with self._pool.lease(self._model.path) as engine:
            tokens = engine.generate(self._parameters.turns, sampling=self._parameters.sampling)
            try:
                yield tokens
            finally:
                tokens.cancel()

    def _chunk(
        self,
        delta: Delta,
        finish_reason: str | None = None,
        timings: AnswerTimings | UnsetType = UNSET,
    ) -> bytes:
        return self._event(
            (ChunkChoice(delta, finish_reason),),
            usage=None if self._parameters.include_usage else UNSET,
            timings=timings,
        )

    def _usage_chunk(self, timings: Timings) -> bytes:
        return self._event((), usage=_usage(timings))

    def _event(
        self,
        choices: tuple[ChunkChoice, ...],
        usage: Usage | UnsetType | None,
        timings: AnswerTimings | UnsetType = UNSET,
    ) -> bytes:
        return encode_event(
            ChatCompletionChunk(
                id=self._id,
                created=self._created,
                model=self._model.model_id,
                system_fingerprint=self._fingerprint,
                choices=choices,
                usage=usage,
                timings=timings,
            )
        )


def _finish_reason(completion: Completion) -> str:
    # The API has no word for it, and half an answer must not look whole. The client is still
    # there, so it was the window that ended this generation.
    if completion.finish_reason is FinishReason.CANCELLED:
        raise InferenceError("The answer was cancelled before its end")
    return completion.finish_reason.value


def _usage(timings: Timings) -> Usage:
    return Usage(
        prompt_tokens=timings.prompt_tokens,
        completion_tokens=timings.completion_tokens,
        total_tokens=timings.prompt_tokens + timings.completion_tokens,
        prompt_tokens_details=PromptTokensDetails(timings.cached_tokens),
    )


def _timings(timings: Timings) -> AnswerTimings:
    prompt_n = timings.prompt_tokens - timings.cached_tokens
    predicted_per_second = timings.tokens_per_second
    return AnswerTimings(
        cache_n=timings.cached_tokens,
        prompt_n=prompt_n,
        prompt_ms=timings.prefill_ms,
        prompt_per_token_ms=_ratio(timings.prefill_ms, prompt_n),
        prompt_per_second=_ratio(1000.0 * prompt_n, timings.prefill_ms),
        predicted_n=timings.completion_tokens,
        predicted_ms=timings.decode_ms,
        predicted_per_token_ms=_ratio(1000.0, predicted_per_second),
        predicted_per_second=predicted_per_second,
        queue_ms=timings.queue_ms,
        first_token_ms=timings.first_token_ms,
    )


def _ratio(value: float, by: float) -> float:
    return value / by if by > 0 else 0.0
