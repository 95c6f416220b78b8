"""One generation inside the engine child: its tokens, its sampler, its text, its clock."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import msgspec

from minerva_desktop.chat.completion import Completion, FinishReason, Timings, TokenLogprob
from minerva_desktop.chat.limits import Overflow, Wait, timed_out
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.core.desk import PreparedGeneration
from minerva_desktop.engine.core.detokenizer import IncrementalDetokenizer
from minerva_desktop.engine.core.model_info import ComputedBy
from minerva_desktop.engine.core.prompt_scores import PromptScorer
from minerva_desktop.engine.core.sampler import Sampler
from minerva_desktop.engine.core.sequence import Sequence
from minerva_desktop.engine.core.slot import Variant
from minerva_desktop.engine.messages import Generate, SequenceOutput
from minerva_desktop.errors import GenerationTimeout


def steady_until(sampling: SamplingParameters, greedy_tokens: int) -> int:
    """Up to how many tokens the text must not depend on what else the engine computes.

    All of them where a seed was asked for: then someone wants the same text again. Without one,
    only a greedy answer can be compared at all, and most of those are short: ``greedy_tokens``. A
    long one is not worth the speed (a lone token of SmolLM2 takes 1.6 times as long on 2 cores).
    """
    if sampling.seed is not None:
        return sys.maxsize
    return greedy_tokens if sampling.is_greedy else 0


def sequence_of(prepared: PreparedGeneration, variant: Variant, greedy_tokens: int) -> Sequence:
    """What the scheduler gets of a request. ``greedy_tokens`` as in `steady_until`."""
    request, sampling = prepared.request, prepared.request.sampling
    return Sequence(
        request.request_id,
        prepared.prompt.tokens,
        sampling.max_tokens,
        reuse=request.cache_prompt and not (request.score_prompt or request.makes_way),
        variant=variant,
        steady_until=steady_until(sampling, greedy_tokens),
        scores=request.score_prompt,
        is_random=sampling.seed is None and not sampling.is_greedy,
        kept_for=_kept_for(request),
    )


def _kept_for(request: Generate) -> int | None:
    """As of `Sequence`. What a snapshot is made of stays until it is written."""
    if not request.makes_way and (request.cache_prompt or request.snapshot):
        return None
    return request.request_id if request.prompt_id is None else request.prompt_id


class RunningRequest:
    """What the engine keeps for a request beside the scheduler's `Sequence`."""

    def __init__(
        self,
        sequence: Sequence,
        sampler: Sampler,
        prepared: PreparedGeneration,
        *,
        spell: Callable[[int], bytes],
        scorer: PromptScorer | None,
    ) -> None:
        """All times count from when the engine got the request. ``spell`` gives the bytes that a
        token adds to the answer; ``scorer`` reads the scores of the prompt's."""
        request = prepared.request
        self.sequence = sequence
        self.sampler = sampler
        self.detokenizer = IncrementalDetokenizer(
            prepared.stop, prepared.prompt.opening, prepared.prompt.begun
        )
        self._asked_stops = request.sampling.stop
        self.top_logprobs = request.sampling.top_logprobs
        self.shifts = request.limits.overflow is Overflow.SHIFT
        self.snapshot = request.snapshot
        self.spell = spell
        self.scorer = scorer
        self.n_drafted = 0
        self.n_accepted = 0
        self.n_restored = 0
        self._untold: list[tuple[TokenLogprob, int]] = []
        self._limits = request.limits
        self._n_dropped_turns = prepared.prompt.n_dropped_turns
        self._added = prepared.arrived
        self._on_start = prepared.on_start
        self._started: float | None = None
        self._first_token: float | None = None
        self._last_token: float | None = None

    def mark_started(self) -> None:
        """The first chunk of the prompt is about to be computed."""
        if self._started is None:
            self._started = time.perf_counter()
            if self._on_start is not None:
                self._on_start()

    def mark_token(self) -> None:
        """A token was sampled."""
        self._last_token = time.perf_counter()
        if self._first_token is None:
            self._first_token = self._last_token

    def told(self, logprob: TokenLogprob, n_bytes: int) -> tuple[TokenLogprob, ...]:
        """The log-probabilities that may be told now that a token's text, of so many bytes, was
        pushed. What may turn out to be a stop string is none of the answer's text, nor are its
        tokens: those of which nothing is shown wait."""
        self._untold.append((logprob, n_bytes))
        n_told, n_left = len(self._untold), self.detokenizer.n_withheld
        while n_left > 0 and n_told and self._untold[n_told - 1][1] <= n_left:
            n_told -= 1
            n_left -= self._untold[n_told][1]
        told, self._untold = self._untold[:n_told], self._untold[n_told:]
        return tuple(each for each, _ in told)

    def with_rest(self, last: SequenceOutput | None = None) -> SequenceOutput:
        """``last``, or an output without a token, with what is left to tell at the end: text, and
        the log-probabilities of its tokens."""
        last = last or SequenceOutput(request_id=self.sequence.request_id)
        untold = () if self.detokenizer.stopped else tuple(each for each, _ in self._untold)
        return msgspec.structs.replace(
            last, delta=last.delta + self.detokenizer.flush(), logprobs=last.logprobs + untold
        )

    def overdue(self, now: float) -> GenerationTimeout | None:
        """The error if a limit has passed at ``now`` (`time.perf_counter`)."""
        limits, waited = self._limits, now - self._added
        over = {
            Wait.QUEUE: self._started is not None,
            Wait.FIRST_TOKEN: self._first_token is not None,
            Wait.END: False,
        }
        for wait, limit in limits.times():
            if not over[wait] and waited > limit:
                return timed_out(wait, waited=waited, limit=limit)
        return None

    def completion(self, reason: FinishReason, computed_by: ComputedBy) -> Completion:
        """The end's numbers, as of now."""
        now = time.perf_counter()
        started = self._started or now
        first = self._first_token or now
        last = self._last_token or first
        stop_string = self.detokenizer.stop_string
        timings = Timings(
            queue_ms=(started - self._added) * 1000.0,
            prompt_tokens=self.sequence.n_prompt,
            cached_tokens=self.sequence.n_cached,
            prefill_ms=(first - started) * 1000.0,
            first_token_ms=(first - self._added) * 1000.0,
            completion_tokens=self.sequence.n_sampled,
            decode_ms=(last - first) * 1000.0,
        )
        is_full = reason is FinishReason.LENGTH and timings.completion_tokens != (
            self.sequence.max_tokens
        )
        return Completion(
            finish_reason=reason,
            timings=timings,
            seed=self.sampler.seed,
            model=computed_by.model,
            quantisation=computed_by.quantisation,
            placement=computed_by.placement,
            dropped_turns=self._n_dropped_turns,
            shifted_tokens=self.sequence.n_shifted,
            drafted_tokens=self.n_drafted,
            accepted_tokens=self.n_accepted,
            restored_tokens=self.n_restored,
            stop_string=stop_string if stop_string in self._asked_stops else None,
            full_context=len(self.sequence.tokens) if is_full else 0,
        )


def prefilled(sequence: Sequence, n_done: int, n_total: int) -> SequenceOutput:
    """``n_done`` of ``n_total`` tokens of the prompt are computed."""
    return SequenceOutput(
        request_id=sequence.request_id,
        prefill_done=n_done,
        prefill_total=n_total,
        prefill_cached=sequence.n_cached,
    )
