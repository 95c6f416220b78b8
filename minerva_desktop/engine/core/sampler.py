"""llama.cpp's sampler chain for one sequence. Used on the engine child's main thread."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from minerva_desktop.chat.sampling import MAX_SEED, SamplingParameters
from minerva_desktop.engine.core.bindings import llama
from minerva_desktop.engine.core.llama import LlamaContext


class Sampler:
    """Picks the next token from a row of logits. Order of the chain as llama.cpp's default."""

    def __init__(
        self, parameters: SamplingParameters, *, prompt: Sequence[int], n_vocab: int
    ) -> None:
        """``prompt`` (token ids) counts for the repetition penalty, as in llama-server."""
        seed = parameters.seed
        self.seed = random.randint(0, MAX_SEED) if seed is None else seed
        self._chain: Any = llama.llama_sampler_chain_init(
            llama.llama_sampler_chain_default_params()
        )
        if parameters.repeat_penalty != 1.0 and parameters.repeat_last_n > 0:
            self._add(
                llama.llama_sampler_init_penalties(
                    n_vocab, parameters.repeat_last_n, parameters.repeat_penalty, 0.0, 0.0
                )
            )
            for token in prompt[-parameters.repeat_last_n :]:
                llama.llama_sampler_accept(self._chain, token)
        if parameters.temperature <= 0.0:
            self._add(llama.llama_sampler_init_greedy())
            return
        self._add(llama.llama_sampler_init_top_k(parameters.top_k))
        self._add(llama.llama_sampler_init_top_p(parameters.top_p, 1))
        self._add(llama.llama_sampler_init_min_p(parameters.min_p, 1))
        self._add(llama.llama_sampler_init_temp(parameters.temperature))
        self._add(llama.llama_sampler_init_dist(self.seed))

    def sample(self, context: LlamaContext, row: int) -> int:
        """The next token, from the logits of batch row ``row``."""
        return int(llama.llama_sampler_sample(self._chain, context.handle, row))

    def close(self) -> None:
        """Free the chain; no use after this."""
        if self._chain:
            llama.llama_sampler_free(self._chain)
            self._chain = None

    def _add(self, sampler: Any) -> None:
        llama.llama_sampler_chain_add(self._chain, sampler)
