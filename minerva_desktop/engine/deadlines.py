"""The time limits of requests as their parent keeps them, whatever the engine child is doing.

The child looks at them between its steps (`core.request`); here they also pass while a request
waits to be prepared, and during a step that takes long or never ends. Used on the asyncio loop of
its `LlamaEngine`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from minerva_desktop.chat.limits import Asked, RequestLimits, Wait, timed_out
from minerva_desktop.errors import GenerationTimeout


class Deadlines:
    """Timers of the requests that have limits."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_passed: Callable[[int, GenerationTimeout], None]
    ) -> None:
        """``on_passed`` is told once which request has taken too long, and what to say."""
        self._loop = loop
        self._on_passed = on_passed
        self._timers: dict[int, dict[Wait, asyncio.TimerHandle]] = {}

    def watch(self, request_id: int, limits: RequestLimits, asked: Asked = Asked.ANSWER) -> None:
        """A request was sent to the child."""
        timers = {
            wait: self._loop.call_later(limit, self._pass, request_id, asked, wait, limit)
            for wait, limit in limits.times()
        }
        if timers:
            self._timers[request_id] = timers

    def note(self, request_id: int, *waits: Wait) -> None:
        """These waits of a request are over."""
        timers = self._timers.get(request_id)
        if timers is None:  # nearly always; asked for each token
            return
        for wait in waits:
            timer = timers.pop(wait, None)
            if timer is not None:
                timer.cancel()

    def forget(self, request_id: int) -> None:
        """The request is over; idempotent."""
        for timer in self._timers.pop(request_id, {}).values():
            timer.cancel()

    def stop(self) -> None:
        """All requests are over."""
        for request_id in tuple(self._timers):
            self.forget(request_id)

    def _pass(self, request_id: int, asked: Asked, wait: Wait, limit: float) -> None:
        self.forget(request_id)
        self._on_passed(request_id, timed_out(wait, waited=limit, limit=limit, asked=asked))
