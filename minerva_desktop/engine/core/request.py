"""One generation inside the engine child: its tokens, its sampler, its text, its clock."""

from __future__ import annotations

import time

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.engine.core.detokenizer import IncrementalDetokenizer
from minerva_desktop.engine.core.sampler import Sampler
from minerva_desktop.engine.core.scheduler import Sequence


class RunningRequest:
    """What the engine keeps for a request beside the scheduler's `Sequence`."""

    def __init__(
        self, sequence: Sequence, sampler: Sampler, detokenizer: IncrementalDetokenizer
    ) -> None:
        self.sequence = sequence
        self.sampler = sampler
        self.detokenizer = detokenizer
        self._added = time.perf_counter()
        self._started: float | None = None
        self._first_token: float | None = None
        self._last_token: float | None = None

    def mark_started(self) -> None:
        """The first chunk of the prompt is about to be computed."""
        if self._started is None:
            self._started = time.perf_counter()

    def mark_token(self) -> None:
        """A token was sampled."""
        self._last_token = time.perf_counter()
        if self._first_token is None:
            self._first_token = self._last_token

    def completion(self, reason: FinishReason) -> Completion:
        """The end's numbers, as of now."""
        now = time.perf_counter()
        started = self._started or now
        first = self._first_token or now
        last = self._last_token or first
        timings = Timings(
            queue_ms=(started - self._added) * 1000.0,
            prompt_tokens=self.sequence.n_prompt,
            prefill_ms=(first - started) * 1000.0,
            first_token_ms=(first - self._added) * 1000.0,
            completion_tokens=self.sequence.n_sampled,
            decode_ms=(last - first) * 1000.0,
        )
        return Completion(finish_reason=reason, timings=timings, seed=self.sampler.seed)
