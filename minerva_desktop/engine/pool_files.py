"""Whether the files of a `ModelPool`'s models are still there.

On the pool's loop, which a disk that hangs (a network's) must not keep: a thread asks it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

CHECK_SECONDS = 3.0  # a disk that has not said by then whether a file is there is as good as gone


class ModelFiles:
    """Asks once at a time for each file, however many want to know."""

    def __init__(
        self, exists: Callable[[Path], bool] = Path.exists, seconds: float = CHECK_SECONDS
    ) -> None:
        """``exists`` may block; after ``seconds`` it counts as no."""
        self._exists = exists
        self._seconds = seconds
        self._asked: dict[Path, asyncio.Task[bool]] = {}

    async def is_there(self, path: Path) -> bool:
        """Whether the file could be read now, as far as its disk says; never raises `OSError`."""
        asked = self._asked.get(path)
        if asked is None:
            asked = self._asked[path] = asyncio.create_task(self._ask(path))
        await asyncio.wait([asked], timeout=self._seconds)
        return asked.done() and asked.result()

    async def _ask(self, path: Path) -> bool:
        try:
            return await asyncio.to_thread(self._exists, path)
        except OSError:  # such as of a server that went away
            return False
        finally:
            del self._asked[path]
