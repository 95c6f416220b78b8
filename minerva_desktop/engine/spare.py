"""A child process that is started before it is needed, so that a load does not wait for Python and
llama.cpp's libraries.

Used on the asyncio loop of the engines that take it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from minerva_desktop.engine.child_answer import answer_of
from minerva_desktop.engine.messages import Ping, Pong
from minerva_desktop.engine.process import ChildProcess, child_command

# A sign of life takes a millisecond, and another child half a second. One that stands still would
# else be found by its load, after 8 s.
ANSWER_SECONDS = 0.5

_log = logging.getLogger(__name__)


class SpareChild:
    """At most one child waits for a model."""

    def __init__(self, command: Sequence[str] | None = None) -> None:
        """``command`` starts a child."""
        self._command = tuple(command or child_command())
        self._child: ChildProcess | None = None
        self._starting = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """Its process id; None when there is none."""
        return None if self._child is None else self._child.pid

    async def take(self) -> ChildProcess:
        """The child that waits, or a new one, also where that one does not answer. Raises `OSError`
        when the system cannot start one."""
        async with self._starting:
            child, self._child = self._child, None
        if child is not None:
            if await _is_well(child):
                return child
            child.kill()
            await child.close()
        return await ChildProcess.start(self._command)

    async def prepare(self) -> None:
        """Start one, if none waits; without it a load only takes a little longer.

        It is asked for a sign of life: one that stands still later on, when it is wanted, is then
        not taken for one that is still starting.
        """
        async with self._starting:
            if self._child is None:
                try:
                    self._child = await ChildProcess.start(self._command)
                except OSError as error:
                    _log.warning("No spare engine process could be started: %s", error)
                else:
                    self._child.send(Ping())

    async def put_back(self, child: ChildProcess) -> None:
        """Let ``child``, which has no model, wait again; it is ended if another one waits."""
        try:
            async with self._starting:
                if self._child is None and child.is_running:
                    self._child = child
                    return
        except asyncio.CancelledError:
            child.kill()  # nobody else knows it
            raise
        await child.close()

    async def close(self) -> bool:
        """End the one that waits, or is about to; whether there was one."""
        async with self._starting:
            child, self._child = self._child, None
        if child is not None:
            await child.close()
        return child is not None


async def _is_well(child: ChildProcess) -> bool:
    """Whether it is there and, if it ever did, still speaks."""
    if not (child.is_running and child.has_spoken):
        return child.is_running
    return await answer_of(child, Ping(), Pong, ANSWER_SECONDS) is not None
