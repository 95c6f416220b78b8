"""Takes chats of files into the store. No Qt; coroutines of the loop that the store is used on, and
what blocks is done on other threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from minerva_desktop.app.chat_growth import ChatGrowth
from minerva_desktop.app.chat_sources import MAX_JSON_BYTES, SourceFile, files_of, n_bytes_of
from minerva_desktop.chat.conversation import Folder
from minerva_desktop.chat.import_chats import ChatFormat, chats_in, recognised
from minerva_desktop.chat.import_values import ImportedChat, Outcome, UnreadableChat
from minerva_desktop.chat.names import clean_name
from minerva_desktop.errors import ChatFileError, StoreError
from minerva_desktop.store.chat_store import ChatStore

if TYPE_CHECKING:
    from minerva_desktop.app.chat_session import ChatSession

KNOWN = "Minerva's own (JSON), ChatGPT's (conversations.json or the .zip) and LM Studio's"
CHANGED = "messages of it say other things than here, so the chat here is left as it is"


@dataclass
class ImportReport:
    """What became of the files. ``formats``: whose chats they were; ``grown_ids`` were there
    already, and got messages that are new; ``n_present`` were there and have all, or are in the
    trash, as ``n_in_trash`` of them; ``n_missing`` attachments were not in the files; ``n_empty``
    chats had nothing in them.
    ``problems``: a sentence for each file and each chat that could not be imported."""

    formats: set[ChatFormat] = field(default_factory=set)
    imported_ids: list[str] = field(default_factory=list)
    grown_ids: list[str] = field(default_factory=list)
    n_present: int = 0
    n_in_trash: int = 0
    n_missing: int = 0
    n_empty: int = 0
    problems: list[str] = field(default_factory=list)


class ImportProgress(msgspec.Struct, frozen=True):
    """``n_chats`` have been looked at, which takes ``n_bytes`` of the ``of_bytes`` of all files."""

    n_chats: int
    n_bytes: int
    of_bytes: int

    @property
    def percent(self) -> int:
        """How much of it is done; 100 only at the end."""
        return 100 * self.n_bytes // self.of_bytes if self.of_bytes else 0


class ChatImport:
    """One import into ``store``. `report` grows while it runs."""

    def __init__(
        self,
        store: ChatStore,
        on_progress: Callable[[ImportProgress], None] = lambda _: None,
        open_session: Callable[[str], Awaitable[ChatSession]] | None = None,
    ) -> None:
        """``on_progress`` is told at the beginning, after each chat and at the end, on the loop's
        thread. ``open_session`` gives the session of a chat that is here, where somebody else may
        have it, too; it raises `StoreError`."""
        self.report = ImportReport()
        self._store = store
        self._on_progress = on_progress
        self._open_session = open_session
        self._added: list[Path] = []  # whose turn has not come
        self._n_seen = 0
        self._n_bytes = 0.0  # that are done
        self._of_bytes = 0
        self._there: set[str] = set()
        self._in_trash: set[str] = set()
        self._folders: dict[str, Folder] = {}

    def add(self, paths: Sequence[Path]) -> None:
        """Take in the chats of these files, too, behind those of `run`, which has not returned."""
        self._added += paths

    async def run(self, paths: Sequence[Path]) -> ImportReport:
        """Take in the chats of all files. A chat whose id is there already gets the messages that
        are new, unless it is in the trash.

        Raises `StoreError` where the store cannot take more; what came before stays.
        """
        trashed = await self._store.list_conversations(in_trash=True)
        self._in_trash = {each.id for each in trashed}
        for is_archived in (False, True):
            found = await self._store.list_conversations(is_archived=is_archived)
            self._there.update(each.id for each in found)
        self._folders = {_key(each.name): each for each in await self._store.folders()}
        self._added[:0] = paths
        while self._added:
            paths, self._added = self._added, []
            self._of_bytes += await asyncio.to_thread(n_bytes_of, paths)
            self._tell_progress()
            for path in paths:
                await self._take_file(path)
            self._tell_progress()  # what is in the files besides chats, too
        return self.report

    async def _take_file(self, path: Path) -> None:
        outcomes = self._outcomes(path)
        while (outcome := await asyncio.to_thread(next, outcomes, None)) is not None:
            await self._take(outcome)
            self._n_seen += 1
            self._tell_progress()

    def _tell_progress(self) -> None:
        n_bytes = min(round(self._n_bytes), self._of_bytes)  # a file may have grown
        self._on_progress(ImportProgress(self._n_seen, n_bytes, self._of_bytes))

    def _refuse_trouble(self) -> None:
        """The store would keep in memory what the disk does not take: a whole import is too much,
        and its files are there."""
        trouble = self._store.trouble
        if trouble is not None:
            n = len(self.report.imported_ids)
            raise StoreError(
                f"The import ended after {n:,} {'chat' if n == 1 else 'chats'}: {trouble.reason}."
                f" {trouble.remedy} and import the files again: what is here does not come twice"
            )

    def _outcomes(self, path: Path) -> Iterator[tuple[str, Outcome]]:
        """Each chat of a file, archive or folder, with the name of its file. Blocking."""
        n_known = 0
        problems: list[str] = []
        try:
            for source in files_of(path):
                before = self._n_bytes
                try:
                    for outcome in self._chats(source):
                        yield source.name, outcome
                    n_known += 1
                except ChatFileError as error:
                    problems.append(_told(source.name, error))
                except _OtherJson:
                    pass
                self._n_bytes = before + source.n_bytes
        except ChatFileError as error:
            problems.append(error.message)
        if not n_known and not problems:
            problems.append(f"{path.name or path} holds no chats of a kind that is known: {KNOWN}")
        self.report.problems += problems

    def _chats(self, source: SourceFile) -> Iterator[Outcome]:
        document = recognised(source.read(MAX_JSON_BYTES))
        if document is None:
            raise _OtherJson
        self.report.formats.add(document.format)
        share = source.n_bytes / max(len(document.records), 1)
        for outcome in chats_in(document, source.find, source.name, time.time()):
            self._n_bytes += share
            yield outcome

    async def _take(self, found: tuple[str, Outcome]) -> None:
        file_name, outcome = found
        if isinstance(outcome, UnreadableChat) and outcome.is_empty:
            self.report.n_empty += 1
            return
        if isinstance(outcome, UnreadableChat):
            self.report.problems.append(f"{file_name}, {outcome.name}: {outcome.reason}")
            return
        conversation = outcome.conversation
        if conversation.id in self._in_trash:
            self.report.n_present += 1
            self.report.n_in_trash += 1
            return
        if conversation.id in self._there:
            await self._grow(file_name, outcome)
            return
        try:
            await self._store_chat(outcome)
        except StoreError as error:
            if not error.detail.startswith("ConstraintError"):
                raise
            # A message's id belongs to another chat: somebody has edited the file.
            self._refuse(file_name, outcome, "a message of it is in another chat already")
            return
        self._refuse_trouble()  # and this chat, too, is not on the disk
        self._there.add(conversation.id)
        self.report.imported_ids.append(conversation.id)
        self.report.n_missing += outcome.n_missing

    def _refuse(self, file_name: str, chat: ImportedChat, problem: str) -> None:
        name = chat.conversation.title or chat.conversation.id
        self.report.problems.append(f"{file_name}, “{name}”: {problem}")

    async def _grow(self, file_name: str, chat: ImportedChat) -> None:
        chat_id = chat.conversation.id
        try:
            # Also where nobody has it open yet: who opens it meanwhile has the same one.
            session = await self._open_session(chat_id) if self._open_session else None
            here = session.conversation if session else await self._store.load(chat_id)
        except StoreError as error:
            self._refuse(file_name, chat, f"it is here, but cannot be read: {error.message}")
            return
        growth = ChatGrowth(self._store, here, chat)
        if growth.is_other():
            self._refuse(file_name, chat, CHANGED)
            return
        if await growth.run():
            self.report.grown_ids.append(chat_id)
            self.report.n_missing += chat.n_missing
            if session is not None and here.active_leaf_id is not None:
                await session.select(here.active_leaf_id)  # so it is shown
        else:
            self.report.n_present += 1
        self._refuse_trouble()

    async def _store_chat(self, chat: ImportedChat) -> None:
        for content in chat.blobs.values():
            await self._store.store_blob(content)
        conversation = chat.conversation
        conversation.title = clean_name(conversation.title)
        conversation.tags = tuple(tag for each in conversation.tags if (tag := clean_name(each)))
        conversation.folder_id = await self._folder_id(chat.folder)
        await self._store.create(conversation)

    async def _folder_id(self, folder: Folder | None) -> str | None:
        """That of the folder of the same name here, which is made if there is none."""
        if folder is None or not clean_name(folder.name):
            return None
        key = _key(folder.name)
        if key not in self._folders:
            self._folders[key] = await self._store.create_folder(folder.name)
        return self._folders[key].id


class _OtherJson(Exception):
    """JSON that has nothing to do with chats, of which an export holds some files."""


def _key(name: str) -> str:
    return " ".join(clean_name(name).split()).casefold()


def _told(file_name: str, error: ChatFileError) -> str:
    """Readers begin with the file's name, importers with what is wrong with it."""
    return error.message if file_name in error.message else f"{file_name}: {error.message}"
