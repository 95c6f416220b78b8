"""`render_icons.py SVG FOLDER`: the app's icon in the sizes that Linux desktops look for.

Writes `FOLDER/NxN/apps/minerva-desktop.png`, and the same for the file type. Run by `release.py`
with the Python that has Qt.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

SIZES = (16, 22, 24, 32, 48, 64, 128, 256, 512)  # px
# A folder of the icon theme, and the name in it.
PLACES = {"apps": "minerva-desktop", "mimetypes": "application-x-gguf"}


def main(arguments: Sequence[str]) -> int:
    """Render all sizes."""
    source, folder = map(Path, arguments)
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    application = QGuiApplication([])
    renderer = QSvgRenderer(str(source))
    if not renderer.isValid():
        print(f"{source} is no SVG that Qt can draw", file=sys.stderr)
        return 1
    for size in SIZES:
        image = QImage(size, size, QImage.Format.Format_ARGB32_Premultiplied)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        renderer.render(painter, QRectF(0, 0, size, size))
        painter.end()
        for place, name in PLACES.items():
            target = folder / f"{size}x{size}" / place / f"{name}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            if not image.save(str(target)):
                print(f"{target} could not be written", file=sys.stderr)
                return 1
    application.quit()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
