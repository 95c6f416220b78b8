"""The composer's button for a message that waits for an answer to end. Main thread."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton

from minerva_desktop.ui.controls import plain_tip

QUEUE = "Queue", "Send it once the answer is over"
SAVE = "Save", "Let it wait as it is now"


class QueueButton(QPushButton):
    """What it says is what Enter does."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("queueButton")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.set_saving(False)

    def set_saving(self, is_saving: bool) -> None:
        """Whether the message waits already, and is changed."""
        words, tip = SAVE if is_saving else QUEUE
        self.setText(words)
        self.setAccessibleName(words)
        self.setToolTip(plain_tip(tip, "Return"))
