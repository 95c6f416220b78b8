"""A field for long plain text that stays quick when there is no space in it. Main thread."""

from __future__ import annotations

import re

from PySide6.QtCore import QMimeData
from PySide6.QtGui import QTextOption
from PySide6.QtWidgets import QPlainTextEdit

# Qt breaks lines at words in quadratic time: 200,000 characters without a space took it 13 s to lay
# out, breaking anywhere 0.2 s (measured, on a busy machine). Begins where a word does: looked for
# from each letter on, a hundred words of 1,990 letters took 0.6 s.
_LONG_RUN = re.compile(r"(?<!\S)\S{2000}")


def has_long_run(text: str) -> bool:
    """Whether ``text`` is to be broken anywhere, for want of spaces."""
    return bool(_LONG_RUN.search(text))


class LongTextEdit(QPlainTextEdit):
    """Breaks lines at words, unless a text that comes into it has none."""

    def setPlainText(self, text: str) -> None:
        self._choose_wrapping(text, is_all=True)
        super().setPlainText(text)

    def insertFromMimeData(self, source: QMimeData) -> None:
        self._choose_wrapping(source.text(), is_all=False)
        super().insertFromMimeData(source)

    def _choose_wrapping(self, text: str, *, is_all: bool) -> None:
        mode = QTextOption.WrapMode
        if has_long_run(text):
            self.setWordWrapMode(mode.WrapAnywhere)
        elif is_all:
            self.setWordWrapMode(mode.WrapAtWordBoundaryOrAnywhere)
