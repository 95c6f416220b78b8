"""``POST /v1/completions``: plain text that goes on, streamed and not."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, MutableMapping, Sequence
from contextlib import aclosing, asynccontextmanager
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, Request
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from minerva_desktop.engine.answer_parser import AnswerPart, ContentDelta
from minerva_desktop.library.model_file import ModelFile
from minerva_desktop.server.errors import json_response, renamed_fields
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
    PromptRead,
    PromptScored,
    Said,
)
from minerva_desktop.server.model_choice import chosen_model
from minerva_desktop.server.parameters.completions import (
    CompletionParameters,
    completion_parameters,
)
from minerva_desktop.server.schemas.chat import PromptProgress
from minerva_desktop.server.schemas.common import AnswerTimings, Usage
from minerva_desktop.server.schemas.completions import TextChoice, TextCompletion
from minerva_desktop.server.services import ServerContext
from minerva_desktop.server.sse import DONE, EventSink, EventStream, encode_event
from minerva_desktop.server.text_logprobs import LogprobWriter, joined

DIALECT = "completions"
_OWN_NAMES = MappingProxyType({"messages": "prompt", "tokens": "prompt"})


def completions_router(context: ServerContext) -> APIRouter:
    """The route, on the models of the catalog, loaded by the pool."""
    lifetime, config = context.lifetime, context.config
    router = APIRouter()

    @router.post("/v1/completions")
    async def create_completion(request: Request) -> Response:
        read = context.bodies.read(
            request, lambda body: completion_parameters(body, config.request_timeout_s)
        )
        parameters = await lifetime.run(read)
        model = await chosen_model(context, parameters.model)
        answer = CompletionAnswer(context, request.scope, model, parameters)
        if parameters.stream:
            return EventStream(answer.stream, lifetime, config, parameters.headers)
        completion = await lifetime.run(answer.complete(), request.receive)
        return json_response(completion, headers=parameters.headers)

    return router


class CompletionAnswer:
    """One request's answer, for one `complete` or one `stream`."""

    def __init__(
        self,
        context: ServerContext,
        scope: MutableMapping[str, Any],
        model: ModelFile,
        parameters: CompletionParameters,
    ) -> None:
        self._parameters = parameters
        self._scope = scope
        prompt, *more_prompts = parameters.prompts
        self._generation = Generation(
            context,
            GenerationRequest(
                model=model,
                prompt=prompt,
                more_prompts=tuple(more_prompts),
                suffix=parameters.suffix,
                score_prompt=parameters.score_prompt,
                sampling=parameters.sampling,
                run=parameters.run,
            ),
        )
        # A scored prompt brings its own text.
        self._echoes = parameters.echo and not parameters.score_prompt
        self._n_choices = len(parameters.prompts) * parameters.run.n
        n_top = parameters.sampling.top_logprobs
        self._writers = (
            None if n_top is None else [LogprobWriter(n_top) for _ in range(self._n_choices)]
        )
        self._model_id = model.model_id
        self._id = f"cmpl-{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._fingerprint = ""  # known once the model is loaded
        self._ended: list[Ended] = []

    async def complete(self) -> TextCompletion:
        """The whole answer. Raises what loading and generating raise."""
        async with self._running() as running:
            self._fingerprint = running.fingerprint
            answers = await collect(running, self._n_choices)
            choices = [await self._choice(answer, running) for answer in answers]
        self._ended = [answer.ended for answer in answers]
        return self._answer(
            tuple(choices),
            usage=self._usage(),
            timings=self._timings(),
            n_shifted=sum(ended.completion.shifted_tokens for ended in self._ended),
        )

    async def stream(self, sink: EventSink) -> None:
        """Send the answer to ``sink``, an event for every batch of tokens. Raises as
        `complete`."""
        begun: set[int] = set()
        async with self._running() as running, aclosing(running.events()) as events:
            self._fingerprint = running.fingerprint
            async for event in events:
                if self._echoes and event.choice not in begun:
                    # Only now, when the engine has found nothing wrong with the prompt.
                    begun.add(event.choice)
                    text = await running.prompt_text(event.choice)
                    await sink.send(self._event(TextChoice(text=text, index=event.choice)))
                chunk = self._chunk(event, running)
                if chunk is not None:
                    await sink.send(chunk)
        if self._parameters.include_usage:
            end = self._answer((), usage=self._usage(), timings=self._timings())
            await sink.send(encode_event(end))
        await sink.send(DONE)

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[RunningGeneration]:
        running = self._generation.running(
            self._scope, dialect=DIALECT, is_stream=self._parameters.stream
        )
        with renamed_fields(_OWN_NAMES):
            async with running as generation:
                yield generation

    async def _choice(self, answer: CollectedAnswer, running: RunningGeneration) -> TextChoice:
        index = answer.ended.choice
        prompt = await running.prompt_text(index) if self._echoes else ""
        logprobs = None
        if self._writers is not None:
            writer = self._writers[index]
            scored, of_prompt = writer.write_prompt(answer.prompt)
            prompt += scored
            logprobs = joined((of_prompt, writer.write(answer.logprobs)))
        return TextChoice(
            text=prompt + answer.content,
            index=index,
            logprobs=logprobs,
            finish_reason=answer.ended.finish_reason,
        )

    # -- events ----------------------------------------------------------------------------

    def _chunk(self, event: GenerationEvent, running: RunningGeneration) -> bytes | None:
        match event:
            case Said():
                return self._said(event, running)
            case PromptScored(index, tokens) if self._writers is not None:
                text, logprobs = self._writers[index].write_prompt(tokens)
                return self._event(TextChoice(text=text, index=index, logprobs=logprobs))
            case Ended(index, completion, finish_reason):
                self._ended.append(event)
                return self._event(
                    TextChoice(text="", index=index, finish_reason=finish_reason),
                    timings=AnswerTimings.of_completion(completion),
                    n_shifted=completion.shifted_tokens,
                )
            case PromptRead() if self._parameters.run.return_progress:
                progress = PromptProgress(event.total, event.cached, event.done, event.milliseconds)
                return self._event(TextChoice(text="", index=event.choice), progress=progress)
        return None

    def _said(self, event: Said, running: RunningGeneration) -> bytes | None:
        text = _text(event.parts)
        if not text and not event.logprobs:
            return None
        timings: AnswerTimings | UnsetType = UNSET
        if self._parameters.run.timings_per_token:
            timings = AnswerTimings.of(running.live_timings(event.choice))
        logprobs = None
        if self._writers is not None:
            logprobs = self._writers[event.choice].write(event.logprobs)
        choice = TextChoice(text=text, index=event.choice, logprobs=logprobs)
        return self._event(choice, timings=timings)

    def _event(
        self,
        choice: TextChoice,
        *,
        timings: AnswerTimings | UnsetType = UNSET,
        progress: PromptProgress | UnsetType = UNSET,
        n_shifted: int = 0,
    ) -> bytes:
        usage = None if self._parameters.include_usage else UNSET
        return encode_event(
            self._answer(
                (choice,), usage=usage, timings=timings, progress=progress, n_shifted=n_shifted
            )
        )

    def _answer(
        self,
        choices: tuple[TextChoice, ...],
        *,
        usage: Usage | UnsetType | None,
        timings: AnswerTimings | UnsetType = UNSET,
        progress: PromptProgress | UnsetType = UNSET,
        n_shifted: int = 0,
    ) -> TextCompletion:
        return TextCompletion(
            id=self._id,
            created=self._created,
            model=self._model_id,
            system_fingerprint=self._fingerprint,
            choices=choices,
            usage=usage,
            timings=timings,
            prompt_progress=progress,
            shifted_tokens=n_shifted or UNSET,
        )

    def _timings(self) -> AnswerTimings | UnsetType:
        return AnswerTimings.of_all([ended.completion for ended in self._ended])

    def _usage(self) -> Usage:
        by_choice = sorted(self._ended, key=lambda ended: ended.choice)
        completions = tuple(ended.completion for ended in by_choice)
        return Usage.of(completions, per_prompt=self._parameters.run.n)


def _text(parts: Sequence[AnswerPart]) -> str:
    return "".join(part.text for part in parts if isinstance(part, ContentDelta))
