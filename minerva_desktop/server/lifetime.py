"""Ends work early: when its client goes away, or when the endpoint stops.

Used by the routes, on the endpoint's asyncio loop. The work is cancelled, and what it holds (a
generation, a lease on a model) is given back, before `Lifetime.run` returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from minerva_desktop.errors import EndpointStopped

T = TypeVar("T")


class Lifetime:
    """How long the requests of one endpoint may run. Made and used on one asyncio loop."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """End what runs, and what comes from now on, with `EndpointStopped`."""
        self._stopping.set()

    async def run(self, work: Coroutine[Any, Any, T], receive: Receive | None = None) -> T:
        """The result of ``work``, or what it raised.

        Raises `EndpointStopped` when the endpoint stops first, and `ClientDisconnect` when the
        client goes away first, if ``receive`` is given. The request's body must be read by then.
        """
        task = asyncio.ensure_future(work)
        enders = [asyncio.ensure_future(self._stopped())]
        if receive is not None:
            enders.append(asyncio.ensure_future(disconnected(receive)))
        tasks = [task, *enders]
        reason = ""
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            # Work that got done counts, even if its client left in the same moment.
            return (task if task in done else done.pop()).result()
        except EndpointStopped as stopped:
            reason = stopped.message
            raise
        finally:
            for each in tasks:
                each.cancel(reason)
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _stopped(self) -> Any:
        await self._stopping.wait()
        raise EndpointStopped("The endpoint was switched off before the answer was complete")


async def disconnected(receive: Receive) -> NoReturn:
    """Raise `ClientDisconnect` once the client is gone. The request's body must be read by then."""
    while (await receive())["type"] != "http.disconnect":
        pass
    raise ClientDisconnect
