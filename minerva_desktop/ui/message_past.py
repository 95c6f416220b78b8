"""What was done to the message that is written, and can be undone. Main thread."""

from __future__ import annotations

from PySide6.QtCore import Qt

from minerva_desktop.ui.attachment_strip import AttachmentStrip
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.undo_steps import Past


class MessagePast:
    """The changes of its text and of its files, which go back in one order."""

    def __init__(self, editor: MessageEdit, files: AttachmentStrip) -> None:
        self._editor = editor
        self._files = files
        self._n_begun = 0

    def begin(self) -> None:
        """Another message is written now; nothing of it was changed yet."""
        self._n_begun += 1

    def mark(self) -> Past:
        """What `UndoSteps` asks for. What is typed next is a change of its own."""
        document = self._editor.document()
        document.setModified(False)
        return self._n_begun, document.availableUndoSteps() + self._files.n_undoable

    @property
    def is_undone(self) -> bool:
        """Whether all that was done was undone."""
        document, files = self._editor.document(), self._files
        can_undo = document.isUndoAvailable() or files.n_undoable
        return not can_undo and (document.isRedoAvailable() or files.can_redo)

    def undo(self) -> bool:
        """Take back the last change, and show where that was; whether there was one."""
        if not self._files.undo():
            if not self._editor.document().isUndoAvailable():
                return False
            self._editor.undo()
        self._editor.setFocus(Qt.FocusReason.OtherFocusReason)
        return True
