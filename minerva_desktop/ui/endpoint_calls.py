"""The local server's switch, as the window's thread reaches it in the engine's thread.

A part of `EngineWorker`, which makes it and lends it the ways into its thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from minerva_desktop.chat.served_request import GRACE_SECONDS
from minerva_desktop.settings import Settings
from minerva_desktop.ui.request_calls import Await

Ending = tuple[int, int]


class Switch(Protocol):
    """See `server.endpoint_switch`."""

    @property
    def url(self) -> str | None:
        """Where it listens."""

    async def start(
        self,
        *,
        port: int,
        host: str,
        allowed_origins: tuple[str, ...],
        allowed_hosts: tuple[str, ...],
        request_timeout_s: float | None,
        grace_s: float,
    ) -> str:
        """Serve."""

    async def use_rules(
        self,
        *,
        allowed_origins: tuple[str, ...],
        allowed_hosts: tuple[str, ...],
        request_timeout_s: float | None,
    ) -> None:
        """Others from now on."""

    async def network_urls(self) -> tuple[str, ...]:
        """Those for other machines."""

    async def stop(self, grace_s: float) -> None:
        """Serve no more."""

    def hurry(self) -> None:
        """With no grace."""

    async def moved(self) -> None:
        """Wait for what runs on a port that was left."""

    def ending(self) -> Ending:
        """How much runs that is to end: here, and there."""


class Served(Protocol):
    """What is asked of the runtime; see `runtime.Runtime`."""

    @property
    def endpoint(self) -> Switch:
        """Its endpoint."""

    def set_max_waiting(self, max_waiting: int) -> None:
        """So many requests may wait for each model."""


class EndpointCalls:
    """Its methods are for the window's thread and return at once."""

    def __init__(
        self, call: Callable[..., None], await_: Await, runtime: Callable[[], Served]
    ) -> None:
        """``call`` has a function called in the engine's thread; ``runtime`` is the one that runs
        there."""
        self._call = call
        self._await = await_
        self._runtime = runtime

    async def start(self, settings: Settings) -> str:
        """Serve over HTTP as these want, to this machine or to the network too; the base URL, which
        in the network is good there, too. What runs has its grace; see `EndpointSwitch.start`.
        Raises `EndpointError`, and `InvalidRequest` for a setting that makes no sense, or the
        network without a key."""
        return await self._await(self._start(settings))

    async def url(self) -> str | None:
        """The base URL as `start` gave it; None where nothing is served."""
        return await self._await(self._url())

    async def use_rules(self, settings: Settings) -> None:
        """Whom these let in, for how long and how many at a time counts from the next request on;
        what runs goes on. Raises `InvalidRequest`."""
        await self._await(self._use_rules(settings))

    async def stop(self) -> None:
        """Stop serving; running requests have their grace to come to their end."""
        await self._await(self._runtime().endpoint.stop(GRACE_SECONDS))

    def hurry(self) -> None:
        """End the grace of a `stop` that runs, and of a port that was left."""
        self._call(self._runtime().endpoint.hurry)

    async def moved(self) -> None:
        """Wait for the end of what runs on a port that was left."""
        await self._await(self._runtime().endpoint.moved())

    async def ending(self) -> Ending:
        """How many requests a stop waits for: on the port where it listens, or did until now, and
        on those that it left."""
        return await self._await(self._ending())

    async def _start(self, settings: Settings) -> str:
        runtime = self._runtime()
        runtime.set_max_waiting(settings.server_waiting)
        url = await runtime.endpoint.start(
            host=settings.server_host,
            port=settings.server_port,
            allowed_origins=settings.server_origins,
            allowed_hosts=settings.server_hosts,
            request_timeout_s=settings.server_request_s,
            grace_s=GRACE_SECONDS,
        )
        return next(iter(await runtime.endpoint.network_urls()), url)

    async def _url(self) -> str | None:
        endpoint = self._runtime().endpoint
        return next(iter(await endpoint.network_urls()), endpoint.url)

    async def _use_rules(self, settings: Settings) -> None:
        runtime = self._runtime()
        runtime.set_max_waiting(settings.server_waiting)
        await runtime.endpoint.use_rules(
            allowed_origins=settings.server_origins,
            allowed_hosts=settings.server_hosts,
            request_timeout_s=settings.server_request_s,
        )

    async def _ending(self) -> Ending:
        return self._runtime().endpoint.ending()
