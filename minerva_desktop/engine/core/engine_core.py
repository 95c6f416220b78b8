"""The child's side of a model that writes text: the scheduler, llama.cpp's context, and `step`.

`loading` puts it together. Everything here runs on the engine child's main thread, but for
`interrupt`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec

from minerva_desktop.chat.completion import FinishReason, PromptToken
from minerva_desktop.chat.limits import Overflow
from minerva_desktop.engine.core.adapters import AdapterSet
from minerva_desktop.engine.core.batch import Batch
from minerva_desktop.engine.core.chat_states import ChatStates
from minerva_desktop.engine.core.desk import Prepared, PreparedGeneration
from minerva_desktop.engine.core.leftovers import Leftovers
from minerva_desktop.engine.core.llama import LlamaContext, LlamaModel
from minerva_desktop.engine.core.logits import LogprobReader
from minerva_desktop.engine.core.model_info import computed_by, templates_of
from minerva_desktop.engine.core.prompt_scores import PromptScorer
from minerva_desktop.engine.core.prompts import PromptBuilder
from minerva_desktop.engine.core.request import RunningRequest, prefilled, sequence_of
from minerva_desktop.engine.core.sampler import Sampler
from minerva_desktop.engine.core.scheduler import Scheduler
from minerva_desktop.engine.core.sequence import Chunk, Sequence
from minerva_desktop.engine.core.sequence_cache import SequenceCache
from minerva_desktop.engine.core.speculation import Drafter
from minerva_desktop.engine.core.tool_calls import control_marks
from minerva_desktop.engine.core.vocabulary import Vocabulary
from minerva_desktop.engine.messages import (
    ContextInfo,
    ErrorInfo,
    Event,
    Generate,
    SequenceOutput,
    StepOutputs,
)
from minerva_desktop.engine.snapshot_files import check_name
from minerva_desktop.errors import (
    InferenceError,
    InvalidRequest,
    LoadCancelled,
    MinervaError,
    OutOfMemory,
)


class _Sampled(msgspec.Struct, frozen=True):
    """A token, the row it is from, and how many bytes at its end belong to a tool call."""

    token: int
    row: int
    n_call: int


class EngineCore:
    """One loaded model and the generations that run on it."""

    def __init__(
        self,
        name: str,
        model: LlamaModel,
        context: LlamaContext,
        scheduler: Scheduler,
        info: ContextInfo,
        *,
        cache: SequenceCache,
        adapters: AdapterSet,
        drafter: Drafter | None,
        states: ChatStates | None,
        can_shift: bool,
        knows_cells: bool,
        steady_greedy: int,
    ) -> None:
        """``name`` is the model file's; ``drafter`` guesses ahead; ``states`` keeps chats on
        disk; ``can_shift``: a sequence's tokens can be moved to other positions;
        ``knows_cells``: it is known which cells of the cache each of them has;
        ``steady_greedy``: as in `steady_until`."""
        self.info = info
        self._name = name
        self._model = model
        self._vocabulary = model.vocabulary
        self._context = context
        self._scheduler = scheduler
        self._adapters = adapters
        self._drafter = drafter
        self._states = states
        self._can_shift = can_shift
        self._knows_cells = knows_cells
        self._steady_greedy = steady_greedy
        self._cache = cache
        self._logprobs = LogprobReader(model)
        self.leftovers = Leftovers(states, cache.parking, self._logprobs)
        self._computed_by = computed_by(name, info)
        self._requests: dict[int, RunningRequest] = {}
        self._abort_waits = False  # set by any thread, until a step ended for it
        self._timed: dict[int, RunningRequest] = {}  # those whose time is limited
        self._spell_marks = model.vocabulary.speller(control_marks(info.answer_format))

    def prompt_builder(self) -> PromptBuilder:
        """For a thread of the desk."""
        vocabulary = Vocabulary(self._model.handle)
        templates = templates_of(self._model)
        return PromptBuilder(vocabulary, templates=templates, n_ctx=self._context.n_ctx)

    def use_threads(self, n_threads: int) -> None:
        """Compute the next steps with so many."""
        self._context.use_threads(n_threads)
        if self._knows_cells:
            self._scheduler.use_threads(n_threads)
        if self._drafter is not None:
            self._drafter.use_threads(n_threads)

    @property
    def has_work(self) -> bool:
        """Whether `step` would compute anything."""
        return bool(self._requests)

    # -- requests --------------------------------------------------------------------------

    def add(self, prepared: Prepared) -> None:
        """Queue a generation. Raises `InvalidRequest` before anything is computed."""
        if not isinstance(prepared, PreparedGeneration):
            raise InvalidRequest(f"{self._name} makes no embeddings", param="model")
        request, prompt = prepared.request, prepared.prompt
        sampling = request.sampling
        variant = self._adapters.variant(request.lora)
        if request.snapshot is not None:
            check_name(request.snapshot)
        if request.limits.overflow is Overflow.SHIFT and not self._can_shift:
            raise InvalidRequest(
                f"The memory of {self._name} cannot shift: it is no plain attention cache",
                param="overflow",
            )
        sequence = sequence_of(prepared, variant, self._steady_greedy)
        if request.makes_way and not self._scheduler.has_room_beside(sequence):
            raise LoadCancelled(f"{self._name} has no room beside the chats that it keeps")
        sampler = Sampler(
            sampling,
            grammar=prepared.grammar,
            watch=prepared.watch,
            dry=prepared.dry,
            spell=self._spell_marks,
            prompt=prompt.tokens,
            model=self._model,
        )
        self._scheduler.add(sequence)
        spell = self._vocabulary.piece if request.messages is None else self._spell_marks
        running = RunningRequest(
            sequence, sampler, prepared, spell=spell, scorer=self._scorer(request, sequence)
        )
        self._requests[request.request_id] = running
        if request.limits.has_times:
            self._timed[request.request_id] = running

    def _scorer(self, request: Generate, sequence: Sequence) -> PromptScorer | None:
        n_top = request.sampling.top_logprobs
        if not request.score_prompt or n_top is None:
            return None
        return PromptScorer(
            sequence, request.text, n_top=n_top, reader=self._logprobs, vocabulary=self._vocabulary
        )

    def abort(self, request_id: int) -> tuple[Event, ...]:
        """End a generation as ``cancelled``; nothing when it is unknown or over."""
        request = self._requests.get(request_id)
        if request is None:
            return ()
        return (self._outputs((self._finish(request, FinishReason.CANCELLED),)),)

    def interrupt(self, request_id: int) -> None:
        """End the running step, or else the next one, with its next decode, and the one that runs
        if it is mostly for this request. Any thread; `abort` must follow."""
        self._abort_waits = True
        self._cache.interrupt(request_id)

    # -- the step --------------------------------------------------------------------------

    def step(self) -> Iterator[Event]:
        """Compute one batch; what becomes of each of its decodes, as soon as that is known. What
        is left when a decode fails, an abort waits, or the cache was wiped is scheduled anew in
        the next step."""
        if self._timed and (overdue := self._end_overdue()):
            yield self._outputs(overdue)
            if not self._scheduler.has_work:
                return
        for chunks in self._schedule().groups:
            try:
                is_done = self._cache.decode(chunks)
            except (InferenceError, OutOfMemory) as error:
                failed = [self._fail(chunk.sequence.request_id, error) for chunk in chunks]
                yield self._outputs(tuple(failed))
                return
            if not is_done:
                return  # aborted, or the cache has other room now
            self._scheduler.advance(chunks)
            delivered: list[SequenceOutput] = []
            for chunk in chunks:
                delivered += self._deliver(chunk)
            yield self._outputs(tuple(delivered))
            # It may be one from before this step, which was not seen then.
            if self._abort_waits or self._cache.was_wiped:
                self._abort_waits = self._cache.was_wiped = False
                return

    def _outputs(self, outputs: tuple[SequenceOutput, ...]) -> StepOutputs:
        return StepOutputs(outputs, self._scheduler.cells.n_used)

    def _end_overdue(self) -> tuple[SequenceOutput, ...]:
        now = time.perf_counter()
        found = [(r.sequence.request_id, r.overdue(now)) for r in self._timed.values()]
        return tuple(self._fail(request_id, error) for request_id, error in found if error)

    def _schedule(self) -> Batch:
        if self._scheduler.has_waiting:
            self._admit()
        if self._drafter is not None:
            self._drafter.draft(self._scheduler.decoding)
        batch = self._scheduler.schedule()
        self._adapters.use(batch.variant)
        if batch.evicted:
            self._cache.forget(batch.evicted)
        return batch

    def _admit(self) -> None:
        """Begin those that can start now."""
        started: list[RunningRequest] = []
        self._cache.make_way()
        while (admitted := self._scheduler.admit()) is not None:
            self._cache.place(*admitted)
            started.append(self._requests[admitted[0].request_id])
            started[-1].mark_started()
        for request in started:  # only now: one may have given cells to the next
            self._restore(request)

    def _restore(self, request: RunningRequest) -> None:
        """Read the chat's state from where it is parked, or from disk; not for an answer
        half-way."""
        sequence = request.sequence
        if not sequence.reuse or sequence.n_sampled:
            return
        self._cache.restore(sequence)
        if self._states is not None and request.snapshot is not None:
            request.n_restored = self._states.restore(request.snapshot, sequence, self._scheduler)

    def _deliver(self, chunk: Chunk) -> list[SequenceOutput]:
        """What a chunk that was computed brings."""
        sequence = chunk.sequence
        request = self._requests[sequence.request_id]
        scores: tuple[PromptToken, ...] = ()
        if request.scorer is not None and sequence.is_scoring:
            try:
                scores = request.scorer.read(self._context, chunk, chunk.row)
            except InferenceError as error:
                return [self._fail(sequence.request_id, error)]
        if not chunk.needs_logits:
            outputs = [prefilled(sequence, sequence.n_computed, len(sequence.tokens))]
        elif sequence.max_tokens == 0:
            read = prefilled(sequence, sequence.n_prompt, sequence.n_prompt)
            outputs = [self._finish(request, FinishReason.LENGTH, read)]
        elif chunk.n_drafts:
            sampled, failure = self._sample_guessed(request, chunk, chunk.row - chunk.n_drafts)
            outputs = self._take_all(request, sampled, failure)
        else:
            outputs = [self._sample(request, chunk.row)]
        if scores:
            outputs[0] = msgspec.structs.replace(outputs[0], prompt_logprobs=scores)
        return outputs

    def _sample(self, request: RunningRequest, row: int) -> SequenceOutput:
        """What the next token brings, from the logits of ``row``."""
        try:
            token = request.sampler.sample(self._context, row)
            return self._take(request, token, row, request.sampler.n_call)
        except InferenceError as error:
            return self._fail(request.sequence.request_id, error)

    def _sample_guessed(
        self, request: RunningRequest, chunk: Chunk, row: int
    ) -> tuple[list[_Sampled], InferenceError | None]:
        """The tokens of one step: one, and another for each guess that came true;
        and why there is no more, where sampling failed. The guesses that did not come true are
        taken back."""
        drafts = request.sequence.drafts[: chunk.n_drafts]
        sampled: list[_Sampled] = []
        failure = None
        try:
            sampled.append(self._sampled(request, row))
            for right, draft in enumerate(drafts, start=row + 1):
                token = sampled[-1].token
                if token != draft or self._vocabulary.ends_generation(token):
                    break
                sampled.append(self._sampled(request, right))
        except InferenceError as error:
            failure = error
        n_right = max(0, len(sampled) - 1)
        request.n_drafted += len(drafts)
        request.n_accepted += n_right
        self._cache.take_back(request.sequence, len(drafts) - n_right)
        request.sequence.drafts.clear()
        return sampled, failure

    def _sampled(self, request: RunningRequest, row: int) -> _Sampled:
        token = request.sampler.sample(self._context, row)
        return _Sampled(token, row, request.sampler.n_call)

    def _take_all(
        self,
        request: RunningRequest,
        sampled: list[_Sampled],
        failure: InferenceError | None,
    ) -> list[SequenceOutput]:
        """What ``sampled`` brings to the answer, and then ``failure``, if it is not over before."""
        outputs: list[SequenceOutput] = []
        try:
            for each in sampled:
                outputs.append(self._take(request, each.token, each.row, each.n_call))
                if outputs[-1].completion is not None:
                    return outputs
        except InferenceError as error:
            failure = error
        if failure is not None:
            outputs.append(self._fail(request.sequence.request_id, failure))
        return outputs

    def _take(self, request: RunningRequest, token: int, row: int, n_call: int) -> SequenceOutput:
        """Add a token, sampled from ``row``, to its sequence and its text to the answer, unless it
        is one that ends it. As in `_Sampled`."""
        if self._vocabulary.ends_generation(token):
            return self._finish(request, FinishReason.STOP)
        sequence, logprob = request.sequence, None
        if request.top_logprobs is not None:
            logprob = self._logprobs.of(self._context, row, token, request.top_logprobs)
        sequence.tokens.append(token)
        request.mark_token()
        piece = request.spell(token)
        delta = request.detokenizer.push(piece, n_call)
        told = () if logprob is None else request.told(logprob, len(piece))
        output = SequenceOutput(
            request_id=sequence.request_id, delta=delta, n_tokens=1, logprobs=told
        )
        n_sampled = sequence.n_sampled
        if n_sampled == 1:
            read = prefilled(sequence, sequence.n_prompt, sequence.n_prompt)
            output = msgspec.structs.replace(read, delta=delta, n_tokens=1, logprobs=told)
        if request.detokenizer.stop_string is not None:
            return self._finish(request, FinishReason.STOP, output)
        if n_sampled == sequence.max_tokens:
            return self._finish(request, FinishReason.LENGTH, output)
        is_full = len(sequence.tokens) >= self._context.n_ctx
        if is_full and not (request.shifts and self._cache.shift(sequence)):
            return self._finish(request, FinishReason.LENGTH, output)
        return output

    # -- ends ------------------------------------------------------------------------------

    def _finish(
        self, request: RunningRequest, reason: FinishReason, last: SequenceOutput | None = None
    ) -> SequenceOutput:
        """``last``: what the final token brought, if it is to be shown."""
        completion = request.completion(reason, self._computed_by)
        last = request.with_rest(last)
        self._release(request)
        return msgspec.structs.replace(last, completion=completion)

    def _fail(self, request_id: int, error: MinervaError) -> SequenceOutput:
        request = self._requests[request_id]
        last = request.with_rest()
        self._release(request)
        return msgspec.structs.replace(last, error=ErrorInfo.of(error))

    def _release(self, request: RunningRequest) -> None:
        sequence = request.sequence
        # An answer may end before the last guess that came true.
        self._cache.take_back(sequence, sequence.n_computed - len(sequence.tokens))
        slot = sequence.slot
        if slot is not None:  # nobody can build on what stands behind a shift
            self._cache.take_back(sequence, slot.n_held - slot.n_sound)
        emptied = self._scheduler.remove(sequence.request_id)
        del self._requests[sequence.request_id]
        self._timed.pop(sequence.request_id, None)
        if self._drafter is not None:
            self._drafter.forget(sequence.request_id)
        self._cache.forget(emptied)
        is_for_anyone = sequence.kept_for is None
        if request.snapshot and self._states is not None and slot is not None and is_for_anyone:
            self._states.note(request.snapshot, slot)
        request.sampler.close()
