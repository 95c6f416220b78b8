"""One message's text: read-only, selectable, as high as its content, and inert.

A document here never loads a resource, and a link is opened only when a person activates it, only
if it leads to the web or to mail, and after its target was shown. `MessageView` feeds it. Main
thread.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import QMimeData, QPoint, QRect, QRectF, Qt, QUrl, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QCursor,
    QDesktopServices,
    QFocusEvent,
    QGuiApplication,
    QImage,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QPalette,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QWheelEvent,
)
from PySide6.QtWidgets import QFrame, QTextBrowser, QTextEdit, QToolTip, QWidget

from minerva_desktop.ui.chat_view.copy_button import SIZE, CopyButton
from minerva_desktop.ui.chat_view.decorations import Decorations
from minerva_desktop.ui.chat_view.document_writer import DocumentWriter
from minerva_desktop.ui.chat_view.found_text import Match
from minerva_desktop.ui.chat_view.rows import LINE_BREAK, Kind, Row
from minerva_desktop.ui.chat_view.streaming import Update
from minerva_desktop.ui.chat_view.text_formats import (
    CODE_BOTTOM,
    CODE_HEADER,
    TextFormats,
    body_font,
)
from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.icons import Icons

MAX_COPY_BUTTONS = 200  # in one message: each is a widget
OPENED_SCHEMES = frozenset({"http", "https", "mailto"})

_MARKER = re.compile(r"^([•◦☐☑]|\d{1,9}[.)])\t", re.MULTILINE)
_SCROLL_KEYS = (
    QKeySequence.StandardKey.MoveToNextPage,
    QKeySequence.StandardKey.MoveToPreviousPage,
    QKeySequence.StandardKey.MoveToStartOfLine,
    QKeySequence.StandardKey.MoveToEndOfLine,
    QKeySequence.StandardKey.MoveToStartOfDocument,
    QKeySequence.StandardKey.MoveToEndOfDocument,
)
_ALT = Qt.KeyboardModifier.AltModifier
_STEP_KEYS = {Qt.Key.Key_Left.value: -1, Qt.Key.Key_Right.value: 1}


class RichTextView(QTextBrowser):
    """Shows rows.

    ``caret_moved(rect)`` follows a selection made with the keyboard, in this widget's coordinates,
    so that whoever scrolls can keep it in sight. ``ring_changed`` says that `has_ring` did.
    ``menu_requested(place)``: a context menu is wanted there on the screen; ``step_requested(by)``:
    another version of the message is; ``edit_requested``: to edit it.
    """

    caret_moved = Signal(QRect)
    ring_changed = Signal()
    menu_requested = Signal(QPoint)
    step_requested = Signal(int)
    edit_requested = Signal()

    def __init__(self, icons: Icons, parent: QWidget) -> None:
        super().__init__(parent)
        self._icons = icons
        self._copy_buttons: list[CopyButton] = []
        self._placed_from = 0
        self._menu_link = ""
        self._keyboard = False
        self._found: Sequence[Match] = ()
        self._current: int | None = None
        self.whole_source: Callable[[], str] | None = None  # what Ctrl+C copies without a selection
        font = body_font(self.font())
        self.document().setDefaultFont(font)
        self._writer = DocumentWriter(self.document(), TextFormats(icons.theme, font))
        self._decorations = Decorations(self.document(), self._writer)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setOpenLinks(False)
        self.setAcceptDrops(False)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextBrowserInteraction
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setCursorWidth(0)
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.Base, Qt.GlobalColor.transparent)
        self.setPalette(palette)
        self.anchorClicked.connect(self._open_link)
        self.highlighted.connect(self._show_target)

    # -- content -----------------------------------------------------------------------------

    def apply(self, update: Update) -> None:
        """Show ``update``. The widget's height is right only after the next `fit`."""
        empty = not self._writer.rows
        changed = self._writer.apply(update)
        if empty:
            self._caret_to_start()
        boxes = self._writer.boxes
        while len(self._copy_buttons) > len(boxes):
            self._copy_buttons.pop().deleteLater()
        while len(self._copy_buttons) < min(len(boxes), MAX_COPY_BUTTONS):
            self._copy_buttons.append(self._make_copy_button(len(self._copy_buttons)))
        box = len(self._copy_buttons)
        while box > 0 and boxes[box - 1][1] >= changed:
            box -= 1
        self._placed_from = min(self._placed_from, box)

    def restyle(self) -> None:
        """Use the colours of the theme in force."""
        self._writer.restyle(TextFormats(self._icons.theme, self.document().defaultFont()))
        self._caret_to_start()
        self._placed_from = 0
        if self._found:
            self.show_found(self._found, self._current)

    def _caret_to_start(self) -> None:
        """Text that is put in moves the caret along; a selection by keyboard begins at the top."""
        cursor = self.textCursor()
        cursor.setPosition(0)
        self.setTextCursor(cursor)

    def fit(self, width: int) -> int:
        """Lay the text out in ``width`` px; the height in px that it takes."""
        if self.document().textWidth() != width:
            self.document().setTextWidth(width)
            self._placed_from = 0
        height = math.ceil(self.document().size().height())
        rows = self._writer.rows
        if rows and rows[-1].kind is Kind.CODE:
            height += CODE_BOTTOM
        self.resize(width, height)
        self._place_copy_buttons()
        return height

    def natural_width(self, limit: int) -> int:
        """The width in px, at most ``limit``, at which no line has to break."""
        self.document().setTextWidth(limit)
        return min(limit, math.ceil(self.document().idealWidth()) + 1)

    def plain_text(self, limit: int = sys.maxsize) -> str:
        """The text as it is read, without formats; the rows of its first ``limit`` characters."""
        texts: list[str] = []
        for row in self._writer.rows:
            texts.append(row.text)
            limit -= len(texts[-1]) + 1
            if limit < 0:
                break
        return "\n".join(texts)

    @property
    def rows(self) -> list[Row]:
        """What is shown."""
        return self._writer.rows

    def show_found(self, matches: Sequence[Match], current: int | None) -> None:
        """Mark what was found, and the ``current`` one of it. What is not there any more is left
        out: an answer may have changed since it was searched."""
        self._found, self._current = matches, current
        theme = self._icons.theme
        selections = []
        for number, match in enumerate(matches):
            if not self._writer.has(match.row, match.cell):
                continue
            is_current = number == current
            marked = QTextCharFormat()
            marked.setBackground(QColor(theme.accent if is_current else theme.found))
            marked.setForeground(QColor(theme.on_accent if is_current else theme.text))
            selection = QTextEdit.ExtraSelection()
            selection.format = marked
            selection.cursor = self._found_cursor(match)
            selections.append(selection)
        self.setExtraSelections(selections)

    def _found_cursor(self, match: Match) -> QTextCursor:
        cursor = QTextCursor(self.document())
        cursor.setPosition(self._writer.position(match.row, match.cell, match.start))
        end = self._writer.position(match.row, match.cell, match.end)
        cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
        return cursor

    def found_rect(self, match: Match) -> QRect:
        """Where a found text ends, in this widget; the top where it is not there any more."""
        if not self._writer.has(match.row, match.cell):
            return QRect()
        return self.cursorRect(self._found_cursor(match))

    def clear_selection(self) -> None:
        """Select nothing."""
        cursor = self.textCursor()
        if cursor.hasSelection():
            cursor.clearSelection()
            self.setTextCursor(cursor)

    # -- code boxes --------------------------------------------------------------------------

    def _make_copy_button(self, box: int) -> CopyButton:
        label = self._writer.rows[self._writer.boxes[box][0]].label
        name = f"Copy {label} code" if label else "Copy code"
        source = partial(self._writer.box_source, box)
        button = CopyButton(self._icons, name, source, self.viewport())
        button.show()
        return button

    def _place_copy_buttons(self) -> None:
        for box in range(self._placed_from, len(self._copy_buttons)):
            rect = self._decorations.box_rect(box)
            margin = (CODE_HEADER - SIZE) // 2
            x = round(rect.right()) - SIZE - margin
            self._copy_buttons[box].move(x, round(rect.top()) + margin)
        self._placed_from = len(self._copy_buttons)

    # -- Qt ----------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        theme = self._icons.theme
        exposed = QRectF(event.rect())
        self._decorations.paint(painter, exposed, theme, self.document().defaultFont())
        painter.end()
        super().paintEvent(event)

    def loadResource(self, kind: int, _name: QUrl | str) -> object:
        """Nothing is ever loaded. An image has to be one: for None Qt opens the file itself."""
        if kind == QTextDocument.ResourceType.ImageResource.value:
            image = QImage(1, 1, QImage.Format.Format_ARGB32)
            image.fill(Qt.GlobalColor.transparent)
            return image
        return ""

    def createMimeDataFromSelection(self) -> QMimeData:
        """Plain text only: colours of a theme are no use elsewhere."""
        text = self.textCursor().selection().toPlainText().replace(LINE_BREAK, "\n")
        data = QMimeData()
        data.setText(_MARKER.sub(r"\1 ", text))
        return data

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()  # the transcript scrolls, never one message

    def keyPressEvent(self, event: QKeyEvent) -> None:
        arrow = event.key() in {Qt.Key.Key_Up, Qt.Key.Key_Down}
        selects = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if (arrow and not selects) or any(event.matches(key) for key in _SCROLL_KEYS):
            event.ignore()
            return
        if self._message_key(event):
            event.accept()
            return
        super().keyPressEvent(event)
        if self.textCursor().hasSelection():
            self.caret_moved.emit(self.cursorRect())

    def _message_key(self, event: QKeyEvent) -> bool:
        """Obey a key that is about the message as a whole; False for all others."""
        step = _STEP_KEYS.get(event.key(), 0)
        if step and event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier == _ALT:
            self.step_requested.emit(step)
        elif event.key() == Qt.Key.Key_F2:
            self.edit_requested.emit()
        elif event.matches(QKeySequence.StandardKey.Copy) and self.whole_source is not None:
            if self.textCursor().hasSelection():
                return False
            QGuiApplication.clipboard().setText(self.whole_source())
        else:
            return False
        return True

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        by_keyboard = event.reason() == QContextMenuEvent.Reason.Keyboard
        self._menu_link = "" if by_keyboard else self.anchorAt(event.pos())
        self.menu_requested.emit(event.globalPos())

    def take_menu_link(self) -> str:
        """The address of the link that the menu was asked for at; empty where there is none."""
        link, self._menu_link = self._menu_link, ""
        return link

    @property
    def has_ring(self) -> bool:
        """Whether the focus came by keyboard and should be seen."""
        return self._keyboard and self.hasFocus()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        tabs = {Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason}
        self._keyboard = event.reason() in tabs
        self.ring_changed.emit()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.ring_changed.emit()

    @Slot(QUrl)
    def _open_link(self, url: QUrl) -> None:
        if url.scheme().lower() in OPENED_SCHEMES:
            QDesktopServices.openUrl(url)

    @Slot(QUrl)
    def _show_target(self, url: QUrl) -> None:
        if url.isEmpty():
            QToolTip.hideText()
            return
        target = bytes(url.toEncoded().data()).decode("ascii", "replace")
        QToolTip.showText(QCursor.pos(), plain_tip(target), self)
