"""The bar along the bottom: memory, context, speed, and the switch of the local server.

The main window feeds it. When the window is narrow the least important words go first, and
nothing ever overlaps. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from types import MappingProxyType

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLayout, QPushButton, QWidget

from minerva_desktop.ui.context_meter import ContextMeter
from minerva_desktop.ui.controls import ElidedLabel, Switch, icon_button, plain_tip
from minerva_desktop.ui.formats import format_ms, format_speed
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.memory_gauge import GaugeForm, MemoryGauge
from minerva_desktop.ui.memory_shares import DeviceShares
from minerva_desktop.ui.theme import GRID

HEIGHT = 8 * GRID
GAP = 5 * GRID
SERVER_SHORTCUT = "Ctrl+Shift+S"
MIN_WIDTH = 500  # px; memory, context and the switch in their shortest form


class ServerState(Enum):
    """What the local HTTP endpoint does."""

    OFF = "off"
    STARTING = "starting"
    ON = "on"
    STOPPING = "stopping"  # running requests have their grace
    RESTARTING = "restarting"  # the same, and then it listens anew
    FAILED = "failed"

    @property
    def is_wanted(self) -> bool:
        """Whether the switch is on."""
        return self in (ServerState.STARTING, ServerState.ON, ServerState.RESTARTING)


_NOTES = MappingProxyType(
    {
        ServerState.STARTING: "starting…",
        ServerState.STOPPING: "stopping…",
        ServerState.RESTARTING: "restarting…",
    }
)


class ServerToggle(QWidget):
    """The switch, and to its left the address (a click copies it) or what went wrong.

    The bar pins the right edge, so that the switch stays under the pointer whatever is said.

    ``toggled`` is emitted for what the person does, never by `set_state`.
    """

    toggled = Signal(bool)
    details_clicked = Signal()

    def __init__(self, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = ServerState.OFF
        self._switch = Switch("Local server", icons.themes)
        self._switch.setObjectName("serverToggle")
        # Not `clicked`: a screen reader toggles a button without clicking it.
        self._switch.toggled.connect(self.toggled)
        self._address = QPushButton()
        self._address.setObjectName("serverAddress")
        self._address.setProperty("look", "link")
        self._address.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._address.clicked.connect(self._copy_address)
        self._details = icon_button(
            icons, "more", "Local server: requests, keys, port", shortcut=SERVER_SHORTCUT, size=24
        )
        self._details.setObjectName("serverDetailsButton")
        self._details.setShortcut(SERVER_SHORTCUT)
        self._details.clicked.connect(self.details_clicked)
        self._note = ElidedLabel()
        self._note.setObjectName("serverNote")
        self._note.setMaximumWidth(60 * GRID)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        for widget in (self._address, self._note, self._switch, self._details):
            row.addWidget(widget)
        self.set_state(ServerState.OFF)

    @property
    def state(self) -> ServerState:
        """What `set_state` told last."""
        return self._state

    def set_state(self, state: ServerState, text: str = "") -> None:
        """``text`` is the URL when on, and the sentence about the failure when failed."""
        self._state = state
        with QSignalBlocker(self._switch):
            self._switch.setChecked(state.is_wanted)
        self._switch.update()
        self._address.setText(text.replace("&", "&&") if state is ServerState.ON else "")
        self._address.setAccessibleName(f"Copy the address {text}")
        self._address.setToolTip(plain_tip("Copy this address"))
        failure = (text or "failed") if state is ServerState.FAILED else ""
        self._note.set_full_text(_NOTES.get(state, failure))
        self._note.setProperty("state", state.value)
        self._note.style().polish(self._note)
        tips = {
            ServerState.ON: f"The loaded models answer at {text}",
            ServerState.STARTING: "The local server is starting",
            ServerState.STOPPING: "The local server stops once running requests have ended",
            ServerState.RESTARTING: "The local server restarts once running requests have ended",
            ServerState.FAILED: f"The local server did not start: {text}",
        }
        off = "Let other programs on this computer use the loaded models"
        self._switch.setToolTip(plain_tip(tips.get(state, off)))
        self._switch.setAccessibleDescription(tips.get(state, off))
        self.set_compact(False)

    def set_compact(self, compact: bool) -> None:
        """Leave out the address and the note; the switch and its tool tip stay."""
        self._address.setVisible(self._state is ServerState.ON and not compact)
        noted = self._state in _NOTES or self._state is ServerState.FAILED
        self._note.setVisible(noted and not compact)
        self.updateGeometry()  # Qt would tell the bar only at the next turn of the event loop

    @Slot()
    def _copy_address(self) -> None:
        QGuiApplication.clipboard().setText(self._address.text().replace("&&", "&"))
        self._address.setToolTip(plain_tip("Copied"))


class SpeedLabel(QLabel):
    """``42.1 tokens/s · first token 120 ms`` of the answer under way, or of the last one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._speed = ""
        self._first = ""
        self.setObjectName("speedLabel")
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.set_speed(None, None)

    def set_speed(self, tokens_per_second: float | None, first_token_ms: float | None) -> None:
        """None where there is nothing to tell."""
        self._speed = "" if tokens_per_second is None else format_speed(tokens_per_second)
        self._first = "" if first_token_ms is None else f"first token {format_ms(first_token_ms)}"
        full = self._full_text()
        self.setAccessibleName(f"Speed: {full}" if full else "Speed: no answer yet")
        self.setToolTip(plain_tip(f"Speed of the last answer: {full}") if full else "")
        self.set_compact(False)

    def set_compact(self, compact: bool) -> None:
        """Show the speed alone."""
        self.setText(self._speed if compact else self._full_text())

    def _full_text(self) -> str:
        return " · ".join(part for part in (self._speed, self._first) if part)


class StatusBar(QWidget):
    """Places the four; ``server_toggled`` is what the person did to the switch;
    ``server_details_clicked``, ``memory_clicked`` and ``context_clicked``: they want to know more
    of the server, of the gauge, of the meter."""

    server_toggled = Signal(bool)
    server_details_clicked = Signal()
    memory_clicked = Signal()
    context_clicked = Signal()

    def __init__(self, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("statusBar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(HEIGHT)
        self._memory = MemoryGauge(icons.themes)
        self._memory.clicked.connect(self.memory_clicked)
        self._context = ContextMeter(icons.themes)
        self._context.clicked.connect(self.context_clicked)
        self._speed = SpeedLabel()
        self._server = ServerToggle(icons)
        self._server.toggled.connect(self.server_toggled)
        self._server.details_clicked.connect(self.server_details_clicked)
        row = self._row = QHBoxLayout(self)
        # What is shown follows the width; it must not keep the window from getting narrower.
        row.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)
        row.setContentsMargins(3 * GRID, 0, 3 * GRID, 0)
        row.setSpacing(GAP)
        row.addWidget(self._memory)
        row.addWidget(self._context)
        row.addWidget(self._speed)
        row.addStretch(1)
        row.addWidget(self._server)

    @property
    def memory(self) -> MemoryGauge:
        """The gauge, over which its panel opens."""
        return self._memory

    @property
    def context(self) -> ContextMeter:
        """The meter, over which its panel opens."""
        return self._context

    def set_memory(self, shares: Sequence[DeviceShares]) -> None:
        """As `MemoryGauge.set_shares`: each memory, and who holds it."""
        self._memory.set_shares(shares)
        self._fit()

    def set_context(self, used: int | None, n_ctx: int | None, *, is_all: bool = True) -> None:
        """As `ContextMeter.set_usage`: tokens, None where not known."""
        self._context.set_usage(used, n_ctx, is_all=is_all)
        self._fit()

    def set_speed(self, tokens_per_second: float | None, first_token_ms: float | None) -> None:
        """As `SpeedLabel.set_speed`; None where there is nothing to tell."""
        self._speed.set_speed(tokens_per_second, first_token_ms)
        self._fit()

    def set_server(self, state: ServerState, text: str = "") -> None:
        """As `ServerToggle.set_state`: the URL when on, the reason when failed."""
        self._server.set_state(state, text)
        self._fit()

    def minimumSizeHint(self) -> QSize:
        return QSize(MIN_WIDTH, HEIGHT)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Show everything, then leave out words until the rest fits."""
        self._memory.set_form(GaugeForm.FULL)
        self._speed.set_compact(False)
        self._speed.setVisible(bool(self._speed.text()))
        self._server.set_compact(False)
        if self._overflows():
            self._memory.set_form(GaugeForm.BARS)
        if self._overflows():
            self._speed.set_compact(True)
        if self._overflows():
            self._server.set_compact(True)
        if self._overflows():
            self._memory.set_form(GaugeForm.LEAST)
        if self._overflows():
            self._speed.hide()
        self._row.activate()  # now, or one frame would show the old widths

    def _overflows(self) -> bool:
        parts = (self._memory, self._context, self._speed, self._server)
        widths = [part.sizeHint().width() for part in parts if not part.isHidden()]
        return sum(widths) + GAP * len(widths) + 6 * GRID > self.width()
