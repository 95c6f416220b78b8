"""What a second start says to the first, as bytes: for `unix_instance` and `pipe_instance`.

A little-endian uint32 length, then texts in the file system's encoding with NUL between them: the
desktop's activation token (empty where there is none), then absolute paths. The answer is `TAKEN`.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from minerva_desktop.paths import user_name

TAKEN = b"taken"
# The file beside the chats that the first instance locks. In it, on Unix, it says where it
# hears: another start's folder for temporary files may be another one. `DEAF`: nowhere.
LOCK_NAME = "window.lock"
DEAF = b"-"
# A first instance that does not answer within this hangs, or is about to end. One that has only
# begun answers when its window is there: from a slow disk, that takes seconds.
ANSWER_MS = 10_000
MAX_BYTES = 4 * 1024 * 1024
# Under these names a desktop says which click started a program, so that its window may come to
# the front: XDG activation on Wayland, startup notification on X11.
TOKEN_VARIABLES = ("XDG_ACTIVATION_TOKEN", "DESKTOP_STARTUP_ID")

_LENGTH = struct.Struct("<I")


def call_of(files: Sequence[Path], environment: Mapping[str, str]) -> bytes:
    """The whole message."""
    token = next(filter(None, map(environment.get, TOKEN_VARIABLES)), "")
    message = b"\0".join(os.fsencode(each) for each in [token, *map(str, files)])
    return _LENGTH.pack(len(message)) + message


def read_call(received: bytes | bytearray) -> tuple[str, list[Path]] | None:
    """Token and paths; None while some of it is still to come. Raises `ValueError` for what is
    no call of ours."""
    if len(received) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack_from(received)
    if length > MAX_BYTES:
        raise ValueError(f"a call of {length:,} bytes")
    if len(received) < _LENGTH.size + length:
        return None
    token, *paths = bytes(received[_LENGTH.size :][:length]).split(b"\0")
    return os.fsdecode(token), [Path(os.fsdecode(path)) for path in paths]


def socket_name(data: Path) -> str:
    """Of this user and folder; short, as the paths of sockets have to be (108 bytes on Linux)."""
    told = f"{user_name()}\0{data.resolve()}".encode("utf-8", "surrogateescape")
    # Numbers from a seed are the same in every process; `hashlib` would load OpenSSL for this.
    return f"minerva-{random.Random(told).getrandbits(96):024x}"
