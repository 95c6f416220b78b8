"""The transcript: the messages of a chat in a centred column that scrolls.

The window hands it messages and deltas. They are rendered in slices of a few milliseconds, so that
opening a long chat or receiving a fast answer never holds up the main thread, on which all of this
runs. The view follows the end of a growing answer while the person is there, and stays put
otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from minerva_desktop.chat.conversation import ScrollPosition
from minerva_desktop.chat.message import Message
from minerva_desktop.ui.chat_view.actions import AnswerHelp, BranchPlace
from minerva_desktop.ui.chat_view.cut_mark import CutMark
from minerva_desktop.ui.chat_view.flush_pace import SLICE_SECONDS, FlushPace
from minerva_desktop.ui.chat_view.jump_button import JumpButton
from minerva_desktop.ui.chat_view.message_column import MessageColumn
from minerva_desktop.ui.chat_view.message_events import (
    MessageEvents,
    MessageOptions,
    no_answer,
    no_place,
)
from minerva_desktop.ui.chat_view.reading_place import ReadingPlace
from minerva_desktop.ui.chat_view.transcript_area import TranscriptArea
from minerva_desktop.ui.icons import Icons

if TYPE_CHECKING:
    from minerva_desktop.ui.chat_view.message_view import MessageView
    from minerva_desktop.ui.chat_view.message_views import MessageViews

OPENING_SECONDS = 0.08  # to fill the first screen at once


class ChatView(TranscriptArea):
    """``events`` says what a person wants of a message. ``scrolled``: by a person; ``arranged``:
    something was rendered, or has another place or size."""

    scrolled = Signal()
    arranged = Signal()

    def __init__(self, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(icons, parent)
        self._following = True
        self._edits_at_end = False  # that was where a person began to edit
        self._moving = False  # while this class moves the scroll bar itself
        self._goal: ScrollPosition | None = None  # where to be, once that is rendered
        self._goal_moved = 0  # px by which the top edge moved down meanwhile
        self._left: ScrollPosition | None = None  # where there was more, until a person scrolls
        self._last_value = 0  # of the bar, where nothing is being moved
        self._pace = FlushPace(self, self._flush)
        self.setObjectName("chatView")
        self.setAccessibleName("Conversation")
        events = self.events = MessageEvents(self)
        self._options = MessageOptions()
        self._column = MessageColumn(icons, self.events, self._options)
        self._messages = self._column.messages
        self.setWidget(self._column)
        # Opaque, so that Qt moves what is scrolled and paints only what comes into sight.
        self._column.setAutoFillBackground(True)
        self._jump = JumpButton(icons, self._column)
        self._jump.clicked.connect(self.scroll_to_end)
        self.verticalScrollBar().valueChanged.connect(self._on_scrolled)
        self.set_empty_hint("How can I help?", "")
        events.work_added.connect(self._on_work_added)
        events.layout_changed.connect(self._arrange)
        events.selected.connect(self._on_selected)
        events.caret_moved.connect(self.show_rect)
        events.scroll_wanted.connect(self.scroll_by)
        events.place_wanted.connect(self.go_to)
        events.edit_left.connect(self._on_edit_left)
        events.edit_requested.connect(self.edit_message)

    # -- content -----------------------------------------------------------------------------

    def set_messages(
        self,
        messages: list[Message],
        at: ScrollPosition | None = None,
        place_of: Callable[[str], BranchPlace | None] = no_place,
        *,
        answer_so_far: Callable[[], Message | None] = no_answer,
        is_temporary: bool = False,
    ) -> None:
        """Show another chat, at its end or where it was left. ``place_of`` says what a message is
        an alternative to, ``answer_so_far`` what there is of the one that is being written.
        ``is_temporary``: nothing of it is kept."""
        self._options.place_of, self._options.answer_so_far = place_of, answer_so_far
        self._options.can_branch = not is_temporary
        self.mark_temporary(is_temporary)
        self._column.empty.set_temporary(is_temporary)
        self._begin_anew()
        found = self._messages.open(messages, None if at is None else at.message_id)
        self._goal, self._left = at if found else None, None
        self._following = not found
        self._fill()

    def change_messages(self, messages: list[Message]) -> None:
        """Other messages of the same chat: what a person looks at stays where it is, or comes back
        there after a branch that was too short for it."""
        bar, was_at_end = self.verticalScrollBar(), self._following
        value, self._moving, left = bar.value(), True, self._left or self.scroll_position
        stays = self._messages.change(messages)
        bar.setValue(value)  # Qt scrolls to what gets the keyboard of a message that goes
        self._moving = False
        self._following = not stays or (was_at_end and self.is_near_end)
        was_left = self._left is not None and not self._following
        if was_left and left is not None and self._messages.view(left.message_id) is not None:
            self._goal = left
        self._fill()
        self._left = left if was_left or bar.value() < value else None

    def _fill(self) -> None:
        """Render what is in sight."""
        deadline, filled = time.perf_counter() + OPENING_SECONDS, False
        while self._messages.has_work and not filled and time.perf_counter() < deadline:
            self._messages.work(SLICE_SECONDS, self.in_sight)
            self._arrange()
            # Where it was left in the middle of a message, more of that is needed below it.
            needed = 0 if self._goal is None else self.viewport().height()
            filled = self.verticalScrollBar().maximum() > needed
        self._arrange()
        self._start_timer()

    def set_model_names(self, names: dict[str, str]) -> None:
        """What to call the models that answer, by file name."""
        self._messages.set_model_names(names)

    def append_message(self, message: Message, *, goes_there: bool = True) -> None:
        """Add a message at the end and go there; or only with who is there already."""
        self._messages.append(message, shows_end=goes_there or self._following)
        if goes_there:
            self._follow()
        self._flush()

    def append_text(self, message_id: str, delta: str) -> None:
        """More text of an answer. Shown with the next flush, some milliseconds later."""
        self._messages.append_text(message_id, delta)
        self._start_timer()

    def append_thought(self, message_id: str, delta: str) -> None:
        """More of what an answer thinks; as `append_text`."""
        self._messages.append_text(message_id, delta, is_thought=True)
        self._start_timer()

    def catch_up(self, message: Message) -> None:
        """An answer that is shown is being written, and so far it is ``message``."""
        self._messages.catch_up(message)
        self._start_timer()

    def set_status(self, message_id: str, text: str) -> None:
        """Say beneath a running answer what goes on, such as ``Loading model… 40 %``."""
        self._messages.set_status(message_id, text)
        self._start_timer()

    def finish_message(self, message: Message) -> None:
        """An answer ended: show its final text, its state and its numbers."""
        self._messages.finish(message)
        self._flush()

    def resume_answer(self, message: Message) -> None:
        """An answer goes on that is here, and had ended; its state is ``streaming``. Its end is
        shown, as that of a new one."""
        self._messages.resume(message)
        self._follow()
        self._flush()

    @Slot(str)
    def edit_message(self, message_id: str, text: str | None = None) -> None:
        """Let the person change a message in its place, or go on with ``text``, be it far away."""
        self._edits_at_end, self._following = self._following or self.is_at_end, False
        if self._messages.view(message_id) is None:
            self.go_to(message_id, 0.0)
        self._messages.begin_edit(message_id, text)

    def set_enter_sends(self, enter_sends: bool) -> None:
        """Whether Enter alone sends what is edited; Ctrl+Enter always does."""
        self._options.enter_sends = enter_sends

    def offer_help(self, message_id: str, offered: AnswerHelp) -> None:
        """Let the person do that about a failed answer, also once its chat is shown again."""
        if self._messages.offer_help(message_id, offered):
            self._flush()

    @property
    def messages(self) -> MessageViews:
        """What is shown."""
        return self._messages

    @property
    def cut_mark(self) -> CutMark:
        """The line above which messages are no longer given to the model."""
        return self._column.mark

    def set_empty_hint(self, title: str, subtitle: str) -> None:
        """The headline of the empty state and the line beneath it, both plain text."""
        self._column.empty.set_text(title, subtitle)
        self._arrange()

    def plain_text(self) -> str:
        """All text as it is shown, message by message; the empty state's when there is none."""
        return self._column.plain_text()

    def message_view(self, message_id: str) -> MessageView | None:
        """The widget of a message; None when it has none now."""
        return self._messages.view(message_id)

    def is_working(self) -> bool:
        """Whether something that was handed over is still to be rendered."""
        return self._messages.has_work

    @Slot(object)
    def apply_theme(self, _theme: object) -> None:
        """The theme in force changed: paint everything in its colours."""
        self._column.restyle(self.in_sight)
        self._flush()

    @Slot(int)
    def apply_text_size(self, percent: int) -> None:
        """Text has another size now. The line at the top stays there, or the end does."""
        to_end = self._goal is None and self.is_at_end
        place = self._messages.anchor(self.verticalScrollBar().value())
        if place is not None:
            place.hold()
        self._column.restyle(self.in_sight)
        self._arrange(to_end=to_end, place=place)
        self._flush()
        self.show_text_size(percent)

    # -- work in slices ----------------------------------------------------------------------

    def _start_timer(self) -> None:
        """Look at what there is to do, soon."""
        self._pace.ask(is_hidden=not self.isVisible() or self.window().isMinimized())

    @Slot()
    def _flush(self) -> None:
        started = time.perf_counter()
        place = self._messages.anchor(self.verticalScrollBar().value())
        self._messages.work(SLICE_SECONDS, self.in_sight)
        self._arrange(place=place)
        self._pace.flushed(started, goes_on=self._messages.has_work)

    # -- scrolling ---------------------------------------------------------------------------

    @Slot()
    def _arrange(self, *, to_end: bool = False, place: ReadingPlace | None = None) -> None:
        """Lay the column out: ``place``, by default what is at the top, stays there, or the end;
        also on the screen, where the top edge is elsewhere."""
        bar, to_end = self.verticalScrollBar(), to_end or self._following
        place = None if to_end else place or self._messages.anchor(self._last_value)
        moved = self._top.take(self.covered, self._last_value)
        self._moving, height = True, self.viewport().height()
        # A little more on either side; the rest takes a new width in slices, from the end up.
        seen = range(bar.value() - height // 4, bar.value() + height + height // 4)
        # The scroll bar's width is always left free, so that its coming moves nothing.
        self._column.arrange(self.width(), bar.sizeHint().width(), height, seen, self._top)
        if to_end:
            bar.setValue(bar.maximum())
        elif not self._go_to_goal(moved) and place is not None:
            bar.setValue(place.y + moved)
        self._moving = False
        self._last_value = bar.value()
        self._show_jump()
        self.arranged.emit()

    def _go_to_goal(self, moved: int) -> bool:
        """Go where the chat was left, for as long as what is there is being rendered. The top edge
        ``moved`` down."""
        self._goal_moved = 0 if self._goal is None else self._goal_moved + moved
        view = None if self._goal is None else self._messages.view(self._goal.message_id)
        if self._goal is None or view is None:
            return False
        is_first = self._goal.message_id == self._messages.messages[0].id
        below = round(self._goal.offset * view.height())
        top = 0 if is_first and not below else view.top + below
        self.verticalScrollBar().setValue(top + self._goal_moved)
        if not self._messages.has_work:
            self._goal = None
        return True

    @property
    def scroll_position(self) -> ScrollPosition | None:
        """Where the person is; None at the end."""
        if self._goal is not None:
            return self._goal
        if (self._following or self.is_near_end) and not self._messages.n_later:
            return None
        place = self._messages.anchor(self.verticalScrollBar().value())
        return None if place is None else place.as_scroll_position

    def _follow(self) -> None:
        was_away, self._following = not self._following, True
        self._goal, self._left, self._top.gap = None, None, 0
        if was_away:  # it is no step of the bar's
            self.scrolled.emit()

    @Slot()
    def scroll_to_end(self) -> None:
        """Show the end of the chat, and stay there while it grows."""
        self._follow()
        had_keyboard, reopens = self.has_keyboard, self._messages.n_later > 0
        if reopens:
            self._messages.open(self._messages.messages)
        self._fill()
        if reopens and had_keyboard:
            self._messages.take_keyboard()

    def scroll_to_start(self) -> None:
        """Show the first message of the chat, and follow the end no longer."""
        self._goal, self._following = None, False
        had_keyboard, reopens = self.has_keyboard, self._messages.n_earlier > 0
        messages = self._messages.messages
        if reopens:
            self._messages.open(messages, messages[0].id)
        self.verticalScrollBar().setValue(0)
        if reopens:
            self._fill()
            self.verticalScrollBar().setValue(0)
            self.scrolled.emit()
        if messages and self._messages.view(messages[0].id) is None:  # it comes above the others
            self._goal = ScrollPosition(messages[0].id, 0.0)
        if reopens and had_keyboard:
            self._messages.take_keyboard(at_start=True)

    def reveal(self, message_id: str) -> None:
        """Have a view of a message, and follow the end no longer."""
        self._following = False
        if self._messages.view(message_id) is None:
            self._messages.open(self._messages.messages, message_id)
            self._fill()

    @Slot(str, float)
    def go_to(self, message_id: str, offset: float) -> None:
        """Show a place in a message's height, as a `ScrollPosition` says it, however far away."""
        self._goal = ScrollPosition(message_id, offset)
        self.reveal(message_id)
        self._arrange()

    @Slot(int)
    def _on_scrolled(self, value: int) -> None:
        if self._moving:
            return
        # A step up is a wish to stay, however small it is.
        steps_up = value < self._last_value
        self._following = self.is_near_end and not steps_up and not self._messages.n_later
        self._goal = self._left = None
        self._last_value = value
        if self._top.gap and value and not self.verticalScrollBar().isSliderDown():
            self._arrange()  # without the gap, as far as that is out of sight
        self._show_jump()
        self.scrolled.emit()

    def _show_jump(self) -> None:
        is_away = not self._following and (not self.is_near_end or self._messages.n_later > 0)
        self._jump.show_above(self.width() // 2, self.in_sight.bottom() + 1, visible=is_away)

    @Slot()
    def _on_work_added(self) -> None:
        self._following = False
        self._flush()

    @Slot()
    def _on_selected(self) -> None:
        self._following = False  # text must not run away from under the pointer

    @Slot()
    def _on_edit_left(self) -> None:
        """Nothing was gone to: at the end it is as it was, unless its person went far away."""
        bar, at_end = self.verticalScrollBar(), self._edits_at_end
        if at_end and bar.maximum() - bar.value() <= self.viewport().height():
            self.scroll_to_end()

    # -- Qt ----------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        bar = self.verticalScrollBar()
        to_end, top = self._goal is None and self.is_at_end, bar.value()
        hands, height = self._messages.hands, event.oldSize().height()
        edited = None if hands is None else hands.edited_in(range(top, top + height))
        self._moving = True  # Qt moves the bar where the view gets higher: no person does
        super().resizeEvent(event)
        self._arrange(to_end=to_end)
        if edited is not None and event.size().height() < height:  # a notice takes a part of it
            self.keep_in_sight(edited.editor_rect)
        if self._messages.has_work:
            self._start_timer()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        selection = self._messages.selection
        if selection is None or not selection.obey(event):
            super().keyPressEvent(event)
