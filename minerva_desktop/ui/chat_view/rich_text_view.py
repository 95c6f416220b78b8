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

from PySide6.QtCore import QEvent, QMimeData, QPoint, QRect, QRectF, Qt, QUrl, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QCursor,
    QFocusEvent,
    QGuiApplication,
    QImage,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QWheelEvent,
)
from PySide6.QtWidgets import QFrame, QTextBrowser, QTextEdit, QToolTip, QWidget

from minerva_desktop.ui.chat_view.code_boxes import CodeBoxes
from minerva_desktop.ui.chat_view.decorations import Decorations
from minerva_desktop.ui.chat_view.document_writer import DocumentWriter
from minerva_desktop.ui.chat_view.footnotes import BACK, other_end
from minerva_desktop.ui.chat_view.formula_runs import with_sources
from minerva_desktop.ui.chat_view.formulas import Formulas
from minerva_desktop.ui.chat_view.found_text import Match
from minerva_desktop.ui.chat_view.link_opener import LinkOpener
from minerva_desktop.ui.chat_view.link_targets import OPENED_SCHEMES
from minerva_desktop.ui.chat_view.markdown import ROWS_LINK
from minerva_desktop.ui.chat_view.plain_stream import Update
from minerva_desktop.ui.chat_view.plain_text import clean_source
from minerva_desktop.ui.chat_view.rows import LINE_BREAK, Kind, Row, all_runs
from minerva_desktop.ui.chat_view.text_formats import (
    CODE_BOTTOM,
    TextFormats,
    body_font,
)
from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.icons import Icons

MAX_TIP = 300  # characters of a footnote in a tool tip

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
    another version of the message is; ``edit_requested``: to edit it. ``height_changed``: it has to
    be `fit` again. ``save_requested(code, name)``: code is to be saved, in a file called so, say.
    ``rows_requested``: all rows of long tables are to be shown.
    """

    caret_moved = Signal(QRect)
    ring_changed = Signal()
    menu_requested = Signal(QPoint)
    step_requested = Signal(int)
    edit_requested = Signal()
    height_changed = Signal()
    save_requested = Signal(str, str)
    rows_requested = Signal()

    def __init__(self, icons: Icons, parent: QWidget) -> None:
        super().__init__(parent)
        self._icons = icons
        self._menu_link = ""
        self._link_opener = LinkOpener(self)
        self._keyboard = False
        self._found: Sequence[Match] = ()
        self._current: int | None = None
        self.whole_source: Callable[[], str] | None = None  # what Ctrl+C copies without a selection
        font = body_font(self.font())
        self.document().setDefaultFont(font)
        self._writer = DocumentWriter(self.document(), TextFormats(icons.theme, font))
        self._decorations = Decorations(self.document(), self._writer)
        self._boxes = CodeBoxes(icons, self._writer, self._decorations, self.viewport())
        self._boxes.save_requested.connect(self.save_requested)
        self._boxes.height_changed.connect(self.height_changed)
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

    def use_formulas(self, formulas: Formulas) -> None:
        """Have formulas drawn by ``formulas``; without that they stay as they were written."""
        self._writer.use_formulas(formulas)
        formulas.drawn.connect(self._on_formulas_drawn)

    def apply(self, update: Update) -> None:
        """Show ``update``. The widget's height is right only after the next `fit`."""
        empty = not self._writer.rows
        changed = self._writer.apply(update)
        if empty:
            self._caret_to_start()
            # A format alone, of a code block whose first line is empty still, moves nothing.
            self.document().markContentsDirty(0, 1)
        self._boxes.update(changed)

    def restyle(self) -> None:
        """Use the colours of the theme in force."""
        self._writer.restyle(TextFormats(self._icons.theme, self.document().defaultFont()))
        self._boxes.restyle()
        self._caret_to_start()
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
            self._boxes.move_all()
        height = math.ceil(self.document().size().height())
        rows = self._writer.rows
        if rows and rows[-1].kind is Kind.CODE:
            height += CODE_BOTTOM
        self.resize(width, height)
        self._boxes.place()
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
        """Plain text only, formulas as LaTeX: colours of a theme are no use elsewhere."""
        text = with_sources(self.textCursor()).replace(LINE_BREAK, "\n")
        data = QMimeData()
        data.setText(_MARKER.sub(r"\1 ", text))
        return data

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        self._boxes.wake(event.position().toPoint())

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._boxes.wake(None)

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
            QGuiApplication.clipboard().setText(clean_source(self.whole_source()))
        else:
            return False
        return True

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        by_keyboard = event.reason() == QContextMenuEvent.Reason.Keyboard
        link = "" if by_keyboard else self.anchorAt(event.pos())
        self._menu_link = "" if link.startswith("#") else link
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

    @Slot(object)
    def _on_formulas_drawn(self, sources: set[str]) -> None:
        changed = self._writer.draw_formulas(sources)
        if changed is not None:
            self._boxes.update(changed)
            self.height_changed.emit()

    @Slot(QUrl)
    def _open_link(self, url: QUrl) -> None:
        there = other_end(url.toString())
        if url.toString() == ROWS_LINK:
            self.rows_requested.emit()
        elif there:
            self._go_to(there)
        elif url.scheme().lower() in OPENED_SCHEMES:
            self._link_opener.open(url, self._texts_of(url))

    def _texts_of(self, url: QUrl) -> list[str]:
        """What the links are called that lead to ``url``."""
        links = (run for run in all_runs(self._writer.rows) if run.link)
        return [run.text for run in links if QUrl(run.link) == url]

    def _go_to(self, link: str) -> None:
        """Show the row that has ``link`` in it, and let the keyboard go on from there."""
        for index, row in enumerate(self._writer.rows):
            if any(run.link == link for run in all_runs([row])):
                cursor = QTextCursor(self._writer.block(index))
                self.setTextCursor(cursor)
                self.caret_moved.emit(self.cursorRect(cursor))
                return

    @Slot(QUrl)
    def _show_target(self, url: QUrl) -> None:
        if url.isEmpty():
            QToolTip.hideText()
            return
        target = bytes(url.toEncoded().data()).decode("ascii", "replace")
        if url.toString() == ROWS_LINK:
            target = "Show the rows that are folded, as lines of text"
        elif other_end(url.toString()):
            target = self._note_text(other_end(url.toString()))
        QToolTip.showText(QCursor.pos(), plain_tip(target), self)

    def _note_text(self, link: str) -> str:
        for row in self._writer.rows:
            if any(run.link == link for run in row.runs):
                return row.text.removesuffix(BACK).strip()[:MAX_TIP]
        return ""
