"""Draws the main window once, offscreen, and tells on stdout what came of it: the other side of
`app.window_check`. Reads none of the person's files. Main thread of a process of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import PySide6
from PySide6.QtCore import QLibraryInfo, Qt, qVersion
from PySide6.QtGui import QFontDatabase, QImage, QPainter
from PySide6.QtWidgets import QApplication

from minerva_desktop.app.window_check import DrawnWindow
from minerva_desktop.paths import resources_dir
from minerva_desktop.settings import Settings, ThemeChoice
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.stylesheet import apply_theme
from minerva_desktop.ui.theme import ThemeSource

ICON_SIDE = 32  # px
STRIDE = 4  # px between those whose colours are counted


def main() -> int:
    """Draw, and print a `DrawnWindow` as JSON; the exit code. Raises what drawing raises."""
    app = QApplication(sys.argv[:1])
    themes = ThemeSource(app.styleHints(), ThemeChoice.LIGHT)
    folder = resources_dir() / "icons"
    icons = Icons(folder, themes)
    names = sorted(path.stem for path in folder.glob("*.svg"))
    apply_theme(app, themes.theme)
    window = MainWindow(icons, Settings())
    window.show()
    app.processEvents()
    picture = window.grab().toImage()
    drawn = DrawnWindow(
        qt=qVersion(),
        pyside=PySide6.__version__,
        width=picture.width(),
        height=picture.height(),
        n_colours=_count_colours(picture),
        n_icons=len(names),
        n_fonts=len(QFontDatabase.families()),
        blank_icons=tuple(name for name in names if _is_blank(icons, name)),
        platforms=_platforms(),
    )
    window.close()
    print(msgspec.json.encode(drawn).decode(), flush=True)
    return 0


def _count_colours(picture: QImage) -> int:
    return len(
        {
            picture.pixel(x, y)
            for x in range(0, picture.width(), STRIDE)
            for y in range(0, picture.height(), STRIDE)
        }
    )


def _is_blank(icons: Icons, name: str) -> bool:
    image = QImage(ICON_SIDE, ICON_SIDE, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    icons.paint(painter, name, image.rect().toRectF())
    painter.end()
    return not any(
        image.pixelColor(x, y).alpha() for x in range(ICON_SIDE) for y in range(ICON_SIDE)
    )


def _platforms() -> tuple[str, ...]:
    """The systems' windows for which there is a plugin, such as ``xcb`` and ``wayland``."""
    folder = Path(QLibraryInfo.path(QLibraryInfo.LibraryPath.PluginsPath)) / "platforms"
    files = folder.iterdir() if folder.is_dir() else ()
    names = {path.stem.removeprefix("lib").removeprefix("q") for path in files if path.is_file()}
    return tuple(sorted(names))
