"""What a dry run of a load tells. A value that crosses the wire (`messages`); any thread."""

from __future__ import annotations

import msgspec


class SimulatedContext(msgspec.Struct, frozen=True, kw_only=True):
    """What llama.cpp would take for a context of ``n_ctx`` tokens, in bytes: compute buffers by
    device, and the KV cache with states of all devices together. ``flash_attention``: whether it
    would be used."""

    n_ctx: int
    compute: dict[str, int]
    kv_bytes: int
    flash_attention: bool
