"""Sets of characters as grammars name them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

Ranges: TypeAlias = tuple[tuple[int, int], ...]

MAX_CODE_POINT = 0x10FFFF
SURROGATES = (0xD800, 0xDFFF)
ANYTHING: Ranges = ((1, MAX_CODE_POINT),)  # which no class is: one has no surrogates


def merged_ranges(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same code points, sorted, in as few ranges as will do."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged


def matched_ranges(ranges: list[tuple[int, int]], *, negated: bool) -> Ranges:
    """Sorted, merged code points of a class that text can have (no U+0000, no surrogates)."""
    merged = merged_ranges(ranges)
    if negated:
        edges = [-1, *(edge for pair in merged for edge in pair), MAX_CODE_POINT + 1]
        merged = [(a + 1, b - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    taken: list[tuple[int, int]] = []
    for low, high in merged:
        parts = ((max(low, 1), min(high, SURROGATES[0] - 1)), (max(low, SURROGATES[1] + 1), high))
        taken.extend((a, b) for a, b in parts if a <= b)
    return tuple(taken)


def class_text(ranges: Ranges, *, inverted: bool = False) -> str:
    """``ranges``, or all but them, as a GBNF class."""
    parts = (
        escaped(low) if low == high else f"{escaped(low)}-{escaped(high)}" for low, high in ranges
    )
    return f"[{'^' if inverted else ''}{''.join(parts)}]"


def escaped(code: int) -> str:
    """A character as it may stand in a GBNF literal or class."""
    if chr(code).isascii() and (chr(code).isalnum() or chr(code) in " {}:,._/"):
        return chr(code)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
