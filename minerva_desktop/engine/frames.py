"""How values cross the pipes between a parent and its engine child.

A frame is a little-endian uint32 length followed by one MessagePack value of `messages`.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import BinaryIO, Final

import msgspec

from minerva_desktop.engine.messages import Event, Request
from minerva_desktop.errors import InvalidRequest

# No honest message comes near it; a broken length must not become a huge allocation.
MAX_FRAME_BYTES = 256 * 1024 * 1024
HEADER = struct.Struct("<I")

_ENCODER: Final = msgspec.msgpack.Encoder()


def encode_frame(value: Request | Event) -> bytes:
    """One frame, ready to write. Raises `InvalidRequest` for one over the limit, and
    `UnicodeEncodeError` or `OverflowError` for what MessagePack has no form for."""
    body = _ENCODER.encode(value)
    if len(body) > MAX_FRAME_BYTES:
        raise InvalidRequest(
            f"A message to or from the engine has {len(body):,} bytes; "
            f"at most {MAX_FRAME_BYTES:,} are taken"
        )
    return HEADER.pack(len(body)) + body


def frame_length(header: bytes | bytearray) -> int:
    """Length in bytes of the value that follows ``header``; raises `ValueError` past the limit."""
    (length,) = HEADER.unpack(header)
    if length > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {length:,} bytes is over the limit of {MAX_FRAME_BYTES:,}")
    return int(length)


class EventFrames:
    """Puts events together from the pieces in which they arrive."""

    def __init__(self) -> None:
        # The first in a process takes 2 to 3 ms to be made, which is not the start's to take.
        self._decoder = msgspec.msgpack.Decoder(Event)
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Event]:
        """Add what arrived; the events that are whole now. Raises `ValueError` for a frame over
        the limit, `msgspec.DecodeError` for one that is no event."""
        pending = self._pending
        pending += data
        events: list[Event] = []
        start = 0
        while len(pending) - start >= HEADER.size:
            body = start + HEADER.size
            end = body + frame_length(pending[start:body])
            if end > len(pending):
                break
            events.append(self._decoder.decode(pending[body:end]))
            start = end
        del pending[:start]
        return events


def read_frame(stream: BinaryIO) -> bytes | None:
    """Block until a whole frame came; its body, or None at end of stream (even inside a frame)."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    length = frame_length(header)
    body = stream.read(length)
    return body if len(body) == length else None


@cache
def _requests() -> msgspec.msgpack.Decoder[Request]:
    return msgspec.msgpack.Decoder(Request)


def decode_request(body: bytes) -> Request:
    """Raises `msgspec.DecodeError` when ``body`` is no request."""
    return _requests().decode(body)
