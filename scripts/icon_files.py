"""The two files in which Windows and macOS keep an icon in several sizes, made of pictures of it.

Pictures come as the formats want them: PNG files, and rows of pixels from the top with blue, green,
red and alpha (one byte each, not premultiplied). Widths and heights are in pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

# Windows takes the large one as a PNG, and the small ones also in programs that know no PNG.
ICO_PNG_SIZES = (256,)
ICO_PIXEL_SIZES = (16, 20, 24, 32, 40, 48, 64)
# By the type that macOS knows each by; the sizes for screens of twice the density among them.
ICNS_SIZES = {
    "ic11": 32, "ic12": 64, "ic07": 128, "ic13": 256, "ic08": 256, "ic14": 512, "ic09": 512,
    "ic10": 1024,
}  # fmt: skip
_DIRECTORY, _ENTRY, _BITMAP = "<HHH", "<BBBBHHII", "<IiiHHIIiiII"


def ico(pixels: Mapping[int, bytes], pngs: Mapping[int, bytes]) -> bytes:
    """An icon for Windows: ``pixels`` and ``pngs`` by their size."""
    images = {size: _bitmap(size, rows) for size, rows in pixels.items()} | dict(pngs)
    head = struct.pack(_DIRECTORY, 0, 1, len(images))
    offset = len(head) + struct.calcsize(_ENTRY) * len(images)
    entries, content = b"", b""
    for size, image in sorted(images.items()):
        byte = size % 256  # 256 is written as 0
        place = offset + len(content)
        entries += struct.pack(_ENTRY, byte, byte, 0, 0, 1, 32, len(image), place)
        content += image
    return head + entries + content


def icns(pngs: Mapping[int, bytes]) -> bytes:
    """An icon for macOS: ``pngs`` by their size, which are all of `ICNS_SIZES`."""
    content = b""
    for kind, size in ICNS_SIZES.items():
        content += kind.encode() + struct.pack(">I", len(pngs[size]) + 8) + pngs[size]
    return b"icns" + struct.pack(">I", len(content) + 8) + content


def _bitmap(size: int, rows: bytes) -> bytes:
    """Pixels as a bitmap without a file's head: from the bottom up, with a mask that hides none."""
    width = size * 4
    upwards = b"".join(rows[at : at + width] for at in range(len(rows) - width, -1, -width))
    mask = bytes((size + 31) // 32 * 4 * size)
    # The height counts the mask, too.
    head = struct.pack(_BITMAP, 40, size, size * 2, 1, 32, 0, len(upwards) + len(mask), 0, 0, 0, 0)
    return head + upwards + mask
