"""The chats as the sidebar lists them: the values, the model with its date headings, the painter
with the inline title editor.

Used by `sidebar` only. All rows have one height, so that ten thousand of them cost nothing to lay
out. Main thread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import NamedTuple

from PySide6.QtCore import (
    QAbstractItemModel,
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFont, QMouseEvent, QPainter
from PySide6.QtWidgets import (
    QLineEdit,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

ITEM_ROLE = Qt.ItemDataRole.UserRole
ROW_HEIGHT = 9 * GRID
UNTITLED = "New chat"
MAX_TITLE_LENGTH = 200  # characters

Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, slots=True)
class ChatItem:
    """One chat. ``updated_at`` is Unix time in seconds."""

    id: str
    title: str
    updated_at: float

    @property
    def shown_title(self) -> str:
        """The title on one line, never empty."""
        return " ".join(self.title.split()) or UNTITLED


class DateGroup(NamedTuple):
    """The chats from ``start`` to before ``end`` (Unix time) stand under ``heading``."""

    heading: str
    start: float
    end: float


def date_groups(now: datetime) -> tuple[DateGroup, ...]:
    """The headings as seen at ``now`` (local time), newest first; together they cover all time."""

    def midnight(days_ago: int) -> float:
        # Calendar days, not multiples of 24 hours: a day with a clock change has 23 or 25.
        return datetime.combine(now.date() - timedelta(days=days_ago), time.min).timestamp()

    today, yesterday, week = midnight(0), midnight(1), midnight(7)
    return (
        DateGroup("Today", today, math.inf),
        DateGroup("Yesterday", yesterday, today),
        DateGroup("Previous 7 days", week, yesterday),
        DateGroup("Older", -math.inf, week),
    )


class ChatListModel(QAbstractListModel):
    """Rows are a heading (str) or a `ChatItem`, in the order given."""

    renamed = Signal(str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[str | ChatItem] = []
        self._row_of: dict[str, int] = {}
        self.current = ""  # the id of the open chat

    def set_chats(self, chats: Sequence[ChatItem], now: datetime) -> None:
        """Replace all rows. ``chats`` are in the order to show; a heading stands wherever the
        day changes."""
        self.beginResetModel()
        self._rows = []
        groups = date_groups(now)
        group = None
        for chat in chats:
            if group is None or not group.start <= chat.updated_at < group.end:
                group = next(g for g in groups if chat.updated_at >= g.start)
                self._rows.append(group.heading)
            self._rows.append(chat)
        self._row_of = {row.id: i for i, row in enumerate(self._rows) if isinstance(row, ChatItem)}
        self.endResetModel()

    def index_of(self, chat_id: str) -> QModelIndex:
        """Where a chat is; invalid when it is not shown."""
        row = self._row_of.get(chat_id)
        return QModelIndex() if row is None else self.index(row)

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def flags(self, index: Index) -> Qt.ItemFlag:
        if not index.isValid() or isinstance(self._rows[index.row()], str):
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        row = self._rows[index.row()]
        if role == ITEM_ROLE:
            return row
        title = row if isinstance(row, str) else row.shown_title
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return title
        if role == Qt.ItemDataRole.AccessibleTextRole:
            open_now = isinstance(row, ChatItem) and row.id == self.current
            return f"{title}, open" if open_now else title
        if role == Qt.ItemDataRole.ToolTipRole and isinstance(row, ChatItem):
            changed = datetime.fromtimestamp(row.updated_at).astimezone()
            return plain_tip(f"{title}\n{changed:%Y-%m-%d %H:%M}")
        return None

    def setData(self, index: Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Take a new title from the inline editor, show it, and report it with ``renamed``."""
        row = self._rows[index.row()]
        title = " ".join(str(value).split())
        if role != Qt.ItemDataRole.EditRole or isinstance(row, str) or not title:
            return False
        if title != row.shown_title:
            self._rows[index.row()] = replace(row, title=title)
            self.dataChanged.emit(index, index)
            self.renamed.emit(row.id, title)
        return True


class ChatDelegate(QStyledItemDelegate):
    """Paints a row; the pointer's row has a "more" button, reported by ``menu_requested``."""

    menu_requested = Signal(QModelIndex)

    def __init__(self, icons: Icons, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._icons = icons

    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        return QSize(20 * GRID, ROW_HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        row = index.data(ITEM_ROLE)
        if isinstance(row, str):
            self._paint_heading(painter, option, row)
        else:
            self._paint_chat(painter, option, index)
        painter.restore()

    def _paint_heading(self, painter: QPainter, option: QStyleOptionViewItem, text: str) -> None:
        font = QFont(option.font)
        font.setPixelSize(max(11, option.fontMetrics.height() * 11 // 16))
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(self._icons.theme.muted))
        area = option.rect.adjusted(2 * GRID, 0, -2 * GRID, -GRID)
        painter.drawText(area, int(Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignLeft), text)

    def _paint_chat(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        theme = self._icons.theme
        model = index.model()
        chat: ChatItem = index.data(ITEM_ROLE)
        is_open = isinstance(model, ChatListModel) and model.current == chat.id
        hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        box = _row_box(option.rect)
        if is_open or hovered:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.selected if is_open else theme.hover))
            painter.drawRoundedRect(box, 8, 8)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QColor(theme.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(box).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        text = box.adjusted(2 * GRID, 0, -2 * GRID, 0)
        if hovered:
            more = more_rect(option.rect)
            self._icons.paint(painter, "more", QRectF(more).adjusted(4, 4, -4, -4), "muted")
            text.setRight(more.left() - GRID)
        painter.setFont(option.font)
        painter.setPen(QColor(theme.text))
        title = option.fontMetrics.elidedText(
            chat.shown_title, Qt.TextElideMode.ElideRight, text.width()
        )
        painter.drawText(text, int(Qt.AlignmentFlag.AlignVCenter), title)

    def editorEvent(
        self, event: QEvent, _model: QAbstractItemModel, option: QStyleOptionViewItem, index: Index
    ) -> bool:
        presses = (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonRelease)
        if isinstance(event, QMouseEvent) and event.type() in presses:
            left = event.button() == Qt.MouseButton.LeftButton
            inside = more_rect(option.rect).contains(event.position().toPoint())
            if left and inside and isinstance(index.data(ITEM_ROLE), ChatItem):
                if event.type() == QEvent.Type.MouseButtonRelease:
                    self.menu_requested.emit(index.model().index(index.row(), 0))
                return True
        return False

    def createEditor(
        self, parent: QWidget, _option: QStyleOptionViewItem, _index: Index
    ) -> QWidget:
        editor = QLineEdit(parent)
        editor.setMaxLength(MAX_TITLE_LENGTH)
        editor.setAccessibleName("Title of the chat")
        return editor

    def updateEditorGeometry(
        self, editor: QWidget, option: QStyleOptionViewItem, _index: Index
    ) -> None:
        editor.setGeometry(_row_box(option.rect).adjusted(GRID, 2, -GRID, -2))


def more_rect(row: QRect) -> QRect:
    """Where the "more" button of a row is, in the list's own coordinates."""
    box = _row_box(row)
    return QRect(box.right() - 7 * GRID + 2, box.center().y() - 11, 6 * GRID, 6 * GRID)


def _row_box(row: QRect) -> QRect:
    return row.adjusted(0, 1, 0, -1)
