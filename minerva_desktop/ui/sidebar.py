"""The chats at the left: New chat, search, and the list by date.

The main window fills the list and obeys the signals. Deleting asks nothing: the main window offers
Undo in the notification bar. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from PySide6.QtCore import (
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QRect,
    Qt,
    QTimer,
    Signal,
    Slot,
)
from PySide6.QtGui import QAction, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListView,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.ui.chat_list import (
    ITEM_ROLE,
    ROW_HEIGHT,
    ChatDelegate,
    ChatItem,
    ChatListModel,
    more_rect,
)
from minerva_desktop.ui.controls import ICON_SIZE, PopupMenu, plain_tip, set_sign
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

WIDTH = 256  # px
SEARCH_DELAY_MS = 150
NEW_CHAT_SHORTCUT = "Ctrl+N"
SEARCH_SHORTCUT = "Ctrl+K"
TOGGLE_SHORTCUT = "Ctrl+B"


class ChatListView(QListView):
    """Opens on click and Enter; the arrow keys only move, so that passing by loads nothing."""

    opened = Signal(QModelIndex)
    delete_pressed = Signal(QModelIndex)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("chatList")
        self.setAccessibleName("Chats")
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        # What is highlighted is the open chat, which the model knows, not a selection.
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)

    def scrollTo(
        self,
        index: QModelIndex | QPersistentModelIndex,
        _hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible,
    ) -> None:
        """Make a row visible by arithmetic: all are equally high. Qt's own way asks the model
        twice per row, which takes 30 ms for 10,000 chats (measured)."""
        bar = self.verticalScrollBar()
        top = index.row() * ROW_HEIGHT
        lowest = top + ROW_HEIGHT - self.viewport().height()
        if lowest > bar.maximum():
            self.executeDelayedItemsLayout()  # rows have come that it does not know yet
        if isinstance(index.sibling(index.row() - 1, 0).data(ITEM_ROLE), str):
            top -= ROW_HEIGHT  # show the heading too
        bar.setValue(max(lowest, min(top, bar.value())))

    def moveCursor(
        self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier
    ) -> QModelIndex:
        """As Qt, but never onto a heading, on which Qt would not move at all."""
        index = super().moveCursor(action, modifiers)
        is_heading = isinstance(index.data(ITEM_ROLE), str)
        return index.siblingAtRow(index.row() + 1) if is_heading else index

    def keyPressEvent(self, event: QKeyEvent) -> None:
        index = self.currentIndex()
        if self.state() == QAbstractItemView.State.EditingState or not index.isValid():
            super().keyPressEvent(event)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.opened.emit(index)
        elif event.key() == Qt.Key.Key_F2:
            self.edit(index)
        elif event.key() == Qt.Key.Key_Delete:
            self.delete_pressed.emit(index)
        else:
            super().keyPressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        position = event.position().toPoint()
        index = self.indexAt(position)
        if event.button() != Qt.MouseButton.LeftButton or not index.isValid():
            return
        on_more = more_rect(self.visualRect(index)).contains(position)
        if isinstance(index.data(ITEM_ROLE), ChatItem) and not on_more:
            self.opened.emit(index)


class Sidebar(QWidget):
    """Signals carry the ids given in `set_chats`."""

    opened = Signal(str)
    rename_requested = Signal(str, str)
    delete_requested = Signal(str)
    new_chat = Signal()
    search_changed = Signal(str)

    def __init__(self, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icons = icons
        self.setObjectName("sidebar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedWidth(WIDTH)
        self._new = self._make_new_button()
        self._search = self._make_search()
        self._model = ChatListModel(self)
        self._model.renamed.connect(self.rename_requested)
        self._list = self._make_list()
        self._empty = QLabel("No chats yet")
        self._empty.setTextFormat(Qt.TextFormat.PlainText)
        self._empty.setProperty("look", "muted")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        self._empty.setContentsMargins(0, 8 * GRID, 0, 0)
        self._empty.setWordWrap(True)
        self._pages = QStackedWidget()
        self._pages.addWidget(self._empty)
        self._pages.addWidget(self._list)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SEARCH_DELAY_MS)
        self._timer.timeout.connect(self._emit_search)
        self._waiting: tuple[Sequence[ChatItem], str, datetime | None] | None = None
        self.toggle_action = self._make_toggle_action()
        self._lay_out()

    @property
    def search_text(self) -> str:
        """What is searched for, without blanks around it."""
        return self._search.text().strip()

    def set_chats(
        self, chats: Sequence[ChatItem], query: str = "", now: datetime | None = None
    ) -> None:
        """Show these, newest first, as the answer to ``query``. ``now`` (local time) decides which
        are today's."""
        if self._list.state() == QAbstractItemView.State.EditingState:
            # New rows would throw away the title being typed: wait until it is done.
            self._waiting = (chats, query, now)
            return
        self._waiting = None
        cursor = self._list.currentIndex().data(ITEM_ROLE)
        scrolled = self._list.verticalScrollBar().value()
        self._model.set_chats(chats, now or datetime.now().astimezone())
        self._list.setCurrentIndex(
            self._model.index_of(cursor.id if isinstance(cursor, ChatItem) else self._model.current)
        )
        self._list.verticalScrollBar().setValue(scrolled)
        self._empty.setText(f"Nothing found for “{query}”" if query else "No chats yet")
        self._pages.setCurrentWidget(self._list if chats else self._empty)

    @Slot()
    def _show_waiting(self) -> None:
        if self._waiting is not None:
            self.set_chats(*self._waiting)

    def set_current(self, chat_id: str | None) -> None:
        """Highlight the open chat and scroll to it; None for a chat not in the list."""
        self._model.current = chat_id or ""
        # Not by dataChanged, at which a list view lays out all of its rows again.
        self._list.viewport().update()
        index = self._model.index_of(chat_id or "")
        self._list.setCurrentIndex(index)
        if index.isValid():
            self._list.scrollTo(index)

    def rename(self, chat_id: str) -> None:
        """Let the person edit the title in place."""
        index = self._model.index_of(chat_id)
        if index.isValid():
            self._list.setCurrentIndex(index)
            self._list.edit(index)

    def focus_search(self) -> None:
        """Show the sidebar and put the cursor into the search field."""
        self.toggle_action.setChecked(True)
        self._search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._search.selectAll()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            return watched is self._search and self._search_key(event)
        return super().eventFilter(watched, event)

    def _search_key(self, event: QKeyEvent) -> bool:
        if event.key() == Qt.Key.Key_Escape and self._search.text():
            self._search.clear()
            return True
        if event.key() == Qt.Key.Key_Down:
            self._focus_first()
            return True
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._timer.stop()
            self._emit_search()
            self._focus_first()
            return True
        return False

    def _focus_first(self) -> None:
        if self._model.rowCount() > 1:  # row 0 is a heading
            self._list.setCurrentIndex(self._model.index(1))
            self._list.setFocus(Qt.FocusReason.TabFocusReason)

    @Slot()
    def _emit_search(self) -> None:
        self.search_changed.emit(self.search_text)

    @Slot(QModelIndex)
    def _open(self, index: QModelIndex) -> None:
        self.opened.emit(index.data(ITEM_ROLE).id)

    @Slot(QModelIndex)
    def _delete(self, index: QModelIndex) -> None:
        self.delete_requested.emit(index.data(ITEM_ROLE).id)

    @Slot(QPoint)
    def _show_menu_at(self, position: QPoint) -> None:
        self._show_menu(self._list.indexAt(position))

    @Slot(QModelIndex)
    def _show_menu(self, index: QModelIndex) -> None:
        chat = index.data(ITEM_ROLE) if index.isValid() else None
        if not isinstance(chat, ChatItem):
            return
        self._list.setCurrentIndex(index)
        menu = PopupMenu(self)
        rename = menu.addAction(self._icons.icon("edit", "muted"), "Rename")
        rename.setShortcut("F2")
        rename.triggered.connect(self._rename_current)
        delete = menu.addAction(self._icons.icon("trash", "muted"), "Delete")
        delete.setShortcut("Del")
        delete.triggered.connect(self._delete_current)
        row: QRect = self._list.visualRect(index)
        menu.popup(self._list.viewport().mapToGlobal(more_rect(row).bottomLeft()))

    @Slot()
    def _rename_current(self) -> None:
        self._list.edit(self._list.currentIndex())

    @Slot()
    def _delete_current(self) -> None:
        self._delete(self._list.currentIndex())

    def _make_new_button(self) -> QPushButton:
        button = QPushButton("New chat")
        button.setObjectName("newChatButton")
        set_sign(button, self._icons.icon("new-chat"), ICON_SIZE)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setToolTip(plain_tip("Start a new chat", NEW_CHAT_SHORTCUT))
        button.clicked.connect(self.new_chat)
        return button

    def _make_search(self) -> QLineEdit:
        search = QLineEdit()
        search.setObjectName("chatSearch")
        search.setPlaceholderText("Search chats")
        search.setAccessibleName("Search chats")
        search.setToolTip(plain_tip("Search titles and messages", SEARCH_SHORTCUT))
        search.setClearButtonEnabled(True)
        search.addAction(
            self._icons.icon("search", "muted"), QLineEdit.ActionPosition.LeadingPosition
        )
        search.installEventFilter(self)
        search.textChanged.connect(self._start_timer)
        return search

    @Slot()
    def _start_timer(self) -> None:
        self._timer.start()

    def _make_list(self) -> ChatListView:
        view = ChatListView()
        view.setModel(self._model)
        delegate = ChatDelegate(self._icons, view)
        delegate.menu_requested.connect(self._show_menu)
        # Queued: the list still counts as editing while it is told that the editor closes.
        delegate.closeEditor.connect(self._show_waiting, Qt.ConnectionType.QueuedConnection)
        view.setItemDelegate(delegate)
        view.opened.connect(self._open)
        view.delete_pressed.connect(self._delete)
        view.customContextMenuRequested.connect(self._show_menu_at)
        return view

    def _make_toggle_action(self) -> QAction:
        action = QAction(self._icons.icon("sidebar", "muted"), "Sidebar", self)
        action.setObjectName("sidebarAction")
        action.setCheckable(True)
        action.setChecked(True)
        action.setShortcut(TOGGLE_SHORTCUT)
        action.setToolTip(plain_tip("Show or hide the chats", TOGGLE_SHORTCUT))
        action.toggled.connect(self.setVisible)
        return action

    def _lay_out(self) -> None:
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * GRID, 2 * GRID + 2, 3 * GRID, 0)
        box.setSpacing(2 * GRID)
        row = QHBoxLayout()
        row.addWidget(self._new, 1)
        box.addLayout(row)
        box.addWidget(self._search)
        box.addWidget(self._pages, 1)
