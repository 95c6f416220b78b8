"""`render_icons.py SVG TARGET`: the app's icon as each system wants it. Run by `release.py` with
the Python that has Qt. TARGET is one of

    FOLDER      of an icon theme, for Linux: `NxN/apps/minerva-desktop.png`, and the file type's
    NAME.ico    for Windows
    NAME.icns   for macOS, whose icons leave a margin
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice, QRectF, Qt
from PySide6.QtGui import QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

import icon_files

SIZES = (16, 22, 24, 32, 48, 64, 128, 256, 512)  # px
# A folder of the icon theme, and the name in it.
PLACES = {"apps": "minerva-desktop", "mimetypes": "application-x-gguf"}
# Of the width, on each side: 100 of 1,024 px.
MACOS_MARGIN = 100 / 1024


def main(arguments: Sequence[str]) -> int:
    """Render all sizes."""
    source, target = map(Path, arguments)
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    application = QGuiApplication([])
    renderer = QSvgRenderer(str(source))
    if not renderer.isValid():
        print(f"{source} is no SVG that Qt can draw", file=sys.stderr)
        return 1
    files = {".ico": _ico, ".icns": _icns}
    make = files.get(target.suffix)
    try:
        written = {target: make(renderer)} if make else _theme(renderer, target)
        for path, content in written.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        print(f"{target} could not be written: {error}", file=sys.stderr)
        return 1
    application.quit()
    return 0


def _theme(renderer: QSvgRenderer, folder: Path) -> dict[Path, bytes]:
    found = {}
    for size in SIZES:
        png = _png(_draw(renderer, size))
        for place, name in PLACES.items():
            found[folder / f"{size}x{size}" / place / f"{name}.png"] = png
    return found


def _ico(renderer: QSvgRenderer) -> bytes:
    pixels = {}
    for size in icon_files.ICO_PIXEL_SIZES:
        image = _draw(renderer, size).convertToFormat(QImage.Format.Format_ARGB32)
        pixels[size] = bytes(image.constBits())
    pngs = {size: _png(_draw(renderer, size)) for size in icon_files.ICO_PNG_SIZES}
    return icon_files.ico(pixels, pngs)


def _icns(renderer: QSvgRenderer) -> bytes:
    sizes = set(icon_files.ICNS_SIZES.values())
    return icon_files.icns({size: _png(_draw(renderer, size, MACOS_MARGIN)) for size in sizes})


def _draw(renderer: QSvgRenderer, size: int, margin: float = 0.0) -> QImage:
    """The icon in a square of ``size`` px, with ``margin`` (a part of its width) on each side."""
    image = QImage(size, size, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    inset = size * margin
    renderer.render(painter, QRectF(inset, inset, size - 2 * inset, size - 2 * inset))
    painter.end()
    return image


def _png(image: QImage) -> bytes:
    """Raises `OSError` where Qt cannot make one."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    if not image.save(buffer, "PNG"):  # type: ignore[call-overload]
        raise OSError(f"Qt makes no PNG of {image.width()} x {image.height()} pixels")
    return bytes(buffer.data().data())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
