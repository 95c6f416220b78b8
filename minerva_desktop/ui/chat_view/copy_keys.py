"""The keys that copy a message, or delete it. Main thread."""

from __future__ import annotations

from PySide6.QtGui import QKeyEvent, QKeySequence

AS_MARKDOWN = "Copy selection as Markdown"  # in menus
MARKDOWN_KEYS = QKeySequence("Ctrl+Shift+C")  # copy as Markdown
_DELETE = QKeySequence("Del")


def is_copy_key(event: QKeyEvent) -> bool:
    """Whether a key copies, be it as Markdown."""
    return event.matches(QKeySequence.StandardKey.Copy) or is_markdown_key(event)


def is_markdown_key(event: QKeyEvent) -> bool:
    """Whether a key copies as Markdown."""
    return QKeySequence(event.keyCombination()) == MARKDOWN_KEYS


def is_delete_key(event: QKeyEvent) -> bool:
    """Whether a key deletes."""
    return QKeySequence(event.keyCombination()) == _DELETE
