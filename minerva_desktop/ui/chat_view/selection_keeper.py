"""What is selected in the transcript: one selection, across as many messages as it reaches.

Each text of a message is a widget that selects within itself. This class takes over where a person
drags out of it, presses Shift elsewhere, or goes on with the keyboard beyond its end: the texts in
between are selected whole, the last one up to there. What the widgets have selected is the only
truth, so nothing has to be put right when messages come, go or grow. Main thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from operator import attrgetter
from typing import NamedTuple

from PySide6.QtCore import QObject, QPoint, Qt, QTimer, Slot
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QKeyEvent,
    QKeySequence,
    QTextCursor,
)
from PySide6.QtWidgets import QToolTip, QWidget

from minerva_desktop.ui.chat_view.copied_selection import CopiedSelection, shows_all
from minerva_desktop.ui.chat_view.copy_keys import is_markdown_key
from minerva_desktop.ui.chat_view.late_selections import LateSelections
from minerva_desktop.ui.chat_view.message_events import MessageEvents, MessageOptions
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.chat_view.part_blocks import OpenBlocks
from minerva_desktop.ui.chat_view.pointer_clipboard import PointerClipboard
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.chat_view.whole_chat_copy import WholeChatCopy
from minerva_desktop.ui.formats import format_tokens

SCROLL_MS = 30  # between two steps, while the pointer is above or below the transcript
MIN_STEP, MAX_STEP = 4, 80  # px; the further away the pointer, the more


class Place(NamedTuple):
    """A position in one of the texts."""

    body: RichTextView
    position: int


class SelectionKeeper(QObject):
    """``events`` tells that text was selected, and how to scroll."""

    def __init__(
        self,
        column: QWidget,
        events: MessageEvents,
        options: MessageOptions,
        views: Mapping[str, MessageView],
        opened: OpenBlocks,
    ) -> None:
        """``views``: those of now, all in ``column``; ``opened``: what of them a person opened."""
        super().__init__(column)
        self._column = column
        self._events = events
        self._options = options
        self._by_id = views
        self._anchor: Place | None = None  # where the selection began
        self._began_in_text = False  # so that its widget selects by itself, by words too
        self._is_all = False  # of the chat is selected, also what is not shown
        self._late = LateSelections(column)
        self._shown = CopiedSelection(self._late, self._views)
        self._pasted = PointerClipboard(self._shown.data_in_steps, self)
        self._whole = WholeChatCopy(events, options, views, opened, self._on_whole_copied)
        # Anchor and end of what was set last: the texts tell of that once more, later.
        self._set: dict[RichTextView, tuple[int, int]] = {}
        self._pointer = QPoint()  # on the screen
        self._timer = QTimer(self)
        self._timer.setInterval(SCROLL_MS)
        self._timer.timeout.connect(self._scroll)

    def adopt(self, body: RichTextView) -> None:
        """``body`` is a text of a message."""
        body.obey = self.obey
        body.all_selected = self._shown.dragged
        body.copy_selection = self.copy
        body.copy_markdown = self.copy_markdown
        body.selectionChanged.connect(self._on_selection_changed)
        body.pressed.connect(self._on_pressed)
        body.dragged.connect(self.drag_to)
        body.released.connect(self.release)
        body.left.connect(self._on_left)

    def forget(self, view: MessageView) -> None:
        """``view`` goes."""
        self._pasted.stop()
        self._set.clear()
        for body in view.findChildren(RichTextView):
            self._late.forget(body)
        if self._anchor is not None and view.isAncestorOf(self._anchor.body):
            self._anchor = None

    # -- what is selected --------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        """Whether anything is selected."""
        self._late.finish()
        return any(body.textCursor().hasSelection() for body in self._bodies())

    def text(self) -> str:
        """What is shown of it, as plain text."""
        return self._shown.text()

    def clear(self) -> None:
        """Select nothing."""
        self._clear_all_but(())

    def select_all(self) -> None:
        """Select all of the chat, and say so where not all of it is shown."""
        bodies = list(self._bodies())
        if not bodies:
            return
        self._anchor = Place(bodies[0], 0)
        self._extend(Place(bodies[-1], bodies[-1].end))
        self._is_all = True
        if self._options.n_hidden:
            n_messages = format_tokens(len(self._options.messages()))
            self._tell(f"All {n_messages} messages are selected, also those that are not shown.")

    def _tell(self, words: str) -> None:
        visible = self._column.visibleRegion().boundingRect()
        place = QPoint(visible.center().x(), visible.top())
        QToolTip.showText(self._column.mapToGlobal(place), words, self._column)
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self._column, words))

    @Slot()
    def copy(self) -> None:
        """Put it on the clipboard: as text, and, of much a little later, as HTML."""
        if self._is_more_than_shown:
            self._whole.begin(as_markdown=False)
        else:
            self._shown.copy()

    @Slot()
    def copy_markdown(self) -> None:
        """Put it on the clipboard as Markdown."""
        if self._is_more_than_shown:
            self._whole.begin(as_markdown=True)
        else:
            self._shown.copy_markdown()

    @property
    def _is_more_than_shown(self) -> bool:
        """Whether the whole chat is selected, of which something has no view or is folded."""
        if not self._is_all:
            return False
        return self._options.n_hidden > 0 or not all(map(shows_all, self._views()))

    def _on_whole_copied(self, n_messages: int) -> None:
        count = "The message" if n_messages == 1 else f"All {format_tokens(n_messages)} messages"
        self._tell(f"{count} copied.")

    def obey(self, event: QKeyEvent) -> bool:
        """Do what a key says about the selection; False for all other keys."""
        if event.matches(QKeySequence.StandardKey.SelectAll):
            self.select_all()
        elif event.matches(QKeySequence.StandardKey.Copy) and self.exists:
            self.copy()
        elif is_markdown_key(event) and self.exists:
            self.copy_markdown()
        else:
            return False
        event.accept()
        return True

    # -- the texts ---------------------------------------------------------------------------

    def _views(self) -> list[MessageView]:
        return sorted(self._by_id.values(), key=attrgetter("top"))

    def _bodies(self) -> Iterator[RichTextView]:
        for view in self._views():
            yield from view.bodies

    def _seen(self) -> list[RichTextView]:
        """The texts that are in sight."""
        seen = self._column.visibleRegion().boundingRect()
        return [
            body
            for view in self._by_id.values()
            if view.top <= seen.bottom() and view.bottom > seen.top()
            for body in view.bodies
        ]

    def _place_at(self, point: QPoint) -> Place | None:
        """What is nearest to ``point`` of the column; between two texts, the end of the upper."""
        above: RichTextView | None = None
        views = self._views()
        last_above = sum(view.bottom <= point.y() for view in views)
        for view in views[max(0, last_above - 1) :]:
            for body in view.bodies:
                local = body.mapFrom(self._column, point)
                if local.y() < 0:
                    return Place(body, 0) if above is None else Place(above, above.end)
                if local.y() < body.height():
                    return Place(body, body.cursorForPosition(local).position())
                above = body
        return None if above is None else Place(above, above.end)

    # -- selecting ---------------------------------------------------------------------------

    def press(self, point: QPoint, *, extends: bool) -> None:
        """A person presses the pointer at ``point`` of the column, where no text is."""
        place = self._place_at(point)
        self._began_in_text = False
        if extends and place is not None and self._knows_anchor:
            self._extend(place)
        else:
            self.clear()
            self._anchor = place

    @Slot(QPoint)
    def drag_to(self, pointer: QPoint) -> None:
        """It was moved to ``pointer`` on the screen."""
        self._pointer = pointer
        point = self._column.mapFromGlobal(pointer)
        beyond = self._beyond(point)
        if not beyond:
            self._timer.stop()
        elif not self._timer.isActive():
            self._timer.start()
        place = self._place_at(point)
        if place is None or self._anchor is None:
            return
        body = self._anchor.body
        is_inside = body.rect().contains(body.mapFromGlobal(pointer))
        if self._began_in_text and is_inside and not beyond:  # Qt selects, as the pointer moves
            self._clear_all_but((body,))
        else:
            self._extend(place)

    @Slot()
    def release(self) -> None:
        """The pointer selects no longer. What it selected is what a middle click pastes."""
        self._timer.stop()
        self._pasted.begin()

    def _beyond(self, point: QPoint) -> int:
        """How far ``point`` of the column is below what is in sight, or (negative) above it, px."""
        visible = self._column.visibleRegion().boundingRect()
        return min(0, point.y() - visible.top()) or max(0, point.y() - visible.bottom())

    @Slot()
    def _scroll(self) -> None:
        beyond = self._beyond(self._column.mapFromGlobal(self._pointer))
        step = min(MAX_STEP, max(MIN_STEP, abs(beyond) // 2))
        if beyond:
            self._events.scroll_wanted.emit(step if beyond > 0 else -step)
        self.drag_to(self._pointer)

    @property
    def _knows_anchor(self) -> bool:
        return self._anchor is not None and not self._anchor.body.isHidden()

    def _extend(self, place: Place) -> None:
        """Select from the anchor to ``place``."""
        bodies = list(self._bodies())
        places = {body: index for index, body in enumerate(bodies)}
        if self._anchor is None or self._anchor.body not in places or place.body not in places:
            return
        begin, end = places[self._anchor.body], places[place.body]
        self._is_all = False
        self._pasted.stop()
        self._set.clear()
        spans: dict[RichTextView, tuple[int, int] | None] = dict.fromkeys(bodies)
        for index in range(min(begin, end), max(begin, end) + 1):
            body = bodies[index]
            span = (0, body.end) if begin <= end else (body.end, 0)
            start = self._anchor.position if index == begin else span[0]
            stop = place.position if index == end else span[1]
            spans[body] = self._set[body] = start, stop
        self._late.set(spans, self._seen())
        self._events.selected.emit()

    def _clear_all_but(self, kept: Collection[RichTextView]) -> None:
        self._is_all = False
        self._pasted.stop()
        for body in kept:
            self._late.forget(body)
        self._late.set(dict.fromkeys(set(self._bodies()).difference(kept)), self._seen())

    # -- what the texts say ------------------------------------------------------------------

    @Slot(bool)
    def _on_pressed(self, extends: bool) -> None:
        body = self.sender()
        if not isinstance(body, RichTextView):
            return
        self._began_in_text = True
        position = body.textCursor().position()
        if extends and self._knows_anchor:
            self._extend(Place(body, position))
        else:
            self._clear_all_but((body,))
            self._anchor = Place(body, position)

    @Slot()
    def _on_selection_changed(self) -> None:
        if self._late.is_setting:
            return
        body = self.sender()
        if not isinstance(body, RichTextView):
            return
        cursor = body.textCursor()
        if self._set.get(body) == (cursor.anchor(), cursor.position()):
            return
        if body.is_extending and self._knows_anchor:
            self._extend(Place(body, cursor.position()))
            return
        self._set.clear()
        self._clear_all_but((body,))
        self._anchor = Place(body, cursor.anchor())
        if cursor.hasSelection():
            self._events.selected.emit()

    @Slot(int, bool)
    def _on_left(self, by: int, by_line: bool) -> None:
        """The keyboard wants more than there is in a text: a line or a character of the next."""
        body = self.sender()
        bodies = list(self._bodies())
        if not isinstance(body, RichTextView) or body not in bodies:
            return
        if not self._knows_anchor:
            self._anchor = Place(body, body.textCursor().anchor())
        at = bodies.index(body) + by
        if not 0 <= at < len(bodies):
            self._extend(Place(body, body.end if by > 0 else 0))
            return
        other = bodies[at]
        cursor = QTextCursor(other.document())
        if by < 0:
            cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.movePosition(_MOVES[by, by_line])
        other.setFocus(Qt.FocusReason.OtherFocusReason)
        self._extend(Place(other, cursor.position()))
        other.tell_caret(other.textCursor())


_MOVES = {
    (1, True): QTextCursor.MoveOperation.EndOfLine,
    (1, False): QTextCursor.MoveOperation.NextCharacter,
    (-1, True): QTextCursor.MoveOperation.StartOfLine,
    (-1, False): QTextCursor.MoveOperation.PreviousCharacter,
}
