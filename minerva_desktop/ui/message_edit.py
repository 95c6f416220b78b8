"""The text field of messages: plain text, as high as its lines; what is pasted may become a file.

The composer has one, and a message that is edited in its place. Main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from pathlib import Path

from PySide6.QtCore import QEvent, QMimeData, Qt, Signal, Slot
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragMoveEvent,
    QFocusEvent,
    QFont,
    QFontInfo,
    QInputMethodEvent,
    QKeyEvent,
    QKeySequence,
    QResizeEvent,
    QTextCursor,
    QTextOption,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QFrame, QPlainTextEdit, QWidget

from minerva_desktop.ui.chat_view.text_measures import TextMeasures
from minerva_desktop.ui.long_text import has_long_run
from minerva_desktop.ui.text_size import TextSize
from minerva_desktop.ui.theme import GRID
from minerva_desktop.ui.undo_groups import UndoGroups

# What is longer, and pasted, comes as a file: about two screens.
LONG_PASTE = 8_000  # characters
LONG_PASTE_LINES = 100
MAX_INLINE = 200_000  # characters that the field takes without lagging
# Qt lays out a paragraph as a whole with each key, and once more to paint it. One of 91 kB took
# 17 ms of a processor for both; without kerning and ligatures, and with its glyphs kept from the
# layout to the painting, 6 ms.
LONG_PARAGRAPH = 16_000  # characters
AT_WORDS = QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere
ABOVE_WINDOW = 1  # px by which its usual size is above that of the window's text
_ALT = Qt.KeyboardModifier.AltModifier
_CTRL_SHIFT = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


def _no() -> bool:
    """For a field with nothing to undo but its text."""
    return False


class MessageEdit(QPlainTextEdit):
    """Where it ``takes_files``, pasted ones are told by ``files_pasted(list of Path)``, an image
    without words by ``image_pasted``, and a text that is long by ``long_text_pasted(str)``; it is
    not inserted then, unless by Ctrl+Shift+V and up to `MAX_INLINE`. ``history_wanted(-1)``: an
    earlier message, by Alt+↑. ``text_refused(length)``: it was too long to be put in.
    ``undo_other`` and ``redo_other`` are asked first, and say whether they undid something.
    `use_text_size` has its text follow the size in force.
    """

    send_pressed = Signal()
    stop_pressed = Signal()
    up_pressed = Signal()  # in the empty field
    composed = Signal()  # an input method put more together, or less
    history_wanted = Signal(int)
    focus_changed = Signal(bool)
    files_pasted = Signal(list)
    image_pasted = Signal()
    long_text_pasted = Signal(str)
    text_refused = Signal(int)

    def __init__(self, text_size: TextSize, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text_size = text_size
        self.enter_sends = True
        self.stoppable = False
        self.takes_files = False
        self.undo_other: Callable[[], bool] = _no
        self.redo_other: Callable[[], bool] = _no
        self._placeholder = ""
        self._draws_plainly = False  # drawn without kerning
        self._choose_font()
        self._max_height = 8 * self.fontMetrics().lineSpacing()
        self.setObjectName("composer")
        self.setAccessibleName("Message")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setTabChangesFocus(True)
        self.setWordWrapMode(AT_WORDS)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(GRID)
        self.document().documentLayout().documentSizeChanged.connect(self._fit_height)
        self.document().contentsChange.connect(self._keep_glyphs)
        self._undo_groups = UndoGroups(self.document())
        self.textChanged.connect(self._on_text_changed)
        self._fit_height()

    def set_max_height(self, height: int) -> None:
        """Grow to at most ``height`` px, then scroll."""
        self._max_height = height
        self._fit_height()

    def height_of(self, n_lines: int) -> int:
        """How high it has to be to show that many lines (px)."""
        margins = 2 * self.document().documentMargin() + 1
        return ceil(n_lines * self.fontMetrics().lineSpacing() + margins)

    def use_text_size(self) -> None:
        """Take the size of text that is in force now."""
        self._choose_font()
        self._fit_height()
        self.ensureCursorVisible()

    def set_placeholder(self, text: str) -> None:
        """Show ``text`` in the empty field, as much of it as fits into one line."""
        self._placeholder = " ".join(text.split())
        self._elide_placeholder()

    def set_text(self, text: str) -> None:
        """Replace the text; Undo brings the old one back."""
        self._choose_layout(text)
        cursor = self.textCursor()
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.insertText(text)
        self.setTextCursor(cursor)

    def start_over(self, text: str) -> None:
        """Hold ``text``, with the cursor at its end and nothing to undo."""
        is_broken, is_plain = self._choose_layout(text)
        self.setPlainText(text)
        if not is_broken:
            self.setWordWrapMode(AT_WORDS)
        if not is_plain:
            self._draw_plainly(False)
        self.moveCursor(QTextCursor.MoveOperation.End)

    def is_composing(self) -> bool:
        """Whether an input method's text is still being put together at the cursor."""
        block = self.textCursor().block()  # none, amid a change of the whole text
        return block.isValid() and bool(block.layout().preeditAreaText())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._enter_pressed(event)
        elif event.key() == Qt.Key.Key_Escape and self.stoppable and not self.is_composing():
            self.stop_pressed.emit()
        elif event.key() == Qt.Key.Key_Up and self._is_untouched() and _is_plain(event):
            self.up_pressed.emit()
        elif event.key() in _STEPS and _modifiers(event) == _ALT and not self.is_composing():
            self.history_wanted.emit(_STEPS[Qt.Key(event.key())])
        elif event.key() == Qt.Key.Key_V and _modifiers(event) == _CTRL_SHIFT:
            self.insert_text(QApplication.clipboard().text())
        elif self._steps_elsewhere(event):
            event.accept()
        else:
            super().keyPressEvent(event)

    def inputMethodEvent(self, event: QInputMethodEvent) -> None:
        super().inputMethodEvent(event)
        self._elide_placeholder()
        self.composed.emit()

    def _is_untouched(self) -> bool:
        return self.document().isEmpty() and not self.is_composing()

    def _steps_elsewhere(self, event: QKeyEvent) -> bool:
        if event.matches(QKeySequence.StandardKey.Undo):
            return self.undo_other()
        return event.matches(QKeySequence.StandardKey.Redo) and self.redo_other()

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

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        self._leave_files_to_the_window(event)
        if event.isAccepted():
            super().dragEnterEvent(event)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        self._leave_files_to_the_window(event)
        if event.isAccepted():
            super().dragMoveEvent(event)

    def _leave_files_to_the_window(self, event: QDragMoveEvent) -> None:
        """It is under this widget, and gets a drag next that is ignored here."""
        event.setAccepted(not _local_files(event.mimeData()))

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        if self.takes_files and (_local_files(source) or source.hasImage()):
            return True
        return source.hasText() and not _local_files(source)

    def insertFromMimeData(self, source: QMimeData) -> None:
        files = _local_files(source)
        if files and self.takes_files:
            self.files_pasted.emit(files)
        elif self.takes_files and source.hasImage() and not source.text().strip():
            self.image_pasted.emit()
        elif not files:
            text = source.text()
            if self.takes_files and is_long_paste(text):
                self.long_text_pasted.emit(text)
            else:
                self.insert_text(text)

    def insert_text(self, text: str) -> bool:
        """Put ``text`` in the place of what is selected; whether it is there now. One that would
        have the field lag comes as a file, or is refused where it takes none."""
        if len(text) > MAX_INLINE:
            if self.takes_files:
                self.long_text_pasted.emit(text)
            else:
                self.text_refused.emit(len(text))
            return False
        self._choose_layout(text)
        self._undo_groups.begin_another()
        self.insertPlainText(text)
        self._undo_groups.begin_another()
        self.ensureCursorVisible()
        return True

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            event.ignore()  # about the size of the text, which the window obeys
        else:
            super().wheelEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        caret = self.cursorRect()
        caret_was_seen = caret.top() >= 0 and caret.bottom() < event.oldSize().height()
        super().resizeEvent(event)
        self._fit_height()
        self._elide_placeholder()
        if caret_was_seen:  # Qt keeps the first line in its place, whatever becomes of the last
            self.ensureCursorVisible()

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
        elif event.type() == QEvent.Type.StyleChange:
            # With another theme Qt brings back the font in which the field was shown first.
            self._choose_font()
            self._fit_height()

    def _elide_placeholder(self) -> None:
        margins = 2 * self.document().documentMargin() + 1
        room = self.viewport().width() - ceil(margins)
        mode = Qt.TextElideMode.ElideRight
        shown = self.fontMetrics().elidedText(self._placeholder, mode, room)
        # Qt would paint it under what is being put together.
        self.setPlaceholderText("" if self.is_composing() else shown)
        # Qt paints anew only where a placeholder appears or goes: another model's name would stay.
        self.viewport().update()

    def _choose_layout(self, added: str) -> tuple[bool, bool]:
        """Whether ``added`` is broken anywhere from now on, a key in 100 kB of which took 0.36 s
        otherwise, and 0.02 s so (measured); and whether it is drawn plainly."""
        is_broken = has_long_run(added)
        if is_broken:
            self.setWordWrapMode(QTextOption.WrapMode.WrapAnywhere)
        is_plain = max(map(len, added.split("\n"))) > LONG_PARAGRAPH
        if is_plain:
            self._draw_plainly(True)
        return is_broken, is_plain

    def _draw_plainly(self, is_plain: bool) -> None:
        if is_plain != self._draws_plainly:
            self._draws_plainly = is_plain
            self._choose_font()

    def usual_px(self) -> int:
        """The size of its font where a person reads text at its usual size."""
        return QFontInfo(QApplication.font()).pixelSize() + ABOVE_WINDOW

    def _choose_font(self) -> None:
        font = QFont()  # all else is the font that the window has
        font.setPixelSize(TextMeasures(self._text_size.percent).px(self.usual_px()))
        if self._draws_plainly:
            font.setStyleStrategy(QFont.StyleStrategy.PreferNoShaping)
        self.setFont(font)
        self.viewport().setFont(font)  # that of the placeholder, which follows no other

    @Slot(int, int, int)
    def _keep_glyphs(self, position: int, _removed: int, _added: int) -> None:
        """Called before what changed is laid out."""
        block = self.document().findBlock(position)
        if block.length() > LONG_PARAGRAPH:
            block.layout().setCacheEnabled(True)

    @Slot()
    def _on_text_changed(self) -> None:
        if self.document().isEmpty():
            self.setWordWrapMode(AT_WORDS)
            self._draw_plainly(False)
        elif self.textCursor().block().length() > LONG_PARAGRAPH:
            self._draw_plainly(True)

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


def is_long_paste(text: str) -> bool:
    """Whether ``text`` is better a file beside the message than a part of it."""
    return len(text) > LONG_PASTE or text.count("\n") >= LONG_PASTE_LINES


_STEPS = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}


def _local_files(source: QMimeData) -> list[Path]:
    return [Path(url.toLocalFile()) for url in source.urls() if url.isLocalFile()]


def _modifiers(event: QKeyEvent) -> Qt.KeyboardModifier:
    return event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier


def _is_plain(event: QKeyEvent) -> bool:
    return _modifiers(event) == Qt.KeyboardModifier.NoModifier
