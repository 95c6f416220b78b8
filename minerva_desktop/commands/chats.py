"""``minerva chats``: the history, its export and its import. Main thread; never loads Qt.

What only reads works beside a window that has the chats open.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from functools import partial
from pathlib import Path

from minerva_desktop.app.chat_commands import ChatCommands, back_up_chats, restore_chats
from minerva_desktop.app.chat_stores import reading, recovering, writing
from minerva_desktop.app.export_targets import ExportFormat, format_of
from minerva_desktop.commands.folders import ready_paths
from minerva_desktop.commands.parser import CommandParser, count
from minerva_desktop.logs import start_logging

EXIT_OK, EXIT_FAILED = 0, 1
# Who warns of what is the command's own error here, or told by `app.chat_stores`.
_TOLD = ("minerva_desktop.store.database", "minerva_desktop.store.recovery")


def chats(arguments: list[str]) -> int:
    """Run the command; the exit code. Raises `MinervaError`."""
    parser = argument_parser()
    given = parser.parse_args(arguments)
    if given.command == "export":
        if given.all == bool(given.chats):
            parser.error("export: name the chats, or say --all")
        given.folder = (given.output or "").endswith(("/", os.sep))
        given.output = None if given.output is None else Path(given.output)
        given.kind = _format(parser, given)
        given.written = {}  # what damage that is met midway leaves done
    start_logging(None, told_otherwise=_TOLD)
    database = ready_paths().database
    if given.command == "import":
        work = partial(_import, database, given.files)
        return asyncio.run(recovering(work, database, repeats=False))
    if given.command == "restore":
        restore = partial(_restore, database, given.file)
        asyncio.run(recovering(restore, database, repeats=False))
        return EXIT_OK
    streams = given.command == "export" and given.output == Path("-")
    asyncio.run(recovering(partial(_read, database, given), database, repeats=not streams))
    return EXIT_OK


async def _import(database: Path, files: list[Path]) -> int:
    async with writing(database) as store:
        is_whole = await ChatCommands(store).import_files(files)
    return EXIT_OK if is_whole else EXIT_FAILED


async def _restore(database: Path, file: Path) -> None:
    async with writing(database) as store:
        await restore_chats(store, file)


async def _read(database: Path, given: argparse.Namespace) -> None:
    async with reading(database) as store:
        commands = ChatCommands(store)
        match given.command:
            case "list":
                await commands.list_chats(
                    is_archived=given.archived, in_trash=given.trash, as_json=given.json
                )
            case "show":
                await commands.show(given.chat, as_json=given.json)
            case "search":
                await commands.search(" ".join(given.words), given.limit, as_json=given.json)
            case "export":
                wanted = None if given.all else given.chats
                await commands.export(
                    wanted,
                    given.kind,
                    given.output,
                    is_folder=given.folder,
                    force=given.force,
                    written=given.written,
                )
            case "backup":
                await back_up_chats(store, given.output, force=given.force)


def _format(parser: argparse.ArgumentParser, given: argparse.Namespace) -> ExportFormat:
    """The one that was asked for, else that of the file's name, else Markdown."""
    of_name = None if given.output is None else format_of(given.output)
    if given.format is None:
        return of_name or ExportFormat.MARKDOWN
    asked = ExportFormat(given.format)
    if of_name not in {None, asked}:
        parser.error(f"export: {given.output.name} is no name for {asked.value}")
    return asked


def argument_parser() -> argparse.ArgumentParser:
    """What the command takes, with its help."""
    parser = CommandParser(prog="minerva chats", description="Your chats, from the command line.")
    commands = parser.add_subparsers(dest="command", required=True)
    listed = commands.add_parser("list", help="all chats, the last used first")
    places = listed.add_mutually_exclusive_group()
    places.add_argument("--archived", action="store_true", help="those in the archive instead")
    places.add_argument("--trash", action="store_true", help="those in the trash instead")
    show = commands.add_parser("show", help="one chat, to read; with --json all branches of it")
    show.add_argument("chat", help="its id, or the first characters of it")
    search = commands.add_parser(
        "search",
        help="find words in titles and messages",
        description="Find words in titles and in the first 100,000 characters of each message.",
    )
    search.add_argument(
        "words",
        nargs="+",
        help="in any order; a phrase in quotes of its own, and filters: model:NAME before:2026-03 "
        "after:7d pinned:yes folder:NAME tag:NAME",
    )
    search.add_argument("--limit", type=count, default=20, metavar="N", help="at most so many (20)")
    for command in (listed, show, search):
        command.add_argument("--json", action="store_true", help="for scripts")
    _add_export(commands.add_parser("export", help="write chats to files"))
    take = commands.add_parser(
        "import",
        help="take chats in: our own JSON, ChatGPT's export, LM Studio's files",
        description="Take chats in: Minerva's own JSON, ChatGPT's export (the .zip, or "
        "conversations.json) and LM Studio's .conversation.json files. What a file is, its content "
        "says. Chats that are here already get the messages that are new.",
    )
    take.add_argument("files", nargs="+", type=Path, metavar="FILE", help="or folders with such")
    backup = commands.add_parser("backup", help="copy all chats into one file")
    backup.add_argument(
        "output", nargs="?", type=Path, metavar="FILE", help="default: here, with today's date"
    )
    backup.add_argument("--force", action="store_true", help="replace the file")
    restore = commands.add_parser(
        "restore",
        help="put the chats of such a file in the place of all",
        description="Put the chats of a file that `backup` made in the place of all that are here. "
        "These are backed up first.",
    )
    restore.add_argument("file", type=Path, metavar="FILE")
    return parser


def _add_export(export: argparse.ArgumentParser) -> None:
    export.add_argument("chats", nargs="*", metavar="CHAT", help="ids, or their first characters")
    export.add_argument("--all", action="store_true", help="all chats but those in the trash")
    export.add_argument(
        "--format",
        choices=[each.value for each in ExportFormat],
        help="markdown (default) and html: to read, the branch that is shown; json: everything, "
        "for an import",
    )
    export.add_argument(
        "-o",
        "--output",
        metavar="PATH",
        help="a file, or a folder to put it into (with a slash at its end it is made); for several "
        "chats as markdown or html a folder, or a .zip, never one .md or .html; “-” writes to "
        "the standard output (default: here, named after the chat)",
    )
    export.add_argument("--force", action="store_true", help="replace files that are there")
