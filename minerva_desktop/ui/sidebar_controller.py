"""The list of chats in the window: fills it, and does what a person asks for in it.

Glue between `Sidebar` and `ChatLibrary`. Main thread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.chat.conversation import ConversationSummary
from minerva_desktop.errors import MinervaError
from minerva_desktop.settings import SettingsFile
from minerva_desktop.ui.answer_marks import AnswerMarks
from minerva_desktop.ui.chat_rows import Place
from minerva_desktop.ui.listed_chats import ListedChats, OpenChat
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.notification_bar import Notice, NoticeKind
from minerva_desktop.ui.offers import Offers
from minerva_desktop.ui.search_controller import SearchController
from minerva_desktop.ui.tasks import UiTasks
from minerva_desktop.ui.trash_controller import TrashController

NEW_FOLDER = "New folder"
NAME_TAKEN = "folder-name"


class SidebarController(QObject):
    """Does nothing before `use`.

    Attributes:
        marks: to be told of answers and of opened chats; the list shows them.
    """

    def __init__(
        self, window: MainWindow, settings: SettingsFile, tasks: UiTasks, shown: OpenChat
    ) -> None:
        super().__init__(window)
        self._sidebar = window.sidebar
        self._composer = window.composer
        self._notifications = window.notifications
        self._unnamed: tuple[str, dict[str | None, list[str]]] | None = None  # folder, chats before
        self._tasks = tasks
        self._shown = shown
        self.marks = AnswerMarks(settings, self)
        self._offers = Offers("list:", window.notifications, tasks)
        self._listed = ListedChats(window.sidebar, settings, tasks)
        self._search = SearchController(window.sidebar, self._listed, tasks)
        self._trash = TrashController(window.sidebar, self._listed, self._offers, tasks, shown)
        self._connect(window)

    def _connect(self, window: MainWindow) -> None:
        sidebar, asked = window.sidebar, window.sidebar.chat_actions
        self.marks.changed.connect(sidebar.set_marks)
        sidebar.set_marks(self.marks.marks)
        sidebar.opened.connect(self._on_opened)
        window.new_temporary_chat.connect(self._listed.go_to_chats)
        asked.edit_name.connect(sidebar.edit_name)
        asked.name_edited.connect(self._on_name_edited)
        asked.edit_tags.connect(self._on_edit_tags)
        asked.rename.connect(self._on_rename)
        asked.delete.connect(self._on_delete)
        asked.pin.connect(self._on_pin)
        asked.archive.connect(self._on_archive)
        asked.move.connect(self._on_move)
        asked.move_to_new.connect(self._on_move_to_new)
        asked.duplicate.connect(self._on_duplicate)
        asked.rename_folder.connect(self._on_rename_folder)
        asked.delete_folder.connect(self._on_delete_folder)

    async def use(self, library: ChatLibrary) -> None:
        """List the chats of ``library`` from now on. Raises `StoreError`."""
        await self._listed.use(library)

    def refresh_soon(self) -> None:
        """List the chats anew."""
        self._listed.refresh_soon()

    # -- a chat ----------------------------------------------------------------------------

    @Slot(str, str)
    def _on_opened(self, chat_id: str, message_id: str) -> None:
        if self._listed.place is not Place.TRASH or self._sidebar.search_text:
            self._tasks.start(self._open(chat_id, message_id))
        else:
            self._trash.offer_to_open(chat_id)

    async def _open(self, chat_id: str, message_id: str) -> None:
        await self._shown.open_chat(chat_id, message_id)
        if not message_id:  # also the open one: Delete would be about it, and letters search
            self._composer.focus_editor()

    @Slot(str, str)
    def _on_rename(self, chat_id: str, title: str) -> None:
        if self._listed.library is not None:
            self._tasks.start(self._listed.library.rename(chat_id, title))

    @Slot(str)
    def _on_duplicate(self, chat_id: str) -> None:
        self._tasks.start(self._duplicate(chat_id))

    async def _duplicate(self, chat_id: str) -> None:
        if self._listed.library is not None:
            copy_id = await self._listed.library.duplicate(chat_id)
            await self._listed.refresh()
            await self._shown.open_chat(copy_id)

    @Slot(list)
    def _on_edit_tags(self, chat_ids: list[str]) -> None:
        self._tasks.start(self._edit_tags(chat_ids))

    async def _edit_tags(self, chat_ids: list[str]) -> None:
        if self._listed.library is None:
            return
        editor = self._sidebar.edit_tags(chat_ids, await self._listed.library.tags())
        if editor is not None:
            editor.changed.connect(self._on_tags_changed)

    @Slot(object)
    def _on_tags_changed(self, tags: dict[str, list[str]]) -> None:
        if self._listed.library is not None:
            self._tasks.start(self._listed.then_refresh(_set_tags(self._listed.library, tags)))

    # -- several chats ---------------------------------------------------------------------

    @Slot(list, bool)
    def _on_pin(self, chat_ids: list[str], is_pinned: bool) -> None:
        if self._listed.library is not None:
            self._tasks.start(
                self._listed.then_refresh(self._listed.library.set_pinned(chat_ids, is_pinned))
            )

    @Slot(list, bool)
    def _on_archive(self, chat_ids: list[str], is_archived: bool) -> None:
        self._tasks.start(self._archive(chat_ids, is_archived=is_archived))

    async def _archive(self, chat_ids: list[str], *, is_archived: bool) -> None:
        library = self._listed.library
        if library is None:
            return
        named = self._listed.named(chat_ids)
        await library.set_archived(chat_ids, is_archived)
        left = self._leave(chat_ids) if is_archived else None

        async def undo() -> None:
            await library.set_archived(chat_ids, not is_archived)
            await self._come_back(left)

        await self._listed.refresh()
        what = "archived" if is_archived else "moved back to the chats"
        self._offers.undo(f"{named} {what}", undo)

    @Slot(list)
    def _on_delete(self, chat_ids: list[str]) -> None:
        self._tasks.start(self._delete(chat_ids))

    async def _delete(self, chat_ids: list[str]) -> None:
        library = self._listed.library
        if library is None:
            return
        left = self._leave(chat_ids)  # before what waits in it becomes its draft, behind which
        try:  # the composer's text is kept
            await library.trash(chat_ids)
        except MinervaError:
            await self._come_back(left)
            raise
        to_open = chat_ids[0] if len(chat_ids) == 1 else left

        async def undo() -> None:
            await library.restore(chat_ids)
            await self._come_back(to_open)

        await self._listed.refresh()
        what = "Chat" if len(chat_ids) == 1 else f"{len(chat_ids):,} chats"
        key = f"deleted {' '.join(chat_ids)}"
        self._offers.undo(f"{what} deleted", undo, key)
        self._trash.watch(key, chat_ids)

    def _leave(self, chat_ids: list[str]) -> str | None:
        """Show another chat when the shown one is among these; its id."""
        shown = self._shown.conversation_id
        if shown is None or shown not in chat_ids:
            return None
        self._shown.new_chat()
        return shown

    async def _come_back(self, chat_id: str | None) -> None:
        if chat_id is not None:
            await self._shown.open_chat(chat_id)
        await self._listed.refresh()

    @Slot(list, str)
    def _on_move(self, chat_ids: list[str], folder_id: str) -> None:
        self._tasks.start(self._move(chat_ids, folder_id or None))

    async def _move(self, chat_ids: list[str], folder_id: str | None) -> None:
        library = self._listed.library
        if library is None:
            return
        before = await _places_of(library, chat_ids)
        before.pop(folder_id, None)
        if not before:
            return
        await library.set_folder([each for ids in before.values() for each in ids], folder_id)

        async def undo() -> None:
            for old_id, ids in before.items():
                await library.set_folder(ids, old_id)
            await self._listed.refresh()

        await self._listed.refresh()
        names = [folder.name for folder in self._listed.folders if folder.id == folder_id]
        where = f"moved to “{names[0]}”" if names else "taken out of the folder"
        self._offers.undo(f"{self._listed.named(chat_ids)} {where}", undo)

    # -- folders ---------------------------------------------------------------------------

    @Slot(list)
    def _on_move_to_new(self, chat_ids: list[str]) -> None:
        self._tasks.start(self._move_to_new(chat_ids))

    async def _move_to_new(self, chat_ids: list[str]) -> None:
        """A folder with a name of ours, which the person then edits in place."""
        self._listed.place = Place.CHATS
        if self._listed.library is None:
            return
        taken = {folder.name.casefold() for folder in await self._listed.library.folders()}
        names = (NEW_FOLDER if n == 1 else f"{NEW_FOLDER} {n}" for n in range(1, len(taken) + 2))
        name = next(each for each in names if each.casefold() not in taken)
        folder = await self._listed.library.create_folder(name)
        before: dict[str | None, list[str]] = {}
        if chat_ids:
            before = await _places_of(self._listed.library, chat_ids)
            await self._listed.library.set_folder(chat_ids, folder.id)
        await self._listed.refresh()
        self._unnamed = (folder.id, before)
        if not self._sidebar.edit_name(folder.id):
            self._unnamed = None  # it keeps the name that it has: no later Esc is about it

    @Slot(str, bool)
    def _on_name_edited(self, row_id: str, is_kept: bool) -> None:
        if self._unnamed is None:
            return
        folder_id, before = self._unnamed
        self._unnamed = None
        if folder_id == row_id and not is_kept:
            self._tasks.start(self._forget_folder(folder_id, before))

    async def _forget_folder(self, folder_id: str, before: dict[str | None, list[str]]) -> None:
        """A folder that was given up before it had a name; its chats go back to their places."""
        library = self._listed.library
        if library is None:
            return
        await library.delete_folder(folder_id)
        for old_id, ids in before.items():
            await library.set_folder(ids, old_id)
        await self._listed.refresh()

    @Slot(str, str)
    def _on_rename_folder(self, folder_id: str, name: str) -> None:
        others = {each.name.casefold(): each for each in self._listed.folders}
        other = others.get(" ".join(name.split()).casefold())
        if other is not None and other.id != folder_id:
            text = f"There is a folder “{other.name}” already, so this one keeps its name"
            self._notifications.show_notice(Notice(NoticeKind.INFO, text, key=NAME_TAKEN))
            self._listed.refresh_soon()  # the row shows what was typed
            return
        self._notifications.dismiss(NAME_TAKEN)
        if self._listed.library is not None:
            self._tasks.start(
                self._listed.then_refresh(self._listed.library.rename_folder(folder_id, name))
            )

    @Slot(str)
    def _on_delete_folder(self, folder_id: str) -> None:
        self._tasks.start(self._delete_folder(folder_id))

    async def _delete_folder(self, folder_id: str) -> None:
        library = self._listed.library
        names = [folder.name for folder in self._listed.folders if folder.id == folder_id]
        if library is None or not names:
            return
        chats = await _all_chats(library)
        inside = [chat.id for chat in chats if chat.folder_id == folder_id]
        await library.delete_folder(folder_id)

        async def undo() -> None:
            folder = await library.create_folder(names[0])
            if inside:
                await library.set_folder(inside, folder.id)
            await self._listed.refresh()

        await self._listed.refresh()
        stay = "" if not inside else "; its chat stays" if len(inside) == 1 else "; its chats stay"
        self._offers.undo(f"Folder “{names[0]}” deleted{stay}", undo)


async def _set_tags(library: ChatLibrary, tags: dict[str, list[str]]) -> None:
    for chat_id, its in tags.items():
        await library.set_tags(chat_id, its)


async def _places_of(library: ChatLibrary, chat_ids: Sequence[str]) -> dict[str | None, list[str]]:
    """Those of these chats that are in a folder, by its id; the others by None."""
    wanted = set(chat_ids)
    places: dict[str | None, list[str]] = defaultdict(list)
    for chat in await _all_chats(library):
        if chat.id in wanted:
            places[chat.folder_id].append(chat.id)
    return places


async def _all_chats(library: ChatLibrary) -> list[ConversationSummary]:
    """Those that are not in the trash."""
    return [*await library.summaries(), *await library.summaries(is_archived=True)]
