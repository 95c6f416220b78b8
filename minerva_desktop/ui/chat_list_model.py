"""The model of the chat list: rows as `chat_rows` makes them. Main thread."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

import msgspec
from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)

from minerva_desktop.chat.conversation import ConversationSummary
from minerva_desktop.chat.names import clean_name
from minerva_desktop.ui.chat_rows import (
    PINNED,
    ChatMarks,
    FolderRow,
    Heading,
    ListRows,
    Place,
    Row,
    days_left,
    title_of,
)
from minerva_desktop.ui.controls import plain_tip

ITEM_ROLE = Qt.ItemDataRole.UserRole

Index = QModelIndex | QPersistentModelIndex


class ChatListModel(QAbstractListModel):
    """Rows as `chat_rows` makes them. ``renamed`` carries the id of a chat or folder and its new
    name from the inline editor. ``marked``: other chats are marked, as the open one or by their
    answers; rows did not change, and a title that is being typed stays."""

    renamed = Signal(str, str)
    marked = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.listed = ListRows()
        self._rows: list[Row] = []
        self._current = ""
        self._marks = ChatMarks()

    def set_rows(self, listed: ListRows) -> None:
        """Replace all rows."""
        self.beginResetModel()
        self.listed = listed
        self._rows = list(listed.rows)
        self.endResetModel()

    @property
    def current(self) -> str:
        """The id of the open chat; empty for one that is not in the list."""
        return self._current

    @current.setter
    def current(self, chat_id: str) -> None:
        if chat_id != self._current:
            self._current = chat_id
            self.marked.emit()

    def set_marks(self, marks: ChatMarks) -> None:
        """Mark these chats, and no others."""
        if marks != self._marks:
            self._marks = marks
            self.marked.emit()

    def is_answering(self, row: Row) -> bool:
        """Whether an answer is on its way in a chat that is not open, or in one that a closed
        folder hides."""
        return not self._marks.answering.isdisjoint(self._told_of(row))

    def is_unread(self, row: Row) -> bool:
        """The same of an answer that nobody has seen."""
        return not self._marks.unread.isdisjoint(self._told_of(row))

    def answering_rows(self) -> list[QModelIndex]:
        """Those of which `is_answering` is true."""
        if not self._marks.answering:
            return []
        likely = (*self._marks.answering, *(folder.id for folder in self.listed.folders))
        rows = [self.listed.row_of[each] for each in likely if each in self.listed.row_of]
        return [self.index(row) for row in rows if self.is_answering(self._rows[row])]

    def _told_of(self, row: Row) -> Iterable[str]:
        """The chats whose answers the mark of a row tells of: the open one shows its own."""
        if isinstance(row, FolderRow):
            return row.hidden - {self.current}
        return (row.id,) if isinstance(row, ConversationSummary) and row.id != self.current else ()

    def index_of(self, row_id: str) -> QModelIndex:
        """Where a chat or folder is; invalid when it is not shown."""
        row = self.listed.row_of.get(row_id)
        return QModelIndex() if row is None else self.index(row)

    def row(self, index: Index) -> Row | None:
        """What stands there; None at an invalid index."""
        return self._rows[index.row()] if index.isValid() else None

    def id_at(self, index: Index) -> str:
        """The id of the chat or folder there; empty where there is none."""
        return _id(self.row(index))

    def nearest(self, row_id: str, others: ListRows) -> str:
        """The id of that chat or folder, or of the next one down here that ``others`` have, too, or
        else up; empty where there is none."""
        at = self.listed.row_of.get(row_id)
        if at is None or row_id in others.row_of:
            return row_id
        ids = map(_id, (*self._rows[at + 1 :], *reversed(self._rows[:at])))
        return next((each for each in ids if each in others.row_of), "")

    def chats_between(self, first: int, last: int) -> list[ConversationSummary]:
        """The chats in the rows from ``first`` to ``last``."""
        return [row for row in self._rows[first : last + 1] if isinstance(row, ConversationSummary)]

    def folder_at(self, index: Index) -> str | None:
        """The id of the folder that a row is or is in."""
        row = self.row(index)
        if isinstance(row, FolderRow):
            return row.folder.id
        return (
            row.folder_id if isinstance(row, ConversationSummary) and self.is_within(row) else None
        )

    def is_pinned_at(self, index: Index) -> bool:
        """Whether a row is a pinned chat, or the heading of those."""
        row = self.row(index)
        if isinstance(row, ConversationSummary):
            return row.is_pinned and self.listed.place is Place.CHATS
        return isinstance(row, Heading) and row.text == PINNED

    def is_within(self, chat: ConversationSummary) -> bool:
        """Whether a chat stands under its folder."""
        under = chat.folder_id is not None and chat.folder_id in self.listed.row_of
        return under and not chat.is_pinned and self.listed.place is Place.CHATS

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def flags(self, index: Index) -> Qt.ItemFlag:
        row = self.row(index)
        if row is None or isinstance(row, Heading):
            return Qt.ItemFlag.NoItemFlags
        flags = Qt.ItemFlag.ItemIsEnabled
        if self.listed.place is not Place.TRASH:
            flags |= Qt.ItemFlag.ItemIsEditable
        if isinstance(row, ConversationSummary):
            flags |= Qt.ItemFlag.ItemIsSelectable
            if self.listed.place is Place.CHATS:
                flags |= Qt.ItemFlag.ItemIsDragEnabled
        return flags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        row = self._rows[index.row()]
        if role == ITEM_ROLE:
            return row
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return _name(row)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return ", ".join([_name(row), *self._spoken(row)])
        if role == Qt.ItemDataRole.ToolTipRole and isinstance(row, ConversationSummary):
            return plain_tip(self._tip(row))
        return None

    def setData(self, index: Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Take a new name from the inline editor, show it, and report it with ``renamed``."""
        row = self._rows[index.row()]
        name = " ".join(clean_name(str(value)).split())
        if role != Qt.ItemDataRole.EditRole or isinstance(row, Heading) or not name:
            return False
        if name == _name(row):
            return True
        if isinstance(row, FolderRow):
            folder = msgspec.structs.replace(row.folder, name=name)
            self._rows[index.row()] = replace(row, folder=folder)
            changed_id = folder.id
        else:
            self._rows[index.row()] = msgspec.structs.replace(row, title=name)
            changed_id = row.id
        self.dataChanged.emit(index, index)
        self.renamed.emit(changed_id, name)
        return True

    def _spoken(self, row: Row) -> Iterable[str]:
        """What a screen reader says after the name."""
        if isinstance(row, FolderRow):
            yield f"folder, {row.n_chats} {'chat' if row.n_chats == 1 else 'chats'}"
            yield "expanded" if row.is_open else "collapsed"
            yield from self._marks_of(row)
        elif isinstance(row, ConversationSummary):
            if row.id == self.current:
                yield "open"
            yield from self._marks_of(row)
            if row.is_pinned:
                yield "pinned"
            if row.id in self.listed.warm:
                yield "goes on at once"
            if self.is_within(row):
                yield f"in the folder {self._folder_name(row)}"
            if row.tags:
                yield f"tagged {', '.join(row.tags)}"
            if self.listed.place is Place.TRASH:
                yield f"{days_left(row, time.time())} left"

    def _marks_of(self, row: Row) -> Iterable[str]:
        if self.is_answering(row):
            yield "answering"
        if self.is_unread(row):
            yield "new answer"

    def _tip(self, chat: ConversationSummary) -> str:
        changed = datetime.fromtimestamp(chat.updated_at).astimezone()
        lines = [title_of(chat), f"{changed:%Y-%m-%d %H:%M}"]
        if self.is_answering(chat):
            lines.append("An answer is being written")
        if self.is_unread(chat):
            lines.append("There is an answer that you have not seen")
        if chat.folder_id is not None and (name := self._folder_name(chat)):
            lines.append(f"Folder: {name}")
        if chat.tags:
            lines.append(f"Tags: {', '.join(chat.tags)}")
        if chat.id in self.listed.warm:
            lines.append("Goes on at once: what the model computed of it is on disk")
        if self.listed.place is Place.TRASH:
            lines.append(f"Deleted for good in {days_left(chat, time.time())}")
        return "\n".join(lines)

    def _folder_name(self, chat: ConversationSummary) -> str:
        names = [folder.name for folder in self.listed.folders if folder.id == chat.folder_id]
        return names[0] if names else ""


def _id(row: Row | None) -> str:
    if isinstance(row, FolderRow):
        return row.folder.id
    return row.id if isinstance(row, ConversationSummary) else ""


def _name(row: Row) -> str:
    if isinstance(row, Heading):
        return row.text
    return row.folder.name if isinstance(row, FolderRow) else title_of(row)
