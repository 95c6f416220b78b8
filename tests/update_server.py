"""A server of update answers on this machine, for tests: real HTTP, and TLS that nobody trusts."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CERTIFICATE = Path(__file__).parent / "data" / "self_signed.pem"


class UpdateServer:
    """Answers each request with ``status``, ``headers`` and ``body``; keeps what it was asked."""

    def __init__(self, server: ThreadingHTTPServer, scheme: str) -> None:
        self.address = f"{scheme}://127.0.0.1:{server.server_port}/latest.json"
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b""
        self.arrived = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def offer(self, **release: str) -> None:
        """Answer with this release from now on."""
        self.body = json.dumps(release).encode()


@contextmanager
def dripping_server(head: bytes, drop: bytes) -> Iterator[str]:
    """Sends ``head`` at once and then ``drop`` again and again, without an end; its host and
    port."""
    is_over = threading.Event()

    def drip() -> None:
        with suppress(OSError):
            line, _ = listener.accept()
            with line:
                line.sendall(head)
                while not is_over.wait(0.02):
                    line.sendall(drop)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            is_over.set()
            with suppress(OSError):  # for a thread that still waits for somebody
                socket.create_connection(listener.getsockname()).close()
            thread.join()


@contextmanager
def update_server(*, tls: bool = False) -> Iterator[UpdateServer]:
    """On a free port, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.requests.append((self.path, dict(self.headers)))
            told.arrived.set()
            told.go_on.wait(60)
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told.body)

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # who hangs up may
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    told = UpdateServer(server, "https" if tls else "http")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield told
    finally:
        told.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()
