"""Which memory is short, and who holds it. Any thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from minerva_desktop.devices.ledgers import CPU
from minerva_desktop.units import format_bytes

if TYPE_CHECKING:  # it brings psutil, which the window's start need not wait for
    from minerva_desktop.devices.system_memory import MemoryPart, MemorySnapshot

SHORT_BYTES = 1 << 30
# Looks without a shortage, one after the other, after which one is over: what was given back may be
# all that keeps it away.
CALM_LOOKS = 20


class Shortage(msgspec.Struct, frozen=True):
    """The memory of a ``device`` (its ledger's name) is short; ``why`` is half a sentence for the
    person: who holds it, and how much is left."""

    device: str
    why: str


class LastingShortage:
    """One memory from look to look. ``is_now``: it was short when it was last looked at.
    ``is_trimmed``: what is easily given back was, in the shortage that is not over yet."""

    def __init__(self) -> None:
        self.is_now = False
        self.is_trimmed = False
        self._calm_looks = 0

    def note(self, is_short: bool) -> bool:
        """What a look showed; whether one in which memory was trimmed is over with it."""
        self.is_now = is_short
        self._calm_looks = 0 if is_short else self._calm_looks + 1
        is_over = self.is_trimmed and self._calm_looks >= CALM_LOOKS
        if is_over:
            self.is_trimmed = False
        return is_over


def is_short(free: int, total: int) -> bool:
    """Whether ``free`` of ``total`` bytes (0: unknown) are so few that the system begins to swap:
    a twentieth, but never more than a gigabyte."""
    return total > 0 and free < min(total // 20, SHORT_BYTES)


def shortages(snapshot: MemorySnapshot) -> tuple[Shortage, ...]:
    """The system's first, then those of GPUs; empty where all is well. What was not measured now is
    too old to judge by."""
    return tuple(
        Shortage(part.device, _why(part))
        for part in snapshot.parts
        if part.device and part.is_fresh and is_short(part.free, part.total)
    )


def _why(part: MemoryPart) -> str:
    free = format_bytes(part.free)
    where = "memory" if part.device == CPU else f"the memory of {part.label}"
    if part.used_by_others >= part.used_by_models:
        return f"other programs left only {free} of {where} free"
    models = format_bytes(part.used_by_models)
    return f"the loaded models took {models}, which left only {free} of {where} free"
