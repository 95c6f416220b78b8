"""Paints the rows of the chat list, and makes the inline editor of titles. Main thread."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from PySide6.QtCore import (
    QAbstractItemModel,
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
from PySide6.QtGui import QColor, QFont, QFontMetrics, QMouseEvent, QPainter, QPen, QPixmap
from PySide6.QtWidgets import (
    QLineEdit,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from minerva_desktop.chat.conversation import ConversationSummary
from minerva_desktop.ui.chat_list_model import ITEM_ROLE, ChatListModel
from minerva_desktop.ui.chat_rows import FolderRow, Heading, Place, Row, days_left, title_of
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

ROW_HEIGHT = 9 * GRID
SIGN = 4 * GRID  # px; side of a row's icon
SIGN_AT_END = 3 * GRID  # px
TURN_SECONDS = 1.2  # of the mark of an answer that is being written
INDENT = 5 * GRID  # px, of the chats in a folder
MAX_TITLE_LENGTH = 200  # characters
MAX_LABEL = 240  # px, of what is dragged

_COPY = re.compile(r" \((?:copy|branch)\)$")  # as `ChatLibrary` calls them

Index = QModelIndex | QPersistentModelIndex


class ChatDelegate(QStyledItemDelegate):
    """Paints a row; the pointer's row has a "more" button, reported by ``menu_requested``."""

    menu_requested = Signal(QModelIndex)

    def __init__(self, icons: Icons, model: ChatListModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._icons = icons
        self._chats = model

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        row = index.data(ITEM_ROLE)
        if isinstance(row, Heading):
            self._paint_heading(painter, option, row.text)
        elif isinstance(row, FolderRow):
            self._paint_folder(painter, option, row)
        else:
            self._paint_chat(painter, option, row)
        painter.restore()

    def _paint_heading(self, painter: QPainter, option: QStyleOptionViewItem, text: str) -> None:
        font = QFont(option.font)
        font.setPixelSize(_small(option))
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(self._icons.theme.muted))
        area = option.rect.adjusted(2 * GRID, 0, -2 * GRID, -GRID)
        painter.drawText(area, int(Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignLeft), text)

    def _paint_folder(
        self, painter: QPainter, option: QStyleOptionViewItem, row: FolderRow
    ) -> None:
        hovered = self._paint_box(painter, option, is_open=False)
        text = _row_box(option.rect).adjusted(2 * GRID, 0, -2 * GRID, 0)
        sign = QRectF(text.left(), text.center().y() - SIGN / 2 + 1, SIGN, SIGN)
        self._icons.paint(painter, "folder", sign, "muted")
        text.setLeft(text.left() + SIGN + 2 * GRID)
        arrow = QRectF(text.right() - 3 * GRID, text.center().y() - 5, 3 * GRID, 3 * GRID)
        if hovered:
            text.setRight(self._paint_more(painter, option))
            arrow.moveRight(text.right())
        if row.n_chats:
            chevron = "chevron-down" if row.is_open else "chevron-right"
            self._icons.paint(painter, chevron, arrow, "muted")
        text.setRight(int(arrow.left()) - GRID)
        if not row.is_open and row.n_chats:
            text.setRight(self._paint_note(painter, option, text, str(row.n_chats)))
        is_strong = self._paint_mark(painter, text, row) and self._chats.is_unread(row)
        self._paint_text(painter, option, text, row.folder.name, is_strong=is_strong)

    def _paint_chat(
        self, painter: QPainter, option: QStyleOptionViewItem, chat: ConversationSummary
    ) -> None:
        hovered = self._paint_box(painter, option, is_open=chat.id == self._chats.current)
        text = _row_box(option.rect).adjusted(2 * GRID, 0, -2 * GRID, 0)
        if self._chats.is_within(chat):
            text.setLeft(text.left() + INDENT + GRID)
        if hovered:
            text.setRight(self._paint_more(painter, option))
        is_marked = self._paint_mark(painter, text, chat)
        if not (is_marked or hovered):
            self._paint_sign(painter, option, text, chat)
        is_strong = is_marked and self._chats.is_unread(chat)
        self._paint_text(painter, option, text, title_of(chat), is_strong=is_strong)

    def _paint_mark(self, painter: QPainter, text: QRect, row: Row) -> bool:
        """That an answer is being written, or was and nobody has seen it, at the right end of
        ``text``, which makes room for it; whether there is anything to tell."""
        is_answering, is_unread = self._chats.is_answering(row), self._chats.is_unread(row)
        if not (is_answering or is_unread) or self._chats.listed.place is Place.TRASH:
            return False
        place = _end_of(text, SIGN_AT_END)
        theme = self._icons.theme
        if is_answering:
            pen = QPen(QColor(theme.muted), 1.5)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            painter.setPen(pen)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            turn = time.monotonic() % TURN_SECONDS / TURN_SECONDS
            start, length = round(-360 * 16 * turn), 270 * 16  # Qt counts in 1/16 of a degree
            painter.drawArc(place.adjusted(1, 1, -1, -1), start, length)
        else:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.accent))
            painter.drawEllipse(place.adjusted(2, 2, -2, -2))
        return True

    def _paint_sign(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        text: QRect,
        chat: ConversationSummary,
    ) -> None:
        """What else there is to tell of a chat, at the right end of ``text``, which makes room."""
        if self._chats.listed.place is Place.TRASH:
            note = days_left(chat, time.time())
            text.setRight(self._paint_note(painter, option, text, note))
        elif chat.id in self._chats.listed.warm:
            self._icons.paint(painter, "warm", _end_of(text, SIGN_AT_END), "muted")
        if chat.tags and self._chats.listed.place is not Place.TRASH:
            room = QRect(text)
            room.setLeft(text.right() - text.width() * 2 // 5)  # the title is what matters
            text.setRight(self._paint_note(painter, option, room, _tag_note(chat.tags)))

    def _paint_box(self, painter: QPainter, option: QStyleOptionViewItem, *, is_open: bool) -> bool:
        """The ground of a row; whether the pointer is over it."""
        theme = self._icons.theme
        hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        box = _row_box(option.rect)
        if is_open or hovered:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.selected if is_open else theme.hover))
            painter.drawRoundedRect(box, 8, 8)
        if chosen:
            tint = QColor(theme.accent)
            tint.setAlphaF(0.2)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(tint)
            painter.drawRoundedRect(box, 8, 8)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QColor(theme.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(box).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        return hovered

    def _paint_more(self, painter: QPainter, option: QStyleOptionViewItem) -> int:
        """The "more" button; where the room before it ends."""
        more = more_rect(option.rect)
        self._icons.paint(painter, "more", QRectF(more).adjusted(4, 4, -4, -4), "muted")
        return more.left() - GRID

    def _paint_note(
        self, painter: QPainter, option: QStyleOptionViewItem, place: QRect, note: str
    ) -> int:
        """A few muted words at the right end; where the room before them ends."""
        font = QFont(option.font)
        font.setPixelSize(_small(option))
        painter.setFont(font)
        painter.setPen(QColor(self._icons.theme.muted))
        flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        note = painter.fontMetrics().elidedText(note, Qt.TextElideMode.ElideRight, place.width())
        taken = painter.boundingRect(place, int(flags), note)
        painter.drawText(place, int(flags), note)
        return taken.left() - 2 * GRID

    def _paint_text(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        place: QRect,
        text: str,
        *,
        is_strong: bool = False,
    ) -> None:
        font = QFont(option.font)
        if is_strong:
            font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(self._icons.theme.text))
        shown = fitted(text, QFontMetrics(font), place.width())
        painter.drawText(place, int(Qt.AlignmentFlag.AlignVCenter), shown)

    def editorEvent(
        self, event: QEvent, _model: QAbstractItemModel, option: QStyleOptionViewItem, index: Index
    ) -> bool:
        presses = (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonRelease)
        if isinstance(event, QMouseEvent) and event.type() in presses:
            left = event.button() == Qt.MouseButton.LeftButton
            inside = more_rect(option.rect).contains(event.position().toPoint())
            if left and inside and not isinstance(index.data(ITEM_ROLE), Heading):
                if event.type() == QEvent.Type.MouseButtonRelease:
                    self.menu_requested.emit(index.model().index(index.row(), 0))
                return True
        return False

    def createEditor(self, parent: QWidget, _option: QStyleOptionViewItem, index: Index) -> QWidget:
        editor = QLineEdit(parent)
        editor.setMaxLength(MAX_TITLE_LENGTH)
        is_folder = isinstance(index.data(ITEM_ROLE), FolderRow)
        editor.setAccessibleName("Name of the folder" if is_folder else "Title of the chat")
        return editor

    def updateEditorGeometry(
        self, editor: QWidget, option: QStyleOptionViewItem, _index: Index
    ) -> None:
        editor.setGeometry(_row_box(option.rect).adjusted(GRID, 2, -GRID, -2))


def more_rect(row: QRect) -> QRect:
    """Where the "more" button of a row is, in the list's own coordinates."""
    box = _row_box(row)
    return QRect(box.right() - 7 * GRID + 2, box.center().y() - 11, 6 * GRID, 6 * GRID)


def drag_label(icons: Icons, font: QFont, text: str, scale: float) -> QPixmap:
    """What hangs at the pointer while chats are dragged: ``text`` on a small card. ``scale`` is in
    device pixels per px."""
    metrics = QFontMetrics(font)
    shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, MAX_LABEL)
    size = QSize(metrics.horizontalAdvance(shown) + 6 * GRID, ROW_HEIGHT - 2 * GRID)
    picture = QPixmap(size * scale)
    picture.setDevicePixelRatio(scale)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor(icons.theme.surface))
    painter.setPen(QColor(icons.theme.border))
    card = QRectF(0.5, 0.5, size.width() - 1, size.height() - 1)
    painter.drawRoundedRect(card, 8, 8)
    painter.setFont(font)
    painter.setPen(QColor(icons.theme.text))
    painter.drawText(card, int(Qt.AlignmentFlag.AlignCenter), shown)
    painter.end()
    return picture


def fitted(title: str, metrics: QFontMetrics, width: int) -> str:
    """``title`` within ``width`` px; what tells a copy from its original is not cut off."""
    elide = Qt.TextElideMode.ElideRight
    copy = _COPY.search(title)
    if copy is None or metrics.horizontalAdvance(title) <= width:
        return metrics.elidedText(title, elide, width)
    room = width - metrics.horizontalAdvance(copy[0])
    return metrics.elidedText(title[: copy.start()], elide, room) + copy[0]


def _tag_note(tags: Sequence[str]) -> str:
    """The first tag, and how many more there are."""
    return f"#{tags[0]}" if len(tags) == 1 else f"#{tags[0]} +{len(tags) - 1}"


def _end_of(text: QRect, side: int) -> QRectF:
    """A square at the right end of ``text``, which makes room for it."""
    place = QRectF(text.right() - side, text.center().y() - side / 2, side, side)
    text.setRight(text.right() - side - GRID)
    return place


def _row_box(row: QRect) -> QRect:
    return row.adjusted(0, 1, 0, -1)


def _small(option: QStyleOptionViewItem) -> int:
    """The height of headings and notes in px."""
    return max(11, option.fontMetrics.height() * 11 // 16)
