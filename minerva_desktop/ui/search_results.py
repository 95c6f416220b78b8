"""What a search found, by chat: the list of it and its painter. Main thread."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QWidget

from minerva_desktop.app.chat_search import FoundChat, FoundMessage
from minerva_desktop.chat.conversation import ConversationSummary
from minerva_desktop.ui.chat_rows import title_of
from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.row_view import RowView

ITEM_ROLE = Qt.ItemDataRole.UserRole
ROW_HEIGHT = 40  # px
MAX_SHOWN = 3  # messages of a chat, before it is opened up
NEAR_END = 3  # screens; nearer to the end than that, more is wanted

Index = QModelIndex | QPersistentModelIndex


class MessageRow(msgspec.Struct, frozen=True):
    """A message that was found, in its chat."""

    chat_id: str
    message: FoundMessage


class MoreRow(msgspec.Struct, frozen=True):
    """Stands for ``n`` more messages of a chat."""

    chat_id: str
    n: int


class NoteRow(msgspec.Struct, frozen=True):
    """A sentence at the end."""

    text: str


ResultRow = FoundChat | MessageRow | MoreRow | NoteRow


class Found(NamedTuple):
    """What a search shows: the chats, and a sentence behind or instead of them."""

    chats: Sequence[FoundChat]
    note: str = ""


class ResultsModel(QAbstractListModel):
    """Rows of what was found."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[ResultRow] = []
        self.current = ""  # the id of the open chat

    def set_rows(self, rows: list[ResultRow]) -> None:
        """Replace all rows."""
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def row(self, index: Index) -> ResultRow | None:
        """What stands there; None at an invalid index."""
        return self._rows[index.row()] if index.isValid() else None

    def chat_at(self, index: Index) -> ConversationSummary | None:
        """The chat that a row is about."""
        row = self.row(index)
        if row is None or isinstance(row, NoteRow):
            return None
        wanted = row.chat.id if isinstance(row, FoundChat) else row.chat_id
        found = (each.chat for each in self._rows if isinstance(each, FoundChat))
        return next(chat for chat in found if chat.id == wanted)

    def key_at(self, row: int) -> str:
        """What a row is known by when others come: the id of its chat or message."""
        return _key(self._rows[row]) if 0 <= row < len(self._rows) else ""

    def row_of(self, key: str) -> int:
        """Where the row known by ``key`` is; -1 where there is none."""
        return next((number for number, row in enumerate(self._rows) if _key(row) == key), -1)

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def flags(self, index: Index) -> Qt.ItemFlag:
        if not index.isValid() or isinstance(self._rows[index.row()], NoteRow):
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        row = self._rows[index.row()]
        if role == ITEM_ROLE:
            return row
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(row)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            if not isinstance(row, FoundChat):
                return _text(row)
            return f"Chat: {_text(row)}{', archived' if row.chat.is_archived else ''}"
        if role == Qt.ItemDataRole.ToolTipRole and isinstance(row, FoundChat | MessageRow):
            when = row.chat.updated_at if isinstance(row, FoundChat) else row.message.time
            at = datetime.fromtimestamp(when).astimezone()
            return plain_tip(f"{_text(row)}\n{at:%Y-%m-%d %H:%M}")
        return None


class SearchResults(RowView):
    """``opened`` carries a chat and the message to show, empty for none; ``menu_requested`` a row,
    ``delete_pressed`` a chat, ``typed`` what is typed. ``more_wanted`` is emitted when the end
    comes near, ``left`` is Esc."""

    opened = Signal(str, str)
    menu_requested = Signal(QModelIndex)
    delete_pressed = Signal(str)
    more_wanted = Signal()
    typed = Signal(str)
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(ROW_HEIGHT, parent)
        self.results = ResultsModel(self)
        self._found = Found(())
        self._whole: set[str] = set()  # the chats of which all messages are shown
        self.setObjectName("searchResults")
        self.setAccessibleName("Search results")
        self.setModel(self.results)
        self.verticalScrollBar().valueChanged.connect(self._look_ahead)
        self.verticalScrollBar().rangeChanged.connect(self._look_ahead)

    def show_found(self, found: Found, *, is_new: bool) -> None:
        """Show these; ``is_new``: of another search, so from the beginning."""
        if is_new:
            self._whole.clear()
        self._found = found
        self._fill(keep=not is_new)

    def set_current(self, chat_id: str) -> None:
        """Highlight the open chat."""
        self.results.current = chat_id
        self.viewport().update()

    def _fill(self, *, keep: bool) -> None:
        """Rows that come above what is seen move nothing of that."""
        bar = self.verticalScrollBar()
        top, below = divmod(bar.value(), ROW_HEIGHT)
        top_key = self.results.key_at(top)
        cursor_key = self.results.key_at(self.currentIndex().row())
        rows: list[ResultRow] = []
        for found in self._found.chats:
            rows.append(found)
            n_shown = len(found.messages) if found.chat.id in self._whole else MAX_SHOWN
            rows.extend(MessageRow(found.chat.id, each) for each in found.messages[:n_shown])
            if len(found.messages) > n_shown:
                rows.append(MoreRow(found.chat.id, len(found.messages) - n_shown))
        if self._found.note:
            rows.append(NoteRow(self._found.note))
        self.results.set_rows(rows)
        self.executeDelayedItemsLayout()
        if keep:
            cursor = self.results.row_of(cursor_key)
            if cursor >= 0:
                self.setCurrentIndex(self.results.index(cursor))
            bar.setValue(max(0, self.results.row_of(top_key)) * ROW_HEIGHT + below)
        else:
            bar.setValue(0)
        self._look_ahead()  # also where there is nothing to scroll yet

    @Slot()
    def _look_ahead(self) -> None:
        bar = self.verticalScrollBar()
        if bar.maximum() - bar.value() < NEAR_END * bar.pageStep():
            self.more_wanted.emit()

    def _activate(self, index: QModelIndex) -> None:
        row = self.results.row(index)
        if isinstance(row, FoundChat):
            self.opened.emit(row.chat.id, "")
        elif isinstance(row, MessageRow):
            self.opened.emit(row.chat_id, row.message.id)
        elif isinstance(row, MoreRow):
            self._whole.add(row.chat_id)
            self._fill(keep=True)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._activate(self.currentIndex())
        elif event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        elif event.key() == Qt.Key.Key_Delete:
            row = self.results.row(self.currentIndex())
            if isinstance(row, FoundChat):  # not for a message: the whole chat would go
                self.delete_pressed.emit(row.chat.id)
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        by_key = event.reason() == QContextMenuEvent.Reason.Keyboard
        self.menu_requested.emit(self.currentIndex() if by_key else self.indexAt(event.pos()))
        event.accept()

    def keyboardSearch(self, text: str) -> None:
        self.typed.emit(text)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        if event.button() == Qt.MouseButton.LeftButton:
            self._activate(self.indexAt(event.position().toPoint()))


def _key(row: ResultRow) -> str:
    if isinstance(row, FoundChat):
        return row.chat.id
    if isinstance(row, MessageRow):
        return row.message.id
    return f"more:{row.chat_id}" if isinstance(row, MoreRow) else "note"


def _text(row: ResultRow) -> str:
    if isinstance(row, FoundChat):
        return title_of(row.chat)
    if isinstance(row, MessageRow):
        return row.message.text
    return f"{row.n:,} more in this chat" if isinstance(row, MoreRow) else row.text
