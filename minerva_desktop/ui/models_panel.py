"""The panel over the memory gauge: the loaded models, what each holds, and what to do with it.

`main_window` opens it and `memory_controller` fills it and obeys its signals. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QPoint, QRectF, QSignalBlocker, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QAction, QColor, QHideEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStyle,
    QStyleOption,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.app.loaded_models import LoadedModel, TimeToLive
from minerva_desktop.app.memory import UNKNOWN_MEMORY, MemoryReading
from minerva_desktop.ui.controls import (
    ElidedLabel,
    PopupMenu,
    Switch,
    icon_button,
    plain_tip,
    round_corners,
)
from minerva_desktop.ui.formats import format_speed
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.memory_shares import ModelShare, bar_widths, paint_bar, parts
from minerva_desktop.ui.theme import GRID, ThemeSource
from minerva_desktop.units import format_bytes

WIDTH = 440  # px
RADIUS = 12  # px, as in the style sheet
BAR_HEIGHT = 10  # px
LOOK_MS = 1000  # between two looks at the speeds while the panel is open
DEFAULT = TimeToLive(None, is_own=False)
CHOICES = (
    DEFAULT,
    *(TimeToLive(seconds, is_own=True) for seconds in (300.0, 1800.0, 7200.0, None)),
)


class ModelsPanel(QFrame):
    """``pin_toggled`` carries a path and whether to keep that model, ``unload_requested`` a path,
    ``time_chosen`` a path and a `TimeToLive`; ``look_wanted`` comes each second while open."""

    pin_toggled = Signal(object, bool)
    unload_requested = Signal(object)
    time_chosen = Signal(object, object)
    look_wanted = Signal()

    def __init__(self, icons: Icons, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self._icons = icons
        self._rows: dict[Path, ModelRow] = {}
        self._anchor: QWidget | None = None
        self.setObjectName("modelsPanel")
        self.setAccessibleName("Loaded models")
        self.setAttribute(Qt.WidgetAttribute.WA_TranslucentBackground)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._bar = _WideBar(icons.themes)
        self._empty = QLabel("No model is loaded. One is loaded with the next message.")
        self._empty.setObjectName("noModelsLabel")
        self._empty.setProperty("look", "muted")
        self._rest = QLabel()
        self._rest.setObjectName("memoryRestLabel")
        self._rest.setTextFormat(Qt.TextFormat.PlainText)
        self._rest.setWordWrap(True)
        self._rest.setProperty("look", "muted")
        self._models = QVBoxLayout()
        self._models.setSpacing(4 * GRID)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self.look_wanted)
        self._box = QVBoxLayout(self)
        self._lay_out()
        self.set_models((), UNKNOWN_MEMORY)

    def open_above(self, anchor: QWidget) -> None:
        """Show the panel over ``anchor``, and keep it there as it grows."""
        self._anchor = anchor
        self._fit()
        self.show()
        self.setFocus(Qt.FocusReason.PopupFocusReason)
        self._timer.start()
        self.look_wanted.emit()

    def set_models(self, shares: Sequence[ModelShare], reading: MemoryReading) -> None:
        """Show the loaded models and who else uses the memory. Rows that stay keep the focus."""
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
            row.show_share(share)
        self._empty.setVisible(not shares)
        self._bar.set_shares(shares, reading)
        self._rest.setText(_rest(shares, reading))
        self._fit()

    def hideEvent(self, event: QHideEvent) -> None:
        self._timer.stop()
        super().hideEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        round_corners(self, RADIUS)

    def paintEvent(self, _event: QPaintEvent) -> None:
        # Qt itself leaves the background of a translucent window unpainted.
        option = QStyleOption()
        option.initFrom(self)
        painter = QPainter(self)
        self.style().drawPrimitive(QStyle.PrimitiveElement.PE_Widget, option, painter, self)

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
        self._box.setContentsMargins(4 * GRID, 4 * GRID, 4 * GRID, 4 * GRID)
        self._box.setSpacing(3 * GRID)
        self._box.addWidget(title)
        self._box.addWidget(self._bar)
        self._box.addWidget(self._empty)
        self._box.addLayout(self._models)
        self._box.addWidget(self._rest)
        self.setFixedWidth(WIDTH)

    def _fit(self) -> None:
        """As high as the content is, and above the anchor."""
        self._box.activate()
        height = self._box.totalHeightForWidth(WIDTH)
        self.setFixedHeight(height if height > 0 else self._box.totalSizeHint().height())
        if self._anchor is None:
            return
        corner = self._anchor.mapToGlobal(QPoint(0, -GRID - self.height()))
        screen = self._anchor.screen().availableGeometry()
        left = max(screen.left(), min(corner.x(), screen.right() - self.width()))
        self.move(left, max(screen.top(), corner.y()))


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
        self._choice = QLabel()
        self._choice.setObjectName("modelChoice")
        self._choice.setTextFormat(Qt.TextFormat.PlainText)
        self._choice.setWordWrap(True)
        self._choice.setProperty("look", "muted")
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

    def show_share(self, share: ModelShare) -> None:
        """Show what is true now; tells nobody."""
        model = share.model
        self._time = model.time_to_live
        self._swatch.show_share(share)
        self._name.set_full_text(model.name)
        self._speed.setText(_activity(model))
        self._memory.set_full_text(f"{format_bytes(model.total_bytes)}: {_where(model)}")
        self._choice.setText(_chosen(model))
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
        rows.addWidget(self._choice)
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


class _WideBar(QWidget):
    """The gauge's bar over the width of the panel."""

    def __init__(self, themes: ThemeSource) -> None:
        super().__init__()
        self._themes = themes
        self._shares: tuple[ModelShare, ...] = ()
        self._reading = UNKNOWN_MEMORY
        self.setFixedHeight(BAR_HEIGHT)

    def set_shares(self, shares: Sequence[ModelShare], reading: MemoryReading) -> None:
        self._shares, self._reading = tuple(shares), reading
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        theme, reading = self._themes.theme, self._reading
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        widths = bar_widths(
            theme, reading.total, reading.models, reading.others, self._shares, in_parts=True
        )
        paint_bar(painter, QRectF(self.rect()), theme, widths)


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
    reasons = [f"{reason[:1].upper()}{reason[1:]}" for reason in model.reasons]
    return ". ".join((f"Context of {model.n_ctx:,} tokens, {place}", *reasons))


def _where(model: LoadedModel) -> str:
    devices = ", ".join(f"{format_bytes(n)} on {name}" for name, n in model.devices)
    return f"{parts(model)}; {devices}" if len(model.devices) > 1 else parts(model)


def _rest(shares: Sequence[ModelShare], reading: MemoryReading) -> str:
    if reading.total is None:
        return reading.detail
    amounts = []
    for label, amount in (
        ("models" if shares else "", reading.models),
        ("other programs", reading.others),
        ("free", reading.free),
    ):
        if label and amount is not None:
            amounts.append(f"{label} {format_bytes(amount)}")
    text = f"{reading.label}: {format_bytes(reading.total)} in all\n{' · '.join(amounts)}"
    return f"{text}\n{reading.detail}" if reading.detail else text
