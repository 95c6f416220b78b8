"""Who holds the measured memory, as the gauge and the models panel draw it.

Made by `memory_controller`. Pure values, any thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPainter, QPainterPath

from minerva_desktop.app.loaded_models import LoadedModel
from minerva_desktop.app.memory import MemoryReading
from minerva_desktop.ui.stylesheet import mix
from minerva_desktop.ui.theme import Theme
from minerva_desktop.units import format_bytes

# How far the shades of weights, KV cache and compute go towards the background (0 to 1).
PART_FADING = (0.0, 0.25, 0.45)


@dataclass(frozen=True, slots=True)
class ModelShare:
    """A loaded model and its place in the palette; ``n_bytes`` lie in the measured memory."""

    model: LoadedModel
    slot: int
    n_bytes: int

    @property
    def text(self) -> str:
        """``Gemma 3: 2.9 GB (weights 2.5 GB, KV cache 0.3 GB, compute 0.1 GB)``."""
        return f"{self.model.name}: {format_bytes(self.model.total_bytes)} ({parts(self.model)})"

    def colour(self, theme: Theme) -> str:
        """Its colour in bars and beside its name."""
        return theme.series[self.slot % len(theme.series)]


class ColourSlots:
    """Gives each loaded model a place in the palette, which it keeps while it is loaded."""

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}

    def shares(
        self, models: Sequence[LoadedModel], reading: MemoryReading
    ) -> tuple[ModelShare, ...]:
        """The shares of ``models`` in the memory of ``reading``."""
        paths = [str(model.path) for model in models]
        self._slots = {path: slot for path, slot in self._slots.items() if path in paths}
        for path in paths:
            if path not in self._slots:
                taken = self._slots.values()
                self._slots[path] = min(set(range(len(paths))) - set(taken))
        return tuple(
            ModelShare(model, self._slots[path], model.bytes_in(reading))
            for path, model in zip(paths, models, strict=True)
        )


def parts(model: LoadedModel) -> str:
    """``weights 2.5 GB, KV cache 0.3 GB, compute 0.1 GB``."""
    return (
        f"weights {format_bytes(model.weights_bytes)}, "
        f"KV cache {format_bytes(model.kv_bytes)}, "
        f"compute {format_bytes(model.compute_bytes)}"
    )


def paint_bar(
    painter: QPainter, bar: QRectF, theme: Theme, widths: Sequence[tuple[float, str]]
) -> None:
    """Draw a rounded bar; ``widths`` are shares of it (0 to 1) and their colours, from the left.
    What is left over is the free memory."""
    rounded = QPainterPath()
    rounded.addRoundedRect(bar, bar.height() / 2, bar.height() / 2)
    painter.save()
    painter.setClipPath(rounded)
    painter.fillRect(bar, QColor(mix(theme.border, theme.muted, 0.1)))
    left = bar.left()
    for share, colour in widths:
        width = share * bar.width()
        painter.fillRect(QRectF(left, bar.top(), width, bar.height()), QColor(colour))
        # A hairline keeps neighbours apart for eyes that don't see the colours.
        left += width + (1 if width else 0)
    painter.restore()


def bar_widths(
    theme: Theme,
    total: int | None,
    models: int | None,
    others: int | None,
    shares: Sequence[ModelShare],
    *,
    in_parts: bool = False,
) -> list[tuple[float, str]]:
    """What `paint_bar` draws: the ``models`` bytes that were measured, divided among them as
    llama.cpp counts them, then other programs. ``in_parts`` divides each model into weights, KV
    cache and compute, in shades that fade."""
    if not total:
        return []
    counted = sum(share.n_bytes for share in shares)
    widths: list[tuple[float, str]] = []
    if models is not None and not counted:
        widths.append((models / total, theme.accent))
    elif models is not None:
        scale = models / total / counted
        for share in shares:
            pieces = _pieces(share, theme) if in_parts else [(1.0, share.colour(theme))]
            widths.extend((scale * share.n_bytes * piece, shade) for piece, shade in pieces)
    if others is not None:
        widths.append((others / total, theme.muted))
    return [(min(1.0, share), colour) for share, colour in widths]


def _pieces(share: ModelShare, theme: Theme) -> list[tuple[float, str]]:
    """The parts of a model as shares of it, each in its shade."""
    model, colour = share.model, share.colour(theme)
    amounts = (model.weights_bytes, model.kv_bytes, model.compute_bytes)
    return [
        (amount / (model.total_bytes or 1), mix(colour, theme.surface, fading))
        for amount, fading in zip(amounts, PART_FADING, strict=True)
    ]
