"""Whether a model's file is there, on disks that hang or fail."""

from __future__ import annotations

import asyncio
import errno
import threading
from pathlib import Path

from minerva_desktop.engine.pool_files import ModelFiles


async def test_a_disk_that_hangs_keeps_nobody_and_is_asked_once_at_a_time(tmp_path: Path) -> None:
    may_answer = threading.Event()
    asked: list[Path] = []

    def exists(path: Path) -> bool:
        asked.append(path)
        may_answer.wait()
        return True

    files = ModelFiles(exists, seconds=0.01)
    try:
        # The loop runs meanwhile, or these would never end.
        answers = await asyncio.gather(*(files.is_there(tmp_path) for _ in range(20)))
    finally:
        may_answer.set()
    assert (answers, asked) == ([False] * 20, [tmp_path])
    while not await files.is_there(tmp_path):  # its first answer comes too late, and then others
        pass


async def test_what_the_disk_says_is_taken(tmp_path: Path) -> None:
    def fails(_path: Path) -> bool:
        raise OSError(errno.ESTALE, "Stale file handle")

    assert not await ModelFiles(fails).is_there(tmp_path)
    files = ModelFiles()
    assert await files.is_there(tmp_path)
    assert not await files.is_there(tmp_path / "gone")
