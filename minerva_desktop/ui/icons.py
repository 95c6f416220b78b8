"""Icons drawn from the SVG files in ``resources/icons``, coloured by the theme in force.

Built once by the main window and handed to every widget that shows an icon. An icon asks for the
theme's colour each time it is painted, so nobody has to set icons anew when the theme changes, and
it is rendered at the size in device pixels, so it is crisp at any scale. Main thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from msgspec.structs import replace
from PySide6.QtCore import QByteArray, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QIconEngine, QPainter, QPixmap, QPixmapCache
from PySide6.QtSvg import QSvgRenderer

from minerva_desktop.ui.theme import Theme, ThemeSource

IconRole = Literal["text", "muted", "accent", "on_accent", "danger", "warning", "success"]

APP_ICON_SIZES = (16, 24, 32, 48, 64, 128, 256, 512)  # px
DISABLED_OPACITY = 0.5


class Icons:
    """The icons of a folder. A name is a file's name without ``.svg``."""

    def __init__(self, folder: Path, themes: ThemeSource) -> None:
        self._folder = folder
        self._themes = themes
        self._sources: dict[str, str] = {}
        self._renderers: dict[tuple[str, str], QSvgRenderer] = {}

    @property
    def themes(self) -> ThemeSource:
        """Where the colours come from."""
        return self._themes

    @property
    def theme(self) -> Theme:
        """The palette to paint with now."""
        return self._themes.theme

    def quiet(self) -> Icons:
        """The same, in palettes whose text has the colour of secondary text."""
        return _QuietIcons(self._folder, self._themes)

    def icon(self, name: str, role: IconRole = "text") -> QIcon:
        """An icon in the theme's colour ``role``. Raises `FileNotFoundError` at once."""
        self._source(name)
        return QIcon(_SvgEngine(self, name, role))

    def app_icon(self) -> QIcon:
        """The application's own mark, in its own colours."""
        icon = QIcon()
        for size in APP_ICON_SIZES:
            pixmap = QPixmap(size, size)
            pixmap.fill(Qt.GlobalColor.transparent)
            painter = QPainter(pixmap)
            self._renderer("minerva", "").render(painter, QRectF(0, 0, size, size))
            painter.end()
            icon.addPixmap(pixmap)
        return icon

    def paint(self, painter: QPainter, name: str, rect: QRectF, role: IconRole = "text") -> None:
        """Draw an icon into ``rect`` (logical pixels), for delegates and painted widgets."""
        self._renderer(name, getattr(self.theme, role)).render(painter, rect)

    def look(self, name: str, role: IconRole) -> str:
        """A name for how that icon looks now, and where it is disabled."""
        return f"{self._folder}/{name} {getattr(self.theme, role)} {self.theme.muted}"

    def _renderer(self, name: str, colour: str) -> QSvgRenderer:
        key = (name, colour)
        if key not in self._renderers:
            svg = self._source(name).replace("currentColor", QColor(colour).name())
            self._renderers[key] = QSvgRenderer(QByteArray(svg.encode()))
        return self._renderers[key]

    def _source(self, name: str) -> str:
        if name not in self._sources:
            self._sources[name] = (self._folder / f"{name}.svg").read_text(encoding="utf-8")
        return self._sources[name]


class _QuietIcons(Icons):
    @property
    def theme(self) -> Theme:
        return replace(self.themes.theme, text=self.themes.theme.muted)


class PaintedIconEngine(QIconEngine):
    """The base of icons that paint themselves; subclasses implement ``paint`` and ``clone``."""

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        pixmap = QPixmap(size)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        self.paint(painter, QRect(QPoint(0, 0), size), mode, state)
        painter.end()
        return pixmap


class _SvgEngine(PaintedIconEngine):
    """Lets a `QIcon` paint itself through `Icons` instead of keeping pixmaps."""

    def __init__(self, icons: Icons, name: str, role: IconRole) -> None:
        super().__init__()
        self._icons = icons
        self._name = name
        self._role: IconRole = role

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, _state: QIcon.State) -> None:
        role = self._role
        if mode == QIcon.Mode.Disabled:
            painter.setOpacity(painter.opacity() * DISABLED_OPACITY)
            role = "muted"
        self._icons.paint(painter, self._name, QRectF(rect), role)

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        """Rendered once for each look and size in px: icons were an eighth of all painting."""
        look = self._icons.look(self._name, self._role)
        key = f"{look} {mode.value} {size.width()}x{size.height()}"
        known = QPixmap()
        if not QPixmapCache.find(key, known):
            known = super().pixmap(size, mode, state)
            QPixmapCache.insert(key, known)
        return known

    def clone(self) -> QIconEngine:
        return _SvgEngine(self._icons, self._name, self._role)
