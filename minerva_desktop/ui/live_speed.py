"""Tokens per second of an answer while it streams."""

from __future__ import annotations

import time
from collections.abc import Callable

SHOW_SECONDS = 0.5  # between two numbers on display; a faster change cannot be read


class LiveSpeed:
    """Counts from the first token on. Main thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: float | None = None
        self._shown = 0.0
        self._n_tokens = 0
        self.tokens_per_second: float | None = None

    def count(self, n_tokens: int) -> bool:
        """Note ``n_tokens`` more; True when `tokens_per_second` is worth showing anew."""
        now = self._clock()
        if self._first is None:
            self._first = self._shown = now
            return False
        self._n_tokens += n_tokens
        if now - self._shown < SHOW_SECONDS:
            return False
        self._shown = now
        self.tokens_per_second = self._n_tokens / (now - self._first)
        return True
