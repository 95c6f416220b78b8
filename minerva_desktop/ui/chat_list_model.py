"""The model of the chat list: rows as `chat_rows` makes them. Main thread."""

from __future__ import annotations

import time
from collections.abc import Iterable
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
from minerva_desktop.ui.chat_rows import (
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
    name from the inline editor."""

    renamed = Signal(str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.listed = ListRows()
        self._rows: list[Row] = []
        self.current = ""  # the id of the open chat

    def set_rows(self, listed: ListRows) -> None:
        """Replace all rows."""
        self.beginResetModel()
        self.listed = listed
        self._rows = list(listed.rows)
        self.endResetModel()

    def index_of(self, row_id: str) -> QModelIndex:
        """Where a chat or folder is; invalid when it is not shown."""
        row = self.listed.row_of.get(row_id)
        return QModelIndex() if row is None else self.index(row)

    def row(self, index: Index) -> Row | None:
        """What stands there; None at an invalid index."""
        return self._rows[index.row()] if index.isValid() else None

    def id_at(self, index: Index) -> str:
        """The id of the chat or folder there; empty where there is none."""
        row = self.row(index)
        if isinstance(row, FolderRow):
            return row.folder.id
        return row.id if isinstance(row, ConversationSummary) else ""

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
        name = " ".join(str(value).split())
        if role != Qt.ItemDataRole.EditRole or isinstance(row, Heading) or not name:
            return False
        if name == _name(row):
            return True
        if isinstance(row, FolderRow):
            folder = msgspec.structs.replace(row.folder, name=name)
            self._rows[index.row()] = FolderRow(folder, row.n_chats, row.is_open)
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
        elif isinstance(row, ConversationSummary):
            if row.id == self.current:
                yield "open"
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

    def _tip(self, chat: ConversationSummary) -> str:
        changed = datetime.fromtimestamp(chat.updated_at).astimezone()
        lines = [title_of(chat), f"{changed:%Y-%m-%d %H:%M}"]
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


def _name(row: Row) -> str:
    if isinstance(row, Heading):
        return row.text
    return row.folder.name if isinstance(row, FolderRow) else title_of(row)
