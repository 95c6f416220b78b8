"""The local server's own window: where it listens, whom it lets in, and what is asked of it.

`server_controller` fills it and obeys its signals. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, QSize, Qt, QTimer, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices, QGuiApplication, QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.app.access_keys import AccessKey
from minerva_desktop.chat.served_request import GRACE_SECONDS, RequestRecord
from minerva_desktop.settings import DEFAULT_PORT, Settings
from minerva_desktop.ui.access_keys_list import AccessKeysList
from minerva_desktop.ui.chat_view.disclosure import PADDING
from minerva_desktop.ui.controls import Switch, plain_tip
from minerva_desktop.ui.forms import Form, ScrolledPage, SegmentedChoice, number_field
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.request_area import RequestArea
from minerva_desktop.ui.server_advanced import ServerAdvanced
from minerva_desktop.ui.status_bar import ServerState
from minerva_desktop.ui.theme import GRID

SIZE = (1000, 680)  # px
LOOK_MS = 500  # between two looks at the requests while the window is open
VERSION = "/v1"  # what clients' base URL has behind the server's own
LOCAL, NETWORK = "local", "network"
_STATES = {
    ServerState.OFF: "Off. Other programs cannot use the models.",
    ServerState.STARTING: "Starting…",
    ServerState.STOPPING: "Stopping…",
    ServerState.RESTARTING: "Restarting…",
}


class ServerWindow(QDialog):
    """Its signals carry what the person wants: ``toggled`` on or off, ``stop_now`` no
    grace for what runs while it stops, ``port_chosen`` a port,
    ``reach_chosen`` whether the network may connect, ``advanced_chosen`` the name of another
    setting and its value, ``key_wanted`` a new key's name, ``key_revoked`` a name,
    ``cancel_requested`` and ``prompt_wanted`` a request's number. ``look_wanted`` comes
    twice a second while the window is open."""

    toggled = Signal(bool)
    stop_now = Signal()
    port_chosen = Signal(int)
    reach_chosen = Signal(bool)
    advanced_chosen = Signal(str, object)
    key_wanted = Signal(str)
    key_revoked = Signal(str)
    cancel_requested = Signal(int)
    prompt_wanted = Signal(int)
    look_wanted = Signal()

    def __init__(self, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("serverWindow")
        self.setWindowTitle("Local server")
        self.resize(_bounded(parent))
        self._url = ""
        self._shown = (ServerState.OFF, "")
        self._n_ending = 0
        self._switch = Switch("Serve the models to other programs", icons.themes)
        self._switch.setObjectName("serverWindowToggle")
        self._switch.toggled.connect(self.toggled)
        self._state = QLabel()
        self._state.setObjectName("serverStateLabel")
        self._state.setTextFormat(Qt.TextFormat.PlainText)
        self._state.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._state.setWordWrap(True)  # a failure has to be read whole
        self._state.setProperty("look", "muted")
        self._refusal = QLabel()
        self._refusal.setObjectName("serverRefusal")
        self._refusal.setTextFormat(Qt.TextFormat.PlainText)
        self._refusal.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._refusal.setWordWrap(True)
        self._copy = _button("Copy address", "copyServerAddress", self._copy_address)
        self._stop_now = _button("Stop now", "stopServerNow", self.stop_now)
        self._stop_now.setToolTip(plain_tip("End the requests that still run"))
        self._docs = _button("API documentation", "openServerDocs", self._open_docs)
        self._port = number_field("serverWindowPort", "Port", None, 1, 65535, str(DEFAULT_PORT))
        self._port.editingFinished.connect(self._on_port)
        reach = ((LOCAL, "This computer"), (NETWORK, "Local network"))
        self._reach = SegmentedChoice("reach", "Who may connect", reach, LOCAL)
        self._reach.chosen.connect(self._on_reach)
        self._advanced = ServerAdvanced(icons)
        self._advanced.chosen.connect(self.advanced_chosen)
        self._keys = AccessKeysList()
        self._keys.key_wanted.connect(self.key_wanted)
        self._keys.revoked.connect(self.key_revoked)
        self._requests = RequestArea(icons.themes)
        self._requests.cancel_requested.connect(self.cancel_requested)
        self._requests.prompt_wanted.connect(self.prompt_wanted)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self.look_wanted)
        self._lay_out()
        self.set_state(ServerState.OFF)

    # -- what is shown ---------------------------------------------------------------------

    def set_state(self, state: ServerState, text: str = "") -> None:
        """``text``: the base URL for clients when on, the reason when failed."""
        self._url = text if state is ServerState.ON else ""
        with QSignalBlocker(self._switch):
            self._switch.setChecked(state.is_wanted)
        self._switch.update()
        self._shown, self._n_ending = (state, text), 0
        self._refusal.hide()
        self._say_state()
        self._stop_now.setVisible(state in (ServerState.STOPPING, ServerState.RESTARTING))
        self._state.setProperty("state", state.value)
        self._state.style().polish(self._state)
        self._copy.setEnabled(bool(self._url))
        self._docs.setEnabled(bool(self._url))

    def _say_state(self) -> None:
        state, text = self._shown
        words = _STATES.get(state, f"On: {text}" if self._url else f"Not started: {text}")
        if state in (ServerState.STOPPING, ServerState.RESTARTING) and self._n_ending:
            words += f" {requests_run(self._n_ending)}, for {GRACE_SECONDS:.0f} seconds at most."
        self._state.setText(words)

    def set_ending(self, n_requests: int) -> None:
        """So many requests hold up a server that stops or restarts."""
        self._n_ending = n_requests
        self._say_state()

    def show_refusal(self, words: str) -> None:
        """Why it does not listen as was wanted, but as before."""
        self._refusal.setText(words)
        self._refusal.show()

    def set_settings(self, settings: Settings) -> None:
        """What counts now."""
        self._port.set_value(settings.server_port)
        self._reach.set_value(NETWORK if settings.server_network else LOCAL)
        self._advanced.set_settings(settings)

    def set_keys(self, keys: Sequence[AccessKey]) -> None:
        """The keys that open the server."""
        self._keys.set_keys(keys)

    def show_new_key(self, key: str) -> None:
        """The one time that a key can be read."""
        self._keys.show_new_key(key)

    def forget_new_key(self) -> None:
        """A key that was shown may be gone."""
        self._keys.forget_new_key()

    def show_problem(self, words: str) -> None:
        """What was wrong with the last wish about keys."""
        self._keys.show_problem(words)

    def set_requests(self, records: Sequence[RequestRecord]) -> None:
        """What runs and what ran; the chosen one stays chosen."""
        self._requests.set_requests(records)

    def show_prompt(self, number: int, text: str) -> None:
        """What the model got for a request."""
        self._requests.show_prompt(number, text)

    # -- events ----------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._timer.start()
        self.look_wanted.emit()

    def hideEvent(self, event: QHideEvent) -> None:
        self._timer.stop()
        self._keys.forget_new_key()
        super().hideEvent(event)

    @Slot()
    def _copy_address(self) -> None:
        QGuiApplication.clipboard().setText(self._url)

    @Slot()
    def _open_docs(self) -> None:
        QDesktopServices.openUrl(QUrl(f"{self._url.removesuffix(VERSION)}/docs"))

    @Slot()
    def _on_port(self) -> None:
        if not self._port.check():
            return  # it says what it takes
        port = self._port.value()
        self.port_chosen.emit(DEFAULT_PORT if port is None else port)

    @Slot()
    def _on_reach(self) -> None:
        self.reach_chosen.emit(self._reach.value() == NETWORK)

    # -- layout ----------------------------------------------------------------------------

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setContentsMargins(PADDING, 0, 0, 0)
        top.setSpacing(3 * GRID)
        top.addWidget(self._switch)
        top.addStretch(1)
        top.addWidget(self._stop_now)
        top.addWidget(self._copy)
        top.addWidget(self._docs)
        box = QVBoxLayout(self)
        # The heading that folds a part has room around its words, which stand on one edge with all
        # others.
        box.setContentsMargins(6 * GRID - PADDING, 5 * GRID, 6 * GRID, 5 * GRID)
        box.setSpacing(3 * GRID)
        box.addLayout(top)
        box.addLayout(_indented(self._state))
        box.addLayout(_indented(self._refusal))
        box.addWidget(self._settings_area())
        box.addLayout(_indented(self._requests), 1)

    def _settings_area(self) -> QWidget:
        """Scrolls where the window is too low for it and the requests."""
        form = Form()
        form.setContentsMargins(PADDING, 0, 0, 0)
        form.add_row("Port", self._port)
        form.add_row("Who may connect", self._reach, "the network only with an API key")
        rows = QVBoxLayout()
        rows.setSpacing(3 * GRID)
        rows.addLayout(form)
        rows.addWidget(self._advanced)
        rows.addLayout(_indented(self._keys))
        page = ScrolledPage(rows)
        page.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self._advanced.opened.connect(page.updateGeometry)
        return page


def _indented(widget: QWidget) -> QLayout:
    layout = QHBoxLayout()
    layout.setContentsMargins(PADDING, 0, 0, 0)
    layout.addWidget(widget)
    return layout


def requests_run(n: int) -> str:
    """How many do, as a sentence without its point."""
    return "1 request still runs" if n == 1 else f"{n} requests still run"


def _bounded(owner: QWidget | None) -> QSize:
    """The size to open with: no larger than the window that it belongs to."""
    size = QSize(*SIZE)
    return size if owner is None else size.boundedTo(owner.window().size())


def _button(words: str, name: str, on_click: object) -> QPushButton:
    button = QPushButton(words)
    button.setObjectName(name)
    button.setAutoDefault(False)
    button.clicked.connect(on_click)
    return button
