"""The panel over the memory gauge: the loaded models, what each holds, and what to do with it.

`main_window` opens it and `memory_controller` fills it and obeys its signals. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QLabel,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.ui.controls import PanelPopup
from minerva_desktop.ui.formats import format_used
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.memory_gauge import UNKNOWN_SHARES
from minerva_desktop.ui.memory_shares import (
    MARK_OVERHANG,
    DeviceShares,
    paint_bar,
)
from minerva_desktop.ui.model_row import ModelRow
from minerva_desktop.ui.theme import GRID, ThemeSource
from minerva_desktop.units import format_bytes

WIDTH = 480  # px
BAR_HEIGHT = 10  # px
LOOK_MS = 1000  # between two looks at the speeds while the panel is open


class ModelsPanel(PanelPopup):
    """``pin_toggled`` carries a path and whether to keep that model, ``unload_requested`` a path,
    ``time_chosen`` a path and a `TimeToLive`; ``look_wanted`` comes each second while open."""

    pin_toggled = Signal(object, bool)
    unload_requested = Signal(object)
    time_chosen = Signal(object, object)
    look_wanted = Signal()

    def __init__(self, icons: Icons, parent: QWidget) -> None:
        super().__init__(WIDTH, parent)
        self._icons = icons
        self._rows: dict[Path, ModelRow] = {}
        self.setObjectName("modelsPanel")
        self.setAccessibleName("Loaded models")
        self._memories: list[MemoryRow] = []
        self._empty = QLabel("No model is loaded. One is loaded with the next message.")
        self._empty.setObjectName("noModelsLabel")
        self._empty.setProperty("look", "muted")
        self._bars = QVBoxLayout()
        self._bars.setSpacing(3 * GRID)
        self._models = QVBoxLayout()
        self._models.setSpacing(4 * GRID)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self.look_wanted)
        self._lay_out()
        self.set_shares(UNKNOWN_SHARES)

    def open_above(self, anchor: QWidget) -> None:
        """Show the panel over ``anchor``, and keep it there as it grows."""
        super().open_above(anchor)
        self._timer.start()
        self.look_wanted.emit()

    def set_shares(self, memories: Sequence[DeviceShares]) -> None:
        """Show the loaded models and who else uses each memory (at least one). Rows that stay keep
        the focus."""
        self._show_memories(memories)
        shares = memories[0].models
        names = {each.reading.device: each.reading.short for each in memories}
        paths = [share.model.path for share in shares]
        for path in [path for path in self._rows if path not in paths]:
            row = self._rows.pop(path)
            row.hide()
            self._models.removeWidget(row)
            row.deleteLater()
        for place, share in enumerate(shares):
            row = self._rows.get(share.model.path) or self._add_row(share.model.path)
            if self._models.indexOf(row) != place:
                self._models.insertWidget(place, row)
                row.show()
            row.show_share(share, names)
        self._empty.setVisible(not shares)
        self.fit()

    def hideEvent(self, event: QHideEvent) -> None:
        self._timer.stop()
        super().hideEvent(event)

    def _show_memories(self, memories: Sequence[DeviceShares]) -> None:
        while len(self._memories) > len(memories):
            gone = self._memories.pop()
            gone.hide()
            self._bars.removeWidget(gone)
            gone.deleteLater()
        while len(self._memories) < len(memories):
            row = MemoryRow(self._icons.themes)
            self._memories.append(row)
            self._bars.addWidget(row)
            row.show()  # now, so that the panel's height counts it
        for row, shares in zip(self._memories, memories, strict=True):
            row.show_shares(shares)

    def _add_row(self, path: Path) -> ModelRow:
        row = ModelRow(path, self._icons)
        row.pin_toggled.connect(self.pin_toggled)
        row.unload_requested.connect(self.unload_requested)
        row.time_chosen.connect(self.time_chosen)
        self._rows[path] = row
        return row

    def _lay_out(self) -> None:
        title = QLabel("Loaded models")
        title.setProperty("look", "heading")
        self.box.addWidget(title)
        self.box.addLayout(self._bars)
        self.box.addWidget(self._empty)
        self.box.addLayout(self._models)


class MemoryRow(QWidget):
    """One memory: the gauge's bar over the width of the panel, and its numbers."""

    def __init__(self, themes: ThemeSource) -> None:
        super().__init__()
        self.setObjectName("memoryRow")
        self._bar = _WideBar(themes)
        self._numbers = QLabel()
        self._numbers.setObjectName("memoryRestLabel")
        self._numbers.setTextFormat(Qt.TextFormat.PlainText)
        self._numbers.setWordWrap(True)
        self._numbers.setProperty("look", "muted")
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(2 * GRID)
        rows.addWidget(self._bar)
        rows.addWidget(self._numbers)

    def show_shares(self, shares: DeviceShares) -> None:
        """Show a measurement."""
        self._bar.set_shares(shares)
        self._numbers.setText(_numbers(shares))


class _WideBar(QWidget):
    """The bar, with the weights, the KV cache and the buffers of each model."""

    def __init__(self, themes: ThemeSource) -> None:
        super().__init__()
        self._themes = themes
        self._shares = UNKNOWN_SHARES[0]
        self.setFixedHeight(BAR_HEIGHT + 2 * int(MARK_OVERHANG))

    def set_shares(self, shares: DeviceShares) -> None:
        self._shares = shares
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        bar = QRectF(self.rect()).adjusted(0, MARK_OVERHANG, 0, -MARK_OVERHANG)
        paint_bar(painter, bar, self._themes.theme, self._shares, in_parts=True)


def _numbers(shares: DeviceShares) -> str:
    reading = shares.reading
    if reading.total is None:
        return reading.detail
    ours, rest = [], []
    if shares.counted and reading.models is not None:
        # The models' rows add up to this, unless not all of it is in memory at the moment.
        is_whole = reading.models >= shares.counted
        part = format_used(reading.models, shares.counted)
        ours.append(f"models {format_bytes(shares.counted) if is_whole else part}")
    if shares.beside:
        ours.append(f"{reading.process_words} {format_bytes(shares.beside)}")
    for label, amount in (("other programs", reading.others), ("free", reading.free)):
        if amount is not None:
            rest.append(f"{label} {format_bytes(amount)}")
    name = reading.name if reading.name == reading.short else f"{reading.short}, {reading.name}"
    budget = "" if reading.budget is None else f", {format_bytes(reading.budget)} for models"
    amounts = (ours, rest) if shares.beside else ([*ours, *rest],)
    lines = [" · ".join(line) for line in amounts]
    text = "\n".join((f"{name}: {format_bytes(reading.total)}{budget}", *lines))
    return f"{text}\n{reading.detail}" if reading.detail else text
