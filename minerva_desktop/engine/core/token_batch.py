"""The tokens of one `llama_decode`, in memory of our own. Engine child, main thread."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Sequence
from typing import Any

from minerva_desktop.engine.core.bindings import llama

_NUMBER = ctypes.POINTER(ctypes.c_int32)


class TokenBatch:
    """What llama.cpp calls a batch: for each row a token, its position, its sequence, and whether
    its logits are wanted.

    The columns are arrays that Python writes through views, by slices where it can: stores through
    the pointers of `llama_batch_init` take longer, five for each token of a prompt, and know no
    bounds.
    """

    def __init__(self, n_rows: int) -> None:
        """Room for ``n_rows``."""
        tokens, positions, slots, ones = ((ctypes.c_int32 * n_rows)() for _ in range(4))
        outputs = (ctypes.c_int8 * n_rows)()
        ones[:] = [1] * n_rows  # each token is of one sequence
        first, size = ctypes.addressof(slots), ctypes.sizeof(ctypes.c_int32)
        places = (ctypes.c_void_p * n_rows)(*(first + size * row for row in range(n_rows)))
        self.struct: Any = llama.llama_batch(
            token=ctypes.cast(tokens, _NUMBER),
            pos=ctypes.cast(positions, _NUMBER),
            n_seq_id=ctypes.cast(ones, _NUMBER),
            seq_id=ctypes.cast(places, ctypes.POINTER(_NUMBER)),
            logits=ctypes.cast(outputs, ctypes.POINTER(ctypes.c_int8)),
        )
        self._tokens = memoryview(tokens).cast("B").cast("i")
        self._positions = memoryview(positions).cast("B").cast("i")
        self._slots = memoryview(slots).cast("B").cast("i")
        self._outputs = memoryview(outputs).cast("B")
        self._n_rows = 0

    @property
    def n_rows(self) -> int:
        """How many tokens it has."""
        return self._n_rows

    def clear(self) -> None:
        """Start a new batch."""
        self._n_rows = self.struct.n_tokens = 0

    def add(self, tokens: Sequence[int], *, position: int, slot: int, n_outputs: int) -> int:
        """Append a chunk whose last ``n_outputs`` tokens shall have logits (or embeddings);
        returns the row of its last token, for the sampler."""
        start, count = self._n_rows, len(tokens)
        end = start + count
        self._tokens[start:end] = array("i", tokens)
        self._positions[start:end] = array("i", range(position, position + count))
        self._slots[start:end] = array("i", [slot]) * count
        self._outputs[start:end] = bytes(count - n_outputs) + b"\1" * n_outputs
        self._n_rows = self.struct.n_tokens = end
        return end - 1

    def put(self, row: int, token: int, position: int, slot: int) -> None:
        """Let ``row``, the last one from now on, be a token that shall have logits."""
        self._tokens[row] = token
        self._positions[row] = position
        self._slots[row] = slot
        self._outputs[row] = 1
        self._n_rows = self.struct.n_tokens = row + 1
