"""One message's text: read-only, selectable, as high as its content, and inert.

A document here never loads a resource, and a link is opened only when a person activates it, only
if it leads to the web or to mail, and after its target was shown. `MessageView` feeds it. Main
thread.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from PySide6.QtCore import QEvent, QMimeData, QPoint, QRect, QRectF, Qt, Signal, Slot
from PySide6.QtGui import (
    QContextMenuEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QTextCursor,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QFrame, QWidget

from minerva_desktop.chat.visible_text import clean_source
from minerva_desktop.ui.chat_view.copy_keys import is_copy_key, is_delete_key
from minerva_desktop.ui.chat_view.decorations import Decorations
from minerva_desktop.ui.chat_view.document_writer import DocumentWriter
from minerva_desktop.ui.chat_view.formulas import Formulas
from minerva_desktop.ui.chat_view.found_marks import FoundMarks
from minerva_desktop.ui.chat_view.found_text import Match
from minerva_desktop.ui.chat_view.plain_stream import Update
from minerva_desktop.ui.chat_view.recolouring import Recolouring, work_some
from minerva_desktop.ui.chat_view.rich_data import copy_rich, rich_data
from minerva_desktop.ui.chat_view.row_html import html_of, html_pieces
from minerva_desktop.ui.chat_view.row_markdown import markdown_of
from minerva_desktop.ui.chat_view.row_slices import selected_rows
from minerva_desktop.ui.chat_view.row_text import first_texts, is_table_folded
from minerva_desktop.ui.chat_view.rows import Kind, Row
from minerva_desktop.ui.chat_view.scroll_keys import SCROLL_KEYS, STEPS
from minerva_desktop.ui.chat_view.selected_text import selected_text
from minerva_desktop.ui.chat_view.sideways_text import SidewaysText
from minerva_desktop.ui.chat_view.text_formats import SharedFormats, TextFormats
from minerva_desktop.ui.chat_view.text_links import TextLinks
from minerva_desktop.ui.chat_view.text_measures import TextMeasures
from minerva_desktop.ui.chat_view.text_overlays import TextOverlays
from minerva_desktop.ui.icons import Icons


class RichTextView(SidewaysText):
    """Shows rows.

    ``caret_moved(rect)`` follows a selection made with the keyboard, in this widget's coordinates,
    so that whoever scrolls can keep it in sight.
    ``menu_requested(place)``: a context menu is wanted there on the screen; ``edit_requested``,
    ``delete_requested``: to edit or delete the message. ``height_changed``: it has to be `fit`
    again. ``save_requested(code, name)``: code is to be saved in a file. ``rows_requested``: all
    rows of long tables are to be shown. `SelectionKeeper` follows the rest: ``pressed(extends)``: a
    person begins to select, or, with Shift, goes on; ``dragged(place)``: so far, on the screen;
    ``released``; ``left(by)``: with the keyboard, beyond the end (1) or the beginning (-1), where a
    line (True) or a character is wanted.
    """

    caret_moved = Signal(QRect)
    menu_requested = Signal(QPoint)
    edit_requested = Signal()
    delete_requested = Signal()
    height_changed = Signal()
    save_requested = Signal(str, str)
    rows_requested = Signal()
    pressed = Signal(bool)
    dragged = Signal(QPoint)
    released = Signal()
    left = Signal(int, bool)

    def __init__(
        self, icons: Icons, formats: SharedFormats, parent: QWidget, *, can_save: bool = True
    ) -> None:
        """``can_save``: somebody follows ``save_requested``."""
        super().__init__(parent)
        self._icons = icons
        self._formats = formats
        self._resized: TextFormats | None = None  # what the text is to be written in
        self._menu_link = ""
        self._drags = False  # the pointer, from where the selection begins
        self._doubled_at = -math.inf  # ms, when the pointer was last clicked twice
        self._is_releasing = False
        self.is_extending = False  # the selection, by a key or a click, from where it began
        self.whole_source: Callable[[], str] | None = None  # what Ctrl+C copies without a selection
        self.shows_all: Callable[[], bool] = bool  # whether that is what is shown
        self.obey: Callable[[QKeyEvent], bool] | None = None  # a key about the whole selection
        self.all_selected: Callable[[], QMimeData] | None = None  # here and in other messages
        self.copy_selection: Callable[[], None] | None = None  # all that
        self.copy_markdown: Callable[[], None] | None = None
        self._writer = DocumentWriter(self.document(), self._formats_in_force())
        self._decorations = Decorations(self.document(), self._writer)
        self.recolouring = Recolouring(self.document(), self._writer, self.visibleRegion)
        self._overlays = over = TextOverlays(
            icons, self, self._writer, self._decorations, can_save=can_save
        )
        self.keep_in_sight, self.scrolled = over.keep_in_sight, lambda: over.tables.scrolled
        over.save_requested.connect(self.save_requested)
        over.height_changed.connect(self.height_changed)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setOpenLinks(False)
        self.setAcceptDrops(False)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextBrowserInteraction
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # and by what is pressed itself
        self.setCursorWidth(0)
        self.viewport().setAutoFillBackground(False)  # the message shows through
        self._found = FoundMarks(self, self._writer, icons)
        self._links = TextLinks(self, self._writer)
        self._links.rows_requested.connect(self.rows_requested)
        self._links.arrived.connect(self.setTextCursor)
        self._links.arrived.connect(self.tell_caret)
        self._links.reached.connect(self.tell_caret)

    # -- content -----------------------------------------------------------------------------

    def use_formulas(self, formulas: Formulas) -> None:
        """Have formulas drawn by ``formulas``; without that they stay as they were written."""
        self._writer.use_formulas(formulas)
        formulas.drawn.connect(self._on_formulas_drawn)

    def apply(self, update: Update) -> None:
        """Show ``update``. The widget's height is right only after the next `fit`."""
        empty = not self._writer.rows
        with self._kept_selection():
            changed = self._writer.apply(update)
        if empty:
            self._caret_to_start()
            # A format alone, of a code block whose first line is empty still, moves nothing.
            self.document().markContentsDirty(0, 1)
        self._overlays.update(changed)

    def restyle(self) -> None:
        """Use the colours of the theme and the size of text in force, at once only where they are
        seen, for `recolour_some` does the rest; another size with the next `fit`."""
        formats = self._formats_in_force()
        self._resized = None if self.recolouring.begin(formats) else formats
        if self._resized is None:
            self._overlays.restyle()
            self._found.restyle()

    def recolour_some(self, seconds: float) -> bool:
        """Go on with what `restyle` left for about ``seconds``; whether something is left."""
        if self.recolouring.moves_text:
            self._overlays.move_all()
        return work_some((*self._overlays.recolourings, self.recolouring), seconds)

    def _formats_in_force(self) -> TextFormats:
        measures = TextMeasures(self._icons.themes.text_size.percent)
        return self._formats.of(self._icons.theme, self.font(), measures)

    @property
    def measures(self) -> TextMeasures:
        """Those of the text as it is shown, or will be."""
        return (self._resized or self._writer.formats).measures

    @contextmanager
    def _kept_selection(self) -> Iterator[None]:
        """What is selected stays selected, by its place, while the text is written anew."""
        cursor = self.textCursor()
        if not cursor.hasSelection():
            yield
            return
        anchor, position = cursor.anchor(), cursor.position()
        blocked = self.blockSignals(True)  # nobody selected anything
        yield
        self.select(anchor, position)
        self.blockSignals(blocked)

    def _caret_to_start(self) -> None:
        """Text that is put in moves the caret along; a selection by keyboard begins at the top."""
        cursor = self.textCursor()
        cursor.setPosition(0)
        self.setTextCursor(cursor)

    def _write_again(self, width: int) -> None:
        """In the size in force, if that is another; at once in ``width`` px, or all would be laid
        out twice."""
        formats, self._resized = self._resized, None
        if formats is None:
            return
        if self.recolouring.can_resize:
            before = self.measures
            self._writer.use_size(formats)
            self._set_width(width)
            self.recolouring.resize(before)
        else:
            self._write_all(formats, width)
        self._overlays.restyle()
        self._found.restyle()

    def _write_all(self, formats: TextFormats, width: int) -> None:
        with self._kept_selection():
            rows = list(self._writer.rows)
            self._writer.apply(Update(0, []))
            self._set_width(width)
            self._writer.restyle(formats)
            self._writer.apply(Update(0, rows))
            self._caret_to_start()

    def _set_width(self, width: int) -> None:
        self.resize(width, self.height())  # of which Qt makes the width of the text, mostly
        if self.document().textWidth() != width:
            self.document().setTextWidth(width)

    def fit(self, width: int) -> int:
        """Lay the text out in ``width`` px; the height in px that it takes."""
        self._write_again(width)
        if (self.document().textWidth(), self.width()) != (width, width):
            self._writer.fit_tables(width)
            self._set_width(width)
            self._overlays.move_all()
        height = math.ceil(self.document().size().height())
        if (rows := self._writer.rows) and rows[-1].kind is Kind.CODE:
            height += self.measures.code_bottom
        self.resize(width, height)
        self._overlays.place()
        return height

    def natural_width(self, limit: int) -> int:
        """The width in px, at most ``limit``, at which no line has to break."""
        self._write_again(limit)
        self.document().setTextWidth(limit)
        return min(limit, math.ceil(self.document().idealWidth()) + 1)

    def plain_text(self, limit: int = sys.maxsize) -> str:
        """The text as it is read, without formats; the rows of its first ``limit`` characters."""
        return "\n".join(first_texts(self._writer.rows, limit))

    @property
    def rows(self) -> list[Row]:
        """What is shown."""
        return self._writer.rows

    @property
    def last_stop(self) -> QWidget:
        """What Tab comes to last in it."""
        return self._overlays.last_stop

    def show_found(self, matches: Sequence[Match], current: int | None) -> None:
        """Mark what was found, and the ``current`` one of it."""
        self._found.show(matches, current)
        self._overlays.show_found(matches, current)

    def found_rect(self, match: Match) -> QRect:
        """Where a found text ends, in this widget; the top where it is not there any more. In a
        wide table it is brought into sight."""
        cursor = self._found.cursor(match)
        if cursor is None:
            return QRect()
        self._overlays.tables.reveal(self.cursorRect(cursor))
        return self.shown_rect(cursor)

    def selected_markdown(self, *, shows_all: bool) -> str:
        """What is selected here, as Markdown; the source, where that is all of it. ``shows_all``:
        this widget does."""
        if shows_all and self.is_all_selected and self.whole_source is not None:
            return clean_source(self.whole_source())
        return markdown_of(self.selected_rows())

    def selected_text(self) -> str:
        """What is selected here, formulas as LaTeX and tables with tabs."""
        return selected_text(self._writer, self.textCursor())

    def selected_rows(self) -> list[Row]:
        """What is selected here, as rows."""
        return selected_rows(self._writer, self.textCursor())

    def copy_whole(self, source: str) -> None:
        """Copy ``source``; with it as HTML what is shown, if all of it is."""
        is_all = self.shows_all() and not is_table_folded(self._writer.rows)
        copy_rich(clean_source(source), html_pieces(list(self._writer.rows)) if is_all else ())

    # -- Qt ----------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        self._found.follow()
        super().paintEvent(event)

    def paint_behind(self, painter: QPainter, exposed: QRectF) -> None:
        self._decorations.paint(painter, exposed, self._icons.theme, self.document().defaultFont())

    def createMimeDataFromSelection(self) -> QMimeData:
        """Colours and fonts of a theme are no use elsewhere, tables and lists are. At the release
        of the pointer nothing: `PointerClipboard` follows."""
        if self._is_releasing:
            return QMimeData()
        return rich_data(self.selected_text(), html_of(self.selected_rows()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        extends = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        self.is_extending = extends
        super().mousePressEvent(event)
        self.is_extending = False
        if event.button() == Qt.MouseButton.LeftButton:
            # Text that is selected is taken along instead, unless a third click selected it.
            is_third = event.timestamp() < self._doubled_at + QApplication.doubleClickInterval()
            self._drags = extends or is_third or not self.textCursor().hasSelection()
            if self._drags:
                self.pressed.emit(extends)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        super().mouseDoubleClickEvent(event)
        self._drags, self._doubled_at = True, event.timestamp()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._is_releasing = self.all_selected is not None
        super().mouseReleaseEvent(event)
        self._is_releasing = self._drags = False
        self.released.emit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        is_held = bool(event.buttons() & Qt.MouseButton.LeftButton)
        drags, place = self._drags and is_held, event.position().toPoint()
        if is_held and not drags:
            data = self.all_selected or self.createMimeDataFromSelection
            self.drag_selection(event.globalPosition(), data)
        elif not drags or self.rect().contains(place):
            super().mouseMoveEvent(event)
        if drags:
            self.dragged.emit(event.globalPosition().toPoint())
        self._overlays.wake(place)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._overlays.wake(None)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if not self._overlays.scroll_sideways(event):
            event.ignore()  # the transcript scrolls, never one message

    def keyPressEvent(self, event: QKeyEvent) -> None:
        arrow = event.key() in {Qt.Key.Key_Up, Qt.Key.Key_Down}
        scrolls = event.key() == Qt.Key.Key_Space
        selects = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if scrolls or (arrow and not selects) or any(map(event.matches, SCROLL_KEYS)):
            event.ignore()
            return
        if self._message_key(event):
            event.accept()
            return
        before = self.textCursor().position()
        self.is_extending = selects
        super().keyPressEvent(event)
        self.is_extending = False
        by = STEPS.get(event.key(), 0) if selects else 0
        if by and self.textCursor().position() == before:
            self.left.emit(by, arrow)
        elif self.has_selection:
            self.tell_caret(self.textCursor())

    def tell_caret(self, cursor: QTextCursor) -> None:
        """``cursor`` is where the person is now."""
        self._overlays.tables.reveal(self.cursorRect(cursor))
        self.caret_moved.emit(self.shown_rect(cursor))

    def _message_key(self, event: QKeyEvent) -> bool:
        """Obey a key that is about the message as a whole; False for all others."""
        if event.key() == Qt.Key.Key_F2:
            self.edit_requested.emit()
        elif is_delete_key(event) and not self.has_selection:
            # Who selected a part of it means that.
            if not event.isAutoRepeat():  # one that is held down would go through the chat
                self.delete_requested.emit()
        elif self.obey is not None and self.obey(event):
            return True
        elif is_copy_key(event) and self.whole_source is not None and not self.has_selection:
            self.copy_whole(self.whole_source())
        else:
            return False
        return True

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        by_keyboard = event.reason() == QContextMenuEvent.Reason.Keyboard
        link = self._links.at_caret() if by_keyboard else self.anchorAt(event.pos())
        self._menu_link = "" if link.startswith("#") else link
        self.menu_requested.emit(event.globalPos())

    def take_menu_link(self) -> str:
        """The address of the link that the menu was asked for at; empty where there is none."""
        link, self._menu_link = self._menu_link, ""
        return link

    @Slot(object)
    def _on_formulas_drawn(self, sources: set[str]) -> None:
        changed = self._writer.draw_formulas(sources)
        if changed is not None:
            self._overlays.update(changed)
            self._found.restyle()
            self.height_changed.emit()
