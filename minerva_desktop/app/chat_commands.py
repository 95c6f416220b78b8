"""`minerva chats`: the chats in the terminal. Prints to stdout; on the one loop of the command."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from minerva_desktop.app.chat_care import ChatCare
from minerva_desktop.app.chat_files import ChatExport, WrittenFile, back_up, make_folder
from minerva_desktop.app.chat_import import ChatImport, ImportProgress
from minerva_desktop.app.export_targets import (
    ExportFormat,
    ExportTarget,
    backup_target,
    target_for,
)
from minerva_desktop.app.terminal_output import (
    TerminalCounter,
    print_failure,
    print_json,
    print_line,
    print_table,
)
from minerva_desktop.chat.conversation import ConversationSummary
from minerva_desktop.chat.export_json import json_chat
from minerva_desktop.chat.export_markdown import chat_to_markdown
from minerva_desktop.chat.export_view import UNTITLED, date_text
from minerva_desktop.errors import ChatFileError, InvalidRequest
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.reading import ReadingStore
from minerva_desktop.store.search import SearchHit, SearchPlace
from minerva_desktop.units import format_bytes

SHORTEST_ID = 8  # characters
SHOWN_CANDIDATES = 5


class ChatCommands:
    """One run of a command on ``store``."""

    def __init__(self, store: ChatStore) -> None:
        """``store``: to import, one that may write; for all else, a `ReadingStore` will do."""
        self._store = store

    async def list_chats(self, *, is_archived: bool, in_trash: bool, as_json: bool) -> None:
        """The chats of the list, of the archive or of the trash."""
        chats = await self._store.list_conversations(is_archived=is_archived, in_trash=in_trash)
        folders = await self._folder_names()
        if as_json:
            print_json([_facts(chat, folders) for chat in chats])
            return
        if not chats:
            place = "in the trash" if in_trash else "archived" if is_archived else "there yet"
            print(f"No chats are {place}.", file=sys.stderr)
            return
        length = _id_length([chat.id for chat in await self._all()])
        rows = [
            (
                chat.id[:length],
                date_text(chat.updated_at),
                _marks(chat, folders),
                " ".join(chat.title.split()) or UNTITLED,
            )
            for chat in chats
        ]
        print_table(("ID", "LAST CHANGE", "", "TITLE"), rows)

    async def show(self, wanted: str, *, as_json: bool) -> None:
        """One chat: its active branch to read, all of it as JSON."""
        (chat,) = await self._chosen([wanted])
        conversation = await self._store.load(chat.id)
        if as_json:
            print_json(json.loads(json_chat(conversation)))
            return
        for line in chat_to_markdown(conversation).splitlines():
            print_line(line.expandtabs(4))

    async def search(self, query: str, limit: int, *, as_json: bool) -> None:
        """The titles and messages that match ``query``, the newest first, at most ``limit``.

        Raises `InvalidRequest` for a filter's value that makes no sense.
        """
        hits: list[SearchHit] = []
        place, n_unindexed = SearchPlace(), 0
        while len(hits) < limit:
            page = await self._store.search(query, limit=limit - len(hits), place=place)
            hits += page.hits
            n_unindexed = page.n_unindexed
            if page.next is None:
                break
            place = page.next
        folders = await self._folder_names()
        if as_json:
            print_json([_found(hit, folders) for hit in hits])
        elif hits:
            self._print_hits(hits, _id_length([chat.id for chat in await self._all()]))
        else:
            print("Nothing is found.", file=sys.stderr)
        if n_unindexed:
            print(
                f"{n_unindexed:,} messages cannot be found yet: Minerva takes them into its index"
                " while its window is open, and at the end of an import",
                file=sys.stderr,
            )

    @staticmethod
    def _print_hits(hits: Sequence[SearchHit], length: int) -> None:
        shown = ""
        for hit in hits:
            chat = hit.conversation
            if chat.id != shown:
                title = " ".join(chat.title.split()) or UNTITLED
                print_line(f"{chat.id[:length]}  {date_text(hit.time)}  {title}")
            if hit.message_id is not None:
                print_line(f"    {hit.snippet.text.strip()}")
            shown = chat.id

    async def export(
        self,
        wanted: Sequence[str] | None,
        kind: ExportFormat,
        output: Path | None,
        *,
        is_folder: bool,
        force: bool,
        written: dict[str, WrittenFile],
    ) -> None:
        """Write chats to files; ``wanted`` None: all but those in the trash. ``output`` "-" is the
        standard output; ``is_folder``: it is a folder, which is made if it is not there.
        ``written`` is that of `ChatExport`."""
        chats = await self._chosen(wanted) if wanted is not None else await self._all()
        if not chats:
            raise ChatFileError("There are no chats to export")
        counter = TerminalCounter("chats", of=len(chats))
        export = ChatExport(
            self._store, kind, replaces=force, on_progress=counter.show, written=written
        )
        if output == Path("-"):
            if len(chats) > 1 and kind is not ExportFormat.JSON:
                raise ChatFileError("Several chats make one stream as JSON only: --format json")
            await export.to_stream(chats, sys.stdout.buffer)
            return
        if output is not None and is_folder:
            await make_folder(output)
        if written:
            target = ExportTarget(next(iter(written.values())).path.parent, is_file=False)
        else:
            target = target_for(chats, kind, output, _today())
        with counter:
            files = await export.to_target(chats, target)
        place = files[0] if len(files) == 1 else f"{target.path} ({len(files):,} files)"
        n_chats = len(set(written).union(chat.id for chat in chats))
        print_line(f"exported {_counted(n_chats, 'chat')} to {place}")
        if export.n_missing:
            print_line(
                f"left out, for the store has it no more: {_counted(export.n_missing, 'image')}"
            )

    async def import_files(self, paths: Sequence[Path]) -> bool:
        """Take chats in and have them be found; whether all that was in the files could be
        imported."""
        with TerminalCounter("chats") as counter:

            def show(done: ImportProgress) -> None:
                share = f"{done.percent} % of {format_bytes(done.of_bytes)}"
                counter.show(done.n_chats, f", {share}")

            report = await ChatImport(self._store, show).run(paths)
        *others, last = sorted(map(str, report.formats)) or [""]
        whose = f"{', '.join(others)} and {last}" if others else last
        if report.formats:
            print_line(f"imported {_counted(len(report.imported_ids), 'chat')} ({whose})")
        if report.grown_ids:
            print_line(f"new messages in {_counted(len(report.grown_ids), 'chat')}")
        if report.n_present:
            trash = f" ({report.n_in_trash:,} in the trash)" if report.n_in_trash else ""
            print_line(f"here already, and left alone: {_counted(report.n_present, 'chat')}{trash}")
        if report.n_missing:
            attachments = _counted(report.n_missing, "attachment")
            print_line(f"not in the export, or neither text nor image: {attachments}")
        if report.n_empty:
            print_line(f"empty, and left out: {_counted(report.n_empty, 'chat')}")
        for problem in report.problems:
            print_failure(f"not imported: {problem}")
        with TerminalCounter("messages cannot be found yet") as counter:
            await self._store.finish_index(counter.show)
        return not report.problems

    async def _all(self) -> list[ConversationSummary]:
        """All but those in the trash, the archived ones last."""
        listed = await self._store.list_conversations()
        return listed + await self._store.list_conversations(is_archived=True)

    async def _chosen(self, wanted: Sequence[str]) -> list[ConversationSummary]:
        """The chats of these ids, or of what only one id begins with. Raises `InvalidRequest`."""
        chats = await self._all()
        trashed = await self._store.list_conversations(in_trash=True)
        found = [_chat_of(each, chats) or _chat_of(each, trashed) for each in wanted]
        for each, chat in zip(wanted, found, strict=True):
            if chat is None:
                named = _named(each, [*chats, *trashed])
                raise InvalidRequest(
                    f"There is no chat whose id begins with “{each}”{named}", param="chat"
                )
        return list({chat.id: chat for chat in found if chat is not None}.values())

    async def _folder_names(self) -> dict[str, str]:
        return {folder.id: folder.name for folder in await self._store.folders()}


async def back_up_chats(store: ReadingStore, output: Path | None, *, force: bool) -> None:
    """Copy all chats into one file, which ``output`` names, or the folder it is put into."""
    target = backup_target(output, _today())
    n_bytes = await back_up(store, target, replaces=force)
    print_line(f"backed up all chats to {target} ({format_bytes(n_bytes)})")


async def restore_chats(store: ChatStore, file: Path) -> None:
    """Put the chats of a backup in the place of all, and say where those are now."""
    replaced = await ChatCare(store, nullcontext).restore(file)  # no answer runs here
    n_chats = len(await store.list_conversations()) + len(
        await store.list_conversations(is_archived=True)
    )
    print_line(f"restored {_counted(n_chats, 'chat')} from {file}")
    if replaced is not None:
        print_line(f"the chats before them are in {replaced.path}")


def _named(title: str, chats: Sequence[ConversationSummary]) -> str:
    """The chats of this title, to say which ids are meant; else those that have it in theirs."""
    wanted = " ".join(title.split()).casefold()
    titles = [(chat, " ".join(chat.title.split()).casefold()) for chat in chats]
    found = [chat for chat, its in titles if its == wanted]
    found = found or [chat for chat, its in titles if wanted and wanted in its]
    if not found:
        return "; `minerva chats list` shows the ids"
    return f"; by title, it may be {_candidates(found, _id_length([chat.id for chat in chats]))}"


def _candidates(chats: Sequence[ConversationSummary], length: int) -> str:
    """Ids and titles of the first of ``chats``, on one line."""
    shown = "; ".join(
        f"{chat.id[:length]} {' '.join(chat.title.split())}" for chat in chats[:SHOWN_CANDIDATES]
    )
    more = f"; and {len(chats) - SHOWN_CANDIDATES:,} more" if len(chats) > SHOWN_CANDIDATES else ""
    return shown + more


def _chat_of(wanted: str, chats: Sequence[ConversationSummary]) -> ConversationSummary | None:
    """The one whose id is ``wanted``, or begins so. Raises `InvalidRequest` where several do."""
    begin = wanted.lower()
    begun = [chat for chat in chats if chat.id.lower().startswith(begin)] if wanted else []
    same = [chat for chat in begun if chat.id.lower() == begin]
    exact = [chat for chat in same if chat.id == wanted] or (same if len(same) == 1 else [])
    if len(begun) <= 1 or exact:
        return next(iter(exact or begun), None)
    shown = _candidates(begun, _id_length([chat.id for chat in begun]))
    raise InvalidRequest(f"The ids of {len(begun):,} chats begin with “{wanted}”: {shown}")


def _counted(count: int, thing: str) -> str:
    return f"1 {thing}" if count == 1 else f"{count:,} {thing}s"


def _today() -> str:
    return f"{datetime.datetime.now().astimezone():%Y-%m-%d}"


def _id_length(ids: Sequence[str]) -> int:
    """How many characters tell them apart, and not fewer than `SHORTEST_ID`."""
    length = SHORTEST_ID
    while len({each[:length] for each in ids}) < len(set(ids)):
        length += 1
    return length


def _marks(chat: ConversationSummary, folders: Mapping[str, str]) -> str:
    folder = folders.get(chat.folder_id or "")
    words = ["pinned"] if chat.is_pinned else []
    words += [folder] if folder else []
    return ", ".join([*words, *(f"#{tag}" for tag in chat.tags)])


def _found(hit: SearchHit, folders: Mapping[str, str]) -> dict[str, Any]:
    """A hit for ``--json``; ``marks`` are the ranges of the snippet that match, in characters."""
    return {
        "chat": _facts(hit.conversation, folders),
        "message_id": hit.message_id,
        "time": hit.time,
        "snippet": hit.snippet.text,
        "marks": hit.snippet.marks,
    }


def _facts(chat: ConversationSummary, folders: Mapping[str, str]) -> dict[str, Any]:
    """A chat for ``--json``. Times are Unix time in seconds."""
    return {
        "id": chat.id,
        "title": chat.title,
        "updated_at": chat.updated_at,
        "model": chat.model,
        "folder": folders.get(chat.folder_id or ""),
        "tags": chat.tags,
        "is_pinned": chat.is_pinned,
        "is_archived": chat.is_archived,
        "deleted_at": chat.deleted_at,
    }
