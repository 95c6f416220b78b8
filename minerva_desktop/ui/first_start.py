"""Which of several starts opens the window: the one that holds a lock on a file beside the chats.
The system frees it with the process, however that ends. Main thread.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from minerva_desktop.ui import call_words
from minerva_desktop.ui.call_words import DEAF, LOCK_NAME
from minerva_desktop.ui.single_instance import handed_over

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

AGAIN_SECONDS = 0.02  # one that won begins to hear some milliseconds later

_log = logging.getLogger(__name__)


class FirstStart:
    """The right to open the window for a data folder."""

    def __init__(self, data: Path) -> None:
        """``data`` is the folder that the starts would share; it need not be there."""
        self._data = data
        self._file: int | None = None

    def is_taken_over(self, files: Sequence[Path], environment: Mapping[str, str]) -> bool:
        """Whether another start has the window and took ``files``. Otherwise the window is to be
        opened here: the right to is held now, unless one who has it cannot be called, or does not
        answer within `ANSWER_MS`. One who has it and ends meanwhile leaves it to this one."""
        until = time.monotonic() + call_words.ANSWER_MS / 1000
        while not handed_over(self._data, files, environment):
            if self.take() or self._is_deaf() or time.monotonic() > until:
                return False
            time.sleep(AGAIN_SECONDS)
        return True

    def take(self) -> bool:
        """Hold the right; False where another has it. Where the folder takes no lock (it may be
        read-only), everybody has the right, as if alone."""
        if self._file is not None:
            return True
        try:
            file = os.open(self._data / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            _log.info("Starts at the same time cannot be told apart: %s", error)
            return True
        try:
            is_free = _lock(file)
        except OSError as error:  # a file system without locks
            _log.info("Starts at the same time cannot be told apart: %s", error)
            is_free = True
        if is_free:
            self._file = file
            with suppress(OSError):
                os.ftruncate(file, 0)  # where one heard who is gone
        else:
            os.close(file)
        return is_free

    def write_down(self, place: bytes) -> None:
        """Tell other starts where this one hears (`SingleInstance.listen`), if it holds the right:
        otherwise the file is about the one who does."""
        if self._file is None or not place:
            return
        with suppress(OSError):  # others look where they would hear
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, place)

    def _is_deaf(self) -> bool:
        """Whether the one who has the right says that nobody can call it."""
        with suppress(OSError):
            return (self._data / LOCK_NAME).read_bytes() == DEAF
        return False

    def release(self) -> None:
        """Leave the right to others. Idempotent."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _lock(file: int) -> bool:
    """Lock an open file, unless another has; to its closing. Raises `OSError`."""
    if sys.platform == "win32":
        # Which tells "locked by another" like any other refusal.
        with suppress(OSError):
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
            return True
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
