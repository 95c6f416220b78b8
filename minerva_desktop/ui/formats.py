"""Numbers as the gauges and meters write them, beside `minerva_desktop.units`.

Used by the widgets of `ui`. Pure functions, any thread.
"""

from __future__ import annotations

from minerva_desktop.units import format_bytes

UNKNOWN = "–"


def format_used(used: int, total: int) -> str:
    """Two amounts of bytes as ``1.2 of 25.8 GB``; the unit is said once where it is the same."""
    used_number, _, used_unit = format_bytes(used).partition(" ")
    total_text = format_bytes(total)
    if total_text.endswith(f" {used_unit}"):
        return f"{used_number} of {total_text}"
    return f"{used_number} {used_unit} of {total_text}"


def format_tokens(count: int) -> str:
    """A count of tokens or messages in full, as ``8,192``; `units.format_count` shortens."""
    return f"{count:,}"


def n_of(count: int, unit: str) -> str:
    """``1 token``, ``8,192 tokens``: of a unit that takes an s."""
    return f"{count:,} {unit}{'' if count == 1 else 's'}"


def format_speed(tokens_per_second: float) -> str:
    """A speed as ``42.1 tokens/s``."""
    digits = 1 if tokens_per_second < 99.95 else 0
    return f"{tokens_per_second:,.{digits}f} tokens/s"


def format_ms(milliseconds: float) -> str:
    """A time as ``120 ms`` or ``4.2 s``."""
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.1f} s"
