"""What goes to the clipboard: plain text, and the same as HTML. Main thread."""

from __future__ import annotations

from PySide6.QtCore import QMimeData

_HEAD = '<meta charset="utf-8">'  # some programs would guess otherwise


def rich_data(text: str, html: str) -> QMimeData:
    """``text``, and ``html`` where there is any, for programs that take that."""
    data = QMimeData()
    data.setText(text)
    if html:
        data.setHtml(f"{_HEAD}{html}")
    return data
