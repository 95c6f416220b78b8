"""The likeliest token of a row of logits, without an array of all candidates.

llama.cpp's `llama_sampler_sample` first writes each token with its logit and a place for its
probability into 12 bytes of its own: of 49,152 tokens 0.6 MB, which takes three times as long as to
find the largest (16 rows of SmolLM2: 1.3 ms, 0.65 with this, **measured**). NumPy's
`argmax` would cost each child 20 MB. So its greedy sampler, which reads nothing but the logits and
writes nothing but the choice, is shown the row itself as if it were such an array: it then sees
every third logit, and is asked three times. Used on the engine child's main thread.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any

from minerva_desktop.engine.core.bindings import llama

BAN = float("-inf")
_STRIDE = 3  # logits in the room of one candidate: its token, its logit, its probability


class GreedyChoice:
    """Chooses as a chain does that bans some tokens and then takes the likeliest."""

    def __init__(self, sampler: Any, n_vocab: int, banned: Sequence[int]) -> None:
        """``sampler`` is a greedy one, which must outlive this."""
        self._sampler = sampler
        self._last = n_vocab - 1
        self._banned = banned
        # The logit is the second third of a candidate: where the first one lies at the row's
        # beginning, that is logit 1. All of the last candidate lies within the row as well.
        self._looks: list[tuple[Any, Any, int]] = []
        for offset in range(_STRIDE):
            size = (n_vocab - offset) // _STRIDE
            array = llama.llama_token_data_array(None, size, -1, False)
            self._looks.append((array, ctypes.c_void_p.from_buffer(array), offset))

    def pick(self, logits: Any) -> int | None:
        """The token with the largest of ``logits`` (a ctypes array of a float for each token), the
        first of several; None where some are no numbers, so that others must choose. The array is
        as it was afterwards."""
        kept = [(token, logits[token]) for token in self._banned]
        for token, _ in kept:
            logits[token] = BAN
        found = self._likeliest(logits)
        for token, logit in kept:
            logits[token] = logit
        return found

    def _likeliest(self, logits: Any) -> int | None:
        address = ctypes.addressof(logits)
        best, found = logits[0], 0
        for array, data, offset in self._looks:
            data.value = address + 4 * offset
            llama.llama_sampler_apply(self._sampler, array)
            token = _STRIDE * array.selected + offset + 1
            logit = logits[token]
            if math.isnan(logit):  # the sampler began with it, and then nothing is larger
                return None
            if logit > best or (logit == best and token < found):
                best, found = logit, token
        return self._last if logits[self._last] > best else found
