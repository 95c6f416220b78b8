"""Tables of a message that are wider than their column: each has a bar under it, and scrolls.

The document knows nothing of that: it lays such a table out beyond its right edge. Where one was
scrolled, what is painted and what is pointed at there is moved (`SidewaysText`). `TextOverlays`
owns one. Main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QWidget

from minerva_desktop.ui.chat_view.formula_object import BAR_HEIGHT
from minerva_desktop.ui.chat_view.sideways_bar import SidewaysBar, sideways_turn
from minerva_desktop.ui.chat_view.table_writer import TableWriter

MAX_BARS = 200  # in one message; other tables are cut, and can be copied
GAP = -2  # px between a table and its bar, whose handle is at its bottom
MARGIN = 24  # px beside what is brought into sight


@dataclass(slots=True)
class _Wide:
    area: QRect  # in the viewport
    bar: SidewaysBar


class WideTables:
    """Of what ``tables`` writes; the bars are in ``viewport``. ``on_scrolled``: one was."""

    def __init__(
        self, tables: TableWriter, viewport: QWidget, on_scrolled: Callable[[], None]
    ) -> None:
        self._tables = tables
        self._on_scrolled = on_scrolled
        self._viewport = viewport
        self._wide: dict[int, _Wide] = {}  # by the row that the table begins with

    def place(self) -> None:
        """Give each wide table its bar, in its place; the text is laid out."""
        old, self._wide = self._wide, {}
        for head, area, beyond in self._tables.wide():
            if len(self._wide) == MAX_BARS:
                break
            known = old.pop(head, None)
            bar = self._make_bar() if known is None else known.bar
            rect = area.toAlignedRect()
            self._wide[head] = _Wide(rect, bar)
            bar.setRange(0, beyond)
            bar.setPageStep(rect.width())
            bar.setGeometry(rect.left(), rect.bottom() + GAP, rect.width(), BAR_HEIGHT)
        for gone in old.values():
            gone.bar.hide()
            gone.bar.deleteLater()

    @property
    def scrolled(self) -> list[tuple[QRect, int]]:
        """The areas of tables that were scrolled, and by how many px."""
        return [(wide.area, wide.bar.value()) for wide in self._wide.values() if wide.bar.value()]

    def scroll_sideways(self, event: QWheelEvent) -> bool:
        """Obey a wheel that turns sideways over a wide table; whether it did."""
        by = sideways_turn(event)
        wide = self._at(event.position().toPoint()) if by else None
        if wide is not None:
            wide.bar.setValue(wide.bar.value() - by)
        return wide is not None

    def reveal(self, rect: QRect) -> None:
        """Have ``rect`` of the document, if it is in a wide table, in sight."""
        wide = self._at(QPoint(self._viewport.width() // 2, rect.center().y()))
        if wide is not None:
            left = rect.left() - wide.area.left() - MARGIN
            right = rect.right() - wide.area.right() + MARGIN
            wide.bar.setValue(max(right, min(left, wide.bar.value())))

    def _at(self, place: QPoint) -> _Wide | None:
        return next((wide for wide in self._wide.values() if wide.area.contains(place)), None)

    def _make_bar(self) -> SidewaysBar:
        bar = SidewaysBar(self._viewport, "tableBar", "Wide table")
        bar.valueChanged.connect(self._viewport.update)
        bar.valueChanged.connect(self._on_scrolled)
        bar.show()
        return bar
