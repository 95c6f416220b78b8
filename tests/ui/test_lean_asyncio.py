"""What the window does without until it is needed, in processes of their own."""

from __future__ import annotations

import subprocess
import sys

BEGIN = """
import sys
from minerva_desktop.ui.import_scan import stop_import_scan
from minerva_desktop.ui.lean_asyncio import import_asyncio
stop_import_scan()
import_asyncio()
"""
WINDOW = """
import minerva_desktop.runtime, minerva_desktop.ui.application
costly = "ssl", "_ssl", "_hashlib", "importlib.metadata", "email.message", "PySide6.QtNetwork"
print([name for name in costly if name in sys.modules])
"""
SERVE = """
import asyncio, ssl
async def main():
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    print(await reader.read(), ssl.create_default_context().verify_mode.name)
    writer.close()
    server.close()
asyncio.run(main())
"""


def _said(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_window_opens_without_openssl_and_the_like() -> None:
    assert _said(BEGIN + WINDOW) == "[]"


def test_asyncio_serves_without_it_and_who_wants_it_has_it() -> None:
    assert _said(BEGIN + SERVE) == "b'' CERT_REQUIRED"
