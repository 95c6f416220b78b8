"""What is new in a version, as it was told: Markdown that can neither load nor run anything. Main
thread."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from minerva_desktop.ui.chat_view.markdown import MarkdownParser
from minerva_desktop.ui.chat_view.plain_stream import Update
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.chat_view.streaming import MarkdownStream
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

MIN_HEIGHT = 30 * GRID
MARGIN = 3 * GRID


class ChangesView(QScrollArea):
    """A text that scrolls; rendered as answers are."""

    def __init__(self, icons: Icons) -> None:
        super().__init__()
        self.setObjectName("changesView")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMinimumHeight(MIN_HEIGHT)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        holder = self._holder = QWidget()
        self._text = RichTextView(icons, holder)
        self._text.setAccessibleName("What is new")
        self._text.move(MARGIN, MARGIN)
        self._parser = MarkdownParser()
        self.setWidget(holder)
        for each in (holder, self.viewport()):
            each.setAutoFillBackground(False)  # the corners are round
        icons.themes.changed.connect(self._text.restyle)

    def show_markdown(self, source: str) -> None:
        """Show ``source`` instead of what was there."""
        stream = MarkdownStream(self._parser)
        stream.feed(source)
        stream.finish()
        self._text.apply(Update(0, []))
        self._text.apply(stream.update())
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._fit()

    def _fit(self) -> None:
        width = max(1, self.viewport().width() - 2 * MARGIN)
        height = self._text.fit(width)
        self._holder.resize(self.viewport().width(), height + 2 * MARGIN)
