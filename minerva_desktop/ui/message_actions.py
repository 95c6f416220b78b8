"""What a person does with the messages of the open chat, beyond sending them.

Glue between the transcript, the open session and the notification bar. Main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
from PySide6.QtCore import QObject, QPoint, Slot
from PySide6.QtWidgets import QWidget

from minerva_desktop.app.answer_words import model_name
from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.app.running_answer import STILL_WRITING
from minerva_desktop.chat.conversation import Conversation, Removal
from minerva_desktop.chat.message import Message, Role
from minerva_desktop.chat.names import title_from
from minerva_desktop.chat.presets import PromptLibrary
from minerva_desktop.chat.removals import Removals
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import InvalidRequest, ModelNotFound
from minerva_desktop.paths import path_of, path_text
from minerva_desktop.ui.answer_edits import AnswerEdits
from minerva_desktop.ui.chat_view.actions import BranchPlace, MessageAction
from minerva_desktop.ui.chat_view.answer_details import AnswerDetails
from minerva_desktop.ui.chat_view.message_editor import ANSWER_WORDS, QUESTION_WORDS
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.notification_bar import Notice, NoticeKind
from minerva_desktop.ui.offers import Offers
from minerva_desktop.ui.prompt_room import Asked, PromptRoom
from minerva_desktop.ui.regenerate_menu import regenerate_menu, variants_of
from minerva_desktop.ui.tasks import UiTasks

BUSY_DELETING = "An answer is still being written. Stop it, or delete the message after it."


def place_in(conversation: Conversation, message_id: str) -> BranchPlace | None:
    """Where a message stands among its alternatives; None where it has none."""
    if message_id not in conversation:
        return None
    ids = tuple(conversation.siblings(message_id))
    return BranchPlace(ids.index(message_id), ids) if len(ids) > 1 else None


class MessageActions(QObject):
    """Obeys the rows and menus of actions, the branch navigators and the editors in place."""

    def __init__(
        self,
        window: MainWindow,
        models: ModelController,
        room: PromptRoom,
        tasks: UiTasks,
        session: Callable[[], ChatSession | None],
        library: Callable[[], ChatLibrary | None],
        show: Callable[[ChatSession], None],
        presets: Callable[[], PromptLibrary],
    ) -> None:
        """``session`` is the open chat's, ``show`` opens another one; ``presets`` are those that
        there are."""
        super().__init__(window)
        self._window = window
        self._view = window.chat_view
        self._models = models
        self._room = room
        self._tasks = tasks
        self._session = session
        self._library = library
        self._show = show
        self._presets = presets
        self._offers = Offers("messages:", window.notifications, tasks)
        self._removals: dict[str, Removals] = {}  # by the chat's id
        removals = self._removals.get
        self._answers = AnswerEdits(window, self._offers, session, library, show, removals)
        self._view.events.retry_requested.connect(self._on_retry)
        self._view.events.action_requested.connect(self._on_action)
        self._view.events.branch_requested.connect(self._on_branch)
        self._view.events.edit_submitted.connect(self._on_edit_submitted)
        self._view.events.edit_given_up.connect(self._on_edit_given_up)
        window.composer.edit_last_requested.connect(self._on_edit_last)

    @Slot(str, object, QPoint)
    def _on_action(self, message_id: str, action: MessageAction, place: QPoint) -> None:
        session = self._session()
        if session is None or message_id not in session.conversation:
            return
        match action:
            case MessageAction.ANSWER:
                self._tasks.start(self._retry(session, message_id))
            case MessageAction.REGENERATE:
                self._tasks.start(self._offer_regenerating(session, message_id, place))
            case MessageAction.CONTINUE:
                self._tasks.start(self._resume(session, message_id))
            case MessageAction.BRANCH:
                self._tasks.start(self._branch_off(session, message_id))
            case MessageAction.DELETE | MessageAction.DELETE_BELOW if session.is_answering:
                self._tell_busy(BUSY_DELETING)  # by the key: a menu offers neither
            case MessageAction.DELETE:
                self._tasks.start(self._remove(session, message_id, with_replies=False))
            case MessageAction.DELETE_BELOW:
                self._tasks.start(self._remove(session, message_id, with_replies=True))
            case MessageAction.DETAILS:
                self._open_details(session, message_id, place)

    async def _resume(self, session: ChatSession, message_id: str) -> None:
        path = self._model_path()
        again = partial(self._resume, session, message_id)
        asked = Asked(session, path, _up_to(session, message_id), then=again)
        if await self._is_free(message_id, asked):
            await session.resume(message_id, path)

    async def _is_free(self, message_id: str, asked: Asked) -> bool:
        """Whether what is asked about that message can be begun, also where another chat is open by
        then; not where the message was deleted."""
        is_free = asked.session.is_answering or await self._room.is_free(asked)
        return is_free and message_id in asked.session.conversation

    def _model_path(self) -> Path:
        path = self._models.current_path
        if path is None:
            raise ModelNotFound("There is no model to answer. Add a GGUF file first.")
        return path

    # -- other answers -----------------------------------------------------------------------

    @Slot(str)
    def _on_retry(self, message_id: str) -> None:
        session = self._session()
        if session is not None:
            self._tasks.start(self._retry(session, message_id))

    async def _retry(
        self,
        session: ChatSession,
        message_id: str,
        path: Path | None = None,
        sampling: SamplingParameters | None = None,
        *,
        once: bool = False,
    ) -> None:
        """Answer that question, or that of an answer, with the model at ``path``; the chosen one by
        default. ``once``: the chat stays with the model it had."""
        path = path or self._model_path()
        up_to = _up_to(session, message_id)
        before = up_to if up_to[-1].role is Role.USER else up_to[:-1]
        again = partial(self._retry, session, message_id, path, sampling, once=once)
        asked = Asked(session, path, before, then=again)
        if await self._is_free(message_id, asked):
            await session.retry(message_id, path, sampling, once=once)

    async def _offer_regenerating(
        self, session: ChatSession, message_id: str, place: QPoint
    ) -> None:
        path = self._model_path()
        answer = session.conversation[message_id]
        has_text = bool(answer.text.strip())
        menu = regenerate_menu(
            self._window.icons,
            self._window,
            self._window.header.picker.items,
            path_text(path),
            variants_of(session.conversation.sampling, self._presets().presets),
            partial(self._retry_with, session, message_id),
            partial(self._ask, session, message_id) if has_text else None,
            is_again=answer.model == model_name(path),
        )
        menu.popup(place)

    def _retry_with(
        self,
        session: ChatSession,
        message_id: str,
        path: str,
        sampling: SamplingParameters | None,
    ) -> None:
        """A model that was not chosen in the picker answers this once: the next message goes to
        the chosen one, as does that of the chat when it is opened again."""
        if session is self._session():
            model = path_of(path)
            once = model != self._models.current_path
            self._tasks.start(self._retry(session, message_id, model, sampling, once=once))

    def _ask(self, session: ChatSession, message_id: str, words: str) -> None:
        path = self._models.current_path
        if path is not None and session is self._session():
            self._tasks.start(self._reply(session, message_id, words, path))

    async def _reply(self, session: ChatSession, message_id: str, words: str, path: Path) -> None:
        again = partial(self._reply, session, message_id, words, path)
        asked = Asked(session, path, _up_to(session, message_id), words, then=again)
        if await self._is_free(message_id, asked):
            await session.send(words, path, reply_to=message_id)

    @Slot(str)
    def _on_branch(self, message_id: str) -> None:
        session = self._session()
        if session is not None and message_id in session.conversation:
            self._tasks.start(session.select(message_id))

    async def _branch_off(self, session: ChatSession, message_id: str) -> None:
        library = self._library()
        if library is not None:
            self._show(await library.branch_off(session, message_id))
            self._window.composer.focus_editor()

    def _open_details(self, session: ChatSession, message_id: str, place: QPoint) -> None:
        message = session.conversation[message_id]
        items = self._window.header.picker.items
        model = next(
            (item for item in items if model_name(path_of(item.path)) == message.model), None
        )
        name = (message.model or "") if model is None else model.name
        # The answer's own: there may be another file by that name now.
        if message.completion is not None and message.completion.quantisation:
            name = f"{name} · {message.completion.quantisation}"
        AnswerDetails(self._window.icons, message, name, self._window).open_at(place)

    # -- editing -----------------------------------------------------------------------------

    @Slot()
    def _on_edit_last(self) -> None:
        session = self._session()
        if session is None:
            return
        for message in reversed(session.conversation.active_branch()):
            if message.role is Role.USER:
                self._view.edit_message(message.id)
                return

    @Slot(str, str)
    def _on_edit_submitted(self, message_id: str, text: str) -> None:
        session = self._session()
        if session is None or message_id not in session.conversation:
            return
        is_answer = session.conversation[message_id].role is Role.ASSISTANT
        if session.is_answering:
            self._tell_busy(ANSWER_WORDS.busy if is_answer else QUESTION_WORDS.busy)
            return
        self._window.notifications.dismiss(STILL_WRITING)
        change = self._answers.save if is_answer else self._edit
        self._tasks.start(change(session, message_id, text))

    def _tell_busy(self, words: str) -> None:
        notice = Notice(NoticeKind.INFO, words, key=STILL_WRITING, is_of_chat=True)
        self._window.notifications.show_notice(notice)

    async def _edit(self, session: ChatSession, message_id: str, text: str) -> None:
        """The editor stays open until the message is sent. Who changes it or closes it while it is
        counted, sends nothing."""
        path = self._model_path()
        *before, message = _up_to(session, message_id)
        edited = msgspec.structs.replace(message, text=text)
        again = partial(self._edit_again, session, message_id)
        asked = Asked(session, path, before, edited=edited, then=again)
        is_free = await self._is_free(message_id, asked)
        if not is_free or self._view.messages.edited_text(message_id) != text:
            return
        await session.edit(message_id, text, path)
        self._view.messages.end_edit(message_id)
        if session is self._session():
            self._window.composer.focus_editor()

    async def _edit_again(self, session: ChatSession, message_id: str) -> None:
        """As the editor has it by now, if it is still open."""
        text = self._view.messages.edited_text(message_id)
        if text is not None:
            await self._edit(session, message_id, text)

    @Slot(str, str)
    def _on_edit_given_up(self, message_id: str, text: str) -> None:
        """Esc is one key, and what was typed may be long."""
        session = self._session()
        if session is not None:
            again = partial(self._begin_again, session, message_id, text)
            chat = session.conversation
            is_answer = message_id in chat and chat[message_id].role is Role.ASSISTANT
            what = "answer was not saved" if is_answer else "message was not sent"
            words = f"Your change to the {what}"
            self._offers.undo(words, again, is_last_chance=True)

    async def _begin_again(self, session: ChatSession, message_id: str, text: str) -> None:
        """Have what was typed in the message's editor again; where the message is not there any
        more, in the composer."""
        chat = session.conversation
        if session.is_gone or message_id not in chat:
            self._window.composer.put_back(text, ())
            return
        if session is not self._session():
            self._show(session)
        is_shown = any(message.id == message_id for message in chat.active_branch())
        if not is_shown and not session.is_answering:
            await session.select(message_id)
        self._view.edit_message(message_id, text)

    # -- deleting ----------------------------------------------------------------------------

    async def _remove(self, session: ChatSession, message_id: str, *, with_replies: bool) -> None:
        ids = [message.id for message in session.conversation.active_branch()]
        had_keyboard = self._has_keyboard(message_id)
        removal = await session.remove(message_id, with_replies=with_replies)
        cuts = session.conversation.cuts
        if cuts != removal.cuts:
            await session.cut(cuts)  # on disk, too, it is at the next message now
        if had_keyboard and session is self._session():
            self._focus_neighbour(session, ids.index(message_id))
        elif self._window.focusWidget() is None:  # it went with the message, under the menu
            self._window.composer.focus_editor()
        chat_id = session.conversation.id
        removal_id = self._removals.setdefault(chat_id, Removals()).add(removal)
        words = _named(removal)
        put_back = partial(self._put_back, chat_id, removal_id, words)
        self._offers.undo(
            f"{words} deleted{_shown_instead(session.conversation, removal)}",
            put_back,
            removal_id,
            undone=f"{words} restored",
            is_last_chance=True,
        )

    def _has_keyboard(self, message_id: str) -> bool:
        view = self._view.message_view(message_id)
        at: QWidget | None = self._window.focusWidget()
        while at is not None and at is not view:
            at = at.parentWidget()
        return at is not None

    def _focus_neighbour(self, session: ChatSession, index: int) -> None:
        """The message that stands in the place of the deleted one has the keyboard, or the last."""
        branch = session.conversation.active_branch()
        view = self._view.message_view(branch[min(index, len(branch) - 1)].id) if branch else None
        if view is None:
            self._window.composer.focus_editor()
        else:
            view.take_keyboard()

    async def _put_back(self, conversation_id: str, removal_id: str, words: str) -> None:
        """``words`` name what went."""
        session, library = self._session(), self._library()
        if session is None or session.conversation.id != conversation_id:
            if library is None:
                return
            session = await library.open_again(conversation_id)
            self._show(session)
        if session.is_answering:
            again = partial(self._put_back, conversation_id, removal_id, words)
            later = f"{words} deleted. That can be undone once the answer is over."
            back = f"{words} restored"
            self._offers.undo(later, again, removal_id, undone=back, is_last_chance=True)
            return
        cuts = session.conversation.cuts
        removals = self._removals[conversation_id]
        could_come = removals.ids
        await session.put_back(removals, removal_id)
        for came_too in could_come - removals.ids:
            self._offers.dismiss(came_too)
        if session.conversation.cuts != cuts:
            await session.cut(session.conversation.cuts)


def _named(removal: Removal) -> str:
    """What went, so that it can be told from what else went."""
    (_, first), *more = removal.messages
    begin = title_from(first.text)
    named = f" “{begin}”" if begin else ""
    if not more:
        return f"Message{named}"
    return f"{len(more) + 1:,} messages{f' from{named} on' if named else ''}"


def _shown_instead(conversation: Conversation, removal: Removal) -> str:
    """That another version of what went is shown now, with its own replies; empty where none is."""
    (_, first), *_ = removal.messages
    moved = removal.moved_ids
    beside = [
        each
        for each in conversation.active_branch()
        if each.parent_id == first.parent_id and each.id not in moved
    ]
    if not beside or (not moved and (removal.leaf_id or "") in conversation):
        return ""
    versions = conversation.siblings(beside[0].id)
    if len(versions) == 1:
        return ". Its other version is shown"
    return f". Version {versions.index(beside[0].id) + 1} of {len(versions)} is shown"


def _up_to(session: ChatSession, message_id: str) -> list[Message]:
    """The messages from the root to that one. Raises `InvalidRequest` where it was deleted."""
    if message_id not in session.conversation:
        raise InvalidRequest("The message that this is about was deleted")
    return session.conversation.branch_to(message_id)
