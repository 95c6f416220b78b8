"""The engine child's front desk: what needs the vocabulary but no decode.

Prompts are rendered and tokenised, grammars checked and questions answered on threads of their
own, so that neither a long prompt nor a costly grammar holds up the answers that run, and no
question waits for a decode. Each thread has its own queue: questions do not wait for prompts, and
requests that are quickly prepared do not wait for those with a grammar, whose check may take
seconds, nor for those with so much text that it takes as long to see that it does not fit.
"""

from __future__ import annotations

import functools
import queue
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

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
from minerva_desktop.engine.core.sampler import (
    DryPrototype,
    dry_prototype,
    forget_dry_prototypes,
)
from minerva_desktop.engine.messages import (
    Abort,
    Answer,
    ApplyTemplate,
    CountTokens,
    Detokenize,
    Embed,
    ErrorInfo,
    Event,
    Generate,
    Question,
    RequestFailed,
    SequenceOutput,
    StepOutputs,
    TextMade,
    Tokenize,
    Tokenized,
    TokensCounted,
)
from minerva_desktop.errors import InferenceError, InvalidRequest, MinervaError

LONG_CHARACTERS = 200_000  # of a request: about 0.1 s
PREVIEW_CHARACTERS = 50_000  # of what another template makes: nobody reads more


@dataclass(frozen=True, slots=True)
class PreparedGeneration:
    """A checked request with the tokens of its prompt and the grammar that it has to follow.

    ``stop``: the strings that end it. None do where a call is required, which would be cut."""

    request: Generate
    prompt: Prompt
    grammar: str | None
    watch: CallWatch | None  # for calls that the model begins by itself
    stop: tuple[str, ...]
    arrived: float  # `time.perf_counter`
    dry: DryPrototype | None = None
    on_start: Callable[[], None] | None = None  # called when it waits no longer


@dataclass(frozen=True, slots=True)
class PreparedEmbedding:
    """A checked request with the tokens of each input."""

    request: Embed
    inputs: tuple[list[int], ...]


Prepared = PreparedGeneration | PreparedEmbedding
_Posted = tuple[Generate | Embed, float]  # and when it arrived, `time.perf_counter`


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
        self._open: set[int] = set()  # requests that are not handed on yet
        self._light: queue.SimpleQueue[_Posted] = queue.SimpleQueue()
        self._costly: queue.SimpleQueue[_Posted] = queue.SimpleQueue()
        self._long: queue.SimpleQueue[_Posted] = queue.SimpleQueue()
        self._questions: queue.SimpleQueue[Question] = queue.SimpleQueue()

    def start(self, make_builder: Callable[[], PromptBuilder]) -> None:
        """Begin work, once a model is there; each thread gets a builder of its own."""
        serving = (self._serve_light, self._serve_costly, self._serve_long, self._serve_questions)
        for serve in serving:
            threading.Thread(target=serve, args=(make_builder(),), daemon=True).start()

    # -- reader thread ---------------------------------------------------------------------

    def post(self, request: Generate | Embed) -> None:
        """Take a request to prepare."""
        with self._lock:
            self._open.add(request.request_id)
        posted = self._light
        if _n_characters(request) > LONG_CHARACTERS:
            posted = self._long
        elif _is_costly(request):
            posted = self._costly
        posted.put((request, time.perf_counter()))

    def ask(self, question: Question) -> None:
        """Take a question."""
        self._questions.put(question)

    def abort(self, abort: Abort) -> None:
        """End a request here, where it is still open, or hand the abort on."""
        with self._lock:
            if abort.request_id not in self._open:
                self._hand_on(abort)
                return
            self._open.discard(abort.request_id)
        never_begun = Completion(finish_reason=FinishReason.CANCELLED, timings=Timings(), seed=0)
        output = SequenceOutput(request_id=abort.request_id, completion=never_begun)
        self._send(StepOutputs((output,)))

    # -- desk threads ----------------------------------------------------------------------

    def _serve_light(self, builder: PromptBuilder) -> None:
        self._serve_requests(self._light, builder)

    def _serve_costly(self, builder: PromptBuilder) -> None:
        self._serve_requests(self._costly, builder)

    def _serve_long(self, builder: PromptBuilder) -> None:
        self._serve_requests(self._long, builder)

    def _serve_requests(self, posted: queue.SimpleQueue[_Posted], builder: PromptBuilder) -> None:
        while True:
            request, arrived = posted.get()
            if request.request_id not in self._open:
                continue  # nobody wants it any more
            try:
                prepared = self._prepare(request, arrived, builder)
            except Exception as error:  # noqa: BLE001 - the top of a thread that has to live on
                if self._close(request.request_id):
                    self._refuse(request, _foreseen(error))
                continue
            if isinstance(prepared, PreparedGeneration) and prepared.request.tell_accepted:
                self._send(StepOutputs((_accepted(prepared),)))
            with self._lock:  # an abort comes either before this or behind it
                if request.request_id in self._open:
                    self._open.discard(request.request_id)
                    self._hand_on(prepared)

    def _serve_questions(self, builder: PromptBuilder) -> None:
        while True:
            question = self._questions.get()
            try:
                self._send(_answer(question, builder))
            except Exception as error:  # noqa: BLE001 - the top of a thread that has to live on
                self._send(RequestFailed(question.request_id, ErrorInfo.of(_foreseen(error))))

    def _prepare(
        self, request: Generate | Embed, arrived: float, builder: PromptBuilder
    ) -> Prepared:
        if isinstance(request, Embed):
            return PreparedEmbedding(request, tuple(_input_tokens(request, builder)))
        prepared = _prepared_generation(request, arrived, builder)
        if request.limits.queue_seconds is None:
            return prepared
        started = SequenceOutput(request_id=request.request_id, started=True)
        on_start = functools.partial(self._send, StepOutputs((started,)))
        return replace(prepared, on_start=on_start)

    def _close(self, request_id: int) -> bool:
        with self._lock:
            was_open = request_id in self._open
            self._open.discard(request_id)
        return was_open

    def _refuse(self, request: Generate | Embed, error: MinervaError) -> None:
        info = ErrorInfo.of(error)
        if isinstance(request, Embed):
            self._send(RequestFailed(request.request_id, info))
        else:
            self._send(StepOutputs((SequenceOutput(request_id=request.request_id, error=info),)))


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
    return InferenceError(
        "The request could not be prepared", detail="".join(traceback.format_exception(error))
    )


def _n_characters(request: Generate | Embed) -> int:
    """How much text there is to tokenise."""
    if isinstance(request, Embed):
        return sum(len(given) for given in request.inputs if isinstance(given, str))
    turns = request.messages or ()
    return len(request.text or "") + sum(len(turn.text) + len(turn.reasoning) for turn in turns)


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
    watch, stop = None, request.sampling.stop
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
        if sampling.grammar is not None:
            check_grammar(sampling.grammar)
        return sampling.grammar
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


def _answer(question: Question, builder: PromptBuilder) -> Answer:
    vocabulary = builder.vocabulary
    match question:
        case CountTokens(request_id, messages, chat):
            chat.check()
            return TokensCounted(request_id, len(builder.chat_tokens(messages, chat)))
        case ApplyTemplate(request_id, messages, chat, end, template):
            chat.check()
            if template is None:
                text = builder.chat_text(messages, chat, end)
            else:
                shown = builder.with_template(template).chat_text(messages, chat, end)
                text = shown[:PREVIEW_CHARACTERS]
            return TextMade(request_id, text.encode("utf-8", "replace"))
        case Tokenize(request_id, text):
            tokens = vocabulary.tokenize(
                text, special=question.parse_special, add_special=question.add_special
            )
            pieces = tuple(vocabulary.written_out(token) for token in tokens)
            return Tokenized(request_id, tuple(tokens), pieces)
        case Detokenize(request_id, tokens):
            vocabulary.check(tokens, "tokens")
            whole = b"".join(vocabulary.written_out(token) for token in tokens)
            return TextMade(request_id, whole)
