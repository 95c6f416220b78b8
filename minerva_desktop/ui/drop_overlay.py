"""What the window shows while files are dragged over it. Main thread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from minerva_desktop.ui.theme import GRID, ThemeSource

STAY = "Used from where it is, without a copy"
GO_ALONG = "For the model to read with your message"
OF_FOLDERS = "Files go with your message; other folders do not"
CARD = QSizeF(90 * GRID, 40 * GRID)


class DropOverlay(QWidget):
    """Covers its parent; shown and hidden by the main window."""

    def __init__(self, themes: ThemeSource, parent: QWidget) -> None:
        super().__init__(parent)
        self._themes = themes
        self._covered = parent
        self._text, self._hint = drop_words(())
        self.setObjectName("dropOverlay")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def cover(self, files: Sequence[Path] = ()) -> None:
        """Show over all of the parent, with what becomes of ``files`` that are dropped."""
        self._text, self._hint = drop_words(files)
        self.setAccessibleName(f"{self._text}. {self._hint}")
        self.setGeometry(self._covered.rect())
        self.raise_()
        self.show()

    def paintEvent(self, _event: QPaintEvent) -> None:
        theme = self._themes.theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        veil = QColor(theme.window)
        veil.setAlphaF(0.97)
        painter.fillRect(self.rect(), veil)
        frame = QRectF(QPointF(), CARD.boundedTo(QSizeF(self.size())))
        frame.moveCenter(QRectF(self.rect()).center())
        painter.setBrush(QColor(theme.surface))
        painter.setPen(QPen(QColor(theme.accent), 2, Qt.PenStyle.DashLine))
        painter.drawRoundedRect(frame, 3 * GRID, 3 * GRID)
        title = QFont(self.font())
        title.setPixelSize(20)
        title.setWeight(QFont.Weight.DemiBold)
        painter.setFont(title)
        painter.setPen(QColor(theme.text))
        centre = Qt.AlignmentFlag.AlignCenter
        painter.drawText(frame.translated(0, -4 * GRID), centre, self._text)
        painter.setFont(self.font())
        painter.setPen(QColor(theme.muted))
        painter.drawText(frame.translated(0, 4 * GRID), centre, self._hint)


def drop_words(files: Sequence[Path]) -> tuple[str, str]:
    """What happens when ``files`` are dropped, and a line more on it; by their names alone, for it
    is asked while they are dragged."""
    suffixes = [path.suffix.lower() for path in files]
    n_models, n_chats = suffixes.count(".gguf"), suffixes.count(".zip") + suffixes.count(".json")
    n_others = len(files) - n_models - n_chats
    if not files or sum(map(bool, (n_models, n_chats, n_others))) > 1:
        return "Drop models, chats or files", "Files go with your message, models to the library"
    if n_models:
        return "Drop to add the model" + "s" * (n_models > 1), STAY
    if n_chats:
        return "Drop to import chats", "A JSON file without chats goes with your message"
    if not all(suffixes):  # of a folder, mostly
        return "Drop files, or a folder of chats", OF_FOLDERS
    return "Drop to attach the file" + "s" * (n_others > 1), GO_ALONG
