"""The local server's own window: where it listens, whom it lets in, and what is asked of it.

`server_controller` fills it and obeys its signals. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QItemSelection, QSignalBlocker, QSize, Qt, QTimer, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices, QGuiApplication, QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.app.access_keys import AccessKey
from minerva_desktop.chat.served_request import RequestRecord
from minerva_desktop.settings import DEFAULT_PORT, Settings
from minerva_desktop.ui.access_keys_list import AccessKeysList
from minerva_desktop.ui.controls import ElidedLabel, Switch, plain_tip
from minerva_desktop.ui.forms import Form, ScrolledPage, SegmentedChoice, number_field
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.request_table import RECORD_ROLE, RequestModel, make_request_table
from minerva_desktop.ui.server_advanced import ServerAdvanced
from minerva_desktop.ui.status_bar import ServerState
from minerva_desktop.ui.theme import GRID

SIZE = (1000, 680)  # px
LOOK_MS = 500  # between two looks at the requests while the window is open
LOCAL, NETWORK = "local", "network"
_STATES = {
    ServerState.OFF: "Off. Other programs cannot use the models.",
    ServerState.STARTING: "Starting…",
}


class ServerWindow(QDialog):
    """Its signals carry what the person wants: ``toggled`` on or off, ``port_chosen`` a port,
    ``reach_chosen`` whether the network may connect, ``advanced_chosen`` the name of another
    setting and its value, ``key_wanted`` a new key's name, ``key_revoked`` a name,
    ``cancel_requested`` and ``prompt_wanted`` a request's number. ``look_wanted`` comes
    twice a second while the window is open."""

    toggled = Signal(bool)
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
        self._switch = Switch("Serve the models to other programs", icons.themes)
        self._switch.setObjectName("serverWindowToggle")
        self._switch.toggled.connect(self.toggled)
        self._state = ElidedLabel()
        self._state.setObjectName("serverStateLabel")
        self._state.setProperty("look", "muted")
        self._copy = _button("Copy address", "copyServerAddress", self._copy_address)
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
        self._requests = RequestModel(icons.themes, self)
        self._table = make_request_table(self._requests)
        self._table.selectionModel().selectionChanged.connect(self._on_selection)
        self._nothing = QLabel("No request yet. They are listed here while they run.")
        self._nothing.setObjectName("noRequestsLabel")
        self._nothing.setProperty("look", "muted")
        self._cancel = _button("Cancel request", "cancelRequest", self._on_cancel)
        self._show = _button("Show prompt", "showPrompt", self._on_show_prompt)
        self._prompt = _prompt_view()
        self._error = QLabel()
        self._error.setObjectName("requestError")
        self._error.setTextFormat(Qt.TextFormat.PlainText)
        self._error.setWordWrap(True)
        self._error.setProperty("state", "failed")
        self._error.hide()
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self.look_wanted)
        self._lay_out()
        self.set_state(ServerState.OFF)
        self.set_requests(())

    # -- what is shown ---------------------------------------------------------------------

    def set_state(self, state: ServerState, text: str = "") -> None:
        """``text``: the URL when on, the reason when failed."""
        self._url = text if state is ServerState.ON else ""
        with QSignalBlocker(self._switch):
            self._switch.setChecked(state in (ServerState.STARTING, ServerState.ON))
        self._switch.update()
        words = _STATES.get(state, f"On: {text}" if self._url else f"Not started: {text}")
        self._state.set_full_text(words)
        self._state.setProperty("state", state.value)
        self._state.style().polish(self._state)
        self._copy.setEnabled(bool(self._url))
        self._docs.setEnabled(bool(self._url))

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
        chosen = self._chosen()
        self._requests.set_records(records)
        row = None if chosen is None else self._requests.row_of(chosen.number)
        if row is not None and self._chosen() is None:
            self._table.selectRow(row)
        self._nothing.setVisible(not records)
        self._table.setVisible(bool(records))
        self._offer_actions()

    def show_prompt(self, text: str) -> None:
        """What the model got for the chosen request."""
        self._prompt.setPlainText(text)
        self._prompt.show()

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
        QDesktopServices.openUrl(QUrl(f"{self._url}/docs"))

    @Slot()
    def _on_port(self) -> None:
        if not self._port.check():
            return  # it says what it takes
        port = self._port.value()
        self.port_chosen.emit(DEFAULT_PORT if port is None else port)

    @Slot()
    def _on_reach(self) -> None:
        self.reach_chosen.emit(self._reach.value() == NETWORK)

    @Slot(QItemSelection, QItemSelection)
    def _on_selection(self, _now: QItemSelection, _before: QItemSelection) -> None:
        self._prompt.hide()
        self._offer_actions()

    @Slot()
    def _on_cancel(self) -> None:
        if (chosen := self._chosen()) is not None:
            self.cancel_requested.emit(chosen.number)

    @Slot()
    def _on_show_prompt(self) -> None:
        if (chosen := self._chosen()) is not None:
            self.prompt_wanted.emit(chosen.number)

    def _chosen(self) -> RequestRecord | None:
        rows = self._table.selectionModel().selectedRows()
        return rows[0].data(RECORD_ROLE) if rows else None

    def _offer_actions(self) -> None:
        chosen = self._chosen()
        self._error.setText("" if chosen is None else chosen.error)
        self._error.setVisible(bool(self._error.text()))
        self._cancel.setEnabled(chosen is not None and not chosen.is_over)
        self._show.setEnabled(chosen is not None and chosen.has_prompt)

    # -- layout ----------------------------------------------------------------------------

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(3 * GRID)
        top.addWidget(self._switch)
        top.addWidget(self._state, 1)
        top.addWidget(self._copy)
        top.addWidget(self._docs)
        box = QVBoxLayout(self)
        box.setContentsMargins(6 * GRID, 5 * GRID, 6 * GRID, 5 * GRID)
        box.setSpacing(3 * GRID)
        box.addLayout(top)
        box.addWidget(self._settings_area())
        box.addWidget(self._request_area(), 1)

    def _settings_area(self) -> QWidget:
        """Scrolls where the window is too low for it and the requests."""
        form = Form()
        form.add_row("Port", self._port)
        form.add_row("Who may connect", self._reach, "others need an API key")
        rows = QVBoxLayout()
        rows.setSpacing(3 * GRID)
        rows.addLayout(form)
        rows.addWidget(self._advanced)
        rows.addWidget(self._keys)
        page = ScrolledPage(rows)
        page.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self._advanced.opened.connect(page.updateGeometry)
        return page

    def _request_area(self) -> QWidget:
        title = QLabel("Requests")
        title.setProperty("look", "heading")
        head = QHBoxLayout()
        head.setSpacing(2 * GRID)
        head.addWidget(title)
        head.addStretch(1)
        head.addWidget(self._show)
        head.addWidget(self._cancel)
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(self._table)
        splitter.addWidget(self._prompt)
        splitter.setSizes([SIZE[1] // 2, SIZE[1] // 4])
        area = QWidget()
        column = QVBoxLayout(area)
        column.setContentsMargins(0, 2 * GRID, 0, 0)
        column.setSpacing(2 * GRID)
        column.addLayout(head)
        column.addWidget(self._nothing)
        column.addWidget(self._error)
        column.addWidget(splitter, 1)
        return area


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


def _prompt_view() -> QPlainTextEdit:
    view = QPlainTextEdit()
    view.setObjectName("requestPrompt")
    view.setAccessibleName("The prompt as the model got it")
    view.setReadOnly(True)
    view.setTabChangesFocus(True)
    view.setToolTip(plain_tip("Kept in memory only, and only while the request is listed"))
    view.hide()
    return view
