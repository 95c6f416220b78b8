"""``POST /v1/chat/completions``, streamed and not."""

from __future__ import annotations

import time
import uuid
from collections.abc import MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from minerva_desktop.chat.completion import TokenLogprob
from minerva_desktop.chat.tools import ToolMode
from minerva_desktop.engine.answer_parser import (
    AnswerPart,
    ContentDelta,
    ReasoningDelta,
    ToolCallDelta,
)
from minerva_desktop.library.model_file import ModelFile
from minerva_desktop.server.errors import json_response
from minerva_desktop.server.generation import (
    Generation,
    GenerationRequest,
    RunningGeneration,
    collect,
)
from minerva_desktop.server.generation_events import (
    CollectedAnswer,
    Ended,
    GenerationEvent,
    Paragraphs,
    PromptRead,
    Said,
)
from minerva_desktop.server.model_choice import chosen_model
from minerva_desktop.server.parameters.chat import ChatParameters, chat_parameters
from minerva_desktop.server.request_files import read_parameters
from minerva_desktop.server.schemas.chat import (
    AnswerFunction,
    AnswerToolCall,
    AssistantMessage,
    ChatCompletion,
    ChatCompletionChunk,
    Choice,
    ChoiceLogprobs,
    ChunkChoice,
    ContentLogprob,
    Delta,
    DeltaFunction,
    DeltaToolCall,
    PromptProgress,
)
from minerva_desktop.server.schemas.common import AnswerTimings, Usage
from minerva_desktop.server.services import ServerContext
from minerva_desktop.server.sse import DONE, EventSink, EventStream, encode_event

DIALECT = "chat"


def chat_router(context: ServerContext) -> APIRouter:
    """The route, on the models of the catalog, loaded by the pool."""
    lifetime, config = context.lifetime, context.config
    router = APIRouter()

    @router.post("/v1/chat/completions")
    async def create_chat_completion(request: Request) -> Response:
        parse = partial(chat_parameters, request_timeout_s=config.request_timeout_s)
        parameters = await read_parameters(context, request, parse)
        model = await chosen_model(context, parameters.model)
        answer = ChatAnswer(context, request.scope, model, parameters)
        if parameters.stream:
            return EventStream(answer.stream, lifetime, config, parameters.headers)
        completion = await lifetime.run(answer.complete(), request.receive)
        return json_response(completion, headers=parameters.headers)

    return router


class ChatAnswer:
    """One request's answer, for one `complete` or one `stream`."""

    def __init__(
        self,
        context: ServerContext,
        scope: MutableMapping[str, Any],
        model: ModelFile,
        parameters: ChatParameters,
    ) -> None:
        self._parameters = parameters
        self._scope = scope
        self._generation = Generation(
            context,
            GenerationRequest(
                model=model,
                prompt=parameters.turns,
                sampling=parameters.sampling,
                run=parameters.run,
                chat=parameters.chat,
                separates_reasoning=parameters.separates_reasoning,
            ),
        )
        self._model_id = model.model_id
        self._id = f"chatcmpl-{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._fingerprint = ""  # known once the model is loaded
        self._ended: list[Ended] = []
        self._paragraphs = [Paragraphs() for _ in range(parameters.run.n)]

    async def complete(self) -> ChatCompletion:
        """The whole answer. Raises what loading and generating raise."""
        async with self._running() as running:
            self._fingerprint = running.fingerprint
            answers = await collect(running, self._parameters.run.n)
        self._ended = [answer.ended for answer in answers]
        completions = [ended.completion for ended in self._ended]
        return ChatCompletion(
            id=self._id,
            created=self._created,
            model=self._model_id,
            system_fingerprint=self._fingerprint,
            choices=tuple(self._choice(answer) for answer in answers),
            usage=_usage(self._ended),
            timings=self._timings(),
            dropped_messages=completions[0].dropped_turns or UNSET,
            shifted_tokens=sum(each.shifted_tokens for each in completions) or UNSET,
        )

    async def stream(self, sink: EventSink) -> None:
        """Send the answer to ``sink``, a chunk for every batch of tokens. Raises as `complete`."""
        begun: set[int] = set()
        async with (
            self._running() as running,
            aclosing(running.events()) as events,
        ):
            self._fingerprint = running.fingerprint
            async for event in events:
                if event.choice not in begun and not isinstance(event, PromptRead):
                    begun.add(event.choice)
                    await sink.send(self._first_chunk(event.choice))
                for chunk in self._chunks(event, running):
                    await sink.send(chunk)
        if self._parameters.include_usage:
            await sink.send(self._event((), usage=_usage(self._ended), timings=self._timings()))
        await sink.send(DONE)

    def _running(self) -> AbstractAsyncContextManager[RunningGeneration]:
        return self._generation.running(
            self._scope, dialect=DIALECT, is_stream=self._parameters.stream
        )

    def _timings(self) -> AnswerTimings | UnsetType:
        return AnswerTimings.of_all([ended.completion for ended in self._ended])

    # -- whole answers ---------------------------------------------------------------------

    def _choice(self, answer: CollectedAnswer) -> Choice:
        calls = tuple(
            AnswerToolCall(call.id, AnswerFunction(call.name, call.arguments))
            for call in answer.calls
        )
        message = AssistantMessage(
            content=None if calls and not answer.content else answer.content,
            reasoning_content=answer.reasoning or UNSET,
            tool_calls=calls or UNSET,
        )
        return Choice(
            index=answer.ended.choice,
            message=message,
            logprobs=self._logprobs(answer.logprobs),
            finish_reason=answer.ended.finish_reason,
        )

    def _logprobs(self, logprobs: Sequence[TokenLogprob]) -> ChoiceLogprobs | None:
        if self._parameters.sampling.top_logprobs is None:
            return None
        return ChoiceLogprobs(tuple(ContentLogprob.of(logprob) for logprob in logprobs))

    # -- chunks ----------------------------------------------------------------------------

    def _first_chunk(self, choice: int) -> bytes:
        # Null, as OpenAI has it, where nothing can be said: the answer has to be calls.
        content = None if self._parameters.chat.mode is ToolMode.REQUIRED else ""
        delta = Delta(role="assistant", content=content)
        return self._chunk(ChunkChoice(index=choice, delta=delta))

    def _chunks(self, event: GenerationEvent, running: RunningGeneration) -> list[bytes]:
        match event:
            case Said():
                return self._said_chunks(event, running)
            case Ended():
                self._ended.append(event)
                return [self._last_chunk(event)]
            case PromptRead() if self._parameters.run.return_progress:
                progress = PromptProgress(event.total, event.cached, event.done, event.milliseconds)
                choice = ChunkChoice(index=event.choice, delta=Delta())
                return [self._chunk(choice, progress=progress)]
        return []

    def _said_chunks(self, event: Said, running: RunningGeneration) -> list[bytes]:
        apart = self._paragraphs[event.choice].apart
        deltas = [_delta(apart(part)) for part in _joined(event.parts)]
        if not deltas and not event.logprobs:
            return []
        timings: AnswerTimings | UnsetType = UNSET
        if self._parameters.run.timings_per_token:
            timings = AnswerTimings.of(running.live_timings(event.choice))
        chunks = [
            self._chunk(ChunkChoice(index=event.choice, delta=delta), timings)
            for delta in deltas[:-1]
        ]
        last = ChunkChoice(
            index=event.choice,
            delta=deltas[-1] if deltas else Delta(),
            logprobs=self._logprobs(event.logprobs),
        )
        return [*chunks, self._chunk(last, timings)]

    def _last_chunk(self, event: Ended) -> bytes:
        choice = ChunkChoice(index=event.choice, delta=Delta(), finish_reason=event.finish_reason)
        completion = event.completion
        return self._chunk(
            choice,
            timings=AnswerTimings.of_completion(completion),
            n_dropped=completion.dropped_turns,
            n_shifted=completion.shifted_tokens,
        )

    def _chunk(
        self,
        choice: ChunkChoice,
        timings: AnswerTimings | UnsetType = UNSET,
        progress: PromptProgress | UnsetType = UNSET,
        n_dropped: int = 0,
        n_shifted: int = 0,
    ) -> bytes:
        return self._event(
            (choice,),
            usage=None if self._parameters.include_usage else UNSET,
            timings=timings,
            progress=progress,
            n_dropped=n_dropped,
            n_shifted=n_shifted,
        )

    def _event(
        self,
        choices: tuple[ChunkChoice, ...],
        *,
        usage: Usage | UnsetType | None,
        timings: AnswerTimings | UnsetType = UNSET,
        progress: PromptProgress | UnsetType = UNSET,
        n_dropped: int = 0,
        n_shifted: int = 0,
    ) -> bytes:
        return encode_event(
            ChatCompletionChunk(
                id=self._id,
                created=self._created,
                model=self._model_id,
                system_fingerprint=self._fingerprint,
                choices=choices,
                usage=usage,
                timings=timings,
                prompt_progress=progress,
                dropped_messages=n_dropped or UNSET,
                shifted_tokens=n_shifted or UNSET,
            )
        )


def _joined(parts: Sequence[AnswerPart]) -> list[AnswerPart]:
    """``parts`` with neighbours of one kind made one: a chunk for each is enough."""
    joined: list[AnswerPart] = []
    for part in parts:
        match joined[-1:], part:
            case [ContentDelta(before)], ContentDelta(text):
                joined[-1] = ContentDelta(before + text)
            case [ReasoningDelta(before)], ReasoningDelta(text):
                joined[-1] = ReasoningDelta(before + text)
            case [ToolCallDelta() as call], ToolCallDelta(index, None, None, arguments) if (
                call.index == index
            ):
                joined[-1] = ToolCallDelta(index, call.id, call.name, call.arguments + arguments)
            case _:
                joined.append(part)
    return joined


def _delta(part: AnswerPart) -> Delta:
    match part:
        case ContentDelta(text):
            return Delta(content=text)
        case ReasoningDelta(text):
            return Delta(reasoning_content=text)
        case ToolCallDelta(index, None, _, arguments):
            return Delta(tool_calls=(DeltaToolCall(index, DeltaFunction(arguments)),))
        case ToolCallDelta(index, call_id, name, arguments):
            function = DeltaFunction(arguments, name or "")
            call = DeltaToolCall(index, function, call_id or "", "function")
            return Delta(tool_calls=(call,))


def _usage(ended: Sequence[Ended]) -> Usage:
    by_choice = sorted(ended, key=lambda each: each.choice)
    n_reasoning = sum(each.n_reasoning for each in by_choice)
    return Usage.of(tuple(each.completion for each in by_choice), n_reasoning)
