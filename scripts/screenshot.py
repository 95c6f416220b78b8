"""`python scripts/screenshot.py [STATE …]`: renders named states of the real window to PNG files.

Every state in light and dark and at scale 1 and 2, unless told otherwise; nothing is shown on a
screen and no model is needed. Look at the pictures after each change of the window.

The scale of a Qt process is fixed at its start, so this script starts itself once for each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # where the window's package is

from PySide6.QtCore import (  # noqa: E402
    QMessageLogContext,
    QPoint,
    QRect,
    Qt,
    QtMsgType,
    qInstallMessageHandler,
)
from PySide6.QtGui import QColor, QPainter, QPixmap  # noqa: E402
from PySide6.QtTest import QTest  # noqa: E402
from PySide6.QtWidgets import QApplication, QDialog, QWidget  # noqa: E402

import screenshot_stage  # noqa: E402
import screenshot_states  # noqa: E402
from minerva_desktop.paths import HOME_VARIABLE, resources_dir  # noqa: E402
from minerva_desktop.settings import USUAL_TEXT_SIZE, Settings, ThemeChoice  # noqa: E402
from minerva_desktop.ui.icons import Icons  # noqa: E402
from minerva_desktop.ui.main_window import MainWindow  # noqa: E402
from minerva_desktop.ui.stylesheet import apply_theme  # noqa: E402
from minerva_desktop.ui.theme import ThemeSource  # noqa: E402

THEMES = {"light": ThemeChoice.LIGHT, "dark": ThemeChoice.DARK}
SETTLE_MS = 250  # for renderers that work in slices
# Popups keep to the screen, and that of Qt's offscreen platform has 800 px unless it is told.
SCREEN = (3840, 2880)  # px


def main() -> int:
    """Render what the arguments ask for; the exit code."""
    options = _options()
    if options.only_scale is not None:
        return _render(options)
    codes = []
    for scale in options.scale:
        command = [sys.executable, __file__, *sys.argv[1:], "--only-scale", str(scale)]
        with tempfile.TemporaryDirectory(prefix="minerva-home-") as home:
            environment = dict(os.environ, **_environment(Path(home), scale))
            codes.append(subprocess.run(command, env=environment, check=False).returncode)
    return max(codes)


def _environment(home: Path, scale: int) -> dict[str, str]:
    """What a rendering process is told: no display but a large one in memory, and its folders."""
    screen = {"name": "picture", "x": 0, "y": 0, "width": SCREEN[0], "height": SCREEN[1]}
    settings = home / "offscreen.json"
    settings.write_text(json.dumps({"screens": [screen]}), encoding="utf-8")
    return {
        HOME_VARIABLE: str(home),
        "QT_QPA_PLATFORM": f"offscreen:configfile={settings}",
        "QT_SCALE_FACTOR": str(scale),
    }


def _options() -> argparse.Namespace:
    names = list(screenshot_states.STATES)
    parser = argparse.ArgumentParser(description="Render states of the window to PNG files.")
    parser.add_argument(
        "states", nargs="*", metavar="STATE", help=f"of {', '.join(names)} (default: all)"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "screenshots", help="%(default)s")
    parser.add_argument("--theme", choices=(*THEMES, "both"), default="both")
    parser.add_argument("--scale", type=int, nargs="+", choices=(1, 2, 3), default=[1, 2])
    parser.add_argument(
        "--text-size", type=int, default=USUAL_TEXT_SIZE, help="percent (default: %(default)s)"
    )
    parser.add_argument("--contrast", action="store_true", help="as who wants more has it")
    parser.add_argument("--only-scale", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = [name for name in options.states if name not in names]
    if unknown:
        parser.error(f"no such state: {', '.join(unknown)}; there are {', '.join(names)}")
    options.states = options.states or names
    return options


def _complain(_kind: QtMsgType, _context: QMessageLogContext, text: str) -> None:
    """Pass on what Qt has to say, but for what the offscreen platform says of every window."""
    if not text.startswith("This plugin does not support"):
        print(text, file=sys.stderr)


def _render(options: argparse.Namespace) -> int:
    qInstallMessageHandler(_complain)
    options.out.mkdir(parents=True, exist_ok=True)
    app = QApplication(["minerva-desktop"])
    for theme in THEMES if options.theme == "both" else (options.theme,):
        themes = ThemeSource(app.styleHints(), THEMES[theme], options.text_size)
        if options.contrast:  # which the offscreen platform never asks for
            wish = app.styleHints().accessibility().contrastPreferenceChanged
            wish.emit(Qt.ContrastPreference.HighContrast)
        icons = Icons(resources_dir() / "icons", themes)
        apply_theme(app, themes.theme)
        for name in options.states:
            size = "" if options.text_size == USUAL_TEXT_SIZE else f"-{options.text_size}"
            size += "-contrast" if options.contrast else ""
            file = options.out / f"{name}-{theme}-{options.only_scale}x{size}.png"
            picture = _picture(screenshot_states.STATES[name], icons)
            if not picture.save(str(file)):
                print(f"{file} could not be written", file=sys.stderr)
                return 1
            print(file)
    return 0


def _picture(state: screenshot_stage.State, icons: Icons) -> QPixmap:
    """One state of a fresh window."""
    window = MainWindow(icons, Settings())
    window.show()
    stage = screenshot_stage.Stage(window, icons)
    screenshot_stage.furnish(stage)
    window.composer.focus_editor()
    overlays = state(stage)
    QTest.qWait(SETTLE_MS)
    picture = _painted(window, overlays)
    for widget in (*overlays, window):
        widget.close()
    window.deleteLater()
    QTest.qWait(0)
    return picture


def _painted(window: MainWindow, overlays: list[QWidget]) -> QPixmap:
    """The window as it is, with ``overlays`` (windows of their own) where they are over it."""
    picture = window.grab()
    painter = QPainter(picture)
    origin = window.mapToGlobal(QPoint(0, 0))
    for overlay in overlays:
        place = overlay.mapToGlobal(QPoint(0, 0)) - origin
        painter.drawPixmap(place, overlay.grab())
        if isinstance(overlay, QDialog):  # whose frame a desktop draws
            painter.setPen(QColor("#808080"))
            painter.drawRect(QRect(place, overlay.size()))
    painter.end()
    return picture


if __name__ == "__main__":
    sys.exit(main())
