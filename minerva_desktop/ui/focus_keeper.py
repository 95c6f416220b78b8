"""The keyboard goes to the composer where the button or the editor that had it goes away.

Qt gives it to whatever comes next in the window, such as *New chat*: there the next words are lost,
and a space presses a button. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtWidgets import QApplication, QWidget

from minerva_desktop.ui.composer import Composer


class FocusKeeper(QObject):
    """Watches what is inside ``areas``, parts of the composer's window. Who gives the keyboard to
    something else in the same turn of the event loop is obeyed."""

    _went = Signal()

    def __init__(self, composer: Composer, areas: Sequence[QWidget]) -> None:
        super().__init__(composer)
        self._composer = composer
        self._areas = tuple(areas)
        self._heir: QWidget | None = None  # what Qt gave the keyboard to
        # Later, yet before the next key: who hears of this change after us must not hear of the
        # next one first.
        self._went.connect(self._bring, Qt.ConnectionType.QueuedConnection)
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.focusChanged.connect(self._on_focus_changed)

    @Slot(QWidget, QWidget)
    def _on_focus_changed(self, old: QWidget | None, now: QWidget | None) -> None:
        if old is None or not self._is_inside(old):
            return
        if now is None or not old.isVisible() or not old.isEnabled():
            self._heir = now
            self._went.emit()

    def _is_inside(self, widget: QWidget) -> bool:
        at: QWidget | None = widget
        while at is not None and not any(at is area for area in self._areas):
            at = at.parentWidget()
        return at is not None

    @Slot()
    def _bring(self) -> None:
        # A window that is not in front, or has a menu over it, still knows its own.
        is_left = self._composer.window().focusWidget() is self._heir
        self._heir = None
        if is_left and self._composer.isVisible():
            self._composer.focus_editor()
