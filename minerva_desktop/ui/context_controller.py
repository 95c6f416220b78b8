"""The context in the window: the panel that shows it, and the ways on for a chat that outgrew it.

Main thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.answer_words import model_name
from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.app.context_cutting import (
    CountTokens,
    PossibleCut,
    newest_that_fit,
    with_cut,
    without_cut,
)
from minerva_desktop.app.context_use import prompt_source
from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.chat.conversation import draft_turn
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.parts import Files
from minerva_desktop.chat.turns import sent
from minerva_desktop.errors import ContextLimitExceeded, MinervaError
from minerva_desktop.paths import path_text
from minerva_desktop.ui.chat_view.actions import AnswerHelp
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.model_notices import LOAD_OPTIONS
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from minerva_desktop.ui.offers import Work
from minerva_desktop.ui.prompt_room import Outgrown
from minerva_desktop.ui.tasks import LatestTask, UiTasks

OUTGROWN = "context-outgrown"
KEEP_NEWEST = "context-keep-newest"
SUMMARISE = "context-summarise"
STOP_SUMMARY = "context-stop-summary"


@dataclass(frozen=True, slots=True)
class _Offer:
    """A cut that was offered before anything was sent, or, with None, that there is none that
    helps. ``then`` is done after it; None: a person does it. ``is_refusal``: something was asked
    and not sent."""

    session: ChatSession
    found: PossibleCut | None
    then: Work | None = None
    is_refusal: bool = False


class ContextController(QObject):
    """Offers, and does what is chosen; nothing is left out of a prompt otherwise."""

    def __init__(
        self,
        window: MainWindow,
        worker: EngineWorker,
        models: ModelController,
        tasks: UiTasks,
        session: Callable[[], ChatSession | None],
        library: Callable[[], ChatLibrary | None],
    ) -> None:
        """``session`` is the open chat's, ``library`` is there once the chats are open."""
        super().__init__(window)
        self._window = window
        self._worker = worker
        self._models = models
        self._tasks = tasks
        self._reading = LatestTask(tasks)
        self._session = session
        self._library = library
        self._panel = window.context_panel
        self._offer: _Offer | None = None
        self._told: ChatSession | None = None  # whose draft was said not to fit
        self._failed: set[str] = set()  # answers, under which the same is offered
        self._summing: asyncio.Task[None] | None = None
        self._panel.everything_wanted.connect(self._on_everything)
        window.chat_view.cut_mark.restore_requested.connect(self._on_everything)
        window.status.context_clicked.connect(self._on_clicked)
        window.status.context.usage_told.connect(self._on_usage)
        window.notifications.action_triggered.connect(self._on_action)
        worker.answer_failed.connect(self._on_failed)
        window.chat_view.events.cut_requested.connect(self._on_cut_requested)

    @Slot(object)
    def on_shown(self, session: ChatSession) -> None:
        """``session`` is the open one now: what is offered for another would be taken for its."""
        if self._offer is not None and self._offer.session is not session:
            self._withdraw()
        self._told = None

    # -- the panel -------------------------------------------------------------------------

    @Slot()
    def _on_clicked(self) -> None:
        self._panel.show_use(None, self._n_left_out())
        self._panel.open_above(self._window.status.context)
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """The prompt changed; shown if the panel is open."""
        if self._panel.isVisible():
            self._reading.start(self._read())

    async def _read(self) -> None:
        session, path = self._session(), self._models.current_path
        if session is None or path is None:
            return
        composer = self._window.composer
        source = prompt_source(session.conversation, composer.text, composer.files)
        reserve = session.conversation.sampling.max_tokens
        try:
            use = await self._worker.context_use(path, source, reserve)
        except MinervaError:
            use = None  # sending says what is wrong
        if session is self._session():
            self._panel.show_use(use, self._n_left_out())

    def _n_left_out(self) -> int:
        session = self._session()
        if session is None:
            return 0
        conversation = session.conversation
        branch = conversation.active_branch()
        return len(branch) - len(sent(branch, conversation.active_cut()))

    @Slot()
    def _on_everything(self) -> None:
        session = self._session()
        cut = None if session is None else session.conversation.active_cut()
        if session is not None and cut is not None:
            self._tasks.start(self._restore(session, cut.first_id))

    async def _restore(self, session: ChatSession, first_id: str) -> None:
        await session.cut(without_cut(session.conversation, first_id))
        self.refresh()

    # -- a chat that outgrew the context ---------------------------------------------------

    @Slot(str, object)
    def _on_failed(self, answer_id: str, error: MinervaError) -> None:
        session = self._session()
        if session is not None and isinstance(error, ContextLimitExceeded):
            self._tasks.start(self._offer_cut(session, answer_id))

    async def _offer_cut(self, session: ChatSession, answer_id: str) -> None:
        """Under the answer ``answer_id``, which failed for the context."""
        path, n_ctx = self._models.current_path, self._models.n_ctx
        if path is None or n_ctx is None or answer_id not in session.conversation:
            return
        if session.conversation[answer_id].model != model_name(path):
            return
        self._failed.add(answer_id)
        found = await self._find(session, path, n_ctx)
        if found is None:
            self._failed.discard(answer_id)  # a larger context alone helps, which the answer says
        else:
            words = fits_without(found.n_messages, found.n_tokens)
            self._window.chat_view.offer_help(answer_id, AnswerHelp(cut=words))

    @Slot(str, bool)
    def _on_cut_requested(self, answer_id: str, summarised: bool) -> None:
        session, path = self._session(), self._models.current_path
        if session is None or path is None or self._summing or session.is_answering:
            return
        if answer_id in session.conversation:
            self._tasks.start(self._cut_for(session, answer_id, path, summarised))

    async def _cut_for(
        self, session: ChatSession, answer_id: str, path: Path, summarised: bool
    ) -> None:
        """Since it was offered the chat, the model or its context may have become others."""
        then, n_ctx = partial(session.resume, answer_id, path), self._models.n_ctx
        found = None if n_ctx is None else await self._find(session, path, n_ctx)
        if session is not self._session() or session.is_answering:
            return
        if found is None:
            await then()
        else:
            self._cut(_Offer(session, found, then), found, path, summarised=summarised)

    async def _find(self, session: ChatSession, path: Path, n_ctx: int) -> PossibleCut | None:
        return await newest_that_fit(session.conversation, self._counter(path), n_ctx)

    @Slot(object)
    def on_outgrown(self, outgrown: Outgrown) -> None:
        """That was not sent."""
        if not self._summing:
            self._told = outgrown.asked.session
            self._tasks.start(self._offer_instead(outgrown))

    async def _offer_instead(self, outgrown: Outgrown) -> None:
        asked = outgrown.asked
        session, path, draft = asked.session, asked.path, asked.draft
        found = await newest_that_fit(
            session.conversation,
            self._counter(path),
            outgrown.n_ctx,
            branch=asked.branch,
            draft=draft,
        )
        if session is not self._session() or session.is_answering:
            return
        whose = "The chat takes" if draft is None else "The message was not sent: with it the chat"
        takes = "" if draft is None else " takes"
        words = (
            f"{whose}{takes} {outgrown.n_tokens:,} tokens, and the context of "
            f"{self._models.shown_name(path)} has {outgrown.n_ctx:,}."
        )
        self._offer = _Offer(session, found, asked.then, is_refusal=True)
        self._tell(words, found, path)

    @Slot()
    def _on_usage(self) -> None:
        """Say it before anything is sent that the context has no room for, and once: a notice that
        was closed does not come back with the next letter."""
        session = self._session()
        if session is None or session.is_answering:
            if self._offer is not None and self._offer.is_refusal and not self._summing:
                self._withdraw()  # something else was asked, which fits
            return
        if not self._window.status.context.is_outgrown:
            self._told = None
            if self._offer is not None and self._offer.then is None:
                self._withdraw()
        elif self._told is not session and not self._has_offer(session) and not self._summing:
            self._told = session
            composer = self._window.composer
            self._tasks.start(self._offer_before(session, composer.text, composer.files))

    async def _offer_before(self, session: ChatSession, text: str, files: Files) -> None:
        path, n_ctx = self._models.current_path, self._models.n_ctx
        if path is None or n_ctx is None or not len(session.conversation):
            return  # a message that alone is too long is told of when it is sent
        draft = await asyncio.to_thread(draft_turn, text, files)  # files of 4 MB take 15 ms
        found = await newest_that_fit(session.conversation, self._counter(path), n_ctx, draft=draft)
        is_open = session is self._session() and not session.is_answering
        if found is None or not is_open or self._has_offer(session):
            return
        if not self._window.status.context.is_outgrown:
            return  # it was shortened meanwhile
        self._offer = _Offer(session, found)
        with_draft = "With what you are typing, the" if draft is not None else "The"
        if files:
            with_draft = "With what is attached, the"
        words = f"{with_draft} chat fills {self._context_of(path, n_ctx)}."
        self._tell(words, found, path)

    def _has_offer(self, session: ChatSession) -> bool:
        """Whether one is made already: in a notice, or under the answer that the chat ends with."""
        composer = self._window.composer
        is_draft = bool(composer.text.strip() or composer.files)
        is_under = session.conversation.active_leaf_id in self._failed and not is_draft
        return is_under or self._offer is not None

    def _context_of(self, path: Path, n_ctx: int) -> str:
        return f"the context of {self._models.shown_name(path)} ({n_ctx:,} tokens)"

    def _tell(self, words: str, found: PossibleCut | None, path: Path) -> None:
        larger = NoticeAction("Larger context…", f"{LOAD_OPTIONS} {path_text(path)}")
        if found is None:
            text = f"{words} Shorten the message, begin a new chat, or give the model more context."
            actions: tuple[NoticeAction, ...] = (larger,)
        else:
            text = f"{words} {fits_without(found.n_messages, found.n_tokens)}"
            newest = NoticeAction("Keep the newest", KEEP_NEWEST)
            actions = (newest, NoticeAction("Summarise older ones", SUMMARISE), larger)
        notice = Notice(NoticeKind.WARNING, text, actions=actions, key=OUTGROWN)
        self._window.notifications.show_notice(notice)

    def _withdraw(self) -> None:
        self._offer = None
        self._window.notifications.dismiss(OUTGROWN)

    @Slot(str)
    def _on_action(self, callback_id: str) -> None:
        if callback_id == STOP_SUMMARY and self._summing is not None:
            self._summing.cancel()
        path, offer = self._models.current_path, self._offer
        if callback_id not in (KEEP_NEWEST, SUMMARISE) or offer is None or path is None:
            return
        if offer.found is not None:
            self._offer = None
            self._cut(offer, offer.found, path, summarised=callback_id == SUMMARISE)

    def _cut(self, offer: _Offer, found: PossibleCut, path: Path, *, summarised: bool) -> None:
        if not summarised:
            cut = ContextCut(first_id=found.first_id, created_at=time.time())
            self._tasks.start(self._go_on(offer, cut))
        else:
            self._summing = asyncio.ensure_future(self._summarise(offer, found.first_id, path))
            self._tasks.start(self._watched(self._summing))

    async def _go_on(self, offer: _Offer, cut: ContextCut) -> None:
        session = offer.session
        await session.cut(with_cut(session.conversation, cut))
        if session is self._session():
            self._told = None  # more may be about to be sent by now: then that is told, too
            self._window.composer.focus_editor()
        if offer.then is not None and not session.is_answering:
            self._tasks.start(offer.then())  # a summary that goes before it is over by then

    async def _watched(self, work: asyncio.Task[None]) -> None:
        """Wait for a summary; that a person stopped it is no error."""
        await asyncio.wait([work])
        self._summing = None
        self._window.notifications.dismiss(OUTGROWN)
        if not work.cancelled():
            work.result()

    async def _summarise(self, offer: _Offer, first_id: str, path: Path) -> None:
        library, n_ctx = self._library(), self._models.n_ctx
        if library is None or n_ctx is None:
            return
        summary = await library.summariser.summary(
            offer.session.conversation,
            first_id,
            path,
            self._counter(path),
            n_ctx,
            self._show_progress,
        )
        cut = ContextCut(
            first_id=first_id,
            created_at=time.time(),
            summary=summary,
            model=model_name(path),
        )
        await self._go_on(offer, cut)

    def _show_progress(self, done: int, total: int) -> None:
        text = f"Summarising {_messages(total)}: {done:,} read"
        stop = NoticeAction("Stop", STOP_SUMMARY)
        notice = Notice(NoticeKind.INFO, text, actions=(stop,), key=OUTGROWN, stays=True)
        self._window.notifications.show_notice(notice)

    def _counter(self, path: Path) -> CountTokens:
        async def count(turns: tuple[ChatTurn, ...]) -> int:
            counted = await self._worker.count_tokens(path, turns)
            if counted is None:
                raise MinervaError(f"{self._models.shown_name(path)} is not loaded any more")
            return counted

        return count


def fits_without(n_messages: int, n_tokens: int) -> str:
    """What has to go, so that a chat fits."""
    return (
        f"Without the oldest {_messages(n_messages)} ({n_tokens:,} tokens) it fits. All of them "
        "stay in the chat."
    )


def _messages(count: int) -> str:
    return "message" if count == 1 else f"{count:,} messages"
