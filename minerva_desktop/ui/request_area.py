"""The requests in the local server's window: the table, the prompt of a chosen one, why it failed.

`server_window` shows it and passes its signals on. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QItemSelection, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.chat.served_request import RequestRecord, RequestState
from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.request_table import RECORD_ROLE, RequestModel, make_request_table
from minerva_desktop.ui.theme import GRID, ThemeSource

TABLE_SHARE, PROMPT_SHARE = 2, 1
PROMPT_HEIGHT = 24 * GRID  # at least: some lines
NOT_LOADED_YET = (
    "The model of this request is not loaded yet. The prompt, which is made with the model's chat "
    "template, is shown here once it is."
)


class RequestArea(QWidget):
    """``cancel_requested`` and ``prompt_wanted`` carry a request's number."""

    cancel_requested = Signal(int)
    prompt_wanted = Signal(int)

    def __init__(self, themes: ThemeSource) -> None:
        super().__init__()
        self._prompt_of: int | None = None  # the request whose prompt is shown or on its way
        self._awaits_model = False  # that one's
        self._requests = RequestModel(themes, self)
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
        self._error.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._error.setWordWrap(True)
        self._error.setProperty("state", "failed")
        self._error.hide()
        self._lay_out()
        self.set_requests(())

    def set_requests(self, records: Sequence[RequestRecord]) -> None:
        """What runs and what ran; the chosen one stays chosen, and its prompt in sight."""
        self._requests.set_records(records)
        self._nothing.setVisible(not records)
        self._table.setVisible(bool(records))
        self._offer_actions()
        chosen = self._chosen()
        if self._awaits_model and chosen and chosen.state is not RequestState.LOADING:
            self._want_prompt(chosen)

    def show_prompt(self, number: int, text: str) -> None:
        """What the model got for a request; dropped where another was chosen meanwhile."""
        if number == self._prompt_of:
            self._prompt.setPlainText(text)
            self._prompt.show()

    @Slot(QItemSelection, QItemSelection)
    def _on_selection(self, _now: QItemSelection, _before: QItemSelection) -> None:
        chosen = self._chosen()
        if chosen is None or chosen.number != self._prompt_of:
            self._prompt_of, self._awaits_model = None, False
            self._prompt.hide()
        self._offer_actions()

    @Slot()
    def _on_cancel(self) -> None:
        if (chosen := self._chosen()) is not None:
            self.cancel_requested.emit(chosen.number)

    @Slot()
    def _on_show_prompt(self) -> None:
        if (chosen := self._chosen()) is not None:
            self._want_prompt(chosen)

    def _want_prompt(self, chosen: RequestRecord) -> None:
        self._prompt_of = chosen.number
        self._awaits_model = chosen.state is RequestState.LOADING
        if self._awaits_model:
            self.show_prompt(chosen.number, NOT_LOADED_YET)
        else:
            self.prompt_wanted.emit(chosen.number)

    def _chosen(self) -> RequestRecord | None:
        rows = self._table.selectionModel().selectedRows()
        return rows[0].data(RECORD_ROLE) if rows else None

    def _offer_actions(self) -> None:
        chosen = self._chosen()
        self._error.setText("" if chosen is None else chosen.error)
        self._error.setVisible(bool(self._error.text()))
        self._cancel.setEnabled(chosen is not None and chosen.needs_model)
        self._show.setEnabled(chosen is not None and chosen.has_prompt)

    def _lay_out(self) -> None:
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
        splitter.setStretchFactor(0, TABLE_SHARE)
        splitter.setStretchFactor(1, PROMPT_SHARE)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 2 * GRID, 0, 0)
        column.setSpacing(2 * GRID)
        column.addLayout(head)
        column.addWidget(self._nothing)
        column.addWidget(self._error)
        column.addWidget(splitter, 1)


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
    view.setMinimumHeight(PROMPT_HEIGHT)
    view.setToolTip(plain_tip("Kept in memory only, and only while the request is listed"))
    view.hide()
    return view
