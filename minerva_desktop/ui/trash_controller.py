"""What a person does with chats in the trash. Main thread."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Slot

from minerva_desktop.ui.chat_rows import Place
from minerva_desktop.ui.listed_chats import ListedChats, OpenChat
from minerva_desktop.ui.offers import Offers
from minerva_desktop.ui.sidebar import Sidebar
from minerva_desktop.ui.tasks import UiTasks

DESTROY = "destroy"
IN_TRASH = "in-trash"
RESTORED = "restored"


class TrashController(QObject):
    """Restores, asks, destroys."""

    def __init__(
        self,
        sidebar: Sidebar,
        listed: ListedChats,
        offers: Offers,
        tasks: UiTasks,
        shown: OpenChat,
    ) -> None:
        super().__init__(sidebar)
        self._listed = listed
        self._offers = offers
        self._tasks = tasks
        self._shown = shown
        self._deletions: dict[str, set[str]] = {}  # by the key of its Undo: what of it is in here
        sidebar.empty_trash.connect(self._on_empty_trash)
        sidebar.place_chosen.connect(self._on_place_chosen)
        sidebar.chat_actions.restore.connect(self._on_restore)
        sidebar.chat_actions.destroy.connect(self._on_destroy)

    def watch(self, key: str, chat_ids: Sequence[str]) -> None:
        """The deletion of these chats, whose Undo has that ``key``, can be undone as long as one of
        them is in the trash."""
        self._deletions[key] = set(chat_ids)

    def _take_out(self, chat_ids: Sequence[str]) -> None:
        for key, ids in list(self._deletions.items()):
            ids.difference_update(chat_ids)
            if not ids:
                del self._deletions[key]
                self._offers.dismiss(key)

    def offer_to_open(self, chat_id: str) -> None:
        """A chat in the trash was to be opened: it could be lost while a person goes on in it."""

        async def restore_and_open() -> None:
            await self._restore([chat_id])
            self._listed.place = Place.CHATS
            await self._listed.refresh()
            await self._shown.open_chat(chat_id)

        text = f"{self._listed.named([chat_id])} is in the trash. Restore it to open it."
        self._offers.do(text, "Restore and open", restore_and_open, IN_TRASH)

    @Slot(object)
    def _on_place_chosen(self, _place: Place) -> None:
        self._offers.dismiss(DESTROY)

    @Slot(list)
    def _on_restore(self, chat_ids: list[str]) -> None:
        self._tasks.start(self._restore_from_list(chat_ids))

    async def _restore_from_list(self, chat_ids: list[str]) -> None:
        named = self._listed.named(chat_ids)
        await self._restore(chat_ids)

        async def go_there() -> None:
            self._listed.place = Place.CHATS
            await self._shown.open_chat(chat_ids[0])
            await self._listed.refresh()

        await self._listed.refresh()
        self._offers.do(f"{named} restored", "Open", go_there, RESTORED)

    async def _restore(self, chat_ids: list[str]) -> None:
        self._offers.dismiss(DESTROY)
        if self._listed.library is not None:
            await self._listed.library.restore(chat_ids)
            self._take_out(chat_ids)

    @Slot(list)
    def _on_destroy(self, chat_ids: list[str]) -> None:
        self._ask_to_destroy(chat_ids, f"Delete {self._listed.named(chat_ids)} for good?")

    @Slot()
    def _on_empty_trash(self) -> None:
        ids = [chat.id for chat in self._listed.chats]
        what = "the chat" if len(ids) == 1 else f"all {len(ids):,} chats"
        self._ask_to_destroy(ids, f"Delete {what} in the trash for good?")

    def _ask_to_destroy(self, chat_ids: list[str], question: str) -> None:
        library = self._listed.library
        if library is None or not chat_ids:
            return

        async def destroy() -> None:
            await self._listed.then_refresh(library.destroy(chat_ids))
            self._take_out(chat_ids)

        text = f"{question} That cannot be undone."
        self._offers.ask(text, "Delete for good", destroy, DESTROY)
