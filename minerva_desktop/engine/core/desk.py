"""The engine child's front desk: what needs the vocabulary but no decode.

Prompts are rendered and tokenised, grammars checked and questions answered on threads of their
own, so that neither a long prompt nor a costly grammar holds up the answers that run, and no
question waits for a decode. Each thread has its own queue: questions do not wait for prompts, and
requests that are quickly prepared do not wait for those with a grammar, whose check may take
seconds, nor for those with so much text that it takes as long to see that it does not fit. Nor do
questions wait for those about much more text: llama.cpp tokenises a text in one go, which nothing
can end. What nobody wants any more is dropped at once where it waits.
"""

from __future__ import annotations

import bisect
import functools
import queue
import threading
import time
import traceback
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.tools import ToolMode
from minerva_desktop.engine.begun_answer import goes_on
from minerva_desktop.engine.call_syntax import THOUGHTS
from minerva_desktop.engine.core.call_grammar import (
    calls_or_text,
    forced_calls,
    grammar_after_thought,
    started_call,
)
from minerva_desktop.engine.core.call_watch import CallWatch
from minerva_desktop.engine.core.grammar import check_grammar
from minerva_desktop.engine.core.json_schema import schema_to_grammar
from minerva_desktop.engine.core.prompts import Prompt, PromptBuilder
from minerva_desktop.engine.core.questions import (
    answer_to,
    chat_characters,
    question_characters,
)
from minerva_desktop.engine.core.sampler import (
    DryPrototype,
    dry_prototype,
    forget_dry_prototypes,
)
from minerva_desktop.engine.messages import (
    Abort,
    Embed,
    ErrorInfo,
    Event,
    Generate,
    Question,
    RequestFailed,
    SequenceOutput,
    StepOutputs,
)
from minerva_desktop.errors import InferenceError, InvalidRequest, MinervaError, OutOfMemory

LONG_CHARACTERS = 200_000  # of a request: about 0.1 s
# Of a question, in each class of length but the last: what is typed, then what chats and files
# have. The rest are megabytes, of which llama.cpp tokenises one in 1 to 5 s.
QUESTION_CHARACTERS = (20_000, 400_000)


class PreparedGeneration(msgspec.Struct, frozen=True):
    """A checked request with the tokens of its prompt and the grammar that it has to follow.

    ``stop``: the strings that end it, those that the request did not ask for too. None do where a
    call is required, which would be cut."""

    request: Generate
    prompt: Prompt
    grammar: str | None
    watch: CallWatch | None  # for calls that the model begins by itself
    stop: tuple[str, ...]
    arrived: float  # `time.perf_counter`
    dry: DryPrototype | None = None
    on_start: Callable[[], None] | None = None  # called when it waits no longer


class PreparedEmbedding(msgspec.Struct, frozen=True):
    """A checked request with the tokens of each input."""

    request: Embed
    inputs: tuple[list[int], ...]
    on_start: Callable[[], None] | None = None  # called when it waits no longer


Prepared = PreparedGeneration | PreparedEmbedding
_Queue = queue.SimpleQueue[int]  # of the ids of what is open


class _Posted(NamedTuple):
    """What is to be done here, and when it arrived (`time.perf_counter`)."""

    work: Generate | Embed | Question
    arrived: float


class Desk:
    """Takes requests on the reader thread, hands them on prepared, and answers questions."""

    def __init__(
        self, send: Callable[[Event], None], hand_on: Callable[[Prepared | Abort], None]
    ) -> None:
        """Both are called on the desk's threads and on the reader thread; ``send`` also on the main
        thread, when a request whose time in the queue is limited begins."""
        self._send = send
        self._hand_on = hand_on
        self._lock = threading.Lock()
        self._open: dict[int, _Posted] = {}  # what is not handed on or answered yet
        self._light: _Queue = queue.SimpleQueue()
        self._costly: _Queue = queue.SimpleQueue()
        self._long: _Queue = queue.SimpleQueue()
        self._questions: tuple[_Queue, ...] = tuple(
            queue.SimpleQueue() for _ in range(len(QUESTION_CHARACTERS) + 1)
        )

    def start(self, make_builder: Callable[[], PromptBuilder]) -> None:
        """Begin work, once a model is there; each thread gets a builder of its own. Raises
        `MemoryError` where the system has none for a thread."""
        for waiting in (self._light, self._costly, self._long, *self._questions):
            thread = threading.Thread(
                target=self._serve, args=(waiting, make_builder()), daemon=True
            )
            try:
                thread.start()
            except RuntimeError as error:
                raise MemoryError(str(error)) from error

    # -- reader thread ---------------------------------------------------------------------

    def post(self, request: Generate | Embed) -> None:
        """Take a request to prepare."""
        waiting = self._light
        if _n_characters(request) > LONG_CHARACTERS:
            waiting = self._long
        elif _is_costly(request):
            waiting = self._costly
        self._put(waiting, request)

    def ask(self, question: Question) -> None:
        """Take a question."""
        length = bisect.bisect_left(QUESTION_CHARACTERS, question_characters(question))
        self._put(self._questions[length], question)

    def _put(self, waiting: _Queue, work: Generate | Embed | Question) -> None:
        with self._lock:
            self._open[work.request_id] = _Posted(work, time.perf_counter())
        waiting.put(work.request_id)

    def abort(self, abort: Abort) -> None:
        """End a request or a question here, where it is still open, or hand the abort on."""
        with self._lock:
            posted = self._open.pop(abort.request_id, None)
            if posted is None:
                self._hand_on(abort)
                return
        if isinstance(posted.work, Generate | Embed):
            self._send(cancelled(abort.request_id))

    # -- desk threads ----------------------------------------------------------------------

    def _serve(self, waiting: _Queue, builder: PromptBuilder) -> None:
        while True:
            self._serve_one(waiting.get(), builder)

    def _serve_one(self, request_id: int, builder: PromptBuilder) -> None:
        with self._lock:
            posted = self._open.get(request_id)
        if posted is None:
            return  # nobody wants it any more
        work = posted.work
        try:
            if isinstance(work, Generate | Embed):
                self._hand_on_prepared(self._prepare(work, posted.arrived, builder))
                return
            answer = answer_to(work, builder, functools.partial(self._is_open, request_id))
        except Exception as error:  # noqa: BLE001 - the top of a thread that has to live on
            if self._close(request_id):
                self._refuse(work, _foreseen(error))
            return
        if self._close(request_id):
            self._send(answer)

    def _hand_on_prepared(self, prepared: Prepared) -> None:
        if isinstance(prepared, PreparedGeneration) and prepared.request.tell_accepted:
            self._send(StepOutputs((_accepted(prepared),)))
        with self._lock:  # an abort comes either before this or behind it
            if self._open.pop(prepared.request.request_id, None) is not None:
                self._hand_on(prepared)

    def _prepare(
        self, request: Generate | Embed, arrived: float, builder: PromptBuilder
    ) -> Prepared:
        prepared: Prepared
        if isinstance(request, Embed):
            prepared = PreparedEmbedding(request, tuple(_input_tokens(request, builder)))
            is_limited = request.queue_seconds is not None
        else:
            prepared = _prepared_generation(request, arrived, builder)
            is_limited = request.limits.queue_seconds is not None
        if not is_limited:
            return prepared
        started = SequenceOutput(request_id=request.request_id, started=True)
        on_start = functools.partial(self._send, StepOutputs((started,)))
        return replace(prepared, on_start=on_start)

    def _is_open(self, request_id: int) -> bool:
        with self._lock:
            return request_id in self._open

    def _close(self, request_id: int) -> bool:
        with self._lock:
            return self._open.pop(request_id, None) is not None

    def _refuse(self, work: Generate | Embed | Question, error: MinervaError) -> None:
        info = ErrorInfo.of(error)
        if isinstance(work, Generate):
            self._send(StepOutputs((SequenceOutput(request_id=work.request_id, error=info),)))
        else:
            self._send(RequestFailed(work.request_id, info))


def cancelled(request_id: int) -> StepOutputs:
    """The end of a request of which nothing was computed, or nothing to tell."""
    never = Completion(finish_reason=FinishReason.CANCELLED, timings=Timings(), seed=0)
    return StepOutputs((SequenceOutput(request_id=request_id, completion=never),))


def forget_prepared() -> None:
    """Let go of what was prepared for requests that are like earlier ones. Any thread."""
    for made in (forced_calls, grammar_after_thought, calls_or_text, started_call, check_grammar):
        made.cache_clear()
    forget_dry_prototypes()


def _accepted(prepared: PreparedGeneration) -> SequenceOutput:
    return SequenceOutput(
        request_id=prepared.request.request_id,
        prefill_total=len(prepared.prompt.tokens),
        dropped_turns=prepared.prompt.n_dropped_turns,
    )


def _foreseen(error: Exception) -> MinervaError:
    """``error``, or what there is to say about one that nobody thought of."""
    if isinstance(error, MinervaError):
        return error
    if isinstance(error, MemoryError):
        return OutOfMemory("Not enough memory to prepare the request", detail=str(error))
    return InferenceError(
        "The request could not be prepared", detail="".join(traceback.format_exception(error))
    )


def _n_characters(request: Generate | Embed) -> int:
    """How much text there is to tokenise."""
    if isinstance(request, Embed):
        return sum(len(given) for given in request.inputs if isinstance(given, str))
    return len(request.text or "") + chat_characters(request.messages or (), request.chat)


def _is_costly(request: Generate | Embed) -> bool:
    """Whether a grammar has to be made or checked for it, or the vocabulary be searched."""
    if isinstance(request, Embed):
        return False
    sampling = request.sampling
    has_grammar = sampling.grammar is not None or sampling.json_schema is not None
    return has_grammar or bool(sampling.dry_multiplier) or bool(request.chat.shown_tools)


def _prepared_generation(
    request: Generate, arrived: float, builder: PromptBuilder
) -> PreparedGeneration:
    request.sampling.check()
    request.limits.check()
    request.chat.check()
    _check_scores(request)
    _check_end(request)
    prompt = builder.build(request)
    grammar = _grammar(request.sampling)
    watch, stop = None, _stops(request, builder)
    # Which variables the template sees makes no other grammar: it is made once for each tool set.
    chat = msgspec.structs.replace(request.chat, variables=None)
    if chat.mode is ToolMode.REQUIRED:
        _check_forced(request)
        grammar, stop = forced_calls(chat, builder.answer_format, prompt.opening), ()
    elif grammar is not None:
        if request.messages is not None and not goes_on(request.messages):
            # GBNF decides about all of an answer, a schema about what is said in it.
            may_call = bool(chat.shown_tools) and request.sampling.json_schema is not None
            form, opening = builder.answer_format, prompt.opening
            grammar = (
                calls_or_text(chat, grammar, form, opening)
                if may_call
                else grammar_after_thought(grammar, form, opening)
            )
    elif chat.shown_tools:
        started = started_call(chat, builder.answer_format)
        thought = THOUGHTS.get(builder.answer_format.reasoning)
        watch = CallWatch(started, thought, prompt.opening) if started is not None else None
    dry = dry_prototype(request.sampling, builder.vocabulary)
    return PreparedGeneration(request, prompt, grammar, watch, stop, arrived, dry)


def _stops(request: Generate, builder: PromptBuilder) -> tuple[str, ...]:
    """What the request asks for, and the mark that ends a turn, where an answer can end at it."""
    sampling, mark = request.sampling, builder.end_mark
    is_free = sampling.grammar is None and sampling.json_schema is None
    ends = mark and request.messages is not None and is_free and not _must_go_on(sampling)
    return (*sampling.stop, mark) if ends else sampling.stop


def _check_scores(request: Generate) -> None:
    if request.score_prompt and request.sampling.top_logprobs is None:
        raise InvalidRequest("A prompt is scored only with top_logprobs", param="top_logprobs")
    if request.score_prompt and request.suffix is not None:
        raise InvalidRequest("A prompt with a suffix cannot be scored", param="suffix")


def _check_end(request: Generate) -> None:
    """An answer that a call ends cannot be one that has to go on."""
    is_one = bool(request.chat.shown_tools) and not request.chat.parallel
    if is_one and _must_go_on(request.sampling):
        raise InvalidRequest(
            "An answer that may make one call ends behind it, which excludes ignore_eos and"
            " min_tokens",
            param="parallel_tool_calls",
        )


def _must_go_on(sampling: SamplingParameters) -> bool:
    return sampling.ignore_eos or sampling.min_tokens > 0


def _check_forced(request: Generate) -> None:
    """A call that has to be made decides about the whole answer. A JSON schema is for what would be
    said instead, which clients send along."""
    if request.sampling.grammar is not None:
        raise InvalidRequest(
            "A required tool call excludes a grammar for the answer", param="tool_choice"
        )
    if _must_go_on(request.sampling):
        raise InvalidRequest(
            "A required tool call ends the answer, which excludes ignore_eos and min_tokens",
            param="tool_choice",
        )
    if request.messages is not None and goes_on(request.messages):
        raise InvalidRequest(
            "A tool call cannot be required of an answer that goes on", param="tool_choice"
        )


def _grammar(sampling: SamplingParameters) -> str | None:
    if sampling.json_schema is None:
        return None if sampling.grammar is None else check_grammar(sampling.grammar)
    try:
        schema = msgspec.json.decode(sampling.json_schema)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(
            f"The JSON schema is no JSON: {error}", param="response_format"
        ) from error
    return schema_to_grammar(schema, strict=sampling.strict_schema)


def _input_tokens(request: Embed, builder: PromptBuilder) -> list[list[int]]:
    if not request.inputs:
        raise InvalidRequest("There is no text to embed", param="input")
    inputs = []
    for given in request.inputs:
        if isinstance(given, str):
            tokens = builder.vocabulary.tokenize(given, special=False)
        else:
            builder.vocabulary.check(given, "input")
            tokens = list(given)
        if not given or not tokens:
            raise InvalidRequest("A text to embed is empty", param="input")
        builder.check_length(tokens, "input")
        inputs.append(tokens)
    return inputs
