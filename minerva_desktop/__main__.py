"""Minerva's entry: what the arguments ask for, and the one place where it is put together.

    minerva [FILE …]          the window
    minerva chat [MODEL]      a conversation in the terminal
    minerva serve             the HTTP endpoint without a window
    minerva keys …            the endpoint's API keys: list, create, revoke
    minerva models …          the library: list, show, add, remove, alias
    minerva chats …           the history: list, show, search, export, import, backup, restore
    minerva selftest          does it work here?
    --engine-child            an engine child (how the frozen app starts its own)
    --window-check            draws the window unseen (how the self-test looks at it)

The imports inside the functions keep each of these free of the libraries of the others: `serve`
and `chat` never load Qt, and the window never loads llama.cpp, nor FastAPI before it serves.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minerva_desktop.command_line import window_parser
from minerva_desktop.commands.parser import CommandParser
from minerva_desktop.display import require_display
from minerva_desktop.errors import (
    InvalidRequest,
    MinervaError,
    ModelNotFound,
    NoDisplay,
    StoreError,
    UnsupportedProcessor,
    os_reason,
    with_detail,
)
from minerva_desktop.logs import FAILED, start_logging, terminal_line
from minerva_desktop.paths import may_exist
from minerva_desktop.processor import require_window_processor
from minerva_desktop.settings import Settings, SettingsFile

if TYPE_CHECKING:
    from minerva_desktop.app.generation import AnswerEngine
    from minerva_desktop.app.model_actions import MemoryGivenBack, ModelState
    from minerva_desktop.app.session_listener import SessionListener
    from minerva_desktop.engine.pool_events import PoolEvent
    from minerva_desktop.library.catalog import Catalog
    from minerva_desktop.paths import AppPaths
    from minerva_desktop.runtime import Runtime

EXIT_OK, EXIT_FAILED, EXIT_WRONG, EXIT_INTERRUPTED = 0, 1, 2, 130
MAX_DETAIL_LINES = 10
_NOTHING_NEW = "failed to load model"  # llama.cpp's last words, whatever the reason is
# What a write to stdout may fail with; other errors are no matter of the output.
_OF_OUTPUT = frozenset({errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EBADF, errno.EFBIG})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run Minerva; the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["--engine-child"]:
        from minerva_desktop.engine import child

        child.main()
        return EXIT_OK
    if given[:1] == ["--window-check"]:
        from minerva_desktop.ui import window_check

        return window_check.main()
    if given[:1] == ["--pdf-text"]:
        from minerva_desktop.documents import pdf_child

        pdf_child.main()
        return EXIT_OK
    if sys.platform == "win32":
        from minerva_desktop.running_mark import show_that_minerva_runs

        show_that_minerva_runs()
    commands = {
        "chat": _chat,
        "keys": _keys,
        "serve": _serve,
        "models": _models,
        "chats": _chats,
        "selftest": _selftest,
    }
    run = commands.get(given[0]) if given else None
    try:
        return _in_terminal(run, given[1:]) if run else _gui(given)
    except MinervaError as error:
        for line in _told(error):
            print(terminal_line(line.expandtabs()), file=sys.stderr)
        # As for what argparse refuses, however late it is found out.
        is_wrong = isinstance(error, InvalidRequest | ModelNotFound)
        return EXIT_WRONG if is_wrong else EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _told(error: MinervaError) -> list[str]:
    """What is wrong, in lines. A short detail belongs to its sentence; the last words of a process
    have lines of theirs, and of many the last ones tell why it ended."""
    lines = [line for line in error.detail.splitlines() if _is_news(line, error.message)]
    if len(lines) < 2:
        return [f"{FAILED}{with_detail(error.message, ''.join(lines))}"]
    n_more = len(lines) - MAX_DETAIL_LINES
    if n_more > 0:
        words = f"Its last {MAX_DETAIL_LINES} lines, without the {n_more} before them:"
        lines = [words, *lines[n_more:]]
    return [f"{FAILED}{error.message}", *lines]


def _is_news(line: str, message: str) -> bool:
    """Whether a line of a detail says more than the ``message`` that was made of it. llama.cpp puts
    the names of its functions before what it says."""
    said = line.strip().rpartition(": ")[2]
    return said not in message and said != _NOTHING_NEW


def _in_terminal(run: Callable[[list[str]], int], arguments: list[str]) -> int:
    # What is closed is None, and the next file that is opened would be in its place.
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - to the end
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None and run is not _serve:  # which says nothing there
        raise StoreError("The standard output is closed: there is nowhere to write to")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Not every encoding has every character: a pipe or a file gets one that does, and in a
        # terminal what cannot be written is a question mark.
        encoding = sys.stdout.encoding if sys.stdout.isatty() else "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="replace")
    try:
        code = run(arguments)
        _flush_output()
    except BrokenPipeError:
        return EXIT_FAILED  # whoever read this has gone (`| head`)
    except OSError as error:
        if error.filename is not None or error.errno not in _OF_OUTPUT:
            raise
        raise StoreError(f"The output could not be written: {os_reason(error)}") from error
    finally:
        _drop_unwritten_output()
    return code


def _flush_output() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _drop_unwritten_output() -> None:
    """Python would complain once more at its exit, where it flushes stdout."""
    try:
        _flush_output()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# -- the window --------------------------------------------------------------------------------


def _gui(arguments: list[str]) -> int:
    parser = window_parser(CommandParser)
    options = parser.parse_args(arguments)
    for path in options.files:
        if not path.suffix and not may_exist(path):
            parser.error(f"there is no command and no file “{path}”; --help tells the commands")
    try:
        require_window_processor()
        require_display(os.environ)
        return _window(options.files)
    except Exception as error:
        _show_failed_start(error)
        raise


def _show_failed_start(error: Exception) -> None:
    from minerva_desktop import failed_start

    if not failed_start.is_seen_by_nobody():
        return
    text = failed_start.log_failure(error)
    if isinstance(error, UnsupportedProcessor | NoDisplay):  # which would end the process
        failed_start.show_without_qt(text)
        return
    try:
        from minerva_desktop.ui.failure_window import show_failure
    except ImportError:  # which may be why it failed
        failed_start.show_without_qt(text)
    else:
        show_failure(failed_start.TITLE, text)


def _window(files: list[Path]) -> int:
    from minerva_desktop.ui.import_scan import stop_import_scan
    from minerva_desktop.ui.lean_asyncio import import_asyncio

    stop_import_scan()
    import_asyncio()
    from minerva_desktop.api_keys import KeyFile
    from minerva_desktop.app.access_keys import AccessKeys
    from minerva_desktop.app.chat_care import saving_trouble
    from minerva_desktop.app.chat_library import ChatLibrary
    from minerva_desktop.app.model_actions import ModelActions
    from minerva_desktop.app.preset_file import PresetFile
    from minerva_desktop.app.services import Services
    from minerva_desktop.commands.folders import open_catalog, ready_paths
    from minerva_desktop.engine.snapshot_files import SnapshotFiles
    from minerva_desktop.store.chat_store import ChatStore
    from minerva_desktop.ui.application import run_window

    paths = ready_paths()
    start_logging(paths.logs)
    settings = SettingsFile(paths.settings)
    catalog = open_catalog(paths)

    def make_runtime(on_change: Callable[[ModelState | MemoryGivenBack], None]) -> Runtime:
        return _window_runtime(catalog, settings.current, paths, on_change)

    async def open_chats(engine: AnswerEngine, listener: SessionListener) -> ChatLibrary:
        store = await ChatStore.open(
            paths.database,
            on_trouble=lambda trouble: listener.on_disk_trouble(saving_trouble(trouble)),
        )
        return ChatLibrary(store, engine, listener, SnapshotFiles(paths.snapshots))

    services = Services(
        paths=paths,
        settings=settings,
        models=ModelActions(catalog),
        access_keys=AccessKeys(KeyFile(paths.api_keys)),
        presets=PresetFile(paths.presets),
        open_chats=open_chats,
    )
    return run_window(services, make_runtime, [path.absolute() for path in files])


def _window_runtime(
    catalog: Catalog,
    settings: Settings,
    paths: AppPaths,
    on_change: Callable[[ModelState | MemoryGivenBack], None],
) -> Runtime:
    from minerva_desktop.api_keys import KeyFile
    from minerva_desktop.app.memory_budgets import gpu_bytes, memory_bytes
    from minerva_desktop.app.model_actions import load_options, own_options, told
    from minerva_desktop.library.measured_memory import MeasuredMemory
    from minerva_desktop.runtime import Runtime

    def tell(event: PoolEvent) -> None:
        on_change(told(event))

    options = load_options(settings, paths.snapshots)
    return Runtime(
        catalog,
        options,
        own_options=own_options(settings, options),
        memory_bytes=memory_bytes(settings),
        gpu_bytes=gpu_bytes(settings),
        measured=MeasuredMemory(paths.measured_memory),
        on_event=tell,
        key_file=KeyFile(paths.api_keys),
    )


# -- the terminal ------------------------------------------------------------------------------


def _chat(arguments: list[str]) -> int:
    from minerva_desktop.commands.chat import chat

    return chat(arguments)


# -- the endpoint ------------------------------------------------------------------------------


def _serve(arguments: list[str]) -> int:
    from minerva_desktop.commands.serve import serve

    return serve(arguments)


def _keys(arguments: list[str]) -> int:
    from minerva_desktop.commands.keys import keys

    return keys(arguments)


# -- the library -------------------------------------------------------------------------------


def _models(arguments: list[str]) -> int:
    from minerva_desktop.commands.models import models

    return models(arguments)


# -- the history -------------------------------------------------------------------------------


def _chats(arguments: list[str]) -> int:
    from minerva_desktop.commands.chats import chats

    return chats(arguments)


# -- the self-test -----------------------------------------------------------------------------


def _selftest(arguments: list[str]) -> int:
    from minerva_desktop.commands.selftest import selftest

    return selftest(arguments)


if __name__ == "__main__":
    sys.exit(main())
