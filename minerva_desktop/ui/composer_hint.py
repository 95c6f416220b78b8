"""What the composer says of the message that is written. Main thread."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel

from minerva_desktop.ui.theme import GRID


class ComposerHint(QLabel):
    """Hidden while there is nothing to say."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("composerHint")
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("look", "warning")
        self.setWordWrap(True)
        self.setContentsMargins(GRID, 0, 0, GRID)  # the first line of the text is right below
        self.hide()

    def say(self, words: str) -> bool:
        """Say that, or nothing; whether it was something else before."""
        if words == self.text():
            return False
        self.setText(words)
        self.setAccessibleName(words)
        self.setVisible(bool(words))
        return True
