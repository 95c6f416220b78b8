"""Writes chats of the store into files: what they are called, and that a file is there as a whole
or not at all. No Qt; coroutines of the loop that the store is used on, and what blocks is done on
other threads."""

from __future__ import annotations

import asyncio
import os
import time
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from minerva_desktop.app.export_targets import ExportFormat, ExportTarget
from minerva_desktop.chat import export_json
from minerva_desktop.chat.conversation import Conversation, ConversationSummary
from minerva_desktop.chat.export_html import HtmlExporter
from minerva_desktop.chat.export_markdown import chat_to_markdown
from minerva_desktop.chat.export_names import FileNames
from minerva_desktop.chat.export_view import UNTITLED
from minerva_desktop.errors import ChatFileError, StoreError, os_reason
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.reading import ReadingStore

_FIRST_ZIP_YEAR = 1980


class WrittenFile(NamedTuple):
    """One of a folder, and how many images are not in it, for the store lacked them."""

    path: Path
    n_missing: int


class ChatExport:
    """One export from ``store``. ``n_missing``: images that chats name and the store lacks."""

    def __init__(
        self,
        store: ChatStore,
        kind: ExportFormat,
        *,
        replaces: bool,
        on_progress: Callable[[int], None] = lambda _: None,
        written: dict[str, WrittenFile] | None = None,
    ) -> None:
        """``replaces``: files that are there are overwritten. ``on_progress`` is told how many
        chats have been read, on the loop's thread. ``written``: which files of a folder an export
        before this one wrote, by chat; it went no further, and this one goes on with it."""
        self._on_progress = on_progress
        self._store = store
        self._kind = kind
        self._replaces = replaces
        self._written = {} if written is None else written
        self._n_read = len(self._written)
        self.n_missing = sum(each.n_missing for each in self._written.values())
        self._html = HtmlExporter()

    async def to_target(
        self, chats: Sequence[ConversationSummary], target: ExportTarget
    ) -> list[Path]:
        """Write ``chats``; the files, or the one archive. Raises `ChatFileError` and `StoreError`.

        Each file appears once it is whole. Where one that is there would be overwritten, nothing is
        written at all.
        """
        if target.is_file:
            return [await self._one_file(chats, target.path)]
        names = FileNames(self._kind.suffix)
        for before in self._written.values():
            names.name_for(before.path.stem)
        chats = [each for each in chats if each.id not in self._written]
        named = [(each, names.name_for(each.title or UNTITLED)) for each in chats]
        if target.path.suffix.lower() == ".zip":
            return [await self._archive(named, target.path)]
        return await self._folder(named, target.path)

    async def to_stream(self, chats: Sequence[ConversationSummary], stream: BinaryIO) -> None:
        """Write ``chats`` into an open file; as Markdown or HTML it can only be one."""
        if self._kind is ExportFormat.JSON:
            await self._write_json(chats, stream)
        else:
            (chat,) = chats
            await asyncio.to_thread(stream.write, await self._page(chat))

    async def _one_file(self, chats: Sequence[ConversationSummary], path: Path) -> Path:
        with _Draft(path, replaces=self._replaces) as draft:
            await self.to_stream(chats, draft.stream)
            await asyncio.to_thread(draft.finish)
        return path

    async def _folder(
        self, named: Sequence[tuple[ConversationSummary, str]], folder: Path
    ) -> list[Path]:
        taken = [name for _, name in named if (folder / name).exists()]
        if taken and not self._replaces:
            n_more = len(taken) - 1
            there = f"and {n_more:,} more are" if n_more else "is"
            it = "them" if n_more else "it"
            raise ChatFileError(f"{folder / taken[0]} {there} there already; --force replaces {it}")
        await make_folder(folder)
        for chat, name in named:
            n_missing = self.n_missing
            path = await self._one_file([chat], folder / name)
            self._written[chat.id] = WrittenFile(path, self.n_missing - n_missing)
        return [each.path for each in self._written.values()]

    async def _archive(self, named: Sequence[tuple[ConversationSummary, str]], path: Path) -> Path:
        with (
            _Draft(path, replaces=self._replaces) as draft,
            zipfile.ZipFile(draft.stream, "w") as archive,
        ):
            for chat, name in named:
                member = zipfile.ZipInfo(name, _zip_time(chat.updated_at))
                member.compress_type = zipfile.ZIP_DEFLATED
                content = await self._page(chat)
                await asyncio.to_thread(archive.writestr, member, content)
            await asyncio.to_thread(archive.close)
            await asyncio.to_thread(draft.finish)
        return path

    async def _load(self, chat: ConversationSummary) -> Conversation:
        conversation = await self._store.load(chat.id)
        self._n_read += 1
        self._on_progress(self._n_read)
        return conversation

    async def _page(self, chat: ConversationSummary) -> bytes:
        conversation = await self._load(chat)
        if self._kind is ExportFormat.JSON:
            blobs = await self._blobs(export_json.digests_of(conversation))
            return await asyncio.to_thread(export_json.chats_to_json, [conversation], blobs)
        if self._kind is ExportFormat.MARKDOWN:
            return await asyncio.to_thread(lambda: chat_to_markdown(conversation).encode())
        blobs = await self._blobs(export_json.digests_of(conversation))
        return await asyncio.to_thread(lambda: self._html.page(conversation, blobs).encode())

    async def _blobs(self, digests: set[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for digest in sorted(digests):
            try:
                found[digest] = await self._store.blob(digest)
            except StoreError:
                self.n_missing += 1
        return found

    async def _write_json(self, chats: Sequence[ConversationSummary], stream: BinaryIO) -> None:
        async def write(*pieces: bytes) -> None:
            await asyncio.to_thread(stream.write, b"".join(pieces))

        used = {each.folder_id for each in chats}
        folders = [each for each in await self._store.folders() if each.id in used]
        digests: set[str] = set()
        await write(export_json.json_head(time.time(), folders))
        for number, each in enumerate(chats):
            conversation = await self._load(each)
            digests |= export_json.digests_of(conversation)
            content = await asyncio.to_thread(export_json.json_chat, conversation)
            await write(b",\n" if number else b"\n", content)
        await write(export_json.json_between())
        between = b"\n"
        for digest in sorted(digests):
            for found, content in (await self._blobs({digest})).items():
                await write(between, export_json.json_blob(found, content))
                between = b",\n"
        await write(export_json.json_end())


async def make_folder(folder: Path) -> None:
    """Have a folder there. Raises `ChatFileError`."""
    await asyncio.to_thread(_make, folder)


async def back_up(store: ReadingStore, target: Path, *, replaces: bool) -> int:
    """Copy all chats as they are now into one file, from which the app can read them again; its
    size in bytes. Raises `ChatFileError` and `StoreError`."""
    await asyncio.to_thread(_refuse_present, target, replaces=replaces)
    fresh = target
    if await asyncio.to_thread(target.exists):  # it stays until the new one is whole
        fresh = target.with_name(f"{target.name}.{os.getpid()}.new")
    await store.back_up(fresh)
    await asyncio.to_thread(fresh.replace, target)
    return await asyncio.to_thread(lambda: target.stat().st_size)


class _Draft:
    """A file beside its target until it is whole; removed where it never becomes so."""

    def __init__(self, target: Path, *, replaces: bool) -> None:
        self._target = target.resolve() if target.is_symlink() else target
        self._replaces = replaces
        self.path = target.with_name(f".{target.name[:100]}.{os.getpid()}.part")

    def __enter__(self) -> _Draft:
        _refuse_present(self._target, replaces=self._replaces)
        try:
            self.stream: BinaryIO = self.path.open("xb")
        except OSError as error:
            raise self._failed(error) from error
        return self

    def finish(self) -> None:
        """Put the file into its place. Raises `OSError` and `ChatFileError`."""
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.stream.close()
        _refuse_present(self._target, replaces=self._replaces)
        self.path.replace(self._target)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        with suppress(OSError):
            self.stream.close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        if isinstance(error, OSError):  # the disk is full
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> ChatFileError:
        return ChatFileError(f"{self._target} cannot be written: {os_reason(error)}")


def _refuse_present(target: Path, *, replaces: bool) -> None:
    if not target.exists():
        if not target.parent.is_dir():
            raise ChatFileError(f"{target} cannot be written: there is no folder {target.parent}")
        return
    if not target.is_file():  # a folder, or a device, which must never be replaced
        raise ChatFileError(f"{target} is no regular file: choose another name")
    if not replaces:
        raise ChatFileError(f"{target} is there already; --force replaces it")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ChatFileError(f"{folder} cannot be made: {os_reason(error)}") from error


def _zip_time(seconds: float) -> tuple[int, int, int, int, int, int]:
    try:
        found = time.localtime(seconds)
    except (ValueError, OverflowError, OSError):
        found = time.localtime(0)
    year = min(max(found.tm_year, _FIRST_ZIP_YEAR), 2107)
    return year, found.tm_mon, found.tm_mday, found.tm_hour, found.tm_min, found.tm_sec
