"""Formulas of a message that are wider than their column: each has a bar under it, and scrolls.

`TextOverlays` owns one. Main thread.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from PySide6.QtCore import QPointF, QRect, QSize
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QScrollBar

from minerva_desktop.ui.chat_view.decorations import position_x
from minerva_desktop.ui.chat_view.document_writer import DocumentWriter
from minerva_desktop.ui.chat_view.formula_object import BAR_HEIGHT
from minerva_desktop.ui.chat_view.rows import Kind, Mark
from minerva_desktop.ui.chat_view.sideways_bar import SidewaysBar, sideways_turn
from minerva_desktop.ui.chat_view.sideways_text import SidewaysText

MAX_BARS = 200  # in one message; others are cut, and can be copied
GAP = 2  # px between a formula on its own and its bar


class FormulaPlace(NamedTuple):
    """Which formula: of row number ``row``, in its cell ``cell``, after ``offset`` characters."""

    row: int
    cell: int
    offset: int


class WideFormulas:
    """Of what ``writer`` writes into the document of ``view``, which the bars are in too."""

    def __init__(self, writer: DocumentWriter, view: SidewaysText) -> None:
        self._writer = writer
        self._view = view
        self._document = view.document()
        self._viewport = view.viewport()
        self._bars: dict[FormulaPlace, QScrollBar] = {}
        self._areas: dict[FormulaPlace, QRect] = {}  # of the formulas, in the document
        self._stale_from = 0  # row

    def update(self, changed: int) -> None:
        """Rows from ``changed`` on are others, or may have moved."""
        self._stale_from = min(self._stale_from, changed)

    def place(self) -> None:
        """Give each wide formula its bar, in its place; the text is laid out."""
        stale, self._stale_from = self._stale_from, len(self._writer.rows)
        painter = self._writer.formulas.painter
        old = {place: bar for place, bar in self._bars.items() if place.row >= stale}
        if not painter.has_cut or (stale >= len(self._writer.rows) and not old):
            return
        for place in old:
            del self._bars[place], self._areas[place]
        for place in self._formulas_from(stale):
            position = self._writer.position(*place)
            beyond = painter.overflow(self._document, position)
            if beyond and len(self._bars) < MAX_BARS:
                bar = old.pop(place, None) or self._make_bar()
                self._bars[place] = bar
                self._place_bar(place, bar, position, beyond)
        for bar in old.values():
            bar.hide()
            bar.deleteLater()
        self._show_scrolled()

    def follow_tables(self) -> None:
        """Move the bars of formulas in tables to where these were scrolled."""
        scrolled = self._view.scrolled()
        for place, bar in self._bars.items():
            area = self._areas[place]
            by = next((by for table, by in scrolled if table.top() < area.y() < table.bottom()), 0)
            bar.move(area.left() - by, bar.y())

    def scroll_sideways(self, event: QWheelEvent) -> bool:
        """Obey a wheel that turns sideways over a wide formula; whether it did."""
        by = sideways_turn(event)
        if not by:
            return False
        place = self._view.in_text(event.position().toPoint())
        for each, area in self._areas.items():
            if area.contains(place):
                bar = self._bars[each]
                bar.setValue(bar.value() - by)
                return True
        return False

    def _formulas_from(self, first: int) -> Iterator[FormulaPlace]:
        for index in range(first, len(self._writer.rows)):
            row = self._writer.rows[index]
            cells = row.cells if row.kind is Kind.TABLE else (row.runs,)
            for cell, runs in enumerate(cells):
                offset = 0
                for run in runs:
                    if Mark.FORMULA in run.mark:
                        yield FormulaPlace(index, cell, offset)
                    offset += len(run.text)

    def _make_bar(self) -> QScrollBar:
        bar = SidewaysBar(self._viewport, "formulaBar", "Wide formula")
        bar.valueChanged.connect(self._show_scrolled)
        bar.show()
        return bar

    def _place_bar(self, place: FormulaPlace, bar: QScrollBar, position: int, beyond: int) -> None:
        block = self._document.findBlock(position)
        line = block.layout().lineForTextPosition(position - block.position())
        origin = self._document.documentLayout().blockBoundingRect(block).topLeft()
        at = position - block.position()
        left, right = sorted(position_x(line, edge) for edge in (at, at + 1))
        top, bottom = origin.y() + line.y(), origin.y() + line.y() + line.height()
        among_text = block.blockFormat().bottomMargin() < BAR_HEIGHT
        bottom += -BAR_HEIGHT if among_text else GAP
        corner = QPointF(origin.x() + left, top).toPoint()
        size = QSize(math.floor(right - left), math.ceil(bottom - top) + BAR_HEIGHT)
        area = self._areas[place] = QRect(corner, size)
        bar.setRange(0, beyond)
        bar.setPageStep(area.width())
        bar.setGeometry(area.adjusted(0, area.height() - BAR_HEIGHT, 0, 0))

    def _show_scrolled(self) -> None:
        scrolled = self._writer.formulas.painter.scrolled
        scrolled.clear()
        for place, bar in self._bars.items():
            scrolled[self._writer.position(*place)] = bar.value()
        self._viewport.update()
