"""`EndpointSwitch`: the HTTP endpoint of a runtime, on, off, and set anew.

A part of `runtime.Runtime`, on whose asyncio loop it is made and used.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from minerva_desktop.api_keys import KeyFile, KeyWatch, NamedKey
from minerva_desktop.errors import EndpointError
from minerva_desktop.server.activity import Activity
from minerva_desktop.server.config import EndpointConfig

if TYPE_CHECKING:
    from minerva_desktop.server.endpoint import Endpoint
    from minerva_desktop.server.services import Catalog, Pool


class Ending(NamedTuple):
    """How many requests are still to end before something has stopped: ``here`` the endpoint on
    its port, ``moved`` those on ports that it left."""

    here: int
    moved: int


class EndpointSwitch:
    """At most one endpoint, beside those that left their port and wait for their requests."""

    def __init__(
        self, pool: Pool, catalog: Catalog, activity: Activity, key_file: KeyFile | None
    ) -> None:
        """``key_file``: the keys that open it, also when they change while it serves."""
        self._pool, self._catalog, self._activity = pool, catalog, activity
        self._key_file = key_file
        self._watching_keys: asyncio.Task[None] | None = None
        self._endpoint: Endpoint | None = None
        self._moved: list[tuple[Endpoint, asyncio.Task[None]]] = []
        self._switching = asyncio.Lock()  # starts and stops happen in the order they were asked for
        self._n_hurried = 0  # stops without grace that run, or wait for their turn

    @property
    def url(self) -> str | None:
        """Where it listens; None where it does not."""
        return None if self._endpoint is None else self._endpoint.url

    async def start(
        self,
        *,
        port: int,
        host: str = "127.0.0.1",
        api_keys: tuple[NamedKey, ...] = (),
        allowed_origins: tuple[str, ...] = (),
        allowed_hosts: tuple[str, ...] = (),
        request_timeout_s: float | None = None,
        queue_timeout_s: float | None = None,
        first_token_timeout_s: float | None = None,
        start_models: tuple[Path, ...] = (),
        grace_s: float = 0.0,
    ) -> str:
        """Serve the catalog's models; the base URL. The parameters are `EndpointConfig`'s;
        ``api_keys`` open beside those of the key file. Where it serves already, requests have
        ``grace_s`` seconds to come to their end: on another port beside the new ones, see `moved`,
        on the same one before it listens anew.

        Raises `EndpointError` when the port is taken, `InvalidRequest` for an unsafe address, and
        `StoreError` when the key file cannot be read. What it served before goes on then, unless
        that was on the same port, and can no longer listen.
        """
        async with self._switching:
            # FastAPI takes 0.4 s to import. The window's start need not wait for it, nor need the
            # answers that run on this loop: a thread does it first.
            await asyncio.to_thread(importlib.import_module, "minerva_desktop.server.endpoint")
            from minerva_desktop.server.endpoint import Endpoint

            keys = KeyWatch(self._key_file, api_keys)
            config = EndpointConfig(
                host=host,
                port=port,
                api_keys=await asyncio.to_thread(keys.read),
                allowed_origins=allowed_origins,
                allowed_hosts=allowed_hosts,
                request_timeout_s=request_timeout_s,
                queue_timeout_s=queue_timeout_s,
                first_token_timeout_s=first_token_timeout_s,
                start_models=start_models,
            )
            config.check()
            endpoint = Endpoint(self._pool, self._catalog, config, self._activity)
            url = await self._replace(endpoint, config, grace_s)
            await self._forget_keys()
            self._watching_keys = asyncio.create_task(keys.watch(endpoint.use_api_keys))
            return url

    async def use_rules(
        self,
        *,
        allowed_origins: tuple[str, ...],
        allowed_hosts: tuple[str, ...],
        request_timeout_s: float | None,
    ) -> None:
        """From the next request on, these of `start` count; what runs goes on as it began. Does
        nothing where it does not serve. Raises `InvalidRequest`."""
        async with self._switching:
            if self._endpoint is not None:
                self._endpoint.use_rules(allowed_origins, allowed_hosts, request_timeout_s)

    async def network_urls(self) -> tuple[str, ...]:
        """The base URLs by which other machines reach it, where it serves them all."""
        if self._endpoint is None:
            return ()
        return await asyncio.to_thread(self._endpoint.network_urls)

    async def stop(self, grace_s: float = 0.0) -> None:
        """Stop serving; running answers are cancelled after ``grace_s`` seconds. Idempotent.
        Without grace, what still runs or waits before it loses its own."""
        is_hurried = grace_s == 0
        self._n_hurried += is_hurried
        try:
            if is_hurried:
                self.hurry()
            async with self._switching:
                if is_hurried:
                    self._hurry_moved()  # what has moved by now
                await self._forget_keys()
                await self._stop_here(grace_s)
                await self.moved()
        finally:
            self._n_hurried -= is_hurried

    def hurry(self) -> None:
        """End the grace of a stop that runs, and of a port that was left."""
        if self._endpoint is not None:
            self._endpoint.hurry()
        self._hurry_moved()

    async def moved(self) -> None:
        """Wait until all that ran on another port, before the last `start`, has ended."""
        if self._moved:
            await asyncio.wait([stop for _, stop in self._moved])

    def ending(self) -> Ending:
        """How many requests a stop that runs waits for."""
        here = 0 if self._endpoint is None else self._endpoint.n_ending
        return Ending(here, sum(endpoint.n_ending for endpoint, _ in self._moved))

    async def _replace(self, endpoint: Endpoint, config: EndpointConfig, grace_s: float) -> str:
        before = self._endpoint
        if before is None or before.port != config.port:
            url = await endpoint.start()  # first: where it cannot, the one before goes on
            if before is not None:
                await self._move(before, grace_s)
        else:
            await self._stop_here(grace_s)
            try:
                url = await endpoint.start()
            except EndpointError:
                with contextlib.suppress(EndpointError):
                    await before.start()
                    before.use_api_keys(config.api_keys)  # its own may be revoked by now
                    self._endpoint = before
                raise
        self._endpoint = endpoint
        return url

    async def _move(self, endpoint: Endpoint, grace_s: float) -> None:
        """Give its port back now, and let what runs there end for so many seconds."""
        stop = asyncio.create_task(endpoint.stop(self._grace(grace_s)))
        self._moved = [each for each in self._moved if not each[1].done()]
        self._moved.append((endpoint, stop))
        await asyncio.sleep(0)  # its first step
        await endpoint.wait_hung_up()

    async def _stop_here(self, grace_s: float) -> None:
        if self._endpoint is not None:
            await self._endpoint.stop(self._grace(grace_s))
            self._endpoint = None

    def _grace(self, grace_s: float) -> float:
        """The seconds that are left of those."""
        return 0.0 if self._n_hurried else grace_s

    def _hurry_moved(self) -> None:
        for endpoint, _ in self._moved:
            endpoint.hurry()

    async def _forget_keys(self) -> None:
        if self._watching_keys is not None:
            self._watching_keys.cancel()
            await asyncio.gather(self._watching_keys, return_exceptions=True)
            self._watching_keys = None
