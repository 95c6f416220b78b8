"""Rows of logits: candidates for samplers that need more than one look, and log-probabilities.

Only requests with a grammar, ``min_tokens`` or log-probabilities come here. Used on the engine
child's main thread.
"""

from __future__ import annotations

import ctypes
import math
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from typing import Any

from minerva_desktop.chat.completion import TokenLogprob
from minerva_desktop.chat.sampling import MAX_TOP_LOGPROBS
from minerva_desktop.engine.core.bindings import llama
from minerva_desktop.engine.core.llama import LlamaContext, LlamaModel
from minerva_desktop.errors import InferenceError

# Of a processor, to go past one token. It grows with the square of the ways in which the text can
# be read, which a grammar that nests may double with each level.
MAX_ACCEPT_SECONDS = 0.5
# Tokens from all over the vocabulary: first few, of which each may take 0.07 s; then as many as
# tell what a cheap grammar takes; and where that seems too much, what of it more tokens add.
N_PROBED = (4, 64, 256, 1024)
N_ENOUGH = 64
N_PROBES = 3  # the quickest counts: the first finds the processor's caches empty
# What other processes take does not count: beside four busy ones on two cores, a grammar of 20 ms
# was once foretold to take 4.5 s, and ended its answer. Windows counts a thread's time in ticks of
# 16 ms, which say nothing of so few tokens.
_counts_others = sys.platform == "win32"
_used_seconds = time.perf_counter if _counts_others else time.thread_time
# Where a look took so long, none at more tokens is taken.
SURE_SECONDS = 0.2 if _counts_others else 0.05


class Candidates:
    """llama.cpp's array of candidates for one row, made once and filled for each token."""

    def __init__(self, n_vocab: int) -> None:
        self._n_vocab = n_vocab
        self._data = (llama.llama_token_data * n_vocab)()
        self._array = llama.llama_token_data_array()
        # The same memory as three columns of 32 bits: token, logit, probability.
        words = memoryview((ctypes.c_int32 * (3 * n_vocab)).from_buffer(self._data))
        floats = memoryview((ctypes.c_float * (3 * n_vocab)).from_buffer(self._data))
        words.cast("B").cast("i")[0::3] = memoryview(array("i", range(n_vocab)))
        self._logits = floats.cast("B").cast("f")[1::3]
        self._blank = bytes(self._data)

    def fill(self, context: LlamaContext, row: int) -> None:
        """Take the logits of batch row ``row``."""
        # The samplers have reordered the tokens since the last time. Slices of views copy in C.
        ctypes.memmove(self._data, self._blank, len(self._blank))
        self._logits[:] = context.logits(row, self._n_vocab)
        self._array.data = self._data
        self._array.size = self._n_vocab
        self._array.selected = -1
        self._array.sorted = False

    def apply(self, sampler: Any) -> None:
        """Let a sampler change the candidates."""
        llama.llama_sampler_apply(sampler, ctypes.byref(self._array))

    def pick(self, chain: Any) -> int | None:
        """Apply a chain that ends in a choice; the chosen token, None where all are banned."""
        self.apply(chain)
        chosen = self._array.data[self._array.selected]
        return None if chosen.logit == -math.inf else int(chosen.id)

    def best(self, count: int) -> list[tuple[int, float]]:
        """The first ``count`` candidates as tokens and logits, once a sampler has sorted them."""
        data = self._array.data
        return [
            (int(data[i].id), float(data[i].logit)) for i in range(min(count, self._array.size))
        ]

    @property
    def best_logit(self) -> float:
        """That of the first candidate."""
        return float(self._array.data[0].logit)

    @property
    def best_probability(self) -> float:
        """That of the first candidate, once a sampler has worked probabilities out."""
        return float(self._array.data[0].p)

    def allows(self, grammar: Any, token: int) -> bool:
        """Whether a grammar lets ``token`` come next."""
        single = (llama.llama_token_data * 1)((token, 1.0, 0.0))
        array = llama.llama_token_data_array(single, 1, -1, False)
        llama.llama_sampler_apply(grammar, ctypes.byref(array))
        return not math.isinf(single[0].logit)

    def foretell(self, grammar: Any, limit: float) -> float:
        """Seconds of a processor that a grammar will need for all candidates, by what a few of them
        take, or a bound for it that is within ``limit``: nothing ends llama.cpp's sampler once it
        has begun.

        It may have much to do before the first token (llama.cpp takes 0.03 s for two times 170
        alternatives that follow each other, and 0.08 s for all tokens): then it counts how much
        longer more tokens take.
        """
        of_all, before, n_before = math.inf, 0.0, 0
        for wanted in N_PROBED:
            seconds, n_tokens = self._time_of_few(grammar, wanted)
            of_all = seconds * self._n_vocab / n_tokens
            if seconds > SURE_SECONDS or n_tokens == n_before:
                return of_all
            if wanted >= N_ENOUGH and of_all <= limit:
                return of_all
            for_each = max(0.0, seconds - before) / (n_tokens - n_before)
            of_all = seconds + for_each * (self._n_vocab - n_tokens)
            before, n_before = seconds, n_tokens
        return of_all

    def _time_of_few(self, grammar: Any, wanted: int) -> tuple[float, int]:
        """Seconds of a processor for about ``wanted`` tokens, and for how many it is."""
        least, n_tokens = math.inf, 0
        for _ in range(N_PROBES):
            seconds, n_tokens = self._time_once(grammar, wanted)
            least = min(least, seconds)
            if seconds > SURE_SECONDS:
                break
        return least, n_tokens

    def _time_once(self, grammar: Any, wanted: int) -> tuple[float, int]:
        tokens = range(0, self._n_vocab, max(1, self._n_vocab // wanted))
        few = (llama.llama_token_data * len(tokens))(*((token, 0.0, 0.0) for token in tokens))
        array = llama.llama_token_data_array(few, len(tokens), -1, False)
        started = _used_seconds()
        llama.llama_sampler_apply(grammar, ctypes.byref(array))
        return _used_seconds() - started, len(tokens)


def check_numbers(context: LlamaContext, row: int, token: int = 0) -> None:
    """Raise `InferenceError` where the logits of batch row ``row`` are no numbers, or infinite:
    llama.cpp would go on with whatever token its samplers come across, or always the same. One
    tells, for all are made from the same last layer; that of the ``token`` that was chosen also
    tells of its own weights."""
    if not math.isfinite(context.logit(row, token)):
        raise _no_numbers(context)


def _no_numbers(context: LlamaContext) -> InferenceError:
    context.is_spoilt = True
    return InferenceError(
        "The model computed no numbers (NaN) for the next token: its file or an adapter is"
        " damaged, or a number grew too large. Try it without adapters, or with no layers on"
        " the GPU, or get the file again"
    )


def accept_by_grammar(grammar: Any, tokens: Sequence[int]) -> None:
    """Go past a token, which ``grammar`` allows: ``tokens`` are its bytes, as `Vocabulary.bytewise`
    has them. All answers of the model wait for it, and nothing ends llama.cpp amid a token, so that
    a long one could take for ever: raises `InferenceError` as soon as one byte took too long."""
    started = time.thread_time()
    for token in tokens:
        llama.llama_sampler_accept(grammar, token)
        seconds = time.thread_time() - started
        if seconds > MAX_ACCEPT_SECONDS:
            raise InferenceError(
                "The grammar can be read in too many ways at this place: to go past one token took"
                f" {seconds:.1f} s, and may take {MAX_ACCEPT_SECONDS:g} s. Let fewer alternatives"
                " begin alike where they nest"
            )


class LogprobReader:
    """Log-probabilities of one model's tokens, before any sampler of a request.

    llama.cpp's samplers do the work: Python took 8 ms for 49,152 tokens, they take 0.5 ms.
    """

    def __init__(self, model: LlamaModel) -> None:
        self._vocabulary = model.vocabulary
        self._n_vocab = model.n_vocab
        self._candidates: Candidates | None = None  # most requests never ask
        self._softmax = llama.llama_sampler_init_dist(0)  # what it chooses is of no interest
        self._top = llama.llama_sampler_init_top_k(MAX_TOP_LOGPROBS)

    def forget(self) -> None:
        """Give back the memory that it works in, until it is used again."""
        self._candidates = None

    def of(
        self,
        context: LlamaContext,
        row: int,
        token: int,
        n_top: int,
        spell: Callable[[int], bytes] | None = None,
    ) -> TokenLogprob:
        """Of ``token`` in batch row ``row``, with the ``n_top`` likeliest (at most
        `MAX_TOP_LOGPROBS`). ``spell`` gives a token's bytes, unless they are those of text. Raises
        `InferenceError` as `check_numbers` does."""
        check_numbers(context, row)
        candidates = self._candidates = self._candidates or Candidates(self._n_vocab)
        candidates.fill(context, row)
        candidates.apply(self._softmax)
        candidates.apply(self._top)
        # The likeliest one's probability is exact; that of an unlikely one may be rounded to 0.
        log_sum = candidates.best_logit - math.log(candidates.best_probability)
        if not math.isfinite(log_sum):  # another token's logit is no number
            raise _no_numbers(context)
        spell = spell or self._vocabulary.piece
        top = tuple(
            TokenLogprob(token=which, piece=spell(which), logprob=logit - log_sum)
            for which, logit in candidates.best(n_top)
        )
        logprob = context.logits(row, self._n_vocab)[token] - log_sum
        return TokenLogprob(token=token, piece=spell(token), logprob=logprob, top=top)
