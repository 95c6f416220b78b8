"""One loaded model in the panel over the memory gauge: what it holds, and what to do with it.

Used by `models_panel` only. Main thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import QPoint, QSignalBlocker, QSize, Qt, Signal, Slot
from PySide6.QtGui import QAction, QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from minerva_desktop.app.load_words import begun, told_once
from minerva_desktop.app.loaded_models import LoadedModel, TimeToLive
from minerva_desktop.ui.controls import ElidedLabel, PopupMenu, Switch, icon_button, plain_tip
from minerva_desktop.ui.formats import format_speed
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.memory_shares import ModelShare, parts
from minerva_desktop.ui.theme import GRID, ThemeSource
from minerva_desktop.units import format_bytes

DEFAULT = TimeToLive(None, is_own=False)
CHOICES = (
    DEFAULT,
    *(TimeToLive(seconds, is_own=True) for seconds in (300.0, 1800.0, 7200.0, None)),
)


class ModelRow(QWidget):
    """One loaded model, with its switches."""

    pin_toggled = Signal(object, bool)
    unload_requested = Signal(object)
    time_chosen = Signal(object, object)

    def __init__(self, path: Path, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("modelRow")
        self._path = path
        self._time = DEFAULT
        self._swatch = _Swatch(icons.themes)
        self._name = ElidedLabel()
        self._name.setObjectName("modelName")
        self._name.setProperty("look", "heading")
        self._speed = QLabel()
        self._speed.setObjectName("modelSpeed")
        self._speed.setProperty("look", "muted")
        self._memory = ElidedLabel()
        self._memory.setObjectName("modelMemory")
        self._memory.setProperty("look", "muted")
        self._places = ElidedLabel()
        self._places.setObjectName("modelPlaces")
        self._places.setProperty("look", "muted")
        self._choice = QLabel()
        self._choice.setObjectName("modelChoice")
        self._choice.setTextFormat(Qt.TextFormat.PlainText)
        self._choice.setWordWrap(True)
        self._choice.setProperty("look", "muted")
        self._note = QLabel()
        self._note.setObjectName("modelNote")
        self._note.setTextFormat(Qt.TextFormat.PlainText)
        self._note.setWordWrap(True)
        self._note.setProperty("look", "warning")
        self._pin = Switch("Keep loaded", icons.themes)
        self._pin.setObjectName("pinSwitch")
        self._pin.setToolTip(
            plain_tip("Never unload it to make room for another, or because it is idle")
        )
        self._pin.toggled.connect(self._on_pinned)
        self._when = QPushButton()
        self._when.setObjectName("timeToLiveButton")
        self._when.setProperty("look", "link")
        self._when.clicked.connect(self._show_times)
        self._unload = icon_button(icons, "eject", "Unload", size=7 * GRID)
        self._unload.setObjectName("unloadButton")
        self._unload.clicked.connect(self._on_unload)
        self._lay_out()

    def show_share(self, share: ModelShare, names: Mapping[str, str]) -> None:
        """Show what is true now; tells nobody. ``names`` of the memories, by their ledgers."""
        model = share.model
        self._time = model.time_to_live
        self._swatch.show_share(share)
        self._name.set_full_text(model.name)
        self._speed.setText(_activity(model))
        total = model.total
        self._memory.set_full_text(f"{format_bytes(total.total_bytes)}: {parts(total)}")
        places = _places(model, names)
        self._places.set_full_text(places)
        self._places.setVisible(bool(places))
        self._choice.setText(_chosen(model))
        self._note.setText(model.note)
        self._note.setVisible(bool(model.note))
        with QSignalBlocker(self._pin):
            self._pin.setChecked(model.pinned)
        self._pin.update()
        self._pin.setAccessibleName(f"Keep {model.name} loaded")
        self._when.setText(f"Unload when idle: {time_text(self._time).lower()}")
        self._when.setEnabled(not model.pinned)
        self._when.setAccessibleName(f"{self._when.text()}, {model.name}")
        self._unload.setAccessibleName(f"Unload {model.name}")
        self._unload.setToolTip(plain_tip(f"Unload {model.name} and free its memory"))

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(2 * GRID)
        head.addWidget(self._swatch)
        head.addWidget(self._name, 1)
        head.addWidget(self._speed)
        head.addWidget(self._unload)
        foot = QHBoxLayout()
        foot.setSpacing(2 * GRID)
        foot.addWidget(self._pin)
        foot.addStretch(1)
        foot.addWidget(self._when)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(GRID)
        rows.addLayout(head)
        rows.addWidget(self._memory)
        rows.addWidget(self._places)
        rows.addWidget(self._choice)
        rows.addWidget(self._note)
        rows.addLayout(foot)

    @Slot(bool)
    def _on_pinned(self, pinned: bool) -> None:
        self.pin_toggled.emit(self._path, pinned)

    @Slot()
    def _on_unload(self) -> None:
        self.unload_requested.emit(self._path)

    @Slot()
    def _show_times(self) -> None:
        menu = PopupMenu(self)
        for choice in CHOICES:
            action = QAction(time_text(choice), menu)
            action.setCheckable(True)
            is_default = not choice.is_own and not self._time.is_own
            action.setChecked(choice == self._time or is_default)
            action.setData(choice)
            menu.addAction(action)
        menu.triggered.connect(self._on_time)
        menu.popup(self._when.mapToGlobal(QPoint(0, self._when.height())))

    @Slot(QAction)
    def _on_time(self, action: QAction) -> None:
        self.time_chosen.emit(self._path, action.data())


class _Swatch(QWidget):
    """The model's colour in the bar."""

    def __init__(self, themes: ThemeSource) -> None:
        super().__init__()
        self._themes = themes
        self._share: ModelShare | None = None
        self.setFixedSize(QSize(3 * GRID, 3 * GRID))

    def show_share(self, share: ModelShare) -> None:
        self._share = share
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        if self._share is not None:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(self._share.colour(self._themes.theme)))
            painter.drawRoundedRect(self.rect(), 3, 3)


def time_text(choice: TimeToLive) -> str:
    """``30 minutes``; a default says so."""
    if choice == DEFAULT:
        return "Default"
    if choice.seconds is None:
        return "Never"
    minutes = max(1, round(choice.seconds / 60))
    if minutes >= 60 and minutes % 60 == 0:
        hours = minutes // 60
        return "1 hour" if hours == 1 else f"{hours} hours"
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def _activity(model: LoadedModel) -> str:
    if model.tokens_per_second is not None:
        return format_speed(model.tokens_per_second)
    return "In use" if model.in_use else "Idle"


def _chosen(model: LoadedModel) -> str:
    """How it was loaded, and what had to give for it to fit."""
    place = "on the CPU"
    if model.n_gpu_layers:
        place = f"{model.n_gpu_layers} of {model.n_layers} layers on the GPU"
    return begun(told_once((f"context of {model.n_ctx:,} tokens", place), model.reasons))


def _places(model: LoadedModel, names: Mapping[str, str]) -> str:
    """How much of it is where, on a machine with several memories."""
    if len(names) < 2:
        return ""
    held = [each for each in model.held if each.total_bytes]
    return ", ".join(f"{names.get(h.device, h.device)} {format_bytes(h.total_bytes)}" for h in held)
