"""Whether a port that is taken is taken by Minerva: another process, or a window's own endpoint.

Asked only where listening failed, on the endpoint's asyncio loop.
"""

from __future__ import annotations

import asyncio

import msgspec

from minerva_desktop.server.config import bracketed
from minerva_desktop.server.schemas.models import EndpointInfo

PATIENCE_S = 0.5
MAX_ANSWER_BYTES = 16 * 1024


async def answers_as_minerva(host: str, port: int) -> bool:
    """Whether the address to connect to speaks HTTP as our endpoint does. Never raises; takes half
    a second where nothing answers."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            answer = await _answer(host, port)
    except (OSError, TimeoutError):
        return False
    _, _, body = answer.partition(b"\r\n\r\n")
    try:
        msgspec.json.decode(body, type=EndpointInfo)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


async def _answer(host: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        head = f"GET / HTTP/1.1\r\nHost: {bracketed(host)}:{port}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode("ascii", "replace"))
        answer = bytearray()
        while len(answer) < MAX_ANSWER_BYTES and (piece := await reader.read(MAX_ANSWER_BYTES)):
            answer += piece
        return bytes(answer)
    finally:
        writer.transport.abort()
