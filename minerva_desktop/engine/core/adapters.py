"""LoRA adapters: small files that change a model's weights while it computes.

All of a model's adapters are loaded with it; which of them work, and how strongly, may change
with every step. Engine child, main thread.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

from minerva_desktop.engine.core.bindings import llama
from minerva_desktop.engine.core.llama import LlamaContext, LlamaModel
from minerva_desktop.engine.core.llama_log import LlamaLog, tells_of_memory
from minerva_desktop.engine.core.model_parts import check_file
from minerva_desktop.engine.core.slot import Variant
from minerva_desktop.engine.load_options import LoraAdapter, check_lora_scale
from minerva_desktop.errors import InferenceError, InvalidRequest, ModelLoadError, OutOfMemory
from minerva_desktop.units import format_bytes

# What llama.cpp says of an adapter's file whatever the model is.
_DAMAGED = ("failed to load lora adapter from file", "not within the file bounds")


class AdapterSet:
    """The adapters of one context."""

    def __init__(
        self,
        adapters: Sequence[LoraAdapter],
        *,
        model: LlamaModel,
        context: LlamaContext,
        log: LlamaLog,
    ) -> None:
        """Load them. Raises `ModelNotFound`, `ModelLoadError` or `OutOfMemory`."""
        self._context = context
        self._handles = [load_adapter(Path(os.fsdecode(a.path)), model, log) for a in adapters]
        self._default = tuple(adapter.scale for adapter in adapters)
        self._current: Variant = ()
        self.use(self._default)

    def variant(self, scales: Sequence[float] | None) -> Variant:
        """The scales of a request, checked; None: those that the adapters were loaded with.
        Raises `InvalidRequest`."""
        if scales is None:
            return self._default
        if len(scales) > len(self._handles):
            raise InvalidRequest(self._no_adapter(len(scales) - 1), param="lora")
        for scale in scales:
            check_lora_scale(scale)
        return (*scales, *[0.0] * (len(self._handles) - len(scales)))

    def _no_adapter(self, wanted: int) -> str:
        """``wanted`` is the highest id that a request scales."""
        match len(self._handles):
            case 0:
                there = "none is loaded"
            case 1:
                there = "one is loaded, with id 0"
            case n_adapters:
                there = f"{n_adapters} are loaded, with ids 0 to {n_adapters - 1}"
        return f"lora names the adapter with id {wanted}, but {there}"

    def use(self, variant: Variant) -> None:
        """Let the next decodes work with these scales. Raises `InferenceError`."""
        if variant == self._current:
            return
        n_adapters = len(self._handles)
        handles = (llama.llama_adapter_lora_p_ctypes * n_adapters)(*self._handles)
        scales = (ctypes.c_float * n_adapters)(*variant)
        if llama.llama_set_adapters_lora(self._context.handle, handles, n_adapters, scales):
            raise InferenceError("llama.cpp could not set the scales of the adapters")
        self._current = variant


def load_adapter(path: Path, model: LlamaModel, log: LlamaLog) -> object:
    """The adapter at ``path``, which goes with the ``model``. Raises `ModelNotFound`,
    `ModelLoadError` or `OutOfMemory`."""
    check_file(path, f"The adapter “{path.name}”")
    size = format_bytes(path.stat().st_size)
    log.errors.clear()  # what it says from now on is about this file
    handle = llama.llama_adapter_lora_init(model.handle, bytes(path))
    if not handle:
        detail = "\n".join(log.errors)
        if tells_of_memory(detail):
            raise OutOfMemory(f"Not enough memory to load the adapter {path.name}", detail=detail)
        reason = detail.rsplit("failed to apply lora adapter: ", 1)[-1].split("\n")[0]
        if any(words in reason for words in _DAMAGED):
            what = f"cannot be read: it is cut off, damaged or no GGUF file ({size}). Get it again"
        else:
            what = "does not fit this model" + (f": {reason}" if reason else "")
        raise ModelLoadError(f"The adapter {path.name} {what}", detail=detail)
    return handle
