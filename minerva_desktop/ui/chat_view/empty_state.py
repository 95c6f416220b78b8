"""What the transcript shows before the first message. Main thread."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

TITLE_PX = 26
SUBTITLE_PX = 15
HINT_PX = 13
MARK = 56  # px
MAX_WIDTH = 520  # px
ADD_HINT = "Drop a .gguf file anywhere in this window to add a model."
TEMPORARY_HINT = (
    "Nothing of this chat is written to disk. It is gone when another one is opened, or Minerva "
    "is closed."
)


class EmptyState(QWidget):
    """A headline, what the model is, and how to bring another one."""

    def __init__(self, icons: Icons, parent: QWidget) -> None:
        super().__init__(parent)
        self._icons = icons
        self.setObjectName("emptyState")
        self._title = self._label(TITLE_PX)
        self._subtitle = self._label(SUBTITLE_PX)
        self._hint = self._label(HINT_PX)
        self._hint.setText(ADD_HINT)
        column = QVBoxLayout(self)
        column.setContentsMargins(6 * GRID, MARK + 5 * GRID, 6 * GRID, 0)
        column.setSpacing(3 * GRID)
        for label in (self._title, self._subtitle, self._hint):
            column.addWidget(label)
        self.restyle()

    def set_text(self, title: str, subtitle: str) -> None:
        """Both are plain text."""
        self._title.setText(title)
        self._subtitle.setText(subtitle)
        self._subtitle.setVisible(bool(subtitle))
        self.setAccessibleName(title)
        self.setAccessibleDescription(f"{subtitle} {self._hint.text()}".strip())

    def set_temporary(self, is_temporary: bool) -> None:
        """Whether a chat begins of which nothing is kept."""
        self._hint.setText(TEMPORARY_HINT if is_temporary else ADD_HINT)
        self.setAccessibleDescription(f"{self._subtitle.text()} {self._hint.text()}".strip())

    def text(self) -> str:
        """All of it, for tests and screen readers."""
        return "\n".join(
            label.text() for label in (self._title, self._subtitle, self._hint) if label.text()
        )

    def restyle(self) -> None:
        """Use the colours of the theme in force."""
        theme = self._icons.theme
        for label, colour in (
            (self._title, theme.text),
            (self._subtitle, theme.muted),
            (self._hint, theme.muted),
        ):
            label.setStyleSheet(f"color: {colour};")

    def fit(self, width: int, height: int, shift: int) -> None:
        """Stand in the middle of an area of that size, px, a little above its centre; of one whose
        upper edge moved down by ``shift`` px where it stood before."""
        own_width = min(width, MAX_WIDTH)
        own_height = self.heightForWidth(own_width)
        top = max(0, round((height + shift - own_height) * 0.42)) - shift
        self.setGeometry((width - own_width) // 2, top, own_width, own_height)

    def _label(self, px: int) -> QLabel:
        label = QLabel(self)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        label.setWordWrap(True)
        font = QFont(label.font())
        font.setPixelSize(px)
        if px == TITLE_PX:
            font.setWeight(QFont.Weight.DemiBold)
        label.setFont(font)
        return label

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        rect = QRectF((self.width() - MARK) / 2, 0, MARK, MARK)
        self._icons.paint(painter, "minerva", rect)
