"""The list of chats and folders in the sidebar: its keys, clicks and drags.

Used by `sidebar` only; `chat_rows` says which rows there are, `chat_list_model` holds them,
`chat_row_painter` paints them. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from PySide6.QtCore import (
    QByteArray,
    QItemSelection,
    QItemSelectionModel,
    QMimeData,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    Qt,
    QTimer,
    Signal,
    Slot,
)
from PySide6.QtGui import (
    QContextMenuEvent,
    QDrag,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QAbstractItemDelegate, QAbstractItemView, QWidget

from minerva_desktop.chat.conversation import ConversationSummary
from minerva_desktop.ui.chat_list_model import ChatListModel
from minerva_desktop.ui.chat_row_painter import ROW_HEIGHT, drag_label, more_rect
from minerva_desktop.ui.chat_rows import FolderRow, title_of
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.row_view import RowView

SPIN_MS = 80
MIME_TYPE = "application/x-minerva-chats"
NO_MODIFIER = Qt.KeyboardModifier.NoModifier


def dragged_chats(data: QMimeData) -> list[str]:
    """The ids of the chats that are dragged, if there are any."""
    return bytes(data.data(MIME_TYPE).data()).decode().split()


class ChatListView(RowView):
    """Opens on click and Enter; the arrow keys only move, so that passing by loads nothing.

    ``opened`` and ``toggled`` carry a chat or a folder; ``delete_pressed`` and ``menu_requested``
    what is under the cursor (the chosen chats are `chosen`), the latter with the place of the menu
    on the screen; ``dropped`` the ids of chats and of the folder they were dropped on, empty for
    none; ``pinned`` the ids of chats that were dropped on the pinned ones, and True; ``typed`` what
    is typed where nothing is edited; ``edited`` the id of a row whose name was edited in place, and
    whether that was not given up; ``left`` is Esc.
    """

    opened = Signal(QModelIndex)
    toggled = Signal(QModelIndex)
    delete_pressed = Signal(QModelIndex)
    menu_requested = Signal(QModelIndex, QPoint)
    dropped = Signal(list, str)
    pinned = Signal(list, bool)
    edited = Signal(str, bool)
    typed = Signal(str)
    left = Signal()

    def __init__(self, icons: Icons, model: ChatListModel, parent: QWidget | None = None) -> None:
        super().__init__(ROW_HEIGHT, parent)
        self._icons = icons
        self.setObjectName("chatList")
        self.setAccessibleName("Chats")
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setDragEnabled(True)
        self.setAcceptDrops(True)
        self.setModel(model)
        # Several chosen rows are painted otherwise than one, which is only where the cursor is.
        self.selectionModel().selectionChanged.connect(self._repaint)
        self._chats = model
        self._spin = QTimer(self)  # while answers are on their way
        self._spin.setInterval(SPIN_MS)
        self._spin.timeout.connect(self._turn_marks)
        model.marked.connect(self._on_marked)
        model.modelReset.connect(self._turn_marks)
        self._pressed = QPersistentModelIndex()
        self._dragged_to: QPoint | None = None
        self._drop_row = -1

    def chosen(self) -> list[ConversationSummary]:
        """The selected chats in the order of their rows; where there is none, the chat under the
        cursor."""
        current = self._chats.row(self.currentIndex())
        return self.selected() or ([current] if isinstance(current, ConversationSummary) else [])

    def selected(self) -> list[ConversationSummary]:
        """The selected chats in the order of their rows."""
        between = self._chats.chats_between
        return [chat for top, bottom in self.selected_rows() for chat in between(top, bottom)]

    def put_cursor(self, index: QModelIndex, selected: Sequence[str] = ()) -> None:
        """Put the cursor there, and select these chats, or the one there."""
        flag = QItemSelectionModel.SelectionFlag
        self.selectionModel().setCurrentIndex(index, flag.ClearAndSelect)
        if len(selected) > 1:
            self.selectionModel().select(self._selection_of(selected), flag.ClearAndSelect)

    def _selection_of(self, chat_ids: Sequence[str]) -> QItemSelection:
        """In as few ranges as can be: Qt goes through them for each row that it is asked about."""
        row_of, model = self._chats.listed.row_of, self._chats
        rows = sorted(row_of[each] for each in chat_ids if each in row_of)
        selection = QItemSelection()
        for _, group in groupby(enumerate(rows), lambda each: each[1] - each[0]):
            neighbours = [row for _, row in group]
            selection.select(model.index(neighbours[0]), model.index(neighbours[-1]))
        return selection

    # -- keys ------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self.is_editing or not self._handle_key(event):
            super().keyPressEvent(event)

    def _handle_key(self, event: QKeyEvent) -> bool:
        index, key = self.currentIndex(), event.key()
        if key == Qt.Key.Key_Escape:
            self._escape()
            return True
        row = self._chats.row(index)
        if row is None:
            return False
        if key == Qt.Key.Key_F2:
            self.edit(index)
        elif key == Qt.Key.Key_Delete:
            if not event.isAutoRepeat():  # the cursor goes on to the next, and so would the key
                self.delete_pressed.emit(index)
        elif isinstance(row, FolderRow):
            return self._handle_folder_key(row, index, key)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.opened.emit(index)
        elif key == Qt.Key.Key_Left and self._chats.folder_at(index):
            self.setCurrentIndex(self._chats.index_of(str(self._chats.folder_at(index))))
        else:
            return False
        return True

    def _handle_folder_key(self, row: FolderRow, index: QModelIndex, key: int) -> bool:
        toggles = [Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space]
        toggles.append(Qt.Key.Key_Left if row.is_open else Qt.Key.Key_Right)
        if key in toggles:
            self.toggled.emit(index)
        return key in toggles

    def _escape(self) -> None:
        if len(self.selected()) > 1:
            self.put_cursor(self.currentIndex())
        else:
            self.left.emit()

    def keyboardSearch(self, text: str) -> None:
        self.typed.emit(text)

    # -- the mouse -------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pressed = QPersistentModelIndex(self.indexAt(event.position().toPoint()))
        super().mousePressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        index = self.indexAt(event.position().toPoint())
        plain = event.button() == Qt.MouseButton.LeftButton and event.modifiers() == NO_MODIFIER
        if not plain or not index.isValid() or index != self._pressed:
            return
        row = self._chats.row(index)
        if more_rect(self.visualRect(index)).contains(event.position().toPoint()):
            return  # the painter's button
        if isinstance(row, ConversationSummary):
            self.opened.emit(index)
        elif isinstance(row, FolderRow):
            self.toggled.emit(index)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        by_key = event.reason() == QContextMenuEvent.Reason.Keyboard
        index = self.currentIndex() if by_key else self.indexAt(event.pos())
        corner = self.viewport().mapToGlobal(self.visualRect(index).bottomLeft())
        self.menu_requested.emit(index, corner if by_key else event.globalPos())
        event.accept()

    @Slot(QModelIndex)
    def show_menu_at_button(self, index: QModelIndex) -> None:
        """The painter's button was pressed."""
        corner = more_rect(self.visualRect(index)).bottomLeft()
        self.menu_requested.emit(index, self.viewport().mapToGlobal(corner))

    @Slot(QWidget, QAbstractItemDelegate.EndEditHint)
    def closeEditor(self, editor: QWidget, hint: QAbstractItemDelegate.EndEditHint) -> None:
        row_id = self._chats.id_at(self.currentIndex())
        super().closeEditor(editor, hint)
        if row_id:
            self.edited.emit(row_id, hint != QAbstractItemDelegate.EndEditHint.RevertModelCache)

    # -- drags -----------------------------------------------------------------------------

    def startDrag(self, _actions: Qt.DropAction) -> None:
        chats = self.chosen()
        if not chats:
            return
        data = QMimeData()
        ids = "\n".join(chat.id for chat in chats)
        data.setData(MIME_TYPE, QByteArray(ids.encode()))
        text = title_of(chats[0]) if len(chats) == 1 else f"{len(chats)} chats"
        drag = QDrag(self)
        drag.setMimeData(data)
        drag.setPixmap(drag_label(self._icons, self.font(), text, self.devicePixelRatioF()))
        drag.setHotSpot(QPoint(-12, -8))
        drag.exec(Qt.DropAction.MoveAction)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        self._follow(event)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        QAbstractItemView.dragMoveEvent(self, event)  # scrolls near the edges
        self._follow(event)

    def dragLeaveEvent(self, _event: QDragLeaveEvent) -> None:
        self._end_drag()

    def dropEvent(self, event: QDropEvent) -> None:
        row = self._drop_row
        self._end_drag()
        if not event.mimeData().hasFormat(MIME_TYPE) or row < 0:
            event.ignore()
            return
        ids = dragged_chats(event.mimeData())
        index = self._chats.index(row)
        event.setDropAction(Qt.DropAction.MoveAction)
        event.accept()
        if self._chats.is_pinned_at(index):
            self.pinned.emit(ids, True)
        else:
            self.dropped.emit(ids, self._chats.folder_at(index) or "")

    def _follow(self, event: QDragMoveEvent) -> None:
        """Take chats; files are the window's, which gets what is ignored here."""
        if not event.mimeData().hasFormat(MIME_TYPE):
            event.ignore()
            return
        self._dragged_to = event.position().toPoint()
        self._mark_drop()
        event.setDropAction(Qt.DropAction.MoveAction)
        event.setAccepted(self._drop_row >= 0)

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        super().scrollContentsBy(dx, dy)
        self._mark_drop()  # near an edge the rows move below a pointer that rests

    def _mark_drop(self) -> None:
        """Where what is dragged would be dropped."""
        if self._dragged_to is not None:
            index = self.indexAt(self._dragged_to)
            folder_id = self._chats.folder_at(index)
            self._show_drop(self._chats.index_of(folder_id).row() if folder_id else index.row())

    def _end_drag(self) -> None:
        self.stopAutoScroll()
        self._dragged_to = None
        self._show_drop(-1)

    @Slot()
    def _repaint(self) -> None:
        self.viewport().update()

    @Slot()
    def _on_marked(self) -> None:
        self._repaint()
        self._turn_marks()

    @Slot()
    def _turn_marks(self) -> None:
        """Only what can be seen is painted, and nothing where nothing is."""
        rows = self._chats.answering_rows() if self.isVisible() else []
        for index in rows:
            self.viewport().update(self.visualRect(index))
        if not rows:
            self._spin.stop()
        elif not self._spin.isActive():
            self._spin.start()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._turn_marks()

    def _show_drop(self, row: int) -> None:
        if row != self._drop_row:
            self._drop_row = row
            self.viewport().update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._drop_row >= 0:
            painter = QPainter(self.viewport())
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(self.palette().accent().color())
            place = self.visualRect(self._chats.index(self._drop_row))
            painter.drawRoundedRect(place.adjusted(1, 2, -2, -3), 8, 8)
