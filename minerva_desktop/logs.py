"""Logging: a small rotating file for a bug report, warnings also on stderr. No chat text in it."""

from __future__ import annotations

import logging
import logging.handlers
from pathlib import Path

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_FILE_BYTES = 1024 * 1024
_FILES = 3


def start_logging(folder: Path | None) -> None:
    """Set up the root logger, once per process; ``folder`` None logs to stderr alone."""
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    console = logging.StreamHandler()
    console.setLevel(logging.WARNING)
    console.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    root.addHandler(console)
    if folder is None:
        return
    try:
        file = logging.handlers.RotatingFileHandler(
            folder / "minerva.log",
            maxBytes=_FILE_BYTES,
            backupCount=_FILES,
            encoding="utf-8",
            errors="backslashreplace",  # a file's name may be no UTF-8
        )
    except OSError as error:
        root.warning("No log file can be written to %s: %s", folder, error)
        return
    file.setFormatter(logging.Formatter(_FORMAT))
    root.addHandler(file)
