"""What a person sends: at once, or after the answer that is being written.

Glue between the composer and the open session. Main thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.chat_session import GONE, ChatSession
from minerva_desktop.app.running_answer import STILL_WRITING
from minerva_desktop.app.session_listener import QueuedMessage
from minerva_desktop.chat.message import MessageState
from minerva_desktop.chat.parts import Files, sent_texts
from minerva_desktop.errors import InvalidRequest, ModelNotFound
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.new_chat_setup import is_new
from minerva_desktop.ui.prompt_room import TOO_LONG, Asked, PromptRoom
from minerva_desktop.ui.tasks import UiTasks
from minerva_desktop.ui.waiting_edit import WaitingEdit
from minerva_desktop.ui.waiting_messages import EDITED, NO_ROOM, NOT_WELL, NOT_YET, STOPPED


class MessageSender(QObject):
    """Nothing that was typed is lost: what cannot be sent stays in the composer, or goes back."""

    def __init__(
        self,
        window: MainWindow,
        models: ModelController,
        room: PromptRoom,
        tasks: UiTasks,
        session: Callable[[], ChatSession | None],
    ) -> None:
        """``session`` is the open chat's."""
        super().__init__(window)
        self._window = window
        self._composer = window.composer
        self._models = models
        self._room = room
        self._tasks = tasks
        self._session = session
        self._begun = asyncio.Event()
        # Waiting messages, by id, that were sent while an older one was held in the composer.
        self._younger: set[str] = set()
        self._holding: dict[ChatSession, asyncio.Task[Any]] = {}  # sends what is held there
        self._edit = WaitingEdit(window, models, tasks, session)
        composer = self._composer
        composer.submitted.connect(self._on_submitted)
        composer.queued.connect(self._on_submitted)
        composer.text_changed.connect(self._on_changed)
        composer.attachments.changed.connect(self._on_changed)
        composer.waiting.remove_requested.connect(self._on_remove_waiting)
        composer.waiting.move_requested.connect(self._on_move_waiting)
        composer.waiting.send_requested.connect(self._on_send_waiting)
        room.asked_again.connect(self._on_asked_again)

    def begin(self) -> None:
        """Let messages go; called once the start is over, well or not."""
        self._begun.set()

    def show_waiting(self, session: ChatSession) -> None:
        """Show the messages that wait in ``session``. What was said of an answer that still ran
        goes where none does."""
        self._window.notifications.dismiss(TOO_LONG if session.is_answering else STILL_WRITING)
        leaf_id = session.conversation.active_leaf_id
        end = None if leaf_id is None else session.conversation[leaf_id].state
        ends: dict[MessageState | None, str]
        ends = {MessageState.STOPPED: STOPPED, MessageState.COMPLETE: NOT_YET}
        why = NOT_YET if session.sending.is_from_disk else ends.get(end, NOT_WELL)
        if session.sending.lacks_room:
            why = NO_ROOM
        if session.editing.is_first:
            why = EDITED
        edited = session.editing.message
        self._composer.set_leavable(edited is not None)
        is_paused = session.is_paused and self._room.held_draft(session) is None
        self._composer.waiting.show_messages(
            session.queued, is_paused=is_paused, why=why, edited=edited
        )
        self._edit.follow(session)

    @Slot(str)
    def _on_submitted(self, text: str) -> None:
        """It stays in the composer until it is known to fit. A waiting message that was changed is
        counted when it is its turn."""
        if self._edit.submit() or self._queue_behind_held():
            return
        files = self._composer.files
        asked = self._asked(text, files)
        if asked is not None and self._room.is_held(asked.session):
            self._room.show_held()  # that goes first
        elif asked is not None and self._room.may_lack(asked):
            self._tasks.start(self._send_if_it_fits(asked))
        else:
            self._composer.clear()
            self._tasks.start(self._send(asked, text, files))

    def _asked(self, text: str, files: Files) -> Asked | None:
        """None: there is no chat yet, or no model. What is sent behind others is counted with the
        chat once it is its turn, and here alone."""
        session, path = self._session(), self._models.current_path
        if session is None or path is None:
            return None
        is_idle = not (session.is_answering or session.sending.is_counting)
        is_first = self._place_in(session) == 0
        branch = session.conversation.active_branch()
        return Asked(
            session,
            path,
            branch,
            text,
            files,
            is_whole=is_idle and is_first,
            goes_on=is_idle and not is_first,
        )

    def _place_in(self, session: ChatSession) -> int:
        """How many wait that are older than what stands in the composer."""
        ids = [queued.id for queued in session.queued]
        return next((at for at, each in enumerate(ids) if each in self._younger), len(ids))

    def _queue_behind_held(self) -> bool:
        """Have what was typed behind a message that is held in the composer, and the files that
        were added, wait as one of its own; whether there is any."""
        session, path = self._session(), self._models.current_path
        held = None if session is None else self._room.held_draft(session)
        composer = self._composer
        if session is None or path is None or held is None:
            return False
        n_files = len(held.files)
        files, added = composer.files[:n_files], composer.attachments.items[n_files:]
        more = composer.text.removeprefix(held.text).lstrip("\n")
        more_files = tuple(item.part for item in added if item.part is not None)
        if not _begins_with(composer.text, files, held) or not (more.strip() or more_files):
            return False
        session.enqueue(more, path, more_files)
        self._younger.add(session.queued[-1].id)
        composer.set_text(held.text)
        for item in added:
            composer.attachments.take(item.id)
        return True

    @Slot()
    def _on_changed(self) -> None:
        """What is said of a message that was too long is no longer true of it."""
        self._window.notifications.dismiss(TOO_LONG)

    @Slot(object)
    def _on_asked_again(self, asked: Asked) -> None:
        self._tasks.start((asked.then or partial(self._send_if_it_fits, asked))())

    async def _send_if_it_fits(self, asked: Asked) -> None:
        """What is typed while it is counted stays. Who changes it or the model meanwhile has to
        send it again."""
        session, task = asked.session, asyncio.current_task()
        if task is not None:
            self._holding[session] = task
        try:
            if await self._room.is_free(asked) and self._take(asked):
                await self._say(asked)
            elif session is self._session():
                self.show_waiting(session)  # for its person, again
        finally:
            self._holding.pop(session, None)

    def _take(self, asked: Asked) -> bool:
        """Take the message out of where its person left it; whether it was there. Nothing is
        waited for, or it would be nowhere meanwhile."""
        composer, text, session = self._composer, asked.text, asked.session
        if session is self._session() and session.editing.message is None:
            if not _begins_with(composer.text, composer.files, asked):
                return False
            composer.attachments.clear()
            composer.set_text(composer.text.removeprefix(text))
            return True
        kept = session.conversation  # another chat was opened, or a waiting message is edited
        if is_new(session):
            return False  # before it was counted: then that is the next new one's draft
        if not _begins_with(kept.draft, kept.draft_files, asked):
            return False
        self._tasks.start(session.keep_draft(kept.draft.removeprefix(text)))
        return True

    async def has_room(
        self, session: ChatSession, queued: QueuedMessage, reply_to: str | None
    ) -> bool:
        """Whether the first waiting message of ``session`` fits behind ``reply_to``; where it does
        not, that is told."""
        if queued.id in self._younger and (holding := self._holding.get(session)) is not None:
            await asyncio.wait([holding])  # and then another may be the first
        if session.sending.is_from_disk:
            await self._models.refresh()  # files may have come or gone since
            session.sending.find_models(self._models.in_place_of)
        if all(each is not queued for each in session.queued):
            return False  # it is for another file now, and asked for again
        branch = session.conversation.branch_to(reply_to)
        again = partial(session.send_queued, reply_to)
        asked = Asked(session, queued.model_path, branch, queued.text, queued.files, again)
        return await self._room.is_there(asked)

    async def _send(self, asked: Asked | None, text: str, files: Files) -> None:
        await self._begun.wait()  # a person may be quicker than the start
        asked = asked or self._asked(text, files)
        if asked is not None and not asked.session.is_gone:
            await self._say(asked)
            return
        self._composer.put_back(text, files)
        if asked is not None:
            raise InvalidRequest(GONE)
        if self._session() is None:
            return  # `UnopenedChats` says why the chats are not open
        raise ModelNotFound("There is no model to answer. Add a GGUF file first.")

    async def _say(self, asked: Asked) -> None:
        """Behind what is being done, and in the branch that was shown when it was sent off. What
        was counted alone, because an answer was being written, is counted with that, if it has
        ended since. Where older ones wait for their person, they go first, now."""
        session = asked.session
        place = self._place_in(session)
        self._younger.difference_update(each.id for each in session.queued)
        is_idle = not session.is_answering and not session.sending.is_counting
        if is_idle and asked.is_whole:
            await session.send(asked.text, asked.path, asked.files, asked.reply_to)
            return
        session.enqueue(asked.text, asked.path, asked.files, place)
        if is_idle and (asked.goes_on or place == 0):
            await session.send_queued(asked.reply_to)

    # -- messages that wait ------------------------------------------------------------------

    @Slot(str)
    def _on_remove_waiting(self, queued_id: str) -> None:
        session = self._session()
        if session is not None:
            self._edit.throw_away(queued_id)
            session.unqueue(queued_id)

    @Slot(str, int)
    def _on_move_waiting(self, queued_id: str, by: int) -> None:
        session = self._session()
        if session is not None:
            session.move_queued(queued_id, by)
            self._edit.send_due(session)

    @Slot()
    def _on_send_waiting(self) -> None:
        session = self._session()
        if session is not None and session.editing.is_first:
            self._composer.submit()  # as it is changed so far
        elif session is not None:
            self._tasks.start(session.send_queued())


def _begins_with(text: str, files: Files, asked: Asked) -> bool:
    return text.startswith(asked.text) and sent_texts(files) == sent_texts(asked.files)
