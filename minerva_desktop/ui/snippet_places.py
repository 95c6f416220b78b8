"""The places of a snippet that are left to fill in: Tab goes from one to the next. Main thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit

from minerva_desktop.chat.presets import variables


@dataclass(slots=True)
class _Place:
    name: str
    source: str  # as the snippet has it, with its braces
    start: QTextCursor
    end: QTextCursor
    put_in: str  # what was put there last, and not by hand

    @property
    def text(self) -> str:
        """What stands there now."""
        return self._whole().selectedText()

    @property
    def is_empty(self) -> bool:
        return self.start.position() >= self.end.position()

    def set_takes_typed(self, takes: bool) -> None:
        """Whether what is typed at either end of it belongs to it, or to its neighbours."""
        self.start.setKeepPositionOnInsert(takes)
        self.end.setKeepPositionOnInsert(not takes)

    def put(self, text: str) -> None:
        """Hold ``text`` instead."""
        self.set_takes_typed(True)
        self._whole().insertText(text)
        self.set_takes_typed(False)
        self.put_in = text

    def _whole(self) -> QTextCursor:
        # A copy of a cursor would keep its place on inserting, too.
        cursor = QTextCursor(self.start.document())
        cursor.setPosition(self.start.position())
        cursor.setPosition(self.end.position(), QTextCursor.MoveMode.KeepAnchor)
        return cursor


class SnippetPlaces(QObject):
    """Follows the places while the text around them, and in them, changes. Those of one name are
    filled in together, with what stands in the first of them."""

    def __init__(self, editor: QPlainTextEdit) -> None:
        super().__init__(editor)
        self._editor = editor
        self._bounds = (0, 0)  # of the current place, before the change that is told next
        editor.document().contentsChange.connect(self._on_change)
        self._places: list[_Place] = []
        self._current = 0
        self._leads = False  # Tab leads through them
        self._was_told = False  # that there are some left, since the last change

    @property
    def is_active(self) -> bool:
        """Whether there is a place to go to."""
        return self._leads

    def begin(self, start: int, text: str, places: Sequence[tuple[int, int]]) -> None:
        """``text`` was put in at position ``start`` of the document; ``places`` are from and to in
        its characters. The first one is selected."""
        self._places = [self._place(start, text, first, last) for first, last in places]
        self._current = 0
        if self._places:
            self._select(0)

    def end(self) -> None:
        """Tab leads through them no more."""
        self._leads = False

    def forget(self) -> None:
        """Their text is gone."""
        self._places = []
        self.end()

    def next(self) -> bool:
        """Select the next place; behind the last one the cursor goes to its end, and Tab is an
        ordinary Tab again. False where there is none to go to."""
        if not self._leads:
            return False
        self._spread()
        later = [index for index in self._stops if index > self._current]
        if later:
            self._select(later[0])
            return True
        is_there = self._is_at_current()
        if is_there:
            end = self._places[self._current].end.position()
            self._editor.setTextCursor(self._cursor(end))
        self.end()
        return is_there

    def previous(self) -> bool:
        """Select the place before, or the first one again; False where there are none."""
        if not self._leads:
            return False
        self._spread()
        earlier = [index for index in self._stops if index <= self._current]
        if not earlier:
            self.end()
            return False
        before = [index for index in earlier if index < self._current]
        self._select((before or earlier)[-1])
        return True

    def hold(self) -> str:
        """The text is about to be sent: fill in what is known. Where a place is left, it is
        selected, and what to tell the person instead of sending is returned; once, for they may
        want it so."""
        self._spread()
        left = [index for index in self._stops if self._is_unfilled(index)]
        if not left or self._was_told:
            return ""
        self._was_told = True
        self._select(left[0])
        return f"{self._places[left[0]].source} is not filled in yet. Send again to leave it so."

    @Slot(int, int, int)
    def _on_change(self, position: int, n_removed: int, _n_added: int) -> None:
        """Where the current place goes with what was around it, another text has come."""
        self._was_told = False
        if not self._places:
            return
        start, end = self._bounds
        if position <= start and end <= position + n_removed and n_removed > end - start:
            self.forget()
        else:
            self._note_bounds()

    def _note_bounds(self) -> None:
        place = self._places[self._current]
        self._bounds = place.start.position(), place.end.position()

    @property
    def _stops(self) -> list[int]:
        """The first place of each name in which there is text; another text may stand in the field
        by now."""
        found: dict[str, int] = {}
        for index, place in enumerate(self._places):
            if not place.is_empty:
                found.setdefault(place.name, index)
        return sorted(found.values())

    def _is_unfilled(self, index: int) -> bool:
        return self._places[index].text == self._places[index].source

    def _spread(self) -> None:
        """Put what was filled in into the other places of that name, unless something was written
        there."""
        edit = QTextCursor(self._editor.document())
        edit.beginEditBlock()  # one Undo takes it back
        for lead in self._stops:
            if self._is_unfilled(lead):
                continue
            name, text = self._places[lead].name, self._places[lead].text
            for place in self._places[lead + 1 :]:
                if place.name == name and place.text == place.put_in != text:
                    place.put(text)
        edit.endEditBlock()

    def _is_at_current(self) -> bool:
        if not self._places:
            return False
        place, at = self._places[self._current], self._editor.textCursor().position()
        return place.start.position() <= at <= place.end.position()

    def _select(self, index: int) -> None:
        self._leads = True
        self._places[self._current].set_takes_typed(False)
        self._current = index
        place = self._places[index]
        place.set_takes_typed(True)
        self._note_bounds()
        selection = self._cursor(place.start.position())
        selection.setPosition(place.end.position(), QTextCursor.MoveMode.KeepAnchor)
        self._editor.setTextCursor(selection)
        stops = self._stops
        words = (
            f"Fill in: {selection.selectedText()}, {stops.index(index) + 1} of {len(stops)}."
            " Tab goes to the next."
        )
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self._editor, words))

    def _place(self, start: int, text: str, first: int, last: int) -> _Place:
        source = text[first:last]
        (name,) = variables(source)
        from_, to = (self._cursor(start + units(text[:at])) for at in (first, last))
        place = _Place(name, source, from_, to, source)
        place.set_takes_typed(False)
        return place

    def _cursor(self, position: int) -> QTextCursor:
        cursor = QTextCursor(self._editor.document())
        cursor.setPosition(position)
        return cursor


def units(text: str) -> int:
    """Length of ``text`` as Qt counts it: an emoji is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
