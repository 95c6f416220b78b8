"""Find in chat: what is typed in the bar is looked for, marked, counted and shown. Main thread."""

from __future__ import annotations

import re
from typing import NamedTuple

from PySide6.QtCore import QObject, QPoint, Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import QApplication

from minerva_desktop.ui.chat_view.answer_view import AnswerView
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.find_bar import FindBar
from minerva_desktop.ui.chat_view.finder import Finder, Place
from minerva_desktop.ui.chat_view.folded_text import FoldedText
from minerva_desktop.ui.chat_view.found_text import Match
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.chat_view.rows import LINE_BREAK, Kind, runs_text
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

REFRESH_MS = 500  # while an answer is written
RIGHT = 5 * GRID  # px between the bar and the edge, at which the scroll bar is


class _Marks(NamedTuple):
    """``texts`` as `_texts`."""

    view: MessageView
    texts: dict[int, RichTextView | None]
    found: tuple[Match, ...]
    current: int | None


class ChatFinder(QObject):
    """Made when a person first looks for something in ``chat``. ``closed``: the bar was, with
    nothing found that the keyboard could be left at."""

    closed = Signal()

    def __init__(self, icons: Icons, chat: ChatView) -> None:
        super().__init__(chat)
        self._chat = chat
        self._messages = chat.messages
        self._finder = Finder(self._messages)
        self._finder.changed.connect(self._on_changed)
        self._marked: dict[str, _Marks] = {}  # what each view marks
        self._shown: Place | None = None
        self._wanted: Place | None = None  # to be brought into sight, once it is rendered
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REFRESH_MS)
        self._timer.timeout.connect(self._finder.refresh)
        # Not inside of the transcript: of a scroll area, screen readers see the viewport alone.
        self._over = chat.parentWidget() or chat
        self._bar = FindBar(icons, self._over)
        self._bar.edited.connect(self._on_edited)
        self._bar.stepped.connect(self._finder.step)
        self._bar.closed.connect(self.close)
        chat.arranged.connect(self._on_arranged)

    def open(self) -> None:
        """Let the person type; what is selected in a message is what they may mean."""
        text = self._selected_text()
        was_open = self._bar.isVisible()
        self._chat.keep_free(self._bar.height() + 2 * GRID)
        self._place_bar()
        self._bar.begin(text)
        if not was_open:
            self._on_edited(self._bar.text)

    def step(self, by: int) -> None:
        """The next one (1), or the one before (-1)."""
        if self._bar.isVisible():
            self._finder.step(by)
        else:
            self.open()

    @Slot()
    def close(self) -> None:
        """Forget what was looked for; the keyboard is left at what was found last."""
        is_left = self._leave_keyboard()
        self._unmark()
        self._bar.hide()
        self._chat.keep_free(0)
        self._finder.find("", None)
        if not is_left:
            self.closed.emit()

    def _leave_keyboard(self) -> bool:
        place = self._finder.place
        view = None if place is None else self._messages.view(place.message_id)
        if place is None or view is None or view.is_edited:
            return False
        match = self._finder.matches(place.message_id)[place.number]
        text = _texts(view).get(match.block)
        if text is None:
            view.take_keyboard()  # what holds it is folded again
        else:
            text.setFocus(Qt.FocusReason.TabFocusReason)
            end = text.found_rect(match).center()
            text.setTextCursor(text.cursorForPosition(end))
        return True

    def _selected_text(self) -> str:
        focused = QApplication.focusWidget()
        for message in reversed(self._messages.messages):
            view = self._messages.view(message.id)
            for body in () if view is None else view.bodies:
                if body is focused:
                    return _first_line(body)
        return ""

    # -- marks and scrolling -----------------------------------------------------------------

    def _show_matches(self) -> None:
        for message_id in {*self._finder.holders, *self._marked}:
            view = self._messages.view(message_id)
            if view is not None and view.is_whole:
                self._mark(view)
            elif view is not None and self._number_in(message_id) is not None:
                view.unfold(self._finder.rows_of(view.message))
        self._scroll()

    def _number_in(self, message_id: str) -> int | None:
        """Which of a message's matches is the current one."""
        place = self._finder.place
        return None if place is None or place.message_id != message_id else place.number

    def _mark(self, view: MessageView) -> None:
        message_id = view.message.id
        found, current = self._finder.matches(message_id), self._number_in(message_id)
        marks = _Marks(view, _texts(view), found, current)
        if self._marked.get(message_id) == marks:
            return
        self._marked[message_id] = marks
        for block, text in marks.texts.items():
            own = [at for at, match in enumerate(found) if match.block == block]
            number = own.index(current) if current in own else None
            if text is not None:
                text.show_found([found[at] for at in own], number)

    def _scroll(self) -> None:
        """Bring the wanted one into sight, once it is rendered."""
        wanted = self._wanted
        view = None if wanted is None else self._messages.view(wanted.message_id)
        matches = () if wanted is None else self._finder.matches(wanted.message_id)
        if wanted is None or view is None or not view.is_whole or len(matches) <= wanted.number:
            return
        if view.arranged_width < 0:
            return  # it is about to be placed
        match = matches[wanted.number]
        text = _texts(view).get(match.block)
        if text is None:
            _open_block(view, match.block)
            return  # until it is rendered
        self._wanted = None
        rect = text.found_rect(match)
        y = view.y() + text.mapTo(view, QPoint(0, rect.top())).y()
        bar, height = self._chat.verticalScrollBar(), self._chat.viewport().height()
        if not bar.value() <= y <= bar.value() + height - 2 * rect.height():
            bar.setValue(y - height // 3)

    def _unmark(self) -> None:
        for message_id in self._marked:
            view = self._messages.view(message_id)
            for text in _texts(view).values() if view is not None else ():
                if text is not None:
                    text.show_found((), None)
        self._marked.clear()

    def _place_bar(self) -> None:
        viewport = self._chat.viewport().geometry()
        y = viewport.top() - self._bar.height() - GRID
        place = QPoint(viewport.right() - self._bar.width() - RIGHT, y)
        self._bar.move(self._chat.mapTo(self._over, place))

    # -- slots -------------------------------------------------------------------------------

    @Slot(str)
    def _on_edited(self, text: str) -> None:
        self._unmark()
        self._shown = None
        anchor = self._messages.anchor(self._chat.verticalScrollBar().value())
        self._finder.find(text, None if anchor is None else anchor.view.message.id)

    @Slot()
    def _on_changed(self) -> None:
        finder = self._finder
        self._bar.show_count(finder.position, finder.count, is_searching=finder.is_searching)
        if finder.place != self._shown:
            self._shown = self._wanted = finder.place
            if finder.place is not None:
                self._chat.reveal(finder.place.message_id)
        if self._bar.isVisible():
            self._show_matches()
        self._show_progress()

    def _show_progress(self) -> None:
        finder, wanted = self._finder, self._wanted
        if wanted is None and not finder.is_searching:
            self._bar.show_progress(None)
            return
        view = None if wanted is None else self._messages.view(wanted.message_id)
        searched = finder.share_done if finder.is_searching else 1.0
        self._bar.show_progress((searched + (0.0 if view is None else view.share_shown)) / 2)

    @Slot()
    def _on_arranged(self) -> None:
        if not self._bar.isVisible():
            return
        self._place_bar()
        self._show_matches()
        self._show_progress()
        if not self._timer.isActive():
            self._timer.start()


def _first_line(body: RichTextView) -> str:
    """What can be found of what is selected there: its first line, or first cell, without an item's
    sign and with formulas as they were written."""
    rows = body.selected_rows()
    if rows and rows[0].kind is Kind.TABLE:  # maybe its head, which is selected with all the rest
        lines = re.split(r"[\t\n]", body.selected_text())
    else:
        lines = [line for row in rows[:1] for line in runs_text(row.runs).split(LINE_BREAK)]
    return re.sub(r"\s", " ", next(filter(None, lines), ""))


def _texts(view: MessageView) -> dict[int, RichTextView | None]:
    """Where `Match.block` leads to: what the message says, and each thought's and card's text,
    where that is shown."""
    folded = _blocks(view).items()
    return {0: view.body} | {at: each.body if each.is_rendered else None for at, each in folded}


def _blocks(view: MessageView) -> dict[int, FoldedText]:
    if not isinstance(view, AnswerView):
        return {}
    thoughts = {-number: each for number, each in enumerate(view.thoughts, start=1)}
    return thoughts | dict(enumerate(view.cards, start=1))


def _open_block(view: MessageView, number: int) -> None:
    block = _blocks(view).get(number)
    if block is not None:
        block.open()
