"""What an attachment is, by its bytes: an image and its size, or text. Values, no I/O.

The heads of images are as their specifications have them: PNG (IHDR comes first), GIF (logical
screen), JPEG (a frame's header is a marker C0 to CF but C4, C8 and CC), WebP (VP8X, VP8L, VP8) and
BMP.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

MAX_TEXT_BYTES = 4 * 1024 * 1024  # of a file that is taken as text

_PNG = b"\x89PNG\r\n\x1a\n"


class ImageFacts(NamedTuple):
    """Its media type, and its size in pixels: 0 where the head does not tell."""

    media_type: str
    width: int
    height: int


def image_facts(content: bytes) -> ImageFacts | None:
    """What sort of image ``content`` is; None when it is none that is known here."""
    try:
        return _facts(content)
    except struct.error:  # cut off in its head
        return None


def plain_text(content: bytes) -> str | None:
    """``content`` as text, None when it is none (or far too much for a chat)."""
    if len(content) > MAX_TEXT_BYTES or b"\0" in content:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _facts(content: bytes) -> ImageFacts | None:
    if content.startswith(_PNG):
        return ImageFacts("image/png", *struct.unpack_from(">II", content, 16))
    if content[:6] in {b"GIF87a", b"GIF89a"}:
        return ImageFacts("image/gif", *struct.unpack_from("<HH", content, 6))
    if content.startswith(b"\xff\xd8\xff"):
        return ImageFacts("image/jpeg", *_jpeg_size(content))
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ImageFacts("image/webp", *_webp_size(content))
    if content.startswith(b"BM") and len(content) > 26:
        width, height = struct.unpack_from("<ii", content, 18)
        return ImageFacts("image/bmp", abs(width), abs(height))
    return None


def _jpeg_size(content: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return width, height
        at += 2 + struct.unpack_from(">H", content, at + 2)[0]
    return 0, 0


def _webp_size(content: bytes) -> tuple[int, int]:
    kind = content[12:16]
    if kind == b"VP8X":
        width, height = content[24:27], content[27:30]
        return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", content, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0
