"""Which chats the sidebar lists, and the listing of them. Main thread."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal, Slot

from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.chat.conversation import ConversationSummary, Folder
from minerva_desktop.settings import SettingsFile
from minerva_desktop.ui.chat_rows import (
    ListRows,
    Place,
    archive_rows,
    chat_rows,
    title_of,
    trash_rows,
)
from minerva_desktop.ui.sidebar import Sidebar
from minerva_desktop.ui.state_watch import StateWatch
from minerva_desktop.ui.tasks import UiTasks

MAX_NAMED = 48  # characters of a title in a sentence


class OpenChat(Protocol):
    """The chat that the window shows."""

    @property
    def conversation_id(self) -> str | None:
        """Its id."""

    def new_chat(self) -> None:
        """Show an empty chat."""

    async def open_chat(self, conversation_id: str, message_id: str = "") -> None:
        """Show that chat, and in it that message. Raises `StoreError`."""


class ListedChats(QObject):
    """Lists nothing before `use`; ``listed`` is emitted after each listing, ``changed`` when a
    person changed something about chats and they were listed anew.

    Attributes:
        library: where the chats are; None before `use`.
        place: which of them are listed.
        chats: as they were listed last.
        folders: all of them, as they were then.
    """

    listed = Signal()
    changed = Signal()

    def __init__(self, sidebar: Sidebar, settings: SettingsFile, tasks: UiTasks) -> None:
        super().__init__(sidebar)
        self._sidebar = sidebar
        self._settings = settings
        self._tasks = tasks
        self.library: ChatLibrary | None = None
        self.place = Place.CHATS
        self.chats: Sequence[ConversationSummary] = ()
        self.folders: Sequence[Folder] = ()
        self._states: dict[str, set[str]] = {}
        self._watch = StateWatch(self)
        self._watch.changed.connect(self._on_states_changed)
        self._listing = asyncio.Lock()
        self._is_stale = False
        sidebar.folder_toggled.connect(self._on_folder_toggled)
        sidebar.place_chosen.connect(self.go_to)
        sidebar.new_chat.connect(self.go_to_chats)

    async def use(self, library: ChatLibrary) -> None:
        """List the chats of ``library`` from now on. Raises `StoreError`."""
        self.library = library
        self._watch.begin(library.states.folder)
        await self._refresh()

    def refresh_soon(self) -> None:
        """List the chats anew; asked for again and again, they are listed once more at the end."""
        self._tasks.start(self._refresh())

    async def refresh(self) -> None:
        """List the chats anew after a person changed something about them, and return when they
        are shown. Raises `StoreError`."""
        await self._refresh()
        self.changed.emit()

    async def _refresh(self) -> None:
        self._is_stale = True
        async with self._listing:
            if self._is_stale and self.library is not None:
                self._is_stale = False  # who waits for the lock sees that it has been done
                await self._list(self.library)

    async def _list(self, library: ChatLibrary) -> None:
        place = self.place
        self.chats = await library.summaries(
            is_archived=place is Place.ARCHIVE, in_trash=place is Place.TRASH
        )
        self.folders = await library.folders()
        self._states = await library.states.by_model()
        rows = self._rows(place)
        # With 10,000 chats each of these steps takes the window's thread 1 to 4 ms.
        await asyncio.sleep(0)
        if place is self.place:
            self._sidebar.set_rows(rows)
        await asyncio.sleep(0)
        self.listed.emit()

    def _rows(self, place: Place) -> ListRows:
        if place is Place.TRASH:
            return trash_rows(self.chats, self._sidebar.search_text)
        if place is Place.ARCHIVE:
            return replace(archive_rows(self.chats, self.folders), warm=self._warm())
        closed = self._settings.current.closed_folders
        return replace(chat_rows(self.chats, self.folders, closed), warm=self._warm())

    def _warm(self) -> frozenset[str]:
        """The chats that go on at once: there is a state of them, of their own model."""
        states, none = self._states, frozenset[str]()
        return frozenset(c.id for c in self.chats if c.id in states.get(c.model or "", none))

    @Slot()
    def _on_states_changed(self) -> None:
        self._tasks.start(self._look_at_states())

    async def _look_at_states(self) -> None:
        if self.library is None:
            return
        before, self._states = self._warm(), await self.library.states.by_model()
        if self._warm() != before:
            self.show_again()

    async def then_refresh(self, work: Coroutine[Any, Any, None]) -> None:
        """Also where ``work`` failed: the list may show what a person typed."""
        try:
            await work
        finally:
            await self.refresh()

    def show_again(self) -> None:
        """Show the chats as they were listed last."""
        self._sidebar.set_rows(self._rows(self.place))

    @Slot(str, bool)
    def _on_folder_toggled(self, folder_id: str, is_open: bool) -> None:
        self._set_open(folder_id, is_open=is_open)
        self.refresh_soon()

    def _set_open(self, folder_id: str, *, is_open: bool) -> None:
        known = {folder.id for folder in self.folders}
        closed = (set(self._settings.current.closed_folders) & known) - {folder_id}
        closed |= set() if is_open else {folder_id}
        self._settings.remember(closed_folders=tuple(sorted(closed)))

    @Slot(object)
    def go_to(self, place: Place) -> None:
        """List the chats of ``place``."""
        self.place = place
        self.refresh_soon()

    @Slot()
    def go_to_chats(self) -> None:
        """List the chats, from wherever."""
        if self.place is not Place.CHATS:
            self.go_to(Place.CHATS)

    def named(self, chat_ids: Sequence[str]) -> str:
        """Chats in a sentence: the title of one, the number of several."""
        titles = [title_of(chat) for chat in self.chats if chat.id == chat_ids[0]]
        if len(chat_ids) > 1 or not titles:
            return f"{len(chat_ids):,} {'chat' if len(chat_ids) == 1 else 'chats'}"
        title = titles[0] if len(titles[0]) <= MAX_NAMED else f"{titles[0][: MAX_NAMED - 1]}…"
        return f"“{title}”"
