"""What was recovered and no window has told yet, in a file beside the chats: a command that meets
damage tells it on stderr, where the person may not look. All block; any thread.
"""

from __future__ import annotations

import logging
from pathlib import Path

from minerva_desktop.paths import private_opener

logger = logging.getLogger(__name__)


def add(path: Path, words: str) -> None:
    """Keep ``words`` about the chats in ``path`` for the next window, if the disk takes them."""
    try:
        with open(
            _note(path), "a", encoding="utf-8", errors="replace", opener=private_opener
        ) as file:
            file.write(f"{words}\n")
    except OSError as error:
        logger.warning("%s could not be noted for the next window: %s", words, error)


def take(path: Path) -> str:
    """All that was kept since the last time, one recovery a line; empty where there was none."""
    note = _note(path)
    try:
        words = note.read_text(encoding="utf-8", errors="replace").strip()
        note.unlink()
    except FileNotFoundError:
        return ""
    except OSError as error:
        logger.warning("what is noted in %s cannot be told: %s", note, error)
        return ""
    return words


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".recoveries")
