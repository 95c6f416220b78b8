"""Enter presses the button that has the focus: Qt's own buttons take Space only, outside dialogs.
Check boxes and radio buttons, which are set and not pressed, stay with Space.

Main thread.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QCheckBox,
    QDialog,
    QRadioButton,
    QWidget,
)

ENTER_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class EnterKey(QObject):
    """Sits on whichever button has the focus, in the windows and popups that are no dialogs: in
    those, Enter is for the button that is meant by default.

    What a field leaves of its Enter never gets here, also where it moved the focus to a button.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.focusChanged.connect(self._on_focus_changed)

    @Slot(QWidget, QWidget)
    def _on_focus_changed(self, old: QWidget | None, now: QWidget | None) -> None:
        if isinstance(old, QAbstractButton):
            old.removeEventFilter(self)
        if isinstance(now, QCheckBox | QRadioButton):
            return
        if isinstance(now, QAbstractButton) and not isinstance(now.window(), QDialog):
            now.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress:
            return False
        if event.key() not in ENTER_KEYS or not isinstance(watched, QAbstractButton):
            return False
        if event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:  # a shortcut of somebody's
            return False
        if not event.isAutoRepeat():  # held down, it presses once
            watched.click()
        return True
