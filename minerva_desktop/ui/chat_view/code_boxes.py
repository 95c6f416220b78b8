"""What a message's code boxes have over their text: buttons, and sheets that scroll sideways.

`TextOverlays` owns one. Main thread.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QObject, QPoint, QRectF, Signal
from PySide6.QtWidgets import QTextEdit, QWidget

from minerva_desktop.ui.chat_view.code_bar import CodeBar
from minerva_desktop.ui.chat_view.code_files import file_name
from minerva_desktop.ui.chat_view.code_sheet import CodeSheet
from minerva_desktop.ui.chat_view.copy_button import SIZE
from minerva_desktop.ui.chat_view.decorations import Decorations
from minerva_desktop.ui.chat_view.document_writer import DocumentWriter
from minerva_desktop.ui.chat_view.found_text import Match
from minerva_desktop.ui.chat_view.recolouring import Recolouring
from minerva_desktop.ui.chat_view.rows import Row
from minerva_desktop.ui.chat_view.text_measures import CODE_HEADER
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

MAX_BARS = 200  # in one message: each is some widgets
MARGIN = (CODE_HEADER - SIZE) // 2  # px at the right of the buttons
LOW = 50 * GRID  # px; the buttons of a box that is not higher stay in its header


class CodeBoxes(QObject):
    """``save_requested(code, name)``: a person wants the code in a file that could be called so;
    ``height_changed``: boxes have got more or fewer lines."""

    save_requested = Signal(str, str)
    height_changed = Signal()

    def __init__(
        self,
        icons: Icons,
        writer: DocumentWriter,
        decorations: Decorations,
        view: QTextEdit,
        *,
        can_save: bool,
    ) -> None:
        """``view`` shows what ``writer`` writes; ``can_save``: somebody saves what is asked."""
        super().__init__(view)
        self._icons = icons
        self._can_save = can_save
        self._view = view
        self._writer = writer
        self._decorations = decorations
        self._viewport = view.viewport()
        self._bars: list[CodeBar] = []
        self._sheets: dict[int, CodeSheet] = {}
        self._found: tuple[Sequence[Match], int | None] = ((), None)
        self._placed_from = 0
        self._top = 0  # px, above which the text is out of sight
        self._stuck = -1  # the box whose buttons are lower than its header

    @property
    def last_stop(self) -> QWidget:
        """What Tab comes to last in the text: the last button, or the text itself."""
        return self._bars[-1].copy if self._bars else self._view

    @property
    def _header(self) -> int:
        """px of a box above its code."""
        return self._writer.formats.measures.code_header

    def update(self, changed: int) -> None:
        """Rows from ``changed`` on are others, or may have moved."""
        boxes = self._writer.boxes
        while len(self._bars) > len(boxes):
            self._bars.pop().deleteLater()
            self._drop_sheet(len(self._bars))
        while len(self._bars) < min(len(boxes), MAX_BARS):
            self._bars.append(self._make_bar(len(self._bars)))
        box = len(self._bars)
        while box > 0 and boxes[box - 1][1] >= changed:
            box -= 1
        self._placed_from = min(self._placed_from, box)
        for number, sheet in self._sheets.items():
            if number >= box:
                sheet.show_rows(self._rows(number))
                self._mark(number, sheet)

    def restyle(self) -> None:
        """The writer has other formats now."""
        for sheet in self._sheets.values():
            sheet.restyle(self._writer.formats)
        self._placed_from = 0

    @property
    def recolourings(self) -> list[Recolouring]:
        """Those of the code that is not wrapped."""
        return [sheet.recolouring for sheet in self._sheets.values()]

    def move_all(self) -> None:
        """All boxes may have moved."""
        self._placed_from = 0

    def place(self) -> None:
        """Put what may have moved into its place."""
        for number in range(self._placed_from, len(self._bars)):
            rect = self._decorations.box_rect(number)
            self._place_bar(number, rect)
            sheet = self._sheets.get(number)
            if sheet is not None:
                below = rect.adjusted(1, self._header, -1, -2).toAlignedRect()
                sheet.setGeometry(below)
        self._placed_from = len(self._bars)

    def show_found(self, matches: Sequence[Match], current: int | None) -> None:
        """Mark what of the text was found, and the ``current`` one of it, in the sheets, too: they
        hide what is below them."""
        self._found = matches, current
        for number, sheet in self._sheets.items():
            self._mark(number, sheet)
            sheet.reveal_found()

    def _mark(self, number: int, sheet: CodeSheet) -> None:
        matches, current = self._found
        first, last = self._writer.boxes[number]
        own = [at for at, match in enumerate(matches) if first <= match.row <= last]
        found = [matches[at]._replace(row=matches[at].row - first) for at in own]
        sheet.show_found(found, own.index(current) if current in own else None)

    def keep_in_sight(self, top: int) -> None:
        """What is above ``top`` px of the text is out of sight: the buttons of a box that goes on
        below stay at its edge, so that nobody scrolls up to copy long code."""
        if top == self._top or self._placed_from < len(self._bars):  # `place` comes
            self._top = top
            return
        self._top = top
        rect_of = self._decorations.box_rect
        here = bisect_left(
            range(len(self._bars)), top, key=lambda each: round(rect_of(each).bottom())
        )
        for number in {here, self._stuck}:
            if 0 <= number < len(self._bars):
                self._place_bar(number, rect_of(number))

    def _place_bar(self, number: int, rect: QRectF) -> None:
        """``rect``: that of the box."""
        bar = self._bars[number]
        lowest = rect.bottom() - self._header if rect.height() > LOW else rect.top()
        y = min(max(rect.top(), self._top), lowest)
        above = (self._header - SIZE) // 2
        bar.move(round(rect.right()) - bar.width() - MARGIN, round(y) + above)
        is_stuck = y > rect.top()
        bar.lift(is_stuck)
        if is_stuck:
            self._stuck = number

    def wake(self, place: QPoint | None) -> None:
        """The pointer is at ``place`` in the document; None: it is not in it."""
        for number, bar in enumerate(self._bars):
            here = place is not None and self._decorations.box_rect(number).contains(place)
            bar.wake(here)

    def _rows(self, number: int) -> list[Row]:
        first, last = self._writer.boxes[number]
        return self._writer.rows[first : last + 1]

    def _make_bar(self, number: int) -> CodeBar:
        label = self._label(number)
        source = partial(self._writer.box_source, number)
        bar = CodeBar(self._icons, label, source, self._viewport, can_save=self._can_save)
        bar.wrap_toggled.connect(partial(self._set_wrapped, number))
        bar.save_clicked.connect(partial(self._save, number))
        before = self.last_stop
        for button in (bar.wrap, bar.save, bar.copy):
            QWidget.setTabOrder(before, button)
            before = button
        bar.show()
        return bar

    def _label(self, number: int) -> str:
        return self._writer.rows[self._writer.boxes[number][0]].label

    def _save(self, number: int) -> None:
        code = self._writer.box_source(number)
        self.save_requested.emit(f"{code}\n", file_name(self._label(number)))

    def _set_wrapped(self, number: int, wraps: bool) -> None:
        self._writer.set_wrapped(number, wraps=wraps)
        self._drop_sheet(number)
        if not wraps:
            label = self._label(number)
            name = f"{label} code" if label else "Code"
            sheet = CodeSheet(self._icons, self._writer.formats, name, self._viewport)
            sheet.show_rows(self._rows(number))
            self._sheets[number] = sheet
            self._mark(number, sheet)
            sheet.show()
            self._bars[number].raise_()
        self._placed_from = min(self._placed_from, number)
        self.height_changed.emit()

    def _drop_sheet(self, number: int) -> None:
        sheet = self._sheets.pop(number, None)
        if sheet is not None:
            sheet.hide()
            sheet.deleteLater()
