"""The messages of the transcript that have a widget, and the work left to do for them.

Only a stretch of a long chat has: its end, or what is around the message that it was opened at.
Views are built and text is rendered in slices, so each call of `work` takes about as long as it
was given. `MessageColumn` gives them their place. Main thread.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QRect, Slot
from PySide6.QtWidgets import QApplication, QWidget

from minerva_desktop.chat.message import Message, MessageState
from minerva_desktop.ui.chat_view.actions import AnswerHelp
from minerva_desktop.ui.chat_view.late_restyling import LateRestyling
from minerva_desktop.ui.chat_view.message_events import MessageEvents, MessageOptions
from minerva_desktop.ui.chat_view.reading_place import ReadingPlace
from minerva_desktop.ui.chat_view.stretch import FEW, PAGE, Stretch, is_only_moved, n_same
from minerva_desktop.ui.chat_view.view_focus import focus_again, focused_index
from minerva_desktop.ui.chat_view.view_layout import ViewLayout
from minerva_desktop.ui.icons import Icons

if TYPE_CHECKING:
    from minerva_desktop.ui.chat_view.answer_view import AnswerView
    from minerva_desktop.ui.chat_view.cut_mark import CutMark
    from minerva_desktop.ui.chat_view.message_hands import MessageHands
    from minerva_desktop.ui.chat_view.message_view import MessageView
    from minerva_desktop.ui.chat_view.selection_keeper import SelectionKeeper


class MessageViews(QObject):
    """``events`` tell of them; ``options`` hold for all."""

    def __init__(
        self, icons: Icons, column: QWidget, events: MessageEvents, options: MessageOptions
    ) -> None:
        super().__init__(column)
        self._icons = icons
        self._column = column
        self._events = events
        self._options = options
        self.above: QWidget | None = None  # what Tab comes to before the first message
        self._hands: MessageHands | None = None
        self._messages: list[Message] = []
        self._stretch = Stretch()
        self._views: list[MessageView] = []  # of the stretch, in order
        self._by_id: dict[str, MessageView] = {}
        self._answers: dict[str, AnswerView] = {}  # those of them that are answers
        self._help: dict[str, AnswerHelp] = {}  # by message
        self._unrendered: dict[str, MessageView] = {}
        self._restyling = LateRestyling()
        self._layout = ViewLayout()

    def __len__(self) -> int:
        """Messages, with a view or without."""
        return len(self._messages)

    @property
    def n_earlier(self) -> int:
        """Messages before those that have a view, or will have."""
        return self._stretch.wanted_first

    @property
    def n_later(self) -> int:
        """Messages after them."""
        return len(self._messages) - self._stretch.wanted_end

    # -- messages ----------------------------------------------------------------------------

    def open(self, messages: list[Message], at: str | None = None) -> bool:
        """Show another chat, at the message ``at`` or, where there is no such, at its end; whether
        there is."""
        self._drop_all()
        self._messages = list(messages)
        index = None if at is None else self._index(at)
        count = len(messages)
        self._stretch = Stretch.at_end(count) if index is None else Stretch.around(index, count)
        self._mark_last()
        return index is not None

    def change(self, messages: list[Message]) -> bool:
        """Other messages of the same chat: views of those that stay, stay. False where none does,
        and the chat is shown at its end."""
        same = n_same(self._messages, messages)
        start = self._stretch.first
        if same < start or not self._views:
            self.open(messages)
            return False
        focus, focused = focused_index(self._views), QApplication.focusWidget()
        old_views, self._views = self._views, []
        end, n_made = start, 0
        for message in messages[start : max(same, start) + PAGE]:
            view = self._by_id.get(message.id)
            if view is not None and is_only_moved(view.message, message):
                view.move_to(message)
            elif n_made < FEW:
                if view is not None:
                    self._drop_view(view)
                view = self._make_view(message)
                n_made += 1
            else:
                break
            self._views.append(view)
            end += 1
            if view not in old_views:
                self._order_tab(len(self._views) - 1)
        for view in set(old_views).difference(self._views):
            if self._by_id.get(view.message.id) is view:
                self._drop_view(view)
        self._messages = list(messages)
        stretch = self._stretch
        stretch.end = end
        stretch.wanted_end = min(len(messages), max(end, same + PAGE))
        self._order_views()
        self._mark_last()
        if QApplication.focusWidget() is not focused:  # it went with its message
            focus_again(self._views, focus)
        return True

    def take_keyboard(self, *, at_start: bool = False) -> None:
        """The last view, or the first, has it."""
        focus_again(self._views, 0 if at_start else len(self._views))

    def _order_tab(self, at: int) -> None:
        """Have Tab come to the new view number ``at`` after what is above it."""
        before = self._views[at - 1].last_stop if at else self.above
        if before is not None:
            self._views[at].follow(before)

    def _order_views(self) -> None:
        """Screen readers go by the order of the children."""
        for view in self._views:
            view.raise_()
            view.show_place(self._options.place_of(view.message.id))

    def set_model_names(self, names: dict[str, str]) -> None:
        """What to call the models, by file name."""
        if names != self._options.model_names:
            self._options.model_names = names
            for view in self._views:
                view.show_author(names)

    def append(self, message: Message, *, shows_end: bool) -> None:
        """Add a message below the others. ``shows_end``: with the end of the chat, else only where
        that has views."""
        n_before = len(self._messages)
        if shows_end and self._stretch.end < n_before:
            self._drop_all()
            self._stretch = Stretch.at_end(n_before)
        self._messages.append(message)
        if self._stretch.wanted_end == n_before:
            self._stretch.wanted_end += 1
            if self._stretch.end == n_before:
                self._build_next()

    def append_text(self, message_id: str, delta: str, *, is_thought: bool = False) -> None:
        """More that an answer says or thinks; nothing for a message without a view."""
        view = self._answers.get(message_id)
        if view is not None:
            (view.think if is_thought else view.append)(delta)
            self._unrendered[message_id] = view

    def catch_up(self, message: Message) -> None:
        """A running answer that is already here is ``message`` so far."""
        if (view := self._replace(message)) is not None:
            view.catch_up(message)

    def offer_help(self, message_id: str, offered: AnswerHelp) -> bool:
        """What to offer under a failed answer, once it has a view; whether that is to be shown."""
        before = self._help.get(message_id, AnswerHelp())
        joined = self._help[message_id] = offered.joined(before)
        view = None if joined == before else self._answers.get(message_id)
        if view is not None:
            view.offer_help(joined)
        return view is not None

    def set_status(self, message_id: str, text: str) -> None:
        """What to say beneath a running answer."""
        if (view := self._answers.get(message_id)) is not None:
            view.set_status(text)

    def finish(self, message: Message) -> None:
        """The final form of a message that is already here."""
        view = self._replace(message)
        if view is not None:
            view.finish(message)
        self._mark_last()

    def resume(self, message: Message) -> None:
        """An answer that is already here goes on."""
        view = self._replace(message)
        self._help.pop(message.id, None)
        if view is not None:
            view.offer_help(AnswerHelp())
            view.go_on(message)
            view.show_author(self._options.model_names)  # another model may go on with it
        self._mark_last()

    def _replace(self, message: Message) -> AnswerView | None:
        index = self._index(message.id)
        if index is None:
            return None
        self._messages[index] = message
        view = self._answers.get(message.id)
        if view is not None:
            self._unrendered[message.id] = view
        return view

    def source(self, message_id: str) -> str:
        """A message's text so far. Raises `KeyError` for an unknown one."""
        view = self._by_id.get(message_id)
        if view is not None:
            return view.source()
        index = self._index(message_id)
        if index is None:
            raise KeyError(message_id)
        return self._messages[index].text

    def plain_text(self) -> str:
        """What the messages say that have a view."""
        return "\n\n".join(view.plain_text() for view in self._views)

    @property
    def messages(self) -> list[Message]:
        """All of the chat."""
        return self._messages

    def view(self, message_id: str) -> MessageView | None:
        """The view of a message, if it has one now."""
        return self._by_id.get(message_id)

    @property
    def selection(self) -> SelectionKeeper | None:
        """What is selected in them; None before the first of them."""
        return None if self._hands is None else self._hands.selection

    def is_answering(self) -> bool:
        """Whether the last message is being written."""
        return bool(self._messages) and self._messages[-1].state is MessageState.STREAMING

    def _index(self, message_id: str) -> int | None:
        indices = range(len(self._messages) - 1, -1, -1)
        return next((each for each in indices if self._messages[each].id == message_id), None)

    def _mark_last(self) -> None:
        if self._hands is not None:
            is_last = self._views and self._stretch.end == len(self._messages)
            self._hands.set_last(self._views[-1] if is_last else None)

    # -- editing -----------------------------------------------------------------------------

    @property
    def hands(self) -> MessageHands | None:
        """What serves them; None before the first of them."""
        return self._hands

    def begin_edit(self, message_id: str, text: str | None = None) -> None:
        """As `MessageHands.begin_edit`, and let the person type there."""
        if self._hands is not None and self._hands.begin_edit(message_id, text):
            self._hands.focus_editor(message_id)

    def edited_text(self, message_id: str) -> str | None:
        """What the person has made of a message so far; None where it is not being edited."""
        return None if self._hands is None else self._hands.edited_text(message_id)

    def end_edit(self, message_id: str) -> float | None:
        """As `MessageHands.end_edit`."""
        return None if self._hands is None else self._hands.end_edit(message_id)

    # -- work --------------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """Whether `work` would find something to do."""
        late = self._restyling.has_work or self._layout.has_work
        return bool(self._unrendered) or late or self._stretch.next_missing() is not None

    def work(self, seconds: float, visible: QRect) -> None:
        """Render, restyle and build views for about ``seconds``; ``visible`` is in sight, px."""
        deadline = time.perf_counter() + seconds
        while self.has_work:
            if self._unrendered:
                name, view = next(reversed(self._unrendered.items()))
                if not view.render_some(deadline - time.perf_counter()):
                    del self._unrendered[name]
            elif self._restyling.has_work:
                self._restyling.work(deadline - time.perf_counter(), self._layout.width, visible)
            elif self._layout.has_work:
                self._layout.work()
            else:
                self._build_next()
            if time.perf_counter() > deadline:
                break

    def _build_next(self) -> None:
        index = self._stretch.next_missing()
        if index is None:
            return
        view = self._make_view(self._messages[index])
        if index >= self._stretch.end:
            self._views.append(view)
            self._order_tab(len(self._views) - 1)
            self._stretch.end += 1
        else:
            view.lower()  # screen readers go by the order of the children: this one is first
            self._views.insert(0, view)
            self._order_tab(0)
            self._stretch.first -= 1
            self._layout.add_above(view)
        if index == len(self._messages) - 1:
            self._mark_last()

    def set_aside(self, visible: QRect) -> set[MessageView]:
        """As `LateRestyling.set_aside`, of all views."""
        return self._restyling.set_aside(self._views, visible)

    def restyle(self, visible: QRect) -> None:
        """As `LateRestyling.restyle`, of all views."""
        self._restyling.restyle(self._views, visible)

    def _make_view(self, message: Message) -> MessageView:
        hands = self._hands = self._hands or self._make_hands()
        view = hands.make(message)
        view.show_author(self._options.model_names)
        view.show()
        self._by_id[message.id] = view
        self._unrendered[message.id] = view
        answer = hands.as_answer(view)
        if answer is not None:
            self._answers[message.id] = answer
            answer.offer_help(self._help.get(message.id, AnswerHelp()))
            hands.catch_up(answer)
        if hands.waits_for_edit(message.id):
            hands.begin_edit(message.id)
        return view

    def _make_hands(self) -> MessageHands:
        # For start-up time: Markdown and Pygments take 0.1 s, and an empty chat needs neither.
        from minerva_desktop.ui.chat_view.message_hands import MessageHands

        hands = MessageHands(
            self._icons,
            self._column,
            self._events,
            self._options,
            self._by_id,
            self.is_answering,
        )
        hands.rendering_needed.connect(self._on_rendering_needed)
        return hands

    def _drop_all(self) -> None:
        for view in list(self._views):
            self._drop_view(view)

    def _drop_view(self, view: MessageView) -> None:
        name = view.message.id
        if view in self._views:
            self._views.remove(view)
        del self._by_id[name]
        self._answers.pop(name, None)
        self._unrendered.pop(name, None)
        self._layout.forget(view)
        self._restyling.forget(view)
        if self._hands is not None:
            self._hands.release(view)
        view.hide()
        view.deleteLater()

    # -- layout ------------------------------------------------------------------------------

    def arrange(self, left: int, y: int, width: int, seen: range, mark: CutMark) -> int:
        """As `ViewLayout.arrange`, of all views."""
        return self._layout.arrange(self._views, self._unrendered, left, y, width, seen, mark)

    def anchor(self, y: int) -> ReadingPlace | None:
        """As `ViewLayout.anchor`."""
        return self._layout.anchor(self._views, y)

    @Slot()
    def show_earlier(self) -> None:
        """A page more at the top."""
        self._stretch.want_earlier()
        self._events.work_added.emit()

    @Slot()
    def show_later(self) -> None:
        """A page more at the bottom."""
        self._stretch.want_later(len(self._messages))
        self._events.work_added.emit()

    # -- slots -------------------------------------------------------------------------------

    @Slot(str)
    def _on_rendering_needed(self, message_id: str) -> None:
        self._unrendered[message_id] = self._by_id[message_id]
        self._events.work_added.emit()
