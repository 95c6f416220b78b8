"""Rows of logits: candidates for samplers that need more than one look, and log-probabilities.

Only requests with a grammar, ``min_tokens`` or log-probabilities come here. Used on the engine
child's main thread.
"""

from __future__ import annotations

import ctypes
import heapq
import math
from typing import Any

from minerva_desktop.chat.completion import TokenLogprob
from minerva_desktop.engine.core.bindings import llama
from minerva_desktop.engine.core.llama import LlamaContext, LlamaModel


class Candidates:
    """llama.cpp's array of candidates for one row, made once and filled for each token."""

    def __init__(self, n_vocab: int) -> None:
        self._n_vocab = n_vocab
        self._data = (llama.llama_token_data * n_vocab)()
        self._array = llama.llama_token_data_array()
        # The same memory as three columns of 32 bits: token, logit, probability.
        words = (ctypes.c_int32 * (3 * n_vocab)).from_buffer(self._data)
        floats = (ctypes.c_float * (3 * n_vocab)).from_buffer(self._data)
        self._tokens = memoryview(words).cast("B").cast("i")[0::3]
        self._logits = memoryview(floats).cast("B").cast("f")[1::3]
        self._ids = memoryview((ctypes.c_int32 * n_vocab)(*range(n_vocab))).cast("B").cast("i")

    def fill(self, context: LlamaContext, row: int) -> None:
        """Take the logits of batch row ``row``."""
        # Slices of views copy in C; the samplers have reordered the tokens since the last time.
        self._tokens[:] = self._ids
        self._logits[:] = context.logits(row, self._n_vocab)
        self._array.data = self._data
        self._array.size = self._n_vocab
        self._array.selected = -1
        self._array.sorted = False

    def apply(self, sampler: Any) -> None:
        """Let a sampler change the candidates."""
        llama.llama_sampler_apply(sampler, ctypes.byref(self._array))

    def pick(self, chain: Any) -> int:
        """Apply a chain that ends in a choice; the chosen token."""
        self.apply(chain)
        return int(self._array.data[self._array.selected].id)

    def best(self, count: int) -> list[tuple[int, float]]:
        """The first ``count`` candidates as tokens and logits, once a sampler has sorted them."""
        data = self._array.data
        return [
            (int(data[i].id), float(data[i].logit)) for i in range(min(count, self._array.size))
        ]

    def allows(self, grammar: Any, token: int) -> bool:
        """Whether a grammar lets ``token`` come next."""
        single = (llama.llama_token_data * 1)((token, 1.0, 0.0))
        array = llama.llama_token_data_array(single, 1, -1, False)
        llama.llama_sampler_apply(grammar, ctypes.byref(array))
        return not math.isinf(single[0].logit)


def token_logprob(
    model: LlamaModel, context: LlamaContext, row: int, token: int, n_top: int
) -> TokenLogprob:
    """The log-probability of ``token`` before any sampler, and the ``n_top`` likeliest ones."""
    logits = context.logits(row, model.n_vocab).tolist()
    highest = max(logits)
    log_sum = highest + math.log(math.fsum(math.exp(logit - highest) for logit in logits))
    best = heapq.nlargest(n_top, range(len(logits)), key=logits.__getitem__)

    def one(which: int, top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
        return TokenLogprob(
            token=which,
            piece=model.vocabulary.piece(which),
            logprob=logits[which] - log_sum,
            top=top,
        )

    return one(token, tuple(one(which) for which in best))
