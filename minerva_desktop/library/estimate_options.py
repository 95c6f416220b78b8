"""The load options that decide about memory, in the words of the estimates. Values; any thread."""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

import msgspec

KvTypeName = Literal["f16", "q8_0", "q4_0"]

CPU = "CPU"
CELL_STEP = 256  # llama.cpp rounds the number of cells up to this
F32_BYTES = 4
F16_BYTES = 2
KV_BLOCK = 32  # numbers
# Bytes of a block of 32 numbers, as in ggml-common.h.
KV_BLOCK_BYTES: MappingProxyType[str, int] = MappingProxyType({"f16": 64, "q8_0": 34, "q4_0": 18})


class GpuShare(msgspec.Struct, frozen=True):
    """A GPU by name, and its share of the offloaded layers by proportion: of the tensor split, or
    of the free memory, as llama.cpp takes it. ``process_bytes``: of a context on it."""

    device: str
    share: float
    process_bytes: int = 0


class EstimateOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The load options that decide about memory.

    ``n_ctx`` and ``n_batch`` in tokens. ``n_seq_max`` sequences may be kept, ``n_parallel`` of
    them are computed at once, each with up to ``n_draft`` guessed tokens (0: no guessing; with it,
    windowed layers keep all tokens). ``is_embedding``: vectors are computed instead of tokens, in
    batches as long as the context. ``gpus`` are those that layers go to.
    ``n_gpu_layers`` None: all; without GPUs it means nothing, and all is on the CPU.
    """

    n_ctx: int
    n_seq_max: int
    n_parallel: int = 1
    n_batch: int = 512
    n_draft: int = 0
    kv_type_k: KvTypeName = "f16"
    kv_type_v: KvTypeName = "f16"
    flash_attention: bool = True
    is_embedding: bool = False
    n_gpu_layers: int | None = None
    gpus: tuple[GpuShare, ...] = ()

    @property
    def batch_tokens(self) -> int:
        """Tokens of one step: no more than the context has, and at least one for each request."""
        if self.is_embedding:
            return self.n_ctx
        return max(min(self.n_batch, self.n_ctx), self.n_parallel)

    @property
    def n_outputs(self) -> int:
        """Rows of logits that a step computes at most; llama.cpp wants one for each sequence."""
        if self.is_embedding:
            return self.n_ctx
        return max(self.n_parallel * (1 + self.n_draft), self.n_seq_max)


def row_bytes(width: int, kv_type: KvTypeName) -> int:
    """Bytes of a row of ``width`` numbers in the KV cache."""
    return width * KV_BLOCK_BYTES[kv_type] // KV_BLOCK


def padded_cells(n_tokens: int) -> int:
    """Cells that llama.cpp makes for so many tokens."""
    return -(-n_tokens // CELL_STEP) * CELL_STEP
