"""Coroutines that slots of the window start, and the one place where their errors surface."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

from minerva_desktop.errors import MinervaError

# For what goes on when the window is closed: to export all chats to a slow disk takes minutes.
GRACE_SECONDS = 600.0

_log = logging.getLogger(__name__)


def unforeseen(error: BaseException) -> MinervaError:
    """What is shown of a bug of ours, or of what the system refused us. Any thread."""
    trace = "".join(traceback.format_exception(error))
    return MinervaError("Something went wrong in Minerva", detail=trace)


class UiTasks:
    """Runs coroutines on the window's loop and keeps them alive. Main thread."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_error: Callable[[MinervaError], None]
    ) -> None:
        self._loop = loop
        self._on_error = on_error
        self._tasks: set[asyncio.Task[None]] = set()
        self._finished = False

    def start(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[None] | None:
        """Run ``work``; a `MinervaError` that it raises is shown. Nothing starts after `finish`:
        None then."""
        if self._finished:
            work.close()
            return None
        task = self._loop.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # one cancelled before it began
        return task

    async def finish(self) -> None:
        """Wait for all that was started, and take no more: timers of the window still fire. What
        waits for something that never comes is given up in the end."""
        self._finished = True
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=GRACE_SECONDS)
        for task in late:
            _log.error("A task of the window did not end: %r", task)
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=GRACE_SECONDS)

    async def _guarded(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except MinervaError as error:
            self._on_error(error)
        except Exception as error:  # noqa: BLE001 - the top of a task that nobody awaits
            _log.exception("A task of the window failed")
            self._on_error(unforeseen(error))


class LatestTask:
    """Work of which only the latest is wanted: what it asks of others for nobody is given up.
    Main thread."""

    def __init__(self, tasks: UiTasks) -> None:
        self._tasks = tasks
        self._latest: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the latest is not over."""
        return self._latest is not None and not self._latest.done()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` instead of that which was started before."""
        self.cancel()
        self._latest = self._tasks.start(work)

    def cancel(self) -> None:
        """Nothing of it is wanted any more; idempotent."""
        if self._latest is not None:
            self._latest.cancel()
            self._latest = None
