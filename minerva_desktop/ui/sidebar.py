"""The chats at the left: New chat, search, the list, and the ways to the archive and the trash.

`SidebarController` fills the list and obeys the signals. Nothing asks: what was done can be undone
in the notification bar. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPoint, Qt, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QHBoxLayout,
    QPushButton,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.chat.conversation import ConversationSummary
from minerva_desktop.ui.chat_actions import (
    ActionMenu,
    ChatActions,
    chat_menu,
    folder_menu,
    list_menu,
)
from minerva_desktop.ui.chat_list import ChatListView
from minerva_desktop.ui.chat_list_model import ChatListModel
from minerva_desktop.ui.chat_row_painter import ChatDelegate
from minerva_desktop.ui.chat_rows import ChatMarks, FolderRow, ListRows, Place
from minerva_desktop.ui.controls import ICON_SIZE, icon_button, plain_tip, set_sign
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.result_painter import ResultDelegate
from minerva_desktop.ui.row_view import RowView
from minerva_desktop.ui.search_field import SearchField
from minerva_desktop.ui.search_hints import FilterValues
from minerva_desktop.ui.search_results import Found, SearchResults
from minerva_desktop.ui.sidebar_places import EMPTY, SEARCHED, EmptyNote, PlaceBar, PlaceHeader
from minerva_desktop.ui.tag_editor import TagEditor
from minerva_desktop.ui.theme import GRID

WIDTH = 256  # px
NEW_CHAT_SHORTCUT = "Ctrl+N"
TEMPORARY_SHORTCUT = "Ctrl+Shift+N"
TOGGLE_SHORTCUT = "Ctrl+B"


class Sidebar(QWidget):
    """Signals carry the ids given in `set_rows`; ``chat_actions`` has those of the menus.

    ``opened`` carries a chat and a message to show in it, or an empty text. ``more_wanted``: there
    is room for more that was found. ``folder_toggled`` carries a folder and whether it is to be
    open, ``place_chosen`` a `Place`. ``left`` is Esc in the list, where that had nothing to end.
    """

    opened = Signal(str, str)
    new_chat = Signal()
    new_temporary_chat = Signal()
    search_changed = Signal(str)
    more_wanted = Signal()
    folder_toggled = Signal(str, bool)
    place_chosen = Signal(object)
    empty_trash = Signal()
    left = Signal()

    def __init__(self, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icons = icons
        self.setObjectName("sidebar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedWidth(WIDTH)
        self.chat_actions = ChatActions(self)
        self._new = self._make_new_button()
        self._temporary = self._make_temporary_button()
        self._search = SearchField(icons, self)
        self._search.changed.connect(self._on_search_changed)
        self._search.entered.connect(self._focus_first)
        self._model = ChatListModel(self)
        self._model.renamed.connect(self._on_renamed)
        self._list = self._make_list()
        self._header = PlaceHeader(icons)
        self._header.left.connect(self._leave_place)
        self._header.empty_trash.connect(self.empty_trash)
        self._foot = PlaceBar(icons)
        self._foot.chosen.connect(self._choose_place)
        self._foot.archived.connect(self.chat_actions.archive)
        self._foot.deleted.connect(self.chat_actions.delete)
        self._foot.more_pressed.connect(self._show_list_menu)
        self.empty_note = EmptyNote()
        self._pages = QStackedWidget()
        self._pages.addWidget(self.empty_note)
        self._pages.addWidget(self._list)
        self._results = self._make_results()
        self._pages.addWidget(self._results)
        self._waiting: ListRows | None = None
        self._answered = ""  # what was searched for with what is shown
        self._wants_first = False  # to go to the first result
        self.toggle_action = self._make_toggle_action()
        self._lay_out()

    @property
    def search_text(self) -> str:
        """What is searched for, without blanks around it."""
        return self._search.text

    @property
    def place(self) -> Place:
        """Which chats are shown."""
        return self._model.listed.place

    # -- what is shown ---------------------------------------------------------------------

    def set_rows(self, listed: ListRows) -> None:
        """List these; what was found stays in front of them until `show_list`."""
        if self._list.is_editing:
            # New rows would throw away the title being typed: wait until it is done.
            self._waiting = listed
            return
        self._waiting = None
        is_new_place = listed.place is not self.place
        selected = [] if is_new_place else [chat.id for chat in self._list.selected()]
        cursor = self._model.id_at(self._list.currentIndex()) or self._model.current
        was_shown = self._model.index_of(self._model.current).isValid()
        cursor = cursor if is_new_place else self._model.nearest(cursor, listed)
        scrolled = 0 if is_new_place else self._list.verticalScrollBar().value()
        self._model.set_rows(listed)
        self._list.put_cursor(self._model.index_of(cursor), selected)
        self._list.verticalScrollBar().setValue(scrolled)
        self._foot.set_place(listed.place)
        if not self.search_text or listed.place is Place.TRASH:
            self.show_list()
        if not was_shown and not is_new_place:
            self._show_open_chat()

    def show_list(self) -> None:
        """Show the list, and not what was found; the trash is a list of that itself."""
        rows, text = self._model.listed.rows, self.search_text
        self._search.show_problem("")
        self._search.set_placeholder(SEARCHED[self.place])
        self._header.set_place(self.place, is_empty=not rows and not text)
        nothing = f"No title in the trash has “{text}”" if text else EMPTY[self.place]
        self.empty_note.setText(nothing)
        self._pages.setCurrentWidget(self._list if rows else self.empty_note)
        self._answered = text
        if self._wants_first and rows:
            self._focus_first()

    def show_found(self, text: str, found: Found, *, is_new: bool) -> None:
        """Show what was found for ``text``. ``is_new``: it was another text before."""
        self._search.show_problem("")
        self._header.hide()
        self._results.show_found(found, is_new=is_new)
        self.empty_note.setText(found.note)
        self._pages.setCurrentWidget(self._results if found.chats else self.empty_note)
        self._answered = text
        if self._wants_first and found.chats:
            self._focus_first()

    def show_problem(self, problem: str) -> None:
        """Say what is wrong with what is searched for; chats that were found last stay."""
        self._search.show_problem(problem)
        if self._pages.currentWidget() is self.empty_note and self.search_text:
            self.empty_note.clear()  # that nothing is found was said of another text

    def set_filter_values(self, values: FilterValues) -> None:
        """What the filters of the search can be given."""
        self._search.set_values(values)

    @Slot()
    def _show_waiting(self) -> None:
        if self._waiting is not None:
            self.set_rows(self._waiting)

    def set_current(self, chat_id: str | None) -> None:
        """Highlight the open chat and scroll to it; None for a chat not in the list."""
        self._model.current = chat_id or ""
        self._results.set_current(chat_id or "")
        self._list.put_cursor(self._model.index_of(chat_id or ""))
        self._show_open_chat()

    def set_marks(self, marks: ChatMarks) -> None:
        """Mark the chats that are being answered, and those with new answers."""
        self._model.set_marks(marks)

    def _show_open_chat(self) -> None:
        index = self._model.index_of(self._model.current)
        if index.isValid():
            self._list.scrollTo(index)

    def edit_name(self, row_id: str) -> bool:
        """Let the person edit a chat's title, or a folder's name, in place; whether that began."""
        index = self._model.index_of(row_id)
        if index.isValid():
            self._list.setCurrentIndex(index)
            self._list.edit(index)
        return index.isValid() and self._list.is_editing

    def edit_tags(self, chat_ids: Sequence[str], known: Sequence[str]) -> TagEditor | None:
        """Open the tag editor beside the first of these chats; ``known`` are the tags of all."""
        rows = [self._model.row(self._model.index_of(each)) for each in chat_ids]
        chats = [row for row in rows if isinstance(row, ConversationSummary)]
        if not chats:
            return None
        editor = TagEditor(self._icons, chats, known, self)
        place = self._list.visualRect(self._model.index_of(chats[0].id))
        editor.open_at(self._list.viewport().mapToGlobal(place.bottomLeft()))
        return editor

    def focus_search(self) -> None:
        """Show the sidebar and put the cursor into the search field."""
        self.toggle_action.setChecked(True)
        self._search.focus()

    # -- the search field ------------------------------------------------------------------

    @Slot(str)
    def _on_search_changed(self, text: str) -> None:
        self._wants_first = False
        self.search_changed.emit(text)

    @Slot()
    def _focus_first(self) -> None:
        # Enter right after the last letter: what is found for that is not there yet.
        self._wants_first = self._answered != self.search_text
        view = self._pages.currentWidget()
        if self._wants_first:
            return
        first = view.first() if isinstance(view, RowView) else QModelIndex()
        if isinstance(view, RowView) and first.isValid():
            view.setCurrentIndex(first)
            view.setFocus(Qt.FocusReason.TabFocusReason)

    @Slot(str)
    def _search_for(self, text: str) -> None:
        self.focus_search()
        self._search.set_text(text)

    @Slot()
    def _end_search(self) -> None:
        self._search.clear()
        self._search.focus()

    # -- the list --------------------------------------------------------------------------

    @Slot(QModelIndex)
    def _open(self, index: QModelIndex) -> None:
        self.opened.emit(self._model.id_at(index), "")

    @Slot(QModelIndex)
    def _toggle(self, index: QModelIndex) -> None:
        row = self._model.row(index)
        if isinstance(row, FolderRow):
            self.folder_toggled.emit(row.folder.id, not row.is_open)

    @Slot(QModelIndex)
    def _delete(self, index: QModelIndex) -> None:
        actions, row = self.chat_actions, self._model.row(index)
        if isinstance(row, FolderRow):
            actions.delete_folder.emit(row.folder.id)
        elif chosen := [chat.id for chat in self._list.chosen()]:
            (actions.destroy if self.place is Place.TRASH else actions.delete).emit(chosen)

    @Slot(list, str)
    def _on_dropped(self, chat_ids: list[str], folder_id: str) -> None:
        self.chat_actions.move.emit(chat_ids, folder_id)

    @Slot(str, str)
    def _on_renamed(self, row_id: str, name: str) -> None:
        actions = self.chat_actions
        is_folder = isinstance(self._model.row(self._model.index_of(row_id)), FolderRow)
        (actions.rename_folder if is_folder else actions.rename).emit(row_id, name)

    @Slot(object)
    def _choose_place(self, place: Place) -> None:
        self._search.clear()
        self.place_chosen.emit(place)

    @Slot()
    def _leave_place(self) -> None:
        if self.place is Place.CHATS:
            self.left.emit()
        else:
            self.place_chosen.emit(Place.CHATS)

    @Slot(QModelIndex, QPoint)
    def _show_menu(self, index: QModelIndex, place: QPoint) -> None:
        row = self._model.row(index)
        if row is None or not index.flags() & Qt.ItemFlag.ItemIsEnabled:
            return
        if not self._list.selectionModel().isSelected(index):
            self._list.put_cursor(index)
        menu = ActionMenu(self._icons, self)
        if isinstance(row, FolderRow):
            folder_menu(menu, self.chat_actions, row)
        else:
            chats, listed = self._list.chosen(), self._model.listed
            chat_menu(menu, self._icons, self.chat_actions, chats, listed.folders, listed.place)
        menu.popup(place)

    @Slot(QToolButton)
    def _show_list_menu(self, button: QToolButton) -> None:
        menu = ActionMenu(self._icons, self)
        list_menu(menu, self.chat_actions)
        here = Qt.WidgetAttribute.WA_UnderMouse  # Qt does not see the pointer leave for a menu
        menu.aboutToHide.connect(lambda: button.setAttribute(here, False))
        menu.aboutToHide.connect(button.update)
        menu.popup(button.mapToGlobal(QPoint(0, -menu.sizeHint().height() - GRID)))

    @Slot(QModelIndex)
    def _show_result_menu(self, index: QModelIndex) -> None:
        chat = self._results.results.chat_at(index)
        if chat is None:
            return
        self._results.setCurrentIndex(index)
        menu = ActionMenu(self._icons, self)
        place = Place.ARCHIVE if chat.is_archived else Place.CHATS
        folders = self._model.listed.folders
        chat_menu(menu, self._icons, self.chat_actions, [chat], folders, place, is_in_list=False)
        corner = self._results.visualRect(index).bottomLeft()
        menu.popup(self._results.viewport().mapToGlobal(corner))

    @Slot(str)
    def _delete_result(self, chat_id: str) -> None:
        self.chat_actions.delete.emit([chat_id])

    # -- parts -----------------------------------------------------------------------------

    def _make_new_button(self) -> QPushButton:
        button = QPushButton("New chat")
        button.setObjectName("newChatButton")
        set_sign(button, self._icons.icon("new-chat"), ICON_SIZE)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setToolTip(plain_tip("Start a new chat", NEW_CHAT_SHORTCUT))
        button.clicked.connect(self.new_chat)
        return button

    def _make_temporary_button(self) -> QWidget:
        label = "New temporary chat, of which nothing is kept"
        button = icon_button(self._icons, "temporary", label, shortcut=TEMPORARY_SHORTCUT)
        button.setObjectName("newTemporaryChatButton")
        button.clicked.connect(self.new_temporary_chat)
        return button

    def _make_list(self) -> ChatListView:
        view = ChatListView(self._icons, self._model)
        delegate = ChatDelegate(self._icons, self._model, view)
        delegate.menu_requested.connect(view.show_menu_at_button)
        # Queued: the list still counts as editing while it is told that the editor closes.
        delegate.closeEditor.connect(self._show_waiting, Qt.ConnectionType.QueuedConnection)
        view.setItemDelegate(delegate)
        view.opened.connect(self._open)
        view.toggled.connect(self._toggle)
        view.delete_pressed.connect(self._delete)
        view.menu_requested.connect(self._show_menu)
        view.dropped.connect(self._on_dropped)
        view.pinned.connect(self.chat_actions.pin)
        view.edited.connect(self.chat_actions.name_edited)
        view.typed.connect(self._search_for)
        view.left.connect(self._leave_place)
        return view

    def _make_results(self) -> SearchResults:
        results = SearchResults()
        results.setItemDelegate(ResultDelegate(self._icons, results.results, results))
        results.opened.connect(self.opened)
        results.more_wanted.connect(self.more_wanted)
        results.menu_requested.connect(self._show_result_menu)
        results.delete_pressed.connect(self._delete_result)
        results.typed.connect(self._search_for)
        results.left.connect(self._end_search)
        return results

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
        box.setContentsMargins(3 * GRID, 2 * GRID + 2, 3 * GRID, 2 * GRID)
        box.setSpacing(2 * GRID)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        row.addWidget(self._new, 1)
        row.addWidget(self._temporary)
        box.addLayout(row)
        box.addWidget(self._search)
        box.addWidget(self._header)
        box.addWidget(self._pages, 1)
        box.addWidget(self._foot)
