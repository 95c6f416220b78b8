"""Who holds each memory, as the gauge and the models panel draw it.

Made by `memory_controller`. Pure values, any thread.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPainter, QPainterPath

from minerva_desktop.app.loaded_models import HeldMemory, LoadedModel
from minerva_desktop.app.memory import DeviceReading, MemoryReading
from minerva_desktop.ui.formats import UNKNOWN, format_used
from minerva_desktop.ui.stylesheet import mix
from minerva_desktop.ui.theme import Theme
from minerva_desktop.units import format_bytes

# How far the shades of weights, KV cache and compute go towards the background (0 to 1).
PART_FADING = (0.0, 0.25, 0.45)
MARK_WIDTH = 1.5  # px, of the budget's mark
MARK_OVERHANG = 2.0  # px, above and below the bar


class ModelShare(msgspec.Struct, frozen=True):
    """A loaded model and its place in the palette; it holds ``held`` of one memory."""

    model: LoadedModel
    slot: int
    held: HeldMemory

    @property
    def text(self) -> str:
        """``Gemma 3: 2.9 GB (weights 2.5 GB, KV cache 0.3 GB, compute 0.1 GB)``."""
        return f"{self.model.name}: {format_bytes(self.held.total_bytes)} ({parts(self.held)})"

    def colour(self, theme: Theme) -> str:
        """Its colour in bars and beside its name."""
        return theme.series[self.slot % len(theme.series)]


class DeviceShares(msgspec.Struct, frozen=True):
    """A memory, and what each of the loaded models holds of it (which may be nothing)."""

    reading: DeviceReading
    models: tuple[ModelShare, ...] = ()

    @property
    def used_text(self) -> str:
        """``1.2 of 24.0 GB``."""
        used, total = self.reading.used, self.reading.total
        return UNKNOWN if used is None or total is None else format_used(used, total)

    @property
    def fullness(self) -> float:
        """Which part of it is in use, from 0 to 1; 0 where that is not known."""
        return (self.reading.used or 0) / (self.reading.total or 1)

    @property
    def counted(self) -> int:
        """Bytes of it that the models hold together, as llama.cpp counts them."""
        return sum(share.held.total_bytes for share in self.models)

    @property
    def beside(self) -> int:
        """Bytes that the processes of the models were measured to take beside that."""
        return max(0, (self.reading.models or 0) - self.counted) if self.counted else 0

    @property
    def lines(self) -> tuple[str, ...]:
        """All its numbers, a line for each."""
        reading = self.reading
        if reading.total is None:
            return (f"{reading.name}: not known", *reading.detail.splitlines())
        budget = "" if reading.budget is None else f" of at most {format_bytes(reading.budget)}"
        beside = f"Their {reading.process_words}: {format_bytes(self.beside)}"
        return (
            f"{reading.name}: {format_bytes(reading.total)} in all",
            f"Models of this app: {_amount(reading.models)}{budget}",
            *(share.text for share in self.models if share.held.total_bytes),
            *((beside,) if self.beside else ()),
            f"Other programs: {_amount(reading.others)}",
            f"Free: {_amount(reading.free)}",
            *reading.detail.splitlines(),
        )


class ColourSlots:
    """Gives each loaded model a place in the palette, which it keeps while it is loaded."""

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}

    def shares(
        self, models: Sequence[LoadedModel], reading: MemoryReading
    ) -> tuple[DeviceShares, ...]:
        """What ``models`` hold of each memory of ``reading``."""
        paths = [str(model.path) for model in models]
        self._slots = {path: slot for path, slot in self._slots.items() if path in paths}
        for path in paths:
            if path not in self._slots:
                taken = self._slots.values()
                self._slots[path] = min(set(range(len(paths))) - set(taken))
        return tuple(
            DeviceShares(
                device,
                tuple(
                    ModelShare(model, self._slots[path], model.held_on(device.device))
                    for path, model in zip(paths, models, strict=True)
                ),
            )
            for device in reading.devices
        )


def parts(held: HeldMemory) -> str:
    """``weights 2.5 GB, KV cache 0.3 GB, compute 0.1 GB``."""
    return (
        f"weights {format_bytes(held.weights_bytes)}, "
        f"KV cache {format_bytes(held.kv_bytes)}, "
        f"compute {format_bytes(held.compute_bytes)}"
    )


def paint_bar(
    painter: QPainter, bar: QRectF, theme: Theme, shares: DeviceShares, *, in_parts: bool = False
) -> None:
    """Draw a rounded bar: the models, other programs, what is free, and a mark up to where models
    may go. ``in_parts`` divides each model into weights, KV cache and compute, in shades that
    fade."""
    rounded = QPainterPath()
    rounded.addRoundedRect(bar, bar.height() / 2, bar.height() / 2)
    painter.save()
    painter.setClipPath(rounded)
    painter.fillRect(bar, QColor(mix(theme.border, theme.muted, 0.1)))
    left = bar.left()
    for share, colour in _widths(theme, shares, in_parts=in_parts):
        width = share * bar.width()
        painter.fillRect(QRectF(left, bar.top(), width, bar.height()), QColor(colour))
        # A hairline keeps neighbours apart for eyes that don't see the colours.
        left += width + (1 if width else 0)
    painter.restore()
    reading = shares.reading
    if reading.budget is not None and reading.total and reading.budget < reading.total:
        at = bar.left() + bar.width() * reading.budget / reading.total - MARK_WIDTH / 2
        height = bar.height() + 2 * MARK_OVERHANG
        mark = QRectF(at, bar.top() - MARK_OVERHANG, MARK_WIDTH, height)
        painter.fillRect(mark, QColor(theme.text))


def _widths(theme: Theme, shares: DeviceShares, *, in_parts: bool) -> list[tuple[float, str]]:
    """Shares of a bar (0 to 1) and their colours, from the left: the bytes of models that were
    measured, divided among them as llama.cpp counts them, then other programs."""
    reading = shares.reading
    total, models, others = reading.total, reading.models, reading.others
    if not total:
        return []
    counted = shares.counted
    widths: list[tuple[float, str]] = []
    if models is not None and not counted:
        widths.append((models / total, theme.accent))
    elif models is not None:
        scale = models / total / counted
        for share in shares.models:
            for n_bytes, shade in _pieces(share, theme, in_parts=in_parts):
                widths.append((scale * n_bytes, shade))
    if others is not None:
        widths.append((others / total, theme.muted))
    return [(min(1.0, share), colour) for share, colour in widths]


def _pieces(share: ModelShare, theme: Theme, *, in_parts: bool) -> list[tuple[int, str]]:
    """The bytes of a model, or of its parts, each in its shade."""
    held, colour = share.held, share.colour(theme)
    if not in_parts:
        return [(held.total_bytes, colour)]
    amounts = (held.weights_bytes, held.kv_bytes, held.compute_bytes)
    return [
        (amount, mix(colour, theme.surface, fading))
        for amount, fading in zip(amounts, PART_FADING, strict=True)
    ]


def _amount(size: int | None) -> str:
    return "not known" if size is None else format_bytes(size)
