"""What happens when the frozen app cannot open its window: it goes into the log file, and onto the
screen, for whoever clicked on an icon sees no terminal. Main thread.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from minerva_desktop.errors import MinervaError, StoreError
from minerva_desktop.logs import start_logging
from minerva_desktop.paths import app_paths

TITLE = "Minerva could not start"
_log = logging.getLogger(__name__)
_MISSING_LIBRARY = re.compile(r"^(lib\S+): cannot open shared object file")
# Programs that show a sentence in a window of their own, with what comes before it.
_SHOWING = {
    "kdialog": ("--title", TITLE, "--error"),
    "zenity": ("--error", "--no-markup", f"--title={TITLE}", "--text"),
    "xmessage": ("-center",),
}


def is_seen_by_nobody() -> bool:
    """Whether what the frozen app writes to stderr reaches no person."""
    return getattr(sys, "frozen", False) and not (sys.stderr and sys.stderr.isatty())


def log_failure(error: Exception) -> str:
    """Put ``error`` into the log file, where stderr gets one sentence of it from elsewhere; return
    what to tell the person."""
    folder = _log_folder()
    if not _files():
        start_logging(folder)
    where = (type(error), error, error.__traceback__)
    words = "The window could not be opened"
    record = _log.makeRecord(_log.name, logging.ERROR, __file__, 0, words, (), where)
    for handler in _files():
        handler.handle(record)
    reason = f"{TITLE}: {_sentence(error)}"
    return reason if folder is None else f"{reason}\n\nThe log is in {folder}."


def _files() -> list[logging.FileHandler]:
    handlers = logging.getLogger().handlers
    return [handler for handler in handlers if isinstance(handler, logging.FileHandler)]


def _log_folder() -> Path | None:
    try:
        folder = app_paths().logs
        return folder if folder.is_dir() else None
    except (StoreError, OSError):  # which may be what the start failed by
        return None


def _sentence(error: Exception) -> str:
    if isinstance(error, MinervaError):
        return f"{error.message}\n\n{error.detail}".strip()
    library = _MISSING_LIBRARY.match(str(error)) if isinstance(error, ImportError) else None
    if library:
        return f"the system library {library[1]} is missing. Install it, and start Minerva again."
    return f"{type(error).__name__}: {error}"


def show_without_qt(text: str) -> None:
    """Show ``text`` by a program of the desktop; where there is none, the log file has to do."""
    for program, arguments in _SHOWING.items():
        path = shutil.which(program)
        if path and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            subprocess.run([path, *arguments, text], check=False)
            return
