"""Searches the chats for what a person types, and shows what is found. Main thread."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.chat_search import ChatSearch
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.ui.chat_rows import Place
from minerva_desktop.ui.listed_chats import ListedChats
from minerva_desktop.ui.search_hints import FilterValues
from minerva_desktop.ui.search_results import Found
from minerva_desktop.ui.sidebar import Sidebar
from minerva_desktop.ui.tasks import UiTasks


class SearchController(QObject):
    """One search at a time: the next one ends it."""

    def __init__(self, sidebar: Sidebar, listed: ListedChats, tasks: UiTasks) -> None:
        super().__init__(sidebar)
        self._sidebar = sidebar
        self._listed = listed
        self._tasks = tasks
        self._search: ChatSearch | None = None
        self._going_on: ChatSearch | None = None  # the one that a page is awaited of
        sidebar.search_changed.connect(self._on_changed)
        sidebar.more_wanted.connect(self._on_more_wanted)
        listed.listed.connect(self._on_listed)
        listed.changed.connect(self._on_chats_changed)

    @Slot(str)
    def _on_changed(self, text: str) -> None:
        self._search = None
        library = self._listed.library
        if self._listed.place is Place.TRASH:
            self._listed.show_again()  # the search knows no chats that are in the trash
        elif not text:
            self._sidebar.show_list()
        elif library is not None:
            self._search = ChatSearch(library, text)
            self._tasks.start(self._go_on(self._search, is_new=True))

    @Slot()
    def _on_more_wanted(self) -> None:
        search = self._search
        if search is not None and not search.is_over and search is not self._going_on:
            self._tasks.start(self._go_on(search, is_new=False))

    async def _go_on(self, search: ChatSearch, *, is_new: bool) -> None:
        """Show more of what is found, if it is not another text by then that is searched for."""
        self._going_on = search
        try:
            while not search.is_over and search is self._search and await search.go_on() == 0:
                pass
        except InvalidRequest as error:
            if search is self._search:
                self._sidebar.show_problem(error.message)
            return
        finally:
            if self._going_on is search:
                self._going_on = None
        if search is self._search:
            self._show(search, is_new=is_new)

    @Slot()
    def _on_chats_changed(self) -> None:
        if self._search is not None and self._listed.library is not None:
            again = ChatSearch(self._listed.library, self._search.text)
            self._tasks.start(self._search_again(self._search, again))

    async def _search_again(self, old: ChatSearch, again: ChatSearch) -> None:
        """As far as ``old`` got, before anything is shown, so that what is seen stays."""
        while not again.is_over and again.n_hits < old.n_hits:
            await again.go_on()
        if old is self._search:
            self._search = again
            self._show(again, is_new=False)

    def _show(self, search: ChatSearch, *, is_new: bool) -> None:
        notes = []
        if not search.chats:
            notes.append(f"Nothing found for “{search.text}”")
        if search.is_cut:
            notes.append("There is more: add a word or a filter")
        if search.n_unindexed:
            notes.append(f"{search.n_unindexed:,} messages cannot be found yet")
        self._sidebar.show_found(search.text, Found(search.chats, ". ".join(notes)), is_new=is_new)

    @Slot()
    def _on_listed(self) -> None:
        chats, folders = self._listed.chats, self._listed.folders
        models = sorted({chat.model for chat in chats if chat.model}, key=str.casefold)
        tags = sorted({tag for chat in chats for tag in chat.tags}, key=str.casefold)
        names = [folder.name for folder in folders]
        self._sidebar.set_filter_values(FilterValues(models, names, tags))
        text = self._sidebar.search_text
        if text and self._search is None and self._listed.place is not Place.TRASH:
            self._on_changed(text)  # it was typed before the chats were open, or in the trash
