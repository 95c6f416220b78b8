"""The wire's values about memory: what a load takes, what a dry run says that it would take, and
what a child is to give back.

Part of `messages`, which puts them on the wire; any thread.
"""

from __future__ import annotations

import msgspec

from minerva_desktop.engine.load_options import LoadOptions

# What a child may keep of chats outside of its cache, at most: 4,300 tokens of SmolLM2.
MOST_PARKED_BYTES = 96 * 1024 * 1024


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


class TryLoad(msgspec.Struct, frozen=True, tag="try_load"):
    """Would the GGUF at ``path`` (bytes, as in `messages.Load`) load with ``options``? As far as
    that is known without its weights. Answered by `messages.DryRunDone` without contexts; no model
    must be loaded, and none is afterwards."""

    path: bytes
    options: LoadOptions


class LimitParking(msgspec.Struct, frozen=True, tag="limit_parking"):
    """Keep at most ``n_bytes`` of chats outside of the KV cache from now on, and never more than
    `MOST_PARKED_BYTES`: the memory for models is used up. No answer."""

    n_bytes: int


class Trim(msgspec.Struct, frozen=True, tag="trim"):
    """Give back memory that only makes the next answers quicker, for other programs need it: the
    chats that wait outside of the KV cache, and what was prepared of grammars. Answered by
    `Trimmed` between two steps."""

    request_id: int


MemoryRequest = DryRun | TryLoad | LimitParking | Trim


class Trimmed(msgspec.Struct, frozen=True, tag="trimmed"):
    """Answer to `Trim`: the child's process is smaller by ``n_bytes``."""

    request_id: int
    n_bytes: int


class SimulatedContext(msgspec.Struct, frozen=True, kw_only=True):
    """What llama.cpp would take for a context of ``n_ctx`` tokens, in bytes: compute buffers by
    device, and the KV cache with states of all devices together. ``flash_attention``: whether it
    would be used."""

    n_ctx: int
    compute: dict[str, int]
    kv_bytes: int
    flash_attention: bool
