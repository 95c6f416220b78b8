"""The wire's values about memory: what a load takes, and what a dry run says that it would take.

Part of `messages`, which puts them on the wire; any thread.
"""

from __future__ import annotations

import msgspec

from minerva_desktop.engine.load_options import LoadOptions


class LayerPlacement(msgspec.Struct, frozen=True):
    """How many of a model's layers a device holds (the output layer counts as one)."""

    device: str
    n_layers: int


class DeviceShare(msgspec.Struct, frozen=True):
    """What a loaded model holds on a GPU, in bytes: in all, and of that its cache and its compute
    buffers."""

    device: str
    n_bytes: int
    kv_bytes: int = 0
    compute_bytes: int = 0


class DryRun(msgspec.Struct, frozen=True, tag="dry_run"):
    """What would the GGUF at ``path`` (bytes, as in `messages.Load`) take with ``options`` and
    contexts of these lengths (tokens)? Weights are neither read nor allocated. Answered by
    `messages.DryRunDone`; no model must be loaded, and none is afterwards."""

    path: bytes
    options: LoadOptions
    n_ctx: tuple[int, ...]


class SimulatedContext(msgspec.Struct, frozen=True, kw_only=True):
    """What llama.cpp would take for a context of ``n_ctx`` tokens, in bytes: compute buffers by
    device, and the KV cache with states of all devices together. ``flash_attention``: whether it
    would be used."""

    n_ctx: int
    compute: dict[str, int]
    kv_bytes: int
    flash_attention: bool
