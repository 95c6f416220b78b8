"""Which changes of a text field one Ctrl+Z takes back. Main thread.

Qt makes one step of all that is typed while the caret stays at its end, be it a page in an hour,
and adds what is pasted there: one Ctrl+Z emptied the field. Here a pause ends a step, and what is
put in at once is one by itself.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtGui import QTextDocument

PAUSE_MS = 1_000  # without a key, after which the next one begins another step


class UndoGroups(QObject):
    """Keeps the steps of ``document`` apart; nothing else may use its *modified* mark."""

    def __init__(self, document: QTextDocument) -> None:
        super().__init__(document)
        self._document = document
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE_MS)
        self._pause.timeout.connect(self.begin_another)
        document.contentsChange.connect(self._on_change)

    @Slot()
    def begin_another(self) -> None:
        """The next change is a step of its own: Qt joins none to one that was "saved"."""
        self._document.setModified(False)

    @Slot()
    def _on_change(self) -> None:
        self._pause.start()
