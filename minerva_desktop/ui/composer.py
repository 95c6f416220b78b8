"""Where a message is written: a card that grows with its text, and the Send or Stop button;
above it the messages that wait for an answer to end.

The main window puts it under the transcript, sends what ``submitted`` carries, and clears it with
`Composer.clear` once the message is on disk. Main thread.
"""

from __future__ import annotations

import re
from math import ceil

from PySide6.QtCore import QEvent, QMimeData, QSize, Qt, Signal, Slot
from PySide6.QtGui import (
    QFocusEvent,
    QGuiApplication,
    QKeyEvent,
    QResizeEvent,
    QTextCursor,
    QTextOption,
)
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.ui.controls import BUTTON_SIZE, icon_button, plain_tip
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import COLUMN_WIDTH, GRID
from minerva_desktop.ui.waiting_messages import WaitingMessages

MAX_SHARE_OF_WINDOW = 3  # the card takes at most a third of the window's height
WINDOW_PER_WAITING = 250  # px of the window's height for each waiting message that is shown
OUTER = 6 * GRID  # px above and below the card, together
# Qt breaks lines at words in quadratic time: 100 kB without a space took 0.36 s for each key
# (measured); breaking anywhere takes 0.02 s.
_LONG_RUN = re.compile(r"\S{2000}")


class MessageEdit(QPlainTextEdit):
    """The text field: plain text only, its height follows its lines."""

    send_pressed = Signal()
    stop_pressed = Signal()
    up_pressed = Signal()  # in the empty field
    focus_changed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.enter_sends = True
        self.stoppable = False
        self._placeholder = ""
        self._max_height = 8 * self.fontMetrics().lineSpacing()
        self.setObjectName("composer")
        self.setAccessibleName("Message")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setTabChangesFocus(True)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(GRID)
        self.document().documentLayout().documentSizeChanged.connect(self._fit_height)
        self.textChanged.connect(self._wrap_words_when_empty)
        self._fit_height()

    def set_max_height(self, height: int) -> None:
        """Grow to at most ``height`` px, then scroll."""
        self._max_height = height
        self._fit_height()

    def set_placeholder(self, text: str) -> None:
        """Show ``text`` in the empty field, as much of it as fits into one line."""
        self._placeholder = " ".join(text.split())
        self._elide_placeholder()

    def set_text(self, text: str) -> None:
        """Replace the text; Undo brings the old one back."""
        self._choose_wrapping(text)
        cursor = self.textCursor()
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.insertText(text)
        self.setTextCursor(cursor)

    def start_over(self, text: str) -> None:
        """Hold ``text``, with the cursor at its end and nothing to undo."""
        self._choose_wrapping(text)
        self.setPlainText(text)
        self.moveCursor(QTextCursor.MoveOperation.End)

    def is_composing(self) -> bool:
        """Whether an input method's text is still being put together at the cursor."""
        layout = self.textCursor().block().layout()
        return bool(layout.preeditAreaText())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._enter_pressed(event)
        elif event.key() == Qt.Key.Key_Escape and self.stoppable and not self.is_composing():
            self.stop_pressed.emit()
        elif event.key() == Qt.Key.Key_Up and self.document().isEmpty() and _is_plain(event):
            self.up_pressed.emit()
        else:
            super().keyPressEvent(event)

    def _enter_pressed(self, event: QKeyEvent) -> None:
        if self.is_composing():
            return  # this Enter chooses a candidate
        modifiers = _modifiers(event)
        plain = _is_plain(event)
        if modifiers == Qt.KeyboardModifier.ControlModifier or (plain and self.enter_sends):
            self.send_pressed.emit()
        else:
            # Not Qt's own Shift+Enter, which inserts U+2028 instead of starting a line.
            self.textCursor().insertBlock()
            self.ensureCursorVisible()

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        # Files are for the window, which is under this widget and gets the drop next.
        return source.hasText() and not source.hasUrls()

    def insertFromMimeData(self, source: QMimeData) -> None:
        self._choose_wrapping(source.text())
        self.insertPlainText(source.text())
        self.ensureCursorVisible()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_height()
        self._elide_placeholder()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.focus_changed.emit(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.focus_changed.emit(False)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._elide_placeholder()

    def _elide_placeholder(self) -> None:
        margins = 2 * self.document().documentMargin() + 1
        room = self.viewport().width() - ceil(margins)
        mode = Qt.TextElideMode.ElideRight
        self.setPlaceholderText(self.fontMetrics().elidedText(self._placeholder, mode, room))
        # Qt paints anew only where a placeholder appears or goes: another model's name would stay.
        self.viewport().update()

    def _choose_wrapping(self, added: str) -> None:
        if _LONG_RUN.search(added):
            self.setWordWrapMode(QTextOption.WrapMode.WrapAnywhere)

    @Slot()
    def _wrap_words_when_empty(self) -> None:
        if self.document().isEmpty():
            self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)

    @Slot()
    def _fit_height(self) -> None:
        """Cheap for any length: looks at no more lines than fit into the greatest height."""
        layout = self.document().documentLayout()
        # The margin above is part of the first block; without the pixel below the last line Qt
        # would scroll.
        height = self.document().documentMargin() + 1
        block = self.document().begin()
        while block.isValid() and height <= self._max_height:
            height += layout.blockBoundingRect(block).height()
            block = block.next()
        fits = height <= self._max_height
        policy = Qt.ScrollBarPolicy
        self.setVerticalScrollBarPolicy(
            policy.ScrollBarAlwaysOff if fits else policy.ScrollBarAsNeeded
        )
        self.setFixedHeight(ceil(height) if fits else self._max_height)
        if fits:
            # Qt scrolled to the cursor while the field was still too small for all lines.
            self.verticalScrollBar().setValue(0)


class Composer(QWidget):
    """The card with the text and its buttons, and above it the messages that wait.

    ``submitted`` carries the text as typed and leaves it in place, for the receiver may refuse it;
    so does ``queued``, while an answer is generated. ``stop_requested`` comes from the Stop button
    and from Esc at that time, ``edit_last_requested`` from ↑ in the empty field.
    """

    submitted = Signal(str)
    queued = Signal(str)
    stop_requested = Signal()
    edit_last_requested = Signal()
    text_changed = Signal(str)
    enter_sends_changed = Signal(bool)

    def __init__(self, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._generating = False
        self._window_height = 0  # px; not known yet
        self._editor = MessageEdit()
        self._send = _round_button(icons, "send", "Send", "sendButton", "Return")
        self._stop = _round_button(icons, "stop", "Stop", "stopButton", "Esc")
        self._queue = QPushButton("Queue")
        self._queue.setObjectName("queueButton")
        self._queue.setAccessibleName("Queue")
        self._queue.setToolTip(plain_tip("Send it once the answer is over", "Return"))
        self._queue.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.waiting = WaitingMessages(icons)
        self._card = QFrame()
        self._card.setObjectName("composerCard")
        self._lay_out()
        self._editor.textChanged.connect(self._on_text_changed)
        self._editor.send_pressed.connect(self.submit)
        self._editor.stop_pressed.connect(self.stop_requested)
        self._editor.focus_changed.connect(self._show_focus)
        self._editor.up_pressed.connect(self.edit_last_requested)
        self._send.clicked.connect(self.submit)
        self._queue.clicked.connect(self.submit)
        self.waiting.focus_left.connect(self.focus_editor)
        self._stop.clicked.connect(self.stop_requested)
        self._refresh_buttons()

    @property
    def text(self) -> str:
        """What stands in the field."""
        return self._editor.toPlainText()

    def set_text(self, text: str) -> None:
        """Replace the text and put the cursor at its end."""
        self._editor.set_text(text)

    def start_over(self, text: str) -> None:
        """Hold ``text``, with nothing before it that Undo could bring back: of another chat."""
        self._editor.start_over(text)

    def clear(self) -> None:
        """Empty the field."""
        self._editor.set_text("")

    def set_generating(self, generating: bool) -> None:
        """Show Stop instead of Send; while it is shown, what is sent is queued."""
        moves_focus = self._send.hasFocus() or self._stop.hasFocus()
        self._generating = generating
        self._editor.stoppable = generating
        self._refresh_buttons()
        if moves_focus:
            (self._stop if generating else self._editor).setFocus()

    def set_placeholder(self, text: str) -> None:
        """The text of the empty field, such as ``Message SmolLM2…``."""
        self._editor.set_placeholder(text)

    def set_enter_sends(self, enter_sends: bool) -> None:
        """Whether Enter alone sends; Ctrl+Enter always does."""
        self._editor.enter_sends = enter_sends
        self.enter_sends_changed.emit(enter_sends)

    def set_window_height(self, height: int) -> None:
        """Grow to at most a share of the window's ``height`` px, from now on."""
        self._window_height = height
        self.waiting.set_max_shown(height // WINDOW_PER_WAITING)
        self._fit_window()

    @Slot()
    def focus_editor(self) -> None:
        """Let the person type."""
        self._editor.setFocus(Qt.FocusReason.OtherFocusReason)

    @Slot()
    def submit(self) -> None:
        """Emit ``submitted`` or, while an answer is under way, ``queued``; but not for nothing."""
        QGuiApplication.inputMethod().commit()
        if not _is_blank(self.text):
            (self.queued if self._generating else self.submitted).emit(self.text)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit_window()

    def _fit_window(self) -> None:
        if self._window_height:
            around = self._card.sizeHint().height() - self._editor.height() + OUTER
            self._editor.set_max_height(self._window_height // MAX_SHARE_OF_WINDOW - around)

    def _lay_out(self) -> None:
        row = QHBoxLayout(self._card)
        row.setContentsMargins(3 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        row.setSpacing(2 * GRID)
        row.addWidget(self._editor, 1, Qt.AlignmentFlag.AlignVCenter)
        for button in (self._queue, self._send, self._stop):
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignBottom)
        # In the middle where there is more room: so a box treats an only widget.
        self._card.setMaximumWidth(COLUMN_WIDTH)
        self.waiting.setMaximumWidth(COLUMN_WIDTH)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(4 * GRID, OUTER // 3, 4 * GRID, OUTER - OUTER // 3)
        outer.setSpacing(2 * GRID)
        for part in (self.waiting, self._card):
            line = QHBoxLayout()
            line.addWidget(part)
            outer.addLayout(line)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusProxy(self._editor)

    @Slot()
    def _on_text_changed(self) -> None:
        text = self.text
        self._send.setEnabled(not _is_blank(text))
        self._queue.setVisible(self._generating and not _is_blank(text))
        self.text_changed.emit(text)

    @Slot(bool)
    def _show_focus(self, focused: bool) -> None:
        self._card.setProperty("focused", focused)
        self._card.style().polish(self._card)

    def _refresh_buttons(self) -> None:
        self._send.setVisible(not self._generating)
        self._stop.setVisible(self._generating)
        self._send.setEnabled(not _is_blank(self.text))
        self._queue.setVisible(self._generating and not _is_blank(self.text))


def _modifiers(event: QKeyEvent) -> Qt.KeyboardModifier:
    return event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier


def _is_plain(event: QKeyEvent) -> bool:
    return _modifiers(event) == Qt.KeyboardModifier.NoModifier


def _is_blank(text: str) -> bool:
    return not text or text.isspace()


def _round_button(icons: Icons, icon: str, label: str, name: str, shortcut: str) -> QToolButton:
    button = icon_button(icons, icon, label, shortcut=shortcut, role="on_accent")
    button.setObjectName(name)
    button.setFixedSize(QSize(BUTTON_SIZE, BUTTON_SIZE))
    return button
