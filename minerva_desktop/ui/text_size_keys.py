"""Ctrl with +, − and 0, and with the wheel: larger, smaller, usual text. Main thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QKeySequence, QShortcut, QWheelEvent
from PySide6.QtWidgets import QWidget

from minerva_desktop.ui.text_size import TextSize

NOTCH = 120  # units of a wheel's angle; touchpads send it in small parts
LARGER = QKeySequence.StandardKey.ZoomIn
SMALLER = QKeySequence.StandardKey.ZoomOut
USUAL = "Ctrl+0"


class TextSizeKeys(QObject):
    """Obeyed in all of ``window``, wherever the keyboard is."""

    def __init__(self, window: QWidget, text_size: TextSize) -> None:
        super().__init__(window)
        self._window = window
        self._text_size = text_size
        self._turned = 0  # units, that make no step yet
        # On many keyboards + is the shifted =, and nobody presses Shift for this.
        bindings = QKeySequence.keyBindings
        self._listen(partial(text_size.step, 1), *bindings(LARGER), QKeySequence("Ctrl+="))
        self._listen(partial(text_size.step, -1), *bindings(SMALLER))
        self._listen(text_size.reset, QKeySequence(USUAL))

    def _listen(self, obey: Callable[[], None], *keys: QKeySequence) -> None:
        once: list[QKeySequence] = []  # a key that is named twice would be ambiguous
        for key in keys:
            if key not in once:
                once.append(key)
        shortcut = QShortcut(self._window)
        shortcut.setKeys(once)
        shortcut.activated.connect(obey)

    def turn(self, event: QWheelEvent) -> bool:
        """Obey a wheel that turns while Ctrl is held; whether it does."""
        if not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._turned = 0
            return False
        if event.phase() != Qt.ScrollPhase.ScrollMomentum:  # it goes on by itself
            by = event.angleDelta().y()
            if by * self._turned < 0:
                self._turned = 0
            steps = int((self._turned + by) / NOTCH)
            self._turned += by - steps * NOTCH
            self._text_size.step(steps)
        event.accept()
        return True
