"""The places of a snippet that are left to fill in: Tab goes from one to the next. Main thread."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit


class SnippetPlaces(QObject):
    """Follows the places while the text around them, and in them, changes."""

    def __init__(self, editor: QPlainTextEdit) -> None:
        super().__init__(editor)
        self._editor = editor
        self._bounds = (0, 0)  # of the current place, before the change that is told next
        editor.document().contentsChange.connect(self._on_change)
        self._places: list[tuple[QTextCursor, QTextCursor]] = []  # start and end of each
        self._current = 0

    @property
    def is_active(self) -> bool:
        """Whether there is a place to go to."""
        return bool(self._places)

    def begin(self, start: int, text: str, places: Sequence[tuple[int, int]]) -> None:
        """``text`` was put in at position ``start`` of the document; ``places`` are from and to in
        its characters. The first one is selected."""
        self._places = [
            (self._cursor(start + units(text[:first])), self._cursor(start + units(text[:last])))
            for first, last in places
        ]
        if self._places:
            self._select(0)

    def end(self) -> None:
        """Forget them."""
        self._places = []

    def next(self) -> bool:
        """Select the next place; behind the last one the cursor goes to its end, and Tab is an
        ordinary Tab again. False where there is none to go to."""
        later = [index for index in self._left if index > self._current]
        if later:
            self._select(later[0])
            return True
        is_there = self._is_at_current()
        if is_there:
            self._editor.setTextCursor(self._cursor(self._places[self._current][1].position()))
        self.end()
        return is_there

    def previous(self) -> bool:
        """Select the place before, or the first one again; False where there are none."""
        earlier = [index for index in self._left if index <= self._current]
        if not earlier:
            self.end()
            return False
        before = [index for index in earlier if index < self._current]
        self._select((before or earlier)[-1])
        return True

    @Slot(int, int, int)
    def _on_change(self, position: int, n_removed: int, _n_added: int) -> None:
        """Where the current place goes with what was around it, another text has come."""
        if not self._places:
            return
        start, end = self._bounds
        if position <= start and end <= position + n_removed and n_removed > end - start:
            self.end()
        else:
            self._note_bounds()

    def _note_bounds(self) -> None:
        start, end = self._places[self._current]
        self._bounds = start.position(), end.position()

    @property
    def _left(self) -> list[int]:
        """The places in which there is text; another text may stand in the field by now."""
        return [
            index
            for index, (start, end) in enumerate(self._places)
            if start.position() < end.position()
        ]

    def _is_at_current(self) -> bool:
        if not self._places:
            return False
        start, end = self._places[self._current]
        return start.position() <= self._editor.textCursor().position() <= end.position()

    def _select(self, index: int) -> None:
        start, end = self._places[self._current]
        start.setKeepPositionOnInsert(False)
        end.setKeepPositionOnInsert(True)
        self._current = index
        start, end = self._places[index]
        # What is typed in the selected place belongs to it, and to no neighbour.
        start.setKeepPositionOnInsert(True)
        end.setKeepPositionOnInsert(False)
        self._note_bounds()
        # A copy of a cursor would stay before what is typed, too.
        selection = self._cursor(start.position())
        selection.setPosition(end.position(), QTextCursor.MoveMode.KeepAnchor)
        self._editor.setTextCursor(selection)
        words = (
            f"Fill in: {selection.selectedText()}, {index + 1} of {len(self._places)}."
            " Tab goes to the next."
        )
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self._editor, words))

    def _cursor(self, position: int) -> QTextCursor:
        cursor = QTextCursor(self._editor.document())
        cursor.setPosition(position)
        return cursor


def units(text: str) -> int:
    """Length of ``text`` as Qt counts it: an emoji is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
