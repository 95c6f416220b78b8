"""``minerva selftest``: does Minerva work on this machine? Main thread; never loads Qt, which a
process of its own does."""

from __future__ import annotations

import argparse
import asyncio
import sys

import msgspec

from minerva_desktop import __version__
from minerva_desktop.app.self_report import fact_rows, title
from minerva_desktop.app.self_test import SelfTest, SelfTestEvent
from minerva_desktop.app.terminal_output import print_json, print_line
from minerva_desktop.commands.parser import CommandParser
from minerva_desktop.errors import StoreError
from minerva_desktop.library.catalog import find_embedded_model
from minerva_desktop.logs import start_logging
from minerva_desktop.paths import AppPaths, app_paths, resources_dir

EXIT_OK, EXIT_FAILED = 0, 1
# What they warn of is in the report.
_TOLD = ("minerva_desktop.engine.connection",)


def argument_parser() -> argparse.ArgumentParser:
    """What the command takes, with its help."""
    parser = CommandParser(
        prog="minerva selftest",
        description="Check that Minerva works here: its files and folders, the chats (which are"
        " only read), the engine, an answer of the model that comes with it, and the window, which"
        " is drawn where nobody sees it. The report holds no names, paths or chats of yours.",
    )
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="for scripts")
    shape.add_argument(
        "--json-lines", action="store_true", help="the same as it comes, a JSON object a line"
    )
    return parser


def selftest(arguments: list[str]) -> int:
    """Run the command; 0 where all is well."""
    given = argument_parser().parse_args(arguments)
    start_logging(None, told_otherwise=_TOLD)
    tell = _tell_line if given.json_lines else _tell_nothing if given.json else _tell_person
    if not given.json and not given.json_lines:
        print_line(title(__version__))
        print_line()
    test = SelfTest(_paths(), resources_dir(), find_embedded_model(), tell)
    report = asyncio.run(test.run())
    if given.json:
        print_json(msgspec.to_builtins(report))
    return EXIT_OK if report.is_well else EXIT_FAILED


def _paths() -> AppPaths | StoreError:
    try:
        return app_paths()
    except StoreError as error:  # which the check of the folders tells
        return error


def _tell_line(event: SelfTestEvent) -> None:
    # In UTF-8 for the window: `__main__` gives each pipe that.
    print(msgspec.json.encode(event).decode(), flush=True)


def _tell_nothing(_event: SelfTestEvent) -> None:
    """All of it comes at the end."""


def _tell_person(event: SelfTestEvent) -> None:
    if event.begins is not None and sys.stderr.isatty():
        print(f"…       {event.begins}\r", end="", file=sys.stderr, flush=True)
    if event.check is not None:
        print_line(event.check.line)
        sys.stdout.flush()
    if event.report is not None:
        print_line()
        for row in fact_rows(event.report.facts):
            print_line(row)
        print_line(event.report.verdict)
