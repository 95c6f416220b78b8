"""What ends a running `llama_decode`. Engine child; any thread may set it."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minerva_desktop.engine.core.bindings import llama


class AbortFlag:
    """Ends a running `llama_decode` between two graph nodes, on the CPU backend.

    llama.cpp polls a callback about a thousand times a step. A Python callback would cost 2 ms a
    step (ctypes has to take the GIL each time), so the callback is libc's ``atoi`` on a one-byte
    text that is "0" or "1": a native function of just the right shape, on every platform.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
        self._text = ctypes.create_string_buffer(b"0")
        self._callback = ctypes.cast(libc.atoi, llama.ggml_abort_callback)
        self._pointer = ctypes.cast(self._text, ctypes.c_void_p)

    def set(self) -> None:
        """End the running decode. Any thread."""
        self._text[0] = b"1"

    def clear(self) -> None:
        """Let decodes run."""
        self._text[0] = b"0"

    def give_to(self, params: Any) -> None:
        """Let a context that is made with ``params`` look at it."""
        params.abort_callback = self._callback
        params.abort_callback_data = self._pointer

    @contextmanager
    def ignored_by(self, context: Any) -> Iterator[None]:
        """The context with this handle does not look at it meanwhile."""
        llama.llama_set_abort_callback(context, llama.ggml_abort_callback(), None)
        try:
            yield
        finally:
            llama.llama_set_abort_callback(context, self._callback, self._pointer)
