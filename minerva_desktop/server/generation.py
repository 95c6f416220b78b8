"""`Generation`: one request's answers, from the lease of its model to the last number.

The dialects (chat completions, responses, messages, plain completions) differ in what they write;
all of them read the events that come from here. Everything runs on the endpoint's asyncio loop. A
generation is cancelled on every way out but its own end: a client that left, a stopped endpoint, an
error while sending.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, MutableMapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec

from minerva_desktop.chat.completion import (
    Completion,
    FinishReason,
    Timings,
    TokenLogprob,
)
from minerva_desktop.chat.limits import Overflow
from minerva_desktop.chat.message import ChatTurn, Role, without_oldest
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.tools import ChatOptions
from minerva_desktop.engine.answer_format import AnswerFormat, ReasoningFormat
from minerva_desktop.engine.answer_parser import (
    AnswerParser,
    AnswerPart,
    ReasoningDelta,
)
from minerva_desktop.engine.begun_answer import begun_text
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.errors import InferenceError
from minerva_desktop.library.model_file import ModelFile
from minerva_desktop.server.errors import renamed_fields
from minerva_desktop.server.generation_events import (
    CollectedAnswer,
    Ended,
    GenerationEvent,
    PromptRead,
    PromptScored,
    Said,
    SharedScores,
)
from minerva_desktop.server.model_choice import leased, prompt_unknown
from minerva_desktop.server.model_description import fingerprint
from minerva_desktop.server.parameters.sampling import RunParameters
from minerva_desktop.server.services import Engine, ServerContext

TOOL_CALLS = "tool_calls"  # a finish reason, besides those of `FinishReason`
GAP = "\n[…]\n"  # where the answer goes, when the text behind it is given too

PlainPrompt = tuple[int, ...] | str


class GenerationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to generate. ``separates_reasoning`` False leaves a train of thought in the content.

    ``more_prompts`` are answered beside ``prompt``, each ``run.n`` times; choices are numbered
    prompt by prompt. ``suffix`` is the text behind each answer, where prompts are plain;
    ``score_prompt`` brings the log-probabilities of their tokens.
    """

    model: ModelFile
    prompt: tuple[ChatTurn, ...] | PlainPrompt
    more_prompts: tuple[PlainPrompt, ...] = ()
    suffix: str | None = None
    score_prompt: bool = False
    sampling: SamplingParameters
    run: RunParameters = RunParameters()
    chat: ChatOptions = ChatOptions()
    separates_reasoning: bool = True

    @property
    def prompts(self) -> tuple[tuple[ChatTurn, ...] | PlainPrompt, ...]:
        """All of them."""
        return (self.prompt, *self.more_prompts)


class Generation:
    """The answers to one request. Made for one `running`."""

    def __init__(self, context: ServerContext, request: GenerationRequest) -> None:
        self._context = context
        self._request = request
        self._streams: tuple[TokenStream, ...] = ()
        self._n_dropped_turns = 0

    @asynccontextmanager
    async def running(
        self, scope: MutableMapping[str, Any], *, dialect: str, is_stream: bool
    ) -> AsyncIterator[RunningGeneration]:
        """Lease the model, begin, and cancel what still runs at the end; ``scope`` is the HTTP
        request's, for the list of requests. Raises what loading raises, and `GenerationTimeout`
        when all of it, a load too, takes longer than the request may."""
        request = self._request
        with (
            renamed_fields(request.run.own_names),
            self._context.activity.begin(
                scope,
                dialect=dialect,
                model=request.model.model_id,
                is_stream=is_stream,
                prompt=self._prompt_text,
            ) as active,
        ):
            limit_s = request.run.limits.total_seconds
            async with leased(self._context, request.model, limit_s, scope) as engine:
                streams = self._streams = self._begin(engine)
                active.follow(*streams)
                answer_format = _format(request, engine.get_context_info().answer_format)
                choices = [
                    _Choice(index, stream, _parser(answer_format, request))
                    for index, stream in enumerate(streams)
                ]
                try:
                    yield RunningGeneration(choices, engine, request)
                finally:
                    self._note_dropped()
                    self._streams = ()  # what they hold is not kept as long as the prompt
                    for stream in streams:
                        stream.cancel()

    def _begin(self, engine: Engine) -> tuple[TokenStream, ...]:
        request, run = self._request, self._request.run
        limits = self._context.config.with_waits(run.limits)
        return tuple(
            stream
            for prompt in request.prompts
            for stream in engine.generate_choices(
                prompt,
                run.n,
                sampling=request.sampling,
                limits=limits,
                cache_prompt=run.cache_prompt,
                lora=run.lora,
                chat=request.chat,
                suffix=request.suffix,
                score_prompt=request.score_prompt,
                tell_accepted=bool(request.more_prompts) or self._may_drop_turns,
            )
        )

    @property
    def _may_drop_turns(self) -> bool:
        return self._request.run.limits.overflow is Overflow.TRUNCATE_MIDDLE

    def _note_dropped(self) -> None:
        """Of a prompt of turns, which all the choices share."""
        for stream in self._streams:
            self._n_dropped_turns = max(self._n_dropped_turns, stream.n_dropped_turns)

    async def _prompt_text(self) -> str:
        """What the model got, for the list of requests. Raises `ModelNotFound` when the model is
        not loaded."""
        request = self._request
        engine = self._context.pool.loaded_engine(request.model.path)
        if engine is None:
            raise prompt_unknown(request.model)
        self._note_dropped()
        behind = "" if request.suffix is None else GAP + request.suffix
        texts = [
            await _text(engine, prompt, request.chat, n_dropped_turns=self._n_dropped_turns)
            for prompt in request.prompts
        ]
        return "\n".join(text + behind for text in texts)


class RunningGeneration:
    """The choices of one request, while they are computed."""

    def __init__(
        self, choices: Sequence[_Choice], engine: Engine, request: GenerationRequest
    ) -> None:
        self._choices = choices
        self._engine = engine
        self._request = request

    @property
    def fingerprint(self) -> str:
        """What computes them, engine and model."""
        return fingerprint(self._request.model, self._engine.get_context_info())

    async def prompt_text(self, choice: int) -> str:
        """The prompt that a choice answers, as text, up to where the answer's begins. Raises
        `InvalidRequest` for tokens that the model does not have."""
        prompt = self._request.prompts[choice // self._request.run.n]
        return await _text(self._engine, prompt, self._request.chat, whole=True)

    async def events(self) -> AsyncGenerator[GenerationEvent, None]:
        """All that happens to all choices; of one choice in order, its `Ended` last. Raises what
        generating raises: nothing has come then, if what was wrong is one of several prompts."""
        if len(self._choices) == 1:
            async for event in self._choices[0].events():
                yield event
            return
        n = self._request.run.n
        shares = SharedScores(n) if self._request.score_prompt and n > 1 else None
        unheard = set(range(len(self._choices))) if self._request.more_prompts else set()
        held: list[GenerationEvent] = []
        async with aclosing(_merged([choice.events() for choice in self._choices])) as merged:
            async for event in merged:
                held += (event,) if shares is None else shares.take(event)
                unheard.discard(event.choice)
                if not unheard:  # each prompt has been accepted
                    for each in held:
                        yield each
                    held.clear()

    def live_timings(self, choice: int) -> Timings:
        """The numbers of a choice that still runs, as of now."""
        return self._choices[choice].live_timings()


class _Choice:
    """One of the answers, on its way from tokens to parts."""

    def __init__(self, index: int, stream: TokenStream, parser: AnswerParser) -> None:
        self._index = index
        self._stream = stream
        self._parser = parser
        self._began = time.perf_counter()
        self._first: float | None = None
        self._n_tokens = 0
        self._n_items = 0  # of the stream
        self._n_scored = 0
        self._n_reasoning = 0
        self._reasons = False

    async def events(self) -> AsyncGenerator[GenerationEvent, None]:
        prefill = (0, 0)
        async for batch in self._stream.batches():
            if self._stream.prefill != prefill:
                if prefill == (0, 0):
                    yield self._prompt_begun()
                prefill = self._stream.prefill
                yield self._prompt_read(*prefill)
            for scored in self._scored():
                yield scored
            for said in self._said(batch):
                yield said
            if self._parser.is_over:
                self._stream.cancel()
        completion = await self._stream.wait_completion()
        for scored in self._scored():
            yield scored
        if rest := self._noted(self._parser.finish()):
            yield Said(self._index, rest)
        yield Ended(self._index, completion, self._finish_reason(completion), self._n_reasoning)

    def live_timings(self) -> Timings:
        now = time.perf_counter()
        first = self._first or now
        return Timings(
            prompt_tokens=self._stream.prefill[1],
            cached_tokens=self._stream.n_cached,
            prefill_ms=(first - self._began) * 1000.0,
            first_token_ms=(first - self._began) * 1000.0,
            completion_tokens=self._n_tokens,
            decode_ms=(now - first) * 1000.0,
        )

    def _prompt_begun(self) -> PromptRead:
        """What had been read before, as the clients of llama-server want to know it first."""
        n_cached = self._stream.n_cached
        return PromptRead(self._index, n_cached, self._stream.prefill[1], n_cached, 0)

    def _prompt_read(self, done: int, total: int) -> PromptRead:
        milliseconds = round((time.perf_counter() - self._began) * 1000.0)
        return PromptRead(self._index, done, total, self._stream.n_cached, milliseconds)

    def _scored(self) -> Iterator[PromptScored]:
        if tokens := self._stream.prompt_from(self._n_scored):
            self._n_scored += len(tokens)
            yield PromptScored(self._index, tokens)

    def _said(self, batch: list[str]) -> Iterator[Said]:
        start = self._n_items
        self._n_items += len(batch)
        logprobs = self._stream.logprobs_between(start, self._n_items)
        if any(logprobs):
            for token, of_token in zip(batch, logprobs, strict=True):
                yield self._read([token], of_token)
        elif batch:
            yield self._read(batch, ())

    def _read(self, batch: list[str], logprobs: tuple[TokenLogprob, ...]) -> Said:
        if self._first is None:
            self._first = time.perf_counter()
        self._n_tokens += len(batch)
        if self._parser.is_plain:
            return Said(self._index, tuple(self._parser.feed("".join(batch))), len(batch), logprobs)
        parts: list[AnswerPart] = []
        for token in batch:
            parts += self._noted(self._parser.feed(token))
            self._n_reasoning += self._reasons
        return Said(self._index, tuple(parts), len(batch), logprobs)

    def _noted(self, parts: Sequence[AnswerPart]) -> tuple[AnswerPart, ...]:
        for part in parts:
            self._reasons = isinstance(part, ReasoningDelta)
        return tuple(parts)

    def _finish_reason(self, completion: Completion) -> str:
        if self._parser.is_over:
            return TOOL_CALLS
        # The APIs have no word for it, and half an answer must not look whole. The client is still
        # there, so it was the window that ended this generation.
        if completion.finish_reason is FinishReason.CANCELLED:
            raise InferenceError("The answer was cancelled before its end")
        if self._parser.ends_in_calls and completion.finish_reason is FinishReason.STOP:
            return TOOL_CALLS
        return completion.finish_reason.value


async def _text(
    engine: Engine,
    prompt: tuple[ChatTurn, ...] | PlainPrompt,
    chat: ChatOptions,
    *,
    whole: bool = False,
    n_dropped_turns: int = 0,
) -> str:
    if isinstance(prompt, str):
        return prompt
    turns = [turn for turn in prompt if isinstance(turn, ChatTurn)]
    if turns:
        return await engine.apply_template(without_oldest(turns, n_dropped_turns), chat=chat)
    tokens = [token for token in prompt if isinstance(token, int)]
    return await engine.detokenize(tokens, whole=whole)


async def collect(running: RunningGeneration, n: int) -> list[CollectedAnswer]:
    """The whole of all ``n`` choices (of all prompts). Raises what generating raises."""
    answers = [CollectedAnswer() for _ in range(n)]
    async with aclosing(running.events()) as events:
        async for event in events:
            answers[event.choice].add(event)
    return answers


def _parser(answer_format: AnswerFormat, request: GenerationRequest) -> AnswerParser:
    """For one choice. Where an answer goes on, what it said so far says whether it stands inside
    a thought."""
    parser = AnswerParser(answer_format, request.chat)
    last = request.prompt[-1] if request.prompt else ""
    if isinstance(last, ChatTurn) and last.role is Role.ASSISTANT and not last.tool_calls:
        parser.feed(begun_text(last, answer_format.reasoning))
    return parser


def _format(request: GenerationRequest, found: AnswerFormat) -> AnswerFormat:
    """What of the model's format is looked for: plain text has none. Without tools nothing is a
    call, but what is said to the user may have marks of its own."""
    if not request.prompt or not isinstance(request.prompt[0], ChatTurn):
        return AnswerFormat()
    reasoning = found.reasoning if request.separates_reasoning else ReasoningFormat.NONE
    return AnswerFormat(found.tools, reasoning)


async def _merged(
    sources: Sequence[AsyncIterator[GenerationEvent]],
) -> AsyncGenerator[GenerationEvent, None]:
    """The events of all ``sources`` as they come; the first error ends all of them."""
    arrived: asyncio.Queue[GenerationEvent | BaseException | None] = asyncio.Queue(1)

    async def pump(source: AsyncIterator[GenerationEvent]) -> None:
        try:
            async for event in source:
                await arrived.put(event)
        except Exception as error:  # noqa: BLE001 - the top of a task; raised by its reader
            await arrived.put(error)
        else:
            await arrived.put(None)

    tasks = [asyncio.create_task(pump(source)) for source in sources]
    try:
        n_running = len(tasks)
        while n_running:
            event = await arrived.get()
            if event is None:
                n_running -= 1
            elif isinstance(event, BaseException):
                raise event
            else:
                yield event
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
