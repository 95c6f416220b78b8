"""A message of the transcript that can turn into an editor in its place. Main thread."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, Qt, Signal, Slot
from PySide6.QtWidgets import QApplication

from minerva_desktop.ui.chat_view.message_editor import EditorWords, MessageEditor
from minerva_desktop.ui.chat_view.message_view import MessageView

CURSOR_AT = 0.75  # of the view's height: what comes before it says more than what comes behind


class EditableView(MessageView):
    """``edit_submitted(id, text)``: it is to say that instead; ``edit_cancelled(id)``: leave it as
    it is; ``caret_moved(rect)``: the editor's cursor went to there, in this widget;
    ``edit_changed``: something was typed there."""

    edit_changed = Signal()
    edit_submitted = Signal(str, str)
    edit_cancelled = Signal(str)
    caret_moved = Signal(QRect)

    _words: EditorWords
    _enter_submits: bool  # where the settings have Enter send
    _editor: MessageEditor | None = None
    _max_edit_height = 0
    # Its height while it was no editor yet, and how much of that was above the view: px.
    _before = (0, 0)

    @property
    def is_edited(self) -> bool:
        return self._editor is not None

    @property
    def edited_text(self) -> str | None:
        """What the person has made of it so far; None where it is not being edited."""
        return None if self._editor is None else self._editor.text

    def begin_edit(self, text: str, *, enter_sends: bool, max_height: int) -> None:
        """Turn into an editor that holds ``text``, at most about ``max_height`` px high. One that
        it is already takes another text, which Ctrl+Z takes back."""
        if self._editor is not None:
            if text != self._message.text:
                self._editor.set_text(text)
            return
        editor = MessageEditor(
            text,
            self._icons.themes.text_size,
            self._words,
            enter_submits=enter_sends and self._enter_submits,
            can_be_blank=self._can_be_blank,
            parent=self,
        )
        editor.changed.connect(self.edit_changed)
        editor.submitted.connect(self._on_edit_submitted)
        editor.cancelled.connect(self._on_edit_cancelled)
        editor.height_changed.connect(self._on_editor_grew)
        editor.caret_moved.connect(self._on_editor_caret)
        self._editor = editor
        self._max_edit_height = max_height
        column = self.parentWidget()
        self._before = self.height(), 0 if column is None else -column.y() - self.top
        self._body.clear_selection()
        editor.show()
        if self._body.hasFocus():  # Qt would give it to what comes next, and scroll there
            editor.setFocus(Qt.FocusReason.OtherFocusReason)
        self._body.hide()
        self._hide_fold()
        self._show_state()
        self._fitted = (-1, 0)

    def set_busy(self, is_busy: bool) -> None:
        """Whether an answer is being written, so that nothing can be submitted."""
        if self._editor is not None:
            self._editor.set_busy(is_busy)

    @property
    def editor_rect(self) -> QRect:
        """Where the editor with its buttons is, px of the column; empty where there is none."""
        editor = self._editor
        return QRect() if editor is None else editor.geometry().translated(self.pos())

    def place_after(self, seen_height: int) -> float | None:
        """Where in the message, as a share of its height, the upper edge of the view is to be once
        it is no editor any more: where it was, or so that what was last worked at is in sight. None
        where its top can stay where it is: it is no higher than the ``seen_height`` px in sight."""
        height, edge = self._before
        if self._editor is None or height <= seen_height:
            return None
        if self._editor.is_untouched:
            return edge / height if edge > 0 else None
        return max(0.0, self._editor.cursor_share - CURSOR_AT * seen_height / height)

    def limit_editor(self, max_height: int) -> None:
        """The editor is to be at most about ``max_height`` px high."""
        if self._editor is not None and max_height != self._max_edit_height:
            self._max_edit_height = max_height
            self._fitted = (-1, 0)

    def focus_editor(self) -> None:
        """Let the person type."""
        if self._editor is not None:
            self._editor.begin()

    def end_edit(self) -> None:
        """Be a message again. Nobody has the keyboard then who had it in the editor."""
        editor, self._editor = self._editor, None
        if editor is not None:
            focused = QApplication.focusWidget()
            if focused is not None and editor.isAncestorOf(focused):
                focused.clearFocus()
            editor.hide()
            editor.deleteLater()
            self._body.show()
            self._show_fold()
            self._show_state()
            self._fitted = (-1, 0)

    def restyle(self) -> None:
        super().restyle()
        if self._editor is not None:
            self._editor.use_text_size()

    @property
    def _can_be_blank(self) -> bool:
        """Whether it is a message without words."""
        return False

    # -- slots -------------------------------------------------------------------------------

    @Slot(str)
    def _on_edit_submitted(self, text: str) -> None:
        self.edit_submitted.emit(self._message.id, text)

    @Slot()
    def _on_edit_cancelled(self) -> None:
        self.edit_cancelled.emit(self._message.id)

    @Slot()
    def _on_editor_grew(self) -> None:
        self._fitted = (-1, 0)
        self.layout_changed.emit()

    @Slot(QRect)
    def _on_editor_caret(self, rect: QRect) -> None:
        if self._editor is not None:
            place = self._editor.mapTo(self, QPoint(rect.topLeft()))
            self.caret_moved.emit(QRect(place, rect.size()))
