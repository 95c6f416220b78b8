"""Loads that a person asked for by picking a model, and gave up before it could be loaded.

On the engine thread's loop.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

_Task = asyncio.Task[Any]


class PickedLoads:
    """A load that waits for memory is given up at once; one that has not come so far yet, when it
    begins to wait, unless it is wanted again by then. What loads already goes on."""

    def __init__(self) -> None:
        self._tasks: dict[Path, set[_Task]] = {}
        self._waiting: set[_Task] = set()
        self._unwanted: set[_Task] = set()

    def begin(self, path: Path, task: _Task) -> None:
        """``task`` loads the model at ``path``: whoever gave that up has come back to it."""
        tasks = self._tasks.setdefault(path, set())
        self._unwanted -= tasks
        tasks.add(task)

    def end(self, path: Path, task: _Task) -> None:
        """It is over."""
        self._tasks[path].discard(task)
        self._waiting.discard(task)
        self._unwanted.discard(task)

    def note_wait(self, task: _Task, *, waits: bool) -> None:
        """It begins to wait, or has not to wait any more."""
        if not waits:
            self._waiting.discard(task)
            return
        self._waiting.add(task)
        if task in self._unwanted:
            task.cancel()

    def give_up(self, path: Path) -> None:
        """Nobody wants the model at ``path`` any more."""
        for task in self._tasks.get(path, ()):
            if task in self._waiting:
                task.cancel()
            else:
                self._unwanted.add(task)
