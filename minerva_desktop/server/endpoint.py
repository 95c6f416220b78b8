"""`Endpoint`: the HTTP server's switch, on and off.

Made by `runtime` on the asyncio loop that also owns the pool: the server runs as a task of that
loop, takes no signals, and leaves nothing behind when it is stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections.abc import Iterator

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from minerva_desktop.errors import EndpointError, InvalidRequest
from minerva_desktop.server.activity import Activity
from minerva_desktop.server.app import create_app
from minerva_desktop.server.config import EndpointConfig, bracketed
from minerva_desktop.server.errors import error_response
from minerva_desktop.server.lifetime import Lifetime
from minerva_desktop.server.metrics import Metrics
from minerva_desktop.server.services import Catalog, Pool, ServerContext

BACKLOG = 512
# Longer than clients keep idle connections, so that none is closed while a request is on its way.
IDLE_CONNECTION_S = 75
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
            self._running = _Running(
                self._pool, self._catalog, self._config, self._activity, listener
            )
            await self._running.wait_listening()
            logger.info("The HTTP endpoint listens on %s", self._running.url)
        return self._running.url

    async def stop(self) -> None:
        """Stop listening. Running answers end with an error, and their generations, at once."""
        running, self._running = self._running, None
        if running is not None:
            await running.stop()
            logger.info("The HTTP endpoint on %s is stopped", running.url)


class _Running:
    """What exists between `Endpoint.start` and `Endpoint.stop`."""

    def __init__(
        self,
        pool: Pool,
        catalog: Catalog,
        config: EndpointConfig,
        activity: Activity,
        listener: socket.socket,
    ) -> None:
        port = listener.getsockname()[1]
        self.url = f"http://{bracketed(_reachable(config.host))}:{port}"
        self._lifetime = Lifetime()
        context = ServerContext(pool, catalog, config, self._lifetime, activity, Metrics())
        self._server = _Server(
            uvicorn.Config(
                create_app(context),
                http=_HttpProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=IDLE_CONNECTION_S,
            )
        )
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))

    async def wait_listening(self) -> None:
        await self._server.listening.wait()

    async def stop(self) -> None:
        self._lifetime.stop()
        self._server.leave()
        await self._task


class _Server(uvicorn.Server):
    """uvicorn's server as a guest in somebody else's loop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._leaving = asyncio.Event()

    def leave(self) -> None:
        """End `serve`."""
        self.should_exit = True
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
        """Let answers that are about to end reach their clients, then hang up.

        Unlike uvicorn's, without a fixed wait, and sure to be rid of clients that never read.
        """
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                while state.connections:  # noqa: ASYNC110 - uvicorn tells nobody when one ends
                    await asyncio.sleep(STOP_POLL_S)
        for connection in list(state.connections):
            connection.transport.abort()
        if state.tasks:
            await asyncio.wait(set(state.tasks), timeout=STOP_TIMEOUT_S)


class _HttpProtocol(H11Protocol):
    """Answers what is no HTTP in the shape of all other errors."""

    def send_400_response(self, msg: str) -> None:
        """Refuse, and hang up: where the next request would begin is unknown."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            response = error_response(InvalidRequest(msg))
            headers = [*response.raw_headers, (b"connection", b"close")]
            for event in (
                h11.Response(status_code=response.status_code, headers=headers),
                h11.Data(data=bytes(response.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event))
        self.transport.close()


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
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
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
