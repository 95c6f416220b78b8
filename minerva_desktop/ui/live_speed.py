"""Tokens per second of the answer that is shown: while it streams, and of one that has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from minerva_desktop.chat.message import Message

SHOW_SECONDS = 0.5  # between two numbers on display; a faster change cannot be read

# Tokens per second and milliseconds to the first token; None where there is nothing to tell.
ShowSpeed = Callable[[float | None, float | None], None]


class LiveSpeed:
    """Counts from the first token on that it sees of an answer. Main thread."""

    def __init__(self, show: ShowSpeed, clock: Callable[[], float] = time.monotonic) -> None:
        self._show = show
        self._clock = clock
        self._start_over()

    def begin(self) -> None:
        """An answer begins: what went before does not count, and is not shown as its speed."""
        self._start_over()
        self._show(None, None)

    def _start_over(self) -> None:
        self._first: float | None = None
        self._shown = 0.0
        self._n_tokens = 0

    def count(self, n_tokens: int) -> None:
        """Note ``n_tokens`` more, and show the speed where it is worth showing anew."""
        now = self._clock()
        if self._first is None:
            self._first = self._shown = now
            return
        self._n_tokens += n_tokens
        if now - self._shown >= SHOW_SECONDS:
            self._shown = now
            self._show(self._n_tokens / (now - self._first), None)

    def show_last(self, messages: Sequence[Message]) -> None:
        """Show how quick the last of ``messages``, which came into sight, was."""
        self._start_over()
        timings = messages[-1].completion.timings if messages and messages[-1].completion else None
        if timings is None or timings.completion_tokens == 0:
            self._show(None, None)
        else:
            self._show(timings.tokens_per_second, timings.first_token_ms)
