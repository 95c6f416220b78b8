"""Logging: a small rotating file for a bug report, warnings also on stderr. No chat text in it."""

from __future__ import annotations

import logging
import logging.handlers
import sys
import unicodedata
from collections.abc import Collection
from io import TextIOWrapper
from pathlib import Path

from minerva_desktop.errors import os_reason
from minerva_desktop.paths import private_opener

# What went wrong is told behind it, whichever command it was: one prefix to look for.
FAILED = "minerva: "
_REPLACEMENT = "\ufffd"
_JOINERS = "\u200c\u200d"  # parts of words in Persian and Hindi, and of emoji
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_FILE_BYTES = 1024 * 1024
_FILES = 3

_log = logging.getLogger(__name__)


def terminal_line(text: str) -> str:
    """``text`` as one line that a terminal only shows: a file name may hold line breaks, and
    characters that move the cursor or turn the writing direction; U+FFFD stands for each. Spaces of
    any width become plain ones."""
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    return " " if unicodedata.category(character) == "Zs" else _REPLACEMENT


class _TerminalFormatter(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's
        return terminal_line(super().formatMessage(record))


class _PrivateFile(logging.handlers.RotatingFileHandler):
    _is_refused = False  # by the disk, which was said

    def _open(self) -> TextIOWrapper:
        return open(
            self.baseFilename, "a", encoding=self.encoding, errors=self.errors,
            opener=private_opener,
        )  # fmt: skip

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's
        """A full disk is said once; each line after it is tried again, in silence."""
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._is_refused:
            self._is_refused = True  # first: what is said goes to the file, too
            _log.warning(
                "The log file %s cannot be written: %s", self.baseFilename, os_reason(error)
            )


def start_logging(folder: Path | None, told_otherwise: Collection[str] = ()) -> None:
    """Set up the root logger, once per process; ``folder`` None logs to stderr alone. What the
    loggers ``told_otherwise`` warn of does not go to stderr: the command says it in its own words.
    """
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    console = logging.StreamHandler()
    console.setLevel(logging.WARNING)
    console.setFormatter(_TerminalFormatter("%(levelname)s: %(message)s"))
    console.addFilter(
        lambda record: record.levelno > logging.WARNING or record.name not in told_otherwise
    )
    root.addHandler(console)
    if folder is None:
        return
    try:
        file = _PrivateFile(
            folder / "minerva.log",
            maxBytes=_FILE_BYTES,
            backupCount=_FILES,
            encoding="utf-8",
            errors="backslashreplace",  # a file's name may be no UTF-8
        )
    except OSError as error:
        root.warning("No log file can be written to %s: %s", folder, os_reason(error))
        return
    file.setFormatter(logging.Formatter(_FORMAT))
    root.addHandler(file)
