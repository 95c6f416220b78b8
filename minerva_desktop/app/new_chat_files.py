"""The files that wait in the composer of a chat without messages, which is not among those on disk.

Coroutines of the window's loop; the disk is used on other threads. What can be lost without harm:
a file that cannot be written or read is only logged.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

import msgspec

from minerva_desktop.chat.parts import Files
from minerva_desktop.paths import private_opener

_log = logging.getLogger(__name__)


class NewChatFiles:
    """``path`` is there for as long as files wait."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wanted: Files = ()
        self._written: Files | None = None
        self._lock = asyncio.Lock()

    async def load(self) -> Files:
        """Those of last time."""
        files = await asyncio.to_thread(self._read)
        self._wanted = self._written = files
        return files

    async def keep(self, files: Files) -> None:
        """Have ``files`` wait, and no others."""
        self._wanted = files
        async with self._lock:
            if self._written != self._wanted:
                self._written = self._wanted
                await asyncio.to_thread(self._write, self._written)

    def _read(self) -> Files:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Files)
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.DecodeError) as error:
            _log.warning("The files of a new chat could not be read: %s", error)
            return ()

    def _write(self, files: Files) -> None:
        draft = self._path.with_name(f"{self._path.name}.new")
        try:
            if not files:
                self._path.unlink(missing_ok=True)
                return
            with open(draft, "wb", opener=private_opener) as file:
                file.write(msgspec.json.encode(files))
            draft.replace(self._path)
        except OSError as error:
            _log.warning("The files of a new chat could not be kept: %s", error)
            with suppress(OSError):
                draft.unlink(missing_ok=True)
