"""Where Tab leads to in what comes while the window is open: Qt has it come last of all, behind the
status bar. Main thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget


def lead_from(before: QWidget, stops: Iterable[QWidget]) -> QWidget:
    """Have Tab lead from ``before`` to each of ``stops``; the last that it leads to."""
    for stop in stops:
        QWidget.setTabOrder(before, stop)
        before = stop
    return before


def lead_to(after: QWidget, stops: Sequence[QWidget]) -> None:
    """Have Tab lead to each of ``stops``, and from there to ``after``."""
    before = after.previousInFocusChain()
    # Qt ignores an order behind what never has the keyboard.
    while before is not None and before.focusPolicy() == Qt.FocusPolicy.NoFocus:
        if before is after:
            return  # nothing has it
        before = before.previousInFocusChain()
    if before is None:
        return  # as Qt's types allow
    lead_from(before, stops)
    # It also takes an order for right where only such are between, as ``after`` is that hands the
    # keyboard on. So the last stop, if it was behind that already, has to come from elsewhere.
    lead_from(before, stops[-1:])
    lead_from(before, stops)
