"""Builds the messages of a column, and what a person has in hand there: the rows of actions, the
menus and the editors.

Imported with the first message: Markdown and Pygments take 0.1 s. Main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from PySide6.QtCore import QObject, QPoint, QRect, Signal, Slot
from PySide6.QtWidgets import QWidget

from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.ui.chat_view.action_menu import message_menu
from minerva_desktop.ui.chat_view.action_rows import ActionRows
from minerva_desktop.ui.chat_view.actions import MessageAction, actions_for
from minerva_desktop.ui.chat_view.answer_view import AnswerView
from minerva_desktop.ui.chat_view.editable_view import EditableView
from minerva_desktop.ui.chat_view.formulas import Formulas
from minerva_desktop.ui.chat_view.message_events import MessageEvents, MessageOptions
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.chat_view.part_blocks import OpenBlocks
from minerva_desktop.ui.chat_view.question_view import QuestionView
from minerva_desktop.ui.chat_view.rendering import Rendering
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.chat_view.selection_keeper import SelectionKeeper
from minerva_desktop.ui.icons import Icons

MAX_EDIT_SHARE = 0.6  # of the visible height, that an editor takes before it scrolls


class MessageHands(QObject):
    """Copying and editing are done here; of all else ``events`` tells."""

    rendering_needed = Signal(str)

    def __init__(
        self,
        icons: Icons,
        column: QWidget,
        events: MessageEvents,
        options: MessageOptions,
        views: Mapping[str, MessageView],
        is_answering: Callable[[], bool],
    ) -> None:
        """``views``: those of now, by message; ``is_answering``: whether one is being written."""
        super().__init__(column)
        self._icons = icons
        self._column = column
        self._events = events
        self._options = options
        self._views = views
        self._view_of = views.get
        self._is_answering = is_answering
        self._rendering = Rendering()
        self._formulas = Formulas(self)
        self._last: MessageView | None = None
        self._edits: dict[str, str] = {}  # by message, of those without a view
        self._opened: OpenBlocks = {}
        self.selection = SelectionKeeper(column, events, options, views, self._opened)
        self._rows = ActionRows(icons, column, self._actions, is_answering, self._owner)
        self._rows.triggered.connect(self._trigger)
        self._rows.menu_requested.connect(self._show_menu)

    # -- views -------------------------------------------------------------------------------

    def make(self, message: Message) -> MessageView:
        """A view of ``message``, in the column."""
        if message.role is Role.USER:
            view: EditableView = self._make_question(message)
        else:
            view = self._make_answer(message)
        view.show_place(self._options.place_of(message.id))
        self._adopt(view.body)
        view.rendering_needed.connect(self.rendering_needed)
        view.layout_changed.connect(self._events.layout_changed)
        view.menu_requested.connect(self._show_menu)
        view.edit_requested.connect(self._on_edit_requested)
        view.body.delete_requested.connect(partial(self._on_delete_requested, message.id))
        view.edit_changed.connect(self._events.edit_changed)
        view.edit_submitted.connect(self._events.edit_submitted)
        view.edit_cancelled.connect(self._on_edit_cancelled)
        view.caret_moved.connect(self._on_caret_moved)
        view.branch_requested.connect(self._events.branch_requested)
        view.pointer_changed.connect(self._on_pointer_changed)
        return view

    def catch_up(self, view: AnswerView) -> None:
        """``view`` is new: of an answer that is being written it gets what there is by now."""
        answer = self._options.answer_so_far()
        if answer is not None and answer.id == view.message.id:
            view.catch_up(answer)

    def _make_question(self, message: Message) -> QuestionView:
        view = QuestionView(message, self._rendering, self._icons, self._column)
        view.file_opened.connect(self._events.file_opened)
        for picture in view.pictures:
            picture.opened.connect(self._events.picture_opened)
            self._events.picture_ready.connect(picture.show_picture)
            self._events.picture_wanted.emit(picture.part)
        return view

    def _make_answer(self, message: Message) -> AnswerView:
        view = AnswerView(message, self._rendering, self._icons, self._column, self._opened)
        view.part_shown.connect(self._adopt)
        view.retry_requested.connect(self._events.retry_requested)
        view.continue_requested.connect(self._on_continue)
        view.details_requested.connect(self._events.details_requested)
        view.options_requested.connect(self._events.options_requested)
        view.load_anyway_requested.connect(self._events.load_anyway_requested)
        view.others_requested.connect(self._events.others_requested)
        view.cut_requested.connect(self._events.cut_requested)
        return view

    def as_answer(self, view: MessageView) -> AnswerView | None:
        """``view`` if it is an answer's."""
        return view if isinstance(view, AnswerView) else None

    def release(self, view: MessageView) -> None:
        """A view goes; what is being made of its message is kept until it is shown again."""
        if isinstance(view, EditableView) and view.edited_text is not None:
            self._edits[view.message.id] = view.edited_text
        if view is self._last:
            self._last = None
        self._rows.forget(view)
        self.selection.forget(view)

    def set_last(self, view: MessageView | None) -> None:
        """The view of the last message of the chat, if that has one."""
        if view is not self._last:
            if self._last is not None:
                self._last.set_last(False)
            self._last = view
            if view is not None:
                view.set_last(True)
        self._rows.set_last(view)
        for each in self._views.values():
            if isinstance(each, EditableView):
                each.set_busy(self._is_answering())

    def keep_in_sight(self, top: int) -> None:
        """The column is in sight from ``top`` px on: what of a text should stay in sight does."""
        bottom = top + self._options.seen_height
        for view in self._views.values():
            if view.top < bottom and view.bottom > top:
                for body in view.bodies:
                    y = body.mapTo(self._column, QPoint()).y()
                    body.keep_in_sight(max(0, top - y))

    # -- editing -----------------------------------------------------------------------------

    def waits_for_edit(self, message_id: str) -> bool:
        """Whether that message, which got a view, was being edited before."""
        return message_id in self._edits

    def begin_edit(self, message_id: str, text: str | None = None) -> bool:
        """Turn a message into an editor, which holds ``text`` or what it held before; whether it
        is one now. One without a view becomes one with it, if there is a ``text``. An answer that
        is being written does not."""
        if text is not None:
            self._edits[message_id] = text
        view = self._view_of(message_id)
        is_over = view is not None and view.message.state is not MessageState.STREAMING
        if not isinstance(view, EditableView) or not is_over:
            return False
        text = self._edits.pop(message_id, view.source())
        limit = round(MAX_EDIT_SHARE * self._options.seen_height)
        view.begin_edit(text, enter_sends=self._options.enter_sends, max_height=limit)
        view.set_busy(self._is_answering())
        self._rows.refresh()
        self._events.layout_changed.emit()
        return True

    def focus_editor(self, message_id: str) -> None:
        """Let the person type in the message's editor, and see all of it."""
        view = self._view_of(message_id)
        if isinstance(view, EditableView):
            self._events.caret_moved.emit(view.editor_rect)
            view.focus_editor()

    @property
    def edits(self) -> dict[str, str]:
        """What the person has made of messages so far, also of other chats, by message."""
        shown = {name: self.edited_text(name) for name in self._views}
        return self._edits | {name: text for name, text in shown.items() if text is not None}

    def edited_text(self, message_id: str) -> str | None:
        """What the person has made of a message so far; None where it is not being edited."""
        view = self._view_of(message_id)
        text = view.edited_text if isinstance(view, EditableView) else None
        return self._edits.get(message_id) if text is None else text

    @Slot(str)
    def end_edit(self, message_id: str) -> float | None:
        """Show the message as it is; the place in it that was gone to, as `MessageEvents` has it,
        where it is higher than what is in sight."""
        self._edits.pop(message_id, None)
        view, place = self._view_of(message_id), None
        if isinstance(view, EditableView):
            place = view.place_after(self._options.seen_height)
            view.end_edit()
            self._rows.refresh()
            self._events.layout_changed.emit()
            if place is None:
                self._events.edit_left.emit()
            else:
                self._events.place_wanted.emit(message_id, place)
        self._events.edit_changed.emit()
        return place

    @Slot(str)
    def _on_edit_cancelled(self, message_id: str) -> None:
        view = self._view_of(message_id)
        text = self.edited_text(message_id)
        self.end_edit(message_id)
        if view is not None and text is not None and text != view.source():
            self._events.edit_given_up.emit(message_id, text)

    def edited_in(self, seen: range) -> EditableView | None:
        """What is being edited, and is in ``seen``, px of the column's height, or in part."""
        for view in self._views.values():
            if isinstance(view, EditableView):
                rect = view.editor_rect
                if rect.top() < seen.stop and rect.bottom() >= seen.start and view.is_edited:
                    return view
        return None

    def limit_editors(self, height: int) -> None:
        """``height`` px of the column are in sight from now on."""
        for view in self._views.values():
            if isinstance(view, EditableView):
                view.limit_editor(round(MAX_EDIT_SHARE * height))

    # -- actions -----------------------------------------------------------------------------

    def _actions(self, view: MessageView) -> tuple[MessageAction, ...]:
        is_last, can_branch = view is self._last, self._options.can_branch
        actions = actions_for(view.message, is_last=is_last, can_branch=can_branch)
        # A model would go on with what it said before.
        held = {MessageAction.CONTINUE} if view.is_edited else set()
        return tuple(action for action in actions if action not in held)

    def _owner(self, widget: QWidget) -> MessageView | None:
        at: QWidget | None = widget
        while at is not None and not isinstance(at, MessageView):
            at = at.parentWidget()
        return at if at is not None and at.parentWidget() is self._column else None

    @Slot(str, object, QPoint)
    def _trigger(self, message_id: str, action: MessageAction, place: QPoint) -> None:
        view = self._view_of(message_id)
        if action is MessageAction.EDIT:
            self._events.edit_requested.emit(message_id)
        elif action is MessageAction.COPY and view is not None:
            view.body.copy_whole(view.source())
        else:
            self._events.action_requested.emit(message_id, action, place)

    @Slot(str, QPoint)
    def _show_menu(self, message_id: str, place: QPoint) -> None:
        view = self._view_of(message_id)
        if view is None:
            return
        menu = message_menu(
            self._icons,
            self._column,
            view.body,
            self.selection,
            self._actions(view) or _while_written(view),
            partial(self._choose, message_id, place),
            is_busy=self._is_answering(),
        )
        if menu.isEmpty():
            menu.deleteLater()
        else:
            menu.popup(place)

    def _choose(self, message_id: str, place: QPoint, action: MessageAction) -> None:
        self._trigger(message_id, action, place)

    @Slot(str)
    def _on_continue(self, message_id: str) -> None:
        self._events.action_requested.emit(message_id, MessageAction.CONTINUE, QPoint())

    @Slot(str)
    def _on_edit_requested(self, message_id: str) -> None:
        view = self._view_of(message_id)
        if view is not None and MessageAction.EDIT in self._actions(view):
            self._events.edit_requested.emit(message_id)

    def _on_delete_requested(self, message_id: str) -> None:
        self._trigger(message_id, MessageAction.DELETE, QPoint())

    @Slot(str, bool)
    def _on_pointer_changed(self, message_id: str, is_here: bool) -> None:
        view = self._view_of(message_id)
        if view is not None and is_here:
            self._rows.hover(view)
        elif view is not None:
            self._rows.leave(view)

    @Slot(RichTextView)
    def _adopt(self, body: RichTextView) -> None:
        """Serve a text of a message, be it what is said or what is folded above or below it."""
        body.use_formulas(self._formulas)
        body.save_requested.connect(self._events.save_requested)
        self.selection.adopt(body)
        body.caret_moved.connect(self._on_caret_moved)

    @Slot(QRect)
    def _on_caret_moved(self, rect: QRect) -> None:
        moved = self.sender()
        if isinstance(moved, QWidget):
            place = moved.mapTo(self._column, rect.topLeft())
            self._events.caret_moved.emit(QRect(place, rect.size()))


def _while_written(view: MessageView) -> tuple[MessageAction, ...]:
    """What the menu has for a message that is being written: Esc, to be rid of a menu that did not
    come, would stop it."""
    return (MessageAction.COPY,) if view.source() else ()
