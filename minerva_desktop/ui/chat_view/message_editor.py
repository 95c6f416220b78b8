"""A message while a person edits it in its place. Main thread."""

from __future__ import annotations

import msgspec
from PySide6.QtCore import QEvent, QRect, Qt, Signal, Slot
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QGuiApplication,
    QKeyEvent,
    QMouseEvent,
    QResizeEvent,
    QTextCursor,
)
from PySide6.QtWidgets import QFrame, QPushButton, QToolTip, QWidget

from minerva_desktop.ui.chat_view.text_measures import BODY_PX
from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.message_edit import MAX_INLINE, MessageEdit
from minerva_desktop.ui.text_size import TextSize
from minerva_desktop.ui.theme import GRID

PADDING = 3 * GRID  # px
LEAST_HEIGHT = 30 * GRID  # px of the text, before it scrolls
REFUSED = "{:,} characters were not pasted: it takes {:,} at once."


class EditorWords(msgspec.Struct, frozen=True):
    """``name`` is the editor's, ``submit`` its button's; ``busy`` says why that cannot be pressed
    while an answer is written, ``way_out`` where a text that it does not take can go."""

    name: str
    submit: str
    busy: str
    way_out: str = ""


QUESTION_WORDS = EditorWords(
    "Edit the message",
    "Send",
    "An answer is still being written. Stop it, or send your change after it.",
    " Paste them into the message field below, where they become a file.",
)
ANSWER_WORDS = EditorWords(
    "Edit the answer",
    "Save",
    "An answer is still being written. Stop it, or save your change after it.",
)


class MessageEditor(QFrame):
    """``submitted(text)``: it is to say that; ``cancelled``: leave the message as it is;
    ``height_changed``: ask `fit` how high it is now; ``caret_moved(rect)``: the cursor went to
    there, in this widget; ``changed``: something was typed."""

    submitted = Signal(str)
    changed = Signal()
    cancelled = Signal()
    height_changed = Signal()
    caret_moved = Signal(QRect)

    def __init__(
        self,
        text: str,
        text_size: TextSize,
        words: EditorWords,
        *,
        enter_submits: bool,
        can_be_blank: bool,
        parent: QWidget,
    ) -> None:
        """``enter_submits``: Enter alone does, not only with Ctrl. ``can_be_blank``: files go with
        it, and are enough."""
        super().__init__(parent)
        self._words = words
        self._can_be_blank = can_be_blank
        self._is_busy = False
        self._fitting = True  # until `fit` was called
        self.setObjectName("messageEditor")
        self.setAccessibleName(words.name)
        self._edit = _Edit(text_size, self)
        self._edit.setObjectName("messageEdit")
        self._edit.setAccessibleName(words.name)
        self._edit.enter_sends = enter_submits
        self._edit.stoppable = True  # Esc
        self.setFocusProxy(self._edit)
        self._edit.start_over(text)  # or Ctrl+Z would take all of it away
        self._given, self._given_shown = text, self._edit.toPlainText()
        self._cancel = _button("Cancel", "Esc", self)
        keys = "Return" if enter_submits else "Ctrl+Return"
        self._submit = _button(words.submit, keys, self)
        self._submit_tip = self._submit.toolTip()
        self._submit.setProperty("look", "primary")
        self._edit.send_pressed.connect(self.submit)
        self._edit.stop_pressed.connect(self.cancelled)
        self._edit.text_refused.connect(self._on_text_refused)
        self._edit.resized.connect(self._on_resized)
        self._edit.textChanged.connect(self._on_text_changed)
        self._edit.cursorPositionChanged.connect(self._on_caret_moved)
        self._cancel.clicked.connect(self.cancelled)
        self._submit.clicked.connect(self.submit)
        self._offer_submitting()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Beside the text, where the keyboard would be lost to the message field."""
        self._edit.setFocus(Qt.FocusReason.MouseFocusReason)
        event.accept()

    @property
    def text(self) -> str:
        """What it says now. What it was given is unchanged, although a field shows some of it
        otherwise: spaces that keep words together, ends of lines."""
        shown = self._edit.toPlainText()
        return self._given if shown == self._given_shown else shown

    @property
    def cursor_share(self) -> float:
        """How much of the text is before the cursor, 0.0 to 1.0."""
        return self._edit.textCursor().position() / max(1, self._edit.document().characterCount())

    @property
    def is_untouched(self) -> bool:
        """Whether it is as `begin` left it."""
        return self._edit.textCursor().atEnd() and self._edit.toPlainText() == self._given_shown

    def set_text(self, text: str) -> None:
        """Say that instead; Undo brings back what it said."""
        self._edit.set_text(text)

    def use_text_size(self) -> None:
        """As `MessageEdit.use_text_size`."""
        self._edit.use_text_size()

    def begin(self) -> None:
        """Take the keyboard, with the cursor at the end."""
        self._edit.moveCursor(QTextCursor.MoveOperation.End)
        self._edit.setFocus(Qt.FocusReason.OtherFocusReason)
        self._on_caret_moved()

    def fit(self, width: int, max_height: int) -> int:
        """Take ``width`` px, and at most about ``max_height``; the height in px that it needs."""
        self._fitting = True
        self._edit.set_max_height(max(LEAST_HEIGHT, max_height))
        self._edit.setFixedWidth(width - 2 * PADDING)
        self._edit.move(PADDING, 2 * GRID)
        y = 2 * GRID + self._edit.height() + 2 * GRID
        right = width - PADDING
        for button in (self._submit, self._cancel):
            size = button.sizeHint()
            right -= size.width()
            button.setGeometry(QRect(right, y, size.width(), size.height()))
            right -= 2 * GRID
        height = y + self._submit.height() + PADDING
        self.resize(width, height)
        self._fitting = False
        return height

    def set_busy(self, is_busy: bool) -> None:
        """Whether an answer is being written: its button says then why it cannot be pressed."""
        if is_busy != self._is_busy:
            self._is_busy = is_busy
            self._submit.setToolTip(plain_tip(self._words.busy) if is_busy else self._submit_tip)
            self._submit.setAccessibleDescription(self._words.busy if is_busy else "")
            self._offer_submitting()

    @Slot()
    def submit(self) -> None:
        """Say so, unless it is blank. Also while an answer is being written: who presses Enter is
        to hear that."""
        QGuiApplication.inputMethod().commit()
        if self._has_content:
            self.submitted.emit(self.text)

    @property
    def _has_content(self) -> bool:
        return self._can_be_blank or bool(self.text.strip())

    def _offer_submitting(self) -> None:
        self._submit.setEnabled(self._has_content and not self._is_busy)

    @Slot()
    def _on_text_changed(self) -> None:
        self._offer_submitting()
        self.changed.emit()

    @Slot(int)
    def _on_text_refused(self, length: int) -> None:
        words = REFUSED.format(length, MAX_INLINE) + self._words.way_out
        place = self._edit.viewport().mapToGlobal(self._edit.cursorRect().bottomLeft())
        QToolTip.showText(place, plain_tip(words), self._edit)
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self._edit, words))

    @Slot()
    def _on_resized(self) -> None:
        if not self._fitting:
            self.height_changed.emit()

    @Slot()
    def _on_caret_moved(self) -> None:
        if self._edit.hasFocus():
            rect = self._edit.cursorRect()
            rect.moveTopLeft(self._edit.mapTo(self, rect.topLeft()))
            if self._edit.textCursor().atEnd():
                rect.setBottom(self.height())  # with the last line come the buttons below it
            self.caret_moved.emit(rect)


class _Edit(MessageEdit):
    """Says when its text made it higher or lower. Ctrl with ↑ and ↓, which lead to other messages
    where there is no text field, are this one's: on macOS, Cmd with ↑ goes to the text's start."""

    resized = Signal()

    def usual_px(self) -> int:
        """That of the message in whose place it is."""
        return BODY_PX

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            is_ctrl = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
            if is_ctrl and event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
                event.accept()
                return True
        return super().event(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().height() != event.oldSize().height():
            self.resized.emit()


def _button(text: str, keys: str, parent: QWidget) -> QPushButton:
    button = QPushButton(text, parent)
    button.setAccessibleName(text)
    button.setToolTip(plain_tip(text, keys))
    button.setAutoDefault(False)
    return button
