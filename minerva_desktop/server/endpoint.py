"""`Endpoint`: the HTTP server's switch, on and off.

Made by `runtime` on the asyncio loop that also owns the pool: the server runs as a task of that
loop, takes no signals, and leaves nothing behind when it is stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import logging
import os
import socket
import sys
from collections.abc import Iterator

import uvicorn
from msgspec.structs import replace

from minerva_desktop.api_keys import NamedKey
from minerva_desktop.errors import EndpointError
from minerva_desktop.server.access import MAX_HEAD_BYTES, AccessLayer
from minerva_desktop.server.activity import Activity
from minerva_desktop.server.app import create_app
from minerva_desktop.server.auth import KeyRing
from minerva_desktop.server.config import ConnectionLimits, EndpointConfig, bracketed
from minerva_desktop.server.http_protocol import HttpProtocol
from minerva_desktop.server.lifetime import Lifetime
from minerva_desktop.server.metrics import Metrics
from minerva_desktop.server.network_addresses import network_urls
from minerva_desktop.server.port_owner import answers_as_minerva
from minerva_desktop.server.services import Catalog, Pool, ServerContext

if sys.platform != "win32":
    import resource

BACKLOG = 512
SEND_BUFFER_BYTES = 128 * 1024
# Files that the rest of the app may have open.
SPARE_FILES = 128
STOP_TIMEOUT_S = 0.8
STOP_POLL_S = 0.01

logger = logging.getLogger(__name__)


class Endpoint:
    """The OpenAI-compatible endpoint on one address. Use it on one asyncio loop only."""

    def __init__(
        self,
        pool: Pool,
        catalog: Catalog,
        config: EndpointConfig,
        activity: Activity | None = None,
    ) -> None:
        """``activity`` lists its requests; one of its own when None."""
        self._pool = pool
        self._catalog = catalog
        self._config = config
        self._activity = activity or Activity()
        self._running: _Running | None = None
        self._leaving: _Running | None = None

    @property
    def url(self) -> str | None:
        """Where it listens, or None when it does not."""
        return self._running.url if self._running else None

    async def start(self) -> str:
        """Listen; returns the base URL (without ``/v1``). Does nothing when already listening.

        Raises `InvalidRequest` for a config that is wrong or unsafe, and `EndpointError` when the
        address cannot be listened on.
        """
        if self._running is None:
            self._config.check()
            listener = await _listen(self._config.host, self._config.port)
            context = ServerContext(
                self._pool,
                self._catalog,
                self._config,
                Lifetime(),
                self._activity,
                Metrics(),
                KeyRing(self._config.api_keys),
            )
            self._running = _Running(context, listener)
            await self._running.wait_listening()
            logger.info("The HTTP endpoint listens on %s", self._running.url)
        return self._running.url

    @property
    def port(self) -> int | None:
        """On which it listens, or None when it does not."""
        return int(self._running.url.rpartition(":")[2]) if self._running else None

    def network_urls(self) -> tuple[str, ...]:
        """The base URLs by which other machines reach it, where it listens on all addresses. Blocks
        for some milliseconds."""
        return () if self.port is None else network_urls(self._config.host, self.port)

    def use_api_keys(self, keys: tuple[NamedKey, ...]) -> None:
        """From the next request on only these open, until the next `start`. An endpoint that asks
        for keys goes on to do so when there are none left."""
        if self._running is not None:
            self._running.context.key_ring.use(keys)

    def use_rules(
        self,
        allowed_origins: tuple[str, ...],
        allowed_hosts: tuple[str, ...],
        request_timeout_s: float | None,
    ) -> None:
        """From the next request on, these of its config count; what runs goes on as it began.
        Raises `InvalidRequest`."""
        config = replace(
            self._config,
            allowed_origins=allowed_origins,
            allowed_hosts=allowed_hosts,
            request_timeout_s=request_timeout_s,
        )
        config.check()
        self._config = config
        if self._running is not None:
            self._running.use(config)

    @property
    def n_ending(self) -> int:
        """How many connections have something to end yet, of which a `stop` that runs waits."""
        return 0 if self._leaving is None else self._leaving.n_connections

    async def stop(self, grace_s: float = 0.0) -> None:
        """Stop listening. Running answers have ``grace_s`` seconds to come to their end; then
        they end with an error, and their generations, at once. A stop that was cancelled goes on
        in the background, and the next one waits for its end."""
        running, self._running = self._running or self._leaving, None
        if running is not None:
            self._leaving = running
            await running.stop(grace_s)
            self._leaving = None
            logger.info("The HTTP endpoint on %s is stopped", running.url)

    async def wait_hung_up(self) -> None:
        """Wait until a `stop` that runs has given the port back."""
        if self._leaving is not None:
            await self._leaving.wait_hung_up()

    def hurry(self) -> None:
        """End the grace of a `stop` that runs."""
        if self._leaving is not None:
            self._leaving.context.lifetime.stop()


class _Running:
    """What exists between `Endpoint.start` and `Endpoint.stop`."""

    def __init__(self, context: ServerContext, listener: socket.socket) -> None:
        self.context = context
        config = context.config
        limits = config.limits
        port = listener.getsockname()[1]
        self.url = f"http://{bracketed(_reachable(config.host))}:{port}"
        self._layer = AccessLayer(create_app(context), context.metrics, context.activity)
        protocol = functools.partial(
            HttpProtocol,
            limits=replace(limits, max_connections=_affordable(limits)),
            on_malformed=self._layer.note_malformed,
        )
        self._server = _Server(
            uvicorn.Config(
                self._layer,
                http=protocol,  # type: ignore[arg-type]  # called as the class would be
                ws="none",
                lifespan="off",
                log_config=None,
                # It warns of every malformed request; `HttpProtocol` logs them in one line each.
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=limits.idle_s,
                h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            ),
            context.lifetime,
        )
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))

    @property
    def n_connections(self) -> int:
        return len(self._server.server_state.connections)

    def use(self, config: EndpointConfig) -> None:
        """Have new requests answered by an application that obeys ``config``."""
        self.context = replace(self.context, config=config)
        self._layer.app = create_app(self.context)

    async def wait_listening(self) -> None:
        await self._server.listening.wait()

    async def wait_hung_up(self) -> None:
        await self._server.hung_up.wait()

    async def stop(self, grace_s: float) -> None:
        self._server.leave(grace_s)
        await asyncio.shield(self._task)
        self.context.bodies.close()


class _Server(uvicorn.Server):
    """uvicorn's server as a guest in somebody else's loop."""

    def __init__(self, config: uvicorn.Config, lifetime: Lifetime) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self.hung_up = asyncio.Event()  # no longer listening
        self._lifetime = lifetime
        self._leaving = asyncio.Event()
        self._grace_s = 0.0

    def leave(self, grace_s: float) -> None:
        """End `serve`."""
        self.should_exit = True
        self._grace_s = grace_s
        self._leaving.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the app."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell when connections are taken."""
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        """Keep the Date header right; uvicorn's own loop wakes up ten times as often."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._leaving.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let answers come to their end for the time of grace, end the others, and let these ends
        reach their clients; then hang up.

        Unlike uvicorn's, without a fixed wait, and sure to be rid of clients that never read.
        """
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        self.hung_up.set()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        if self._grace_s > 0:
            await self._wait_for_ends(self._grace_s, hurried=True)
        self._lifetime.stop()
        await self._wait_for_ends(STOP_TIMEOUT_S)
        for connection in list(state.connections):
            connection.transport.abort()
        if state.tasks:
            await asyncio.wait(set(state.tasks), timeout=STOP_TIMEOUT_S)

    async def _wait_for_ends(self, seconds: float, *, hurried: bool = False) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                # Polled, because uvicorn tells nobody when a connection ends.
                while self.server_state.connections:
                    if hurried and self._lifetime.is_stopping:
                        return
                    await asyncio.sleep(STOP_POLL_S)


async def check_address(host: str) -> None:
    """Raise `EndpointError` unless ``host`` is an address of this machine, or names one."""
    (await _listen(host, 0)).close()


async def _listen(host: str, port: int) -> socket.socket:
    """A listening socket on the first address of ``host``; raises `EndpointError`."""
    loop = asyncio.get_running_loop()
    try:
        addresses = await loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = addresses[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise EndpointError(f"Cannot listen on {host}: {error.strerror}", param="host") from error
    try:
        if os.name == "posix":
            # Else the port stays taken for a minute after a stop. On Windows the option would let
            # two programs share a port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. Left alone, the system buffers megabytes for a client that does
        # not read, and we would learn of it late.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        reachable = _reachable(host)
        if error.errno == errno.EADDRINUSE and await answers_as_minerva(reachable, port):
            raise EndpointError(
                f"Minerva is already serving on port {port}: its base URL is "
                f"http://{bracketed(reachable)}:{port}/v1",
                param="port",
            ) from error
        raise _listen_error(host, port, error) from error
    return listener


def _listen_error(host: str, port: int, error: OSError) -> EndpointError:
    match error.errno:
        case errno.EADDRINUSE:
            return EndpointError(f"Port {port} is used by another program", param="port")
        case errno.EACCES:
            return EndpointError(f"Port {port} may not be used without privileges", param="port")
        case errno.EADDRNOTAVAIL:
            return EndpointError(f"{host} is no address of this machine", param="host")
        case _:
            return EndpointError(f"Cannot listen on {host}, port {port}: {error.strerror}")


def _reachable(host: str) -> str:
    """An address to connect to: "all addresses" is none."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _affordable(limits: ConnectionLimits) -> int:
    """Connections that the process has file numbers for, up to the limit."""
    if sys.platform == "win32":
        return limits.max_connections
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return limits.max_connections
    return max(1, min(limits.max_connections, soft - SPARE_FILES))
