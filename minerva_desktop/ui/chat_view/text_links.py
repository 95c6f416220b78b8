"""The links in one text: where they lead is shown, and a person who follows one gets there.

Main thread.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, QPoint, QUrl, Signal, Slot
from PySide6.QtGui import QCursor, QTextCursor
from PySide6.QtWidgets import QToolTip

from minerva_desktop.ui.chat_view.document_writer import DocumentWriter
from minerva_desktop.ui.chat_view.footnotes import BACK, other_end
from minerva_desktop.ui.chat_view.link_opener import LinkOpener
from minerva_desktop.ui.chat_view.link_targets import OPENED_SCHEMES
from minerva_desktop.ui.chat_view.markdown import ROWS_LINK
from minerva_desktop.ui.chat_view.rows import all_runs
from minerva_desktop.ui.chat_view.sideways_text import SidewaysText
from minerva_desktop.ui.controls import plain_tip

MAX_TIP = 300  # characters of a footnote in a tool tip


class TextLinks(QObject):
    """``rows_requested``: all rows of long tables are to be shown; ``arrived(cursor)``: a link led
    to there in the text; ``reached(cursor)``: the keyboard came to a link, which ends and then
    begins there."""

    rows_requested = Signal()
    arrived = Signal(QTextCursor)
    reached = Signal(QTextCursor)

    def __init__(self, view: SidewaysText, writer: DocumentWriter) -> None:
        """``view`` shows what ``writer`` writes."""
        super().__init__(view)
        self._view = view
        self._writer = writer
        self._opener = LinkOpener(view)
        view.anchorClicked.connect(self._open)
        view.highlighted.connect(self._on_pointed)
        view.link_reached.connect(self._on_reached)

    @Slot(QUrl)
    def _open(self, url: QUrl) -> None:
        there = other_end(url.toString())
        if url.toString() == ROWS_LINK:
            self.rows_requested.emit()
        elif there:
            self._go_to(there)
        elif url.scheme().lower() in OPENED_SCHEMES:
            self._opener.open(url, self._texts_of(url))

    def _texts_of(self, url: QUrl) -> list[str]:
        """What the links are called that lead to ``url``."""
        links = (run for run in all_runs(self._writer.rows) if run.link)
        return [run.text for run in links if QUrl(run.link) == url]

    def _go_to(self, link: str) -> None:
        """Show the row that has ``link`` in it, and let the keyboard go on from there."""
        for index, row in enumerate(self._writer.rows):
            if any(run.link == link for run in all_runs([row])):
                self.arrived.emit(QTextCursor(self._writer.block(index)))
                return

    @Slot(QUrl)
    def _on_pointed(self, url: QUrl) -> None:
        if url.isEmpty():
            QToolTip.hideText()
        else:
            self._show_target(url, QCursor.pos())

    def at_caret(self) -> str:
        """Where the link leads that the keyboard is at, and that is selected so; empty where it is
        at none."""
        cursor = self._view.textCursor()
        if not cursor.hasSelection():
            return ""
        # A cursor's format is that of the character before it.
        cursor.setPosition(cursor.selectionStart() + 1)
        return cursor.charFormat().anchorHref()

    @Slot()
    def _on_reached(self) -> None:
        link = self._view.textCursor()
        start, end = link.selectionStart(), link.selectionEnd()
        url = QUrl(self.at_caret())
        for place in (end, start):  # where not all of it can be seen, its beginning
            link.setPosition(place)
            self.reached.emit(link)
        below = self._view.shown_rect(link).bottomLeft()
        self._show_target(url, self._view.viewport().mapToGlobal(below))

    def _show_target(self, url: QUrl, place: QPoint) -> None:
        """``place``: on the screen."""
        target = bytes(url.toEncoded().data()).decode("ascii", "replace")
        if url.toString() == ROWS_LINK:
            target = "Show the rows that are folded, as lines of text"
        elif other_end(url.toString()):
            target = self._note_text(other_end(url.toString()))
        QToolTip.showText(place, plain_tip(target), self._view)

    def _note_text(self, link: str) -> str:
        for row in self._writer.rows:
            if any(run.link == link for run in row.runs):
                return row.text.removesuffix(BACK).strip()[:MAX_TIP]
        return ""
