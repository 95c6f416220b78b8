"""The local server's requests as a table: what runs, and what ran last.

Used by `server_window`. Main thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from minerva_desktop.chat.served_request import RequestRecord, RequestState
from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.formats import format_ms, format_speed, format_tokens
from minerva_desktop.ui.theme import GRID, ThemeSource

RECORD_ROLE = Qt.ItemDataRole.UserRole
HEADERS = ("Time", "API", "Model", "Client", "Prompt", "Answer", "Speed", "State")
_NUMBERS = frozenset({4, 5, 6})
_WIDTHS = (20, 27, 40, 30, 31, 16, 28, 36)  # of the grid's steps
# Left out where the table is narrow, the first one first.
_LEAST_IMPORTANT = (6, 3, 5)
ROW_HEIGHT = 8 * GRID
MIN_HEIGHT = 4 * ROW_HEIGHT + 11 * GRID  # px; some rows, beneath the header

Index = QModelIndex | QPersistentModelIndex

_WORDS = {
    RequestState.LOADING: "Loading model",
    RequestState.QUEUED: "Waiting",
    RequestState.PREFILL: "Reading prompt",
    RequestState.DECODING: "Answering",
    RequestState.SENDING: "Sending",
    RequestState.FINISHED: "Done",
    RequestState.FAILED: "Failed",
    RequestState.CANCELLED: "Cancelled",
    RequestState.STOPPED: "Server stopped",
}


class RequestModel(QAbstractTableModel):
    """The rows; one keeps its place in the selection as long as its request is listed."""

    def __init__(self, themes: ThemeSource, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._themes = themes
        self._records: list[RequestRecord] = []

    def set_records(self, records: Sequence[RequestRecord]) -> None:
        """Show these. Row by row, not as a new table: what is chosen and in sight stays so while
        others come, end and go."""
        listed = {record.number for record in records}
        for row in reversed(range(len(self._records))):
            if self._records[row].number not in listed:
                self.beginRemoveRows(QModelIndex(), row, row)
                del self._records[row]
                self.endRemoveRows()
        for row, record in enumerate(records):
            self._place(record, row)
        self._records = list(records)
        if records:
            self.dataChanged.emit(self.index(0, 0), self.index(len(records) - 1, len(HEADERS) - 1))

    def _place(self, record: RequestRecord, row: int) -> None:
        """Have a request in that row; those before it are in theirs."""
        if row < len(self._records) and self._records[row].number == record.number:
            return
        before = self._row_of(record.number)
        if before is None:
            self.beginInsertRows(QModelIndex(), row, row)
            self._records.insert(row, record)
            self.endInsertRows()
        else:
            self.beginMoveRows(QModelIndex(), before, before, QModelIndex(), row)
            self._records.insert(row, self._records.pop(before))
            self.endMoveRows()

    def _row_of(self, number: int) -> int | None:
        rows = (row for row, record in enumerate(self._records) if record.number == number)
        return next(rows, None)

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._records)

    def columnCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(HEADERS)

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> object:
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return HEADERS[section]
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        record = self._records[index.row()]
        if role == RECORD_ROLE:
            return record
        if role == Qt.ItemDataRole.DisplayRole:
            return cells(record)[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tip(record.error or cells(record)[index.column()])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(index.column())
        if role == Qt.ItemDataRole.ForegroundRole and index.column() == len(HEADERS) - 1:
            return self._colour(record.state)
        return None

    def _colour(self, state: RequestState) -> QColor | None:
        theme = self._themes.theme
        match state:
            case RequestState.FAILED:
                return QColor(theme.danger)
            case RequestState.FINISHED | RequestState.CANCELLED | RequestState.STOPPED:
                return QColor(theme.muted)
            case _:
                return QColor(theme.success)


def cells(record: RequestRecord) -> tuple[str, ...]:
    """What a row says, in the order of `HEADERS`."""
    return (
        time.strftime("%H:%M:%S", time.localtime(record.started)),
        record.dialect,
        record.model,
        record.key_name or record.client,
        _prompt(record),
        format_tokens(record.generated_tokens) if record.generated_tokens else "",
        format_speed(record.tokens_per_second) if record.tokens_per_second else "",
        _state(record),
    )


def _prompt(record: RequestRecord) -> str:
    if not record.prompt_tokens:
        return ""
    if record.state is RequestState.PREFILL:
        return f"{record.read_tokens:,} of {record.prompt_tokens:,}"
    return format_tokens(record.prompt_tokens)


def _state(record: RequestRecord) -> str:
    words = _WORDS[record.state]
    if record.state is RequestState.FAILED:
        words += f" ({record.status})"
    if not record.is_over or record.state is RequestState.STOPPED:
        return words
    return f"{words}, {format_ms(record.seconds * 1000)}"


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in _NUMBERS else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


class _RequestTable(QTableView):
    """How a request ended stays in sight however narrow it is."""

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        width = sum(_WIDTHS) * GRID
        for column in _LEAST_IMPORTANT:
            is_over = width > self.viewport().width()
            self.setColumnHidden(column, is_over)
            width -= _WIDTHS[column] * GRID if is_over else 0


def make_request_table(model: RequestModel) -> QTableView:
    """A view of ``model``: whole rows are chosen, the model's name takes what room is left."""
    view = _RequestTable()
    view.setObjectName("requestTable")
    view.setAccessibleName("Requests")
    view.setModel(model)
    view.setShowGrid(False)
    view.setAlternatingRowColors(False)
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    view.setTabKeyNavigation(False)
    view.setWordWrap(False)
    view.setMinimumHeight(MIN_HEIGHT)
    view.verticalHeader().hide()
    view.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
    header = view.horizontalHeader()
    header.setHighlightSections(False)
    header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
    header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
    for column, steps in enumerate(_WIDTHS):
        view.setColumnWidth(column, steps * GRID)
    return view
