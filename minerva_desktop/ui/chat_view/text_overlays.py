"""What lies over the text of a message: the buttons and sheets of code boxes, the bars of wide
formulas and tables.

`RichTextView` owns one. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, QPoint, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QWidget

from minerva_desktop.ui.chat_view.code_boxes import CodeBoxes
from minerva_desktop.ui.chat_view.decorations import Decorations
from minerva_desktop.ui.chat_view.document_writer import DocumentWriter
from minerva_desktop.ui.chat_view.found_text import Match
from minerva_desktop.ui.chat_view.recolouring import Recolouring
from minerva_desktop.ui.chat_view.sideways_text import SidewaysText
from minerva_desktop.ui.chat_view.wide_formulas import WideFormulas
from minerva_desktop.ui.chat_view.wide_tables import WideTables
from minerva_desktop.ui.icons import Icons


class TextOverlays(QObject):
    """Signals as those of `CodeBoxes`. ``tables``: the wide ones."""

    save_requested = Signal(str, str)
    height_changed = Signal()

    def __init__(
        self,
        icons: Icons,
        view: SidewaysText,
        writer: DocumentWriter,
        decorations: Decorations,
        *,
        can_save: bool,
    ) -> None:
        """``view`` shows what ``writer`` writes; ``can_save``: code can go to a file."""
        super().__init__(view)
        self._boxes = CodeBoxes(icons, writer, decorations, view, can_save=can_save)
        self.keep_in_sight = self._boxes.keep_in_sight
        self._formulas = WideFormulas(writer, view)
        follow = self._formulas.follow_tables
        self.tables = WideTables(writer.tables, view.viewport(), follow)
        self._boxes.save_requested.connect(self.save_requested)
        self._boxes.height_changed.connect(self._on_height_changed)

    @property
    def last_stop(self) -> QWidget:
        """What Tab comes to last in the text."""
        return self._boxes.last_stop

    def update(self, changed: int) -> None:
        """Rows from ``changed`` on are others, or may have moved."""
        self._boxes.update(changed)
        self._formulas.update(changed)

    def restyle(self) -> None:
        """The writer has other formats now."""
        self._boxes.restyle()
        self._formulas.update(0)

    @property
    def recolourings(self) -> list[Recolouring]:
        """As those of `CodeBoxes`."""
        return self._boxes.recolourings

    def move_all(self) -> None:
        """All may have moved."""
        self._boxes.move_all()
        self._formulas.update(0)

    def place(self) -> None:
        """Put what may have moved into its place."""
        self._boxes.place()
        self._formulas.place()
        self.tables.place()
        self._formulas.follow_tables()

    def show_found(self, matches: Sequence[Match], current: int | None) -> None:
        """As `CodeBoxes.show_found`."""
        self._boxes.show_found(matches, current)

    def wake(self, place: QPoint | None) -> None:
        """The pointer is at ``place`` in the document; None: it is not in it."""
        self._boxes.wake(place)

    def scroll_sideways(self, event: QWheelEvent) -> bool:
        """Obey a wheel that turns sideways over something wide; whether it did."""
        return self._formulas.scroll_sideways(event) or self.tables.scroll_sideways(event)

    def _on_height_changed(self) -> None:
        self._formulas.update(0)
        self.height_changed.emit()
