"""The keys that scroll the transcript, wherever in it the keyboard is."""

from __future__ import annotations

from PySide6.QtGui import QKeySequence

SCROLL_KEYS = (
    QKeySequence.StandardKey.MoveToNextPage,
    QKeySequence.StandardKey.MoveToPreviousPage,
    QKeySequence.StandardKey.MoveToStartOfLine,
    QKeySequence.StandardKey.MoveToEndOfLine,
    QKeySequence.StandardKey.MoveToStartOfDocument,
    QKeySequence.StandardKey.MoveToEndOfDocument,
)
