"""The ways on for a chat that outgrew its context, in the window. Main thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
from PySide6.QtCore import QObject, Signal, Slot

from minerva_desktop.app.answer_words import model_name
from minerva_desktop.app.bounded_count import TokenCount
from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.app.context_cutting import (
    CountTokens,
    PossibleCut,
    newest_that_fit,
    with_cut,
)
from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.chat.draft import draft_turn
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.parts import Files
from minerva_desktop.errors import ContextLimitExceeded, MinervaError
from minerva_desktop.ui.context_help import ContextHelp, fits_without
from minerva_desktop.ui.context_reading import ContextReading
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.model_notices import larger_context
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from minerva_desktop.ui.offers import Work
from minerva_desktop.ui.prompt_room import Asked, Outgrown
from minerva_desktop.ui.refused_drafts import RefusedDrafts
from minerva_desktop.ui.summaries import STOP_SUMMARY, Summaries
from minerva_desktop.ui.tasks import UiTasks

OUTGROWN = "context-outgrown"
KEEP_NEWEST = "context-keep-newest"
SUMMARISE = "context-summarise"
AFTER_SUMMARY = "Older messages are being summarised: ask again once that is done."
LARGER = "Larger context…"
BEGIN_ANEW = "Begin a new chat"
SHORTEN = "Shorten the message, begin a new chat"
HAS_ROOM = "Your message has room now, and can be sent."
LATER = "context-later"  # nothing can be offered now


class _Offer(msgspec.Struct, frozen=True):
    """A cut that was offered for the model at ``path`` before anything was sent, or, with None,
    that there is none that helps. ``shown`` are the messages of the branch that it was offered for.
    ``then`` is done after it. ``refused``: what was asked and not sent; it is sent after it where
    it still stands in the composer, and not changed."""

    session: ChatSession
    path: Path
    found: PossibleCut | None
    shown: tuple[str, ...]
    then: Work | None = None
    refused: Asked | None = None

    @property
    def is_current(self) -> bool:
        """Whether the same messages are shown in its chat."""
        return self.shown == _shown(self.session)


class ContextController(QObject):
    """Offers, and does what is chosen; nothing is left out of a prompt otherwise.
    ``asked_again(Asked)``: a chat was cut for that while another is shown."""

    asked_again = Signal(object)

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
        self._session = session
        self._summaries = Summaries(window, worker, models, library, OUTGROWN)
        self._reading = ContextReading(window, worker, models, tasks, session)
        self._offer: _Offer | None = None
        self._told: ChatSession | None = None  # whose draft was said not to fit
        self._refused = RefusedDrafts(window.notifications)
        self._help = ContextHelp(window, worker, models, tasks, session, self._find)
        self._summing: asyncio.Task[None] | None = None
        window.status.context.usage_told.connect(self._on_usage)
        window.notifications.action_triggered.connect(self._on_action)
        window.chat_view.events.cut_requested.connect(self._on_cut_requested)

    @Slot(object)
    def on_shown(self, session: ChatSession) -> None:
        """``session`` is the open one now: what is offered for another would be taken for its."""
        if self._offer is not None and self._offer.session is not session:
            self._withdraw()
        self._told = None
        self._help.withdraw(session)

    @Slot(object)
    def on_branch_changed(self, session: ChatSession) -> None:
        """What is offered is of the messages that were shown."""
        self._help.withdraw(session)
        offer = self._offer
        if offer is not None and offer.session is session and not offer.is_current:
            self._withdraw()
            self._told = None  # of these it may be true, too

    # -- a chat that outgrew the context ---------------------------------------------------

    @Slot(str, bool)
    def _on_cut_requested(self, answer_id: str, summarised: bool) -> None:
        session, path = self._session(), self._models.current_path
        if session is None or path is None or session.is_answering:
            return
        if self._summing is not None:
            self._say_later("Nothing is cut now.")
        elif answer_id in session.conversation:
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
            offer = _Offer(session, path, found, _shown(session), then)
            self._cut(offer, found, summarised=summarised)

    async def _find(self, session: ChatSession, path: Path, n_ctx: int) -> PossibleCut | None:
        return await newest_that_fit(session.conversation, self._counter(path), n_ctx)

    @Slot(object)
    def on_outgrown(self, outgrown: Outgrown) -> None:
        """That was not sent."""
        session = outgrown.asked.session
        if outgrown.asked.is_draft:
            self._refused.keep(outgrown.asked)
        if session is not self._session():
            self._refused.tell_elsewhere(session, self._words(outgrown))
        elif self._summing is not None:
            self._say_later(self._words(outgrown))
        else:
            self._told = session
            self._tasks.start(self._offer_instead(outgrown))

    def _say_later(self, words: str) -> None:
        text = f"{words} {AFTER_SUMMARY}"
        notice = Notice(NoticeKind.WARNING, text, key=LATER, is_of_chat=True)
        self._window.notifications.show_notice(notice)

    def _words(self, outgrown: Outgrown) -> str:
        is_chat = outgrown.draft is None
        takes = "The chat takes" if is_chat else "The message was not sent: with it the chat takes"
        return (
            f"{takes} {outgrown.used.words} tokens, and the context of "
            f"{self._models.shown_name(outgrown.asked.path)} has {outgrown.n_ctx:,}."
        )

    async def _offer_instead(self, outgrown: Outgrown) -> None:
        asked = outgrown.asked
        session, path, shown = asked.session, asked.path, _shown(asked.session)
        found = await newest_that_fit(
            session.conversation,
            self._counter(path),
            outgrown.n_ctx,
            branch=asked.branch,
            draft=outgrown.draft,
        )
        if session is not self._session() or session.is_answering:
            return
        if shown == _shown(session):
            self._tell_refused(outgrown, found)

    def _tell_refused(self, outgrown: Outgrown, found: PossibleCut | None) -> None:
        """That it was not sent, and what helps."""
        asked = outgrown.asked
        session, path = asked.session, asked.path
        self._refused.hide(session)
        self._offer = _Offer(session, path, found, _shown(session), asked.then, asked)
        instead = BEGIN_ANEW if outgrown.draft is None else SHORTEN
        if not asked.branch:  # nor does a message alone exceed the context
            instead = "Shorten the system prompt"
        needed = _needed(session, outgrown.used)
        self._tell(self._words(outgrown), found, path, needed, instead)

    @Slot()
    def _on_usage(self) -> None:
        """Say it before anything is sent that the context has no room for, and once: a notice that
        was closed does not come back with the next letter."""
        session = self._session()
        if session is None or session.is_answering:
            for identity in (LATER, HAS_ROOM):
                self._window.notifications.dismiss(identity)
            if self._offer is not None and self._offer.refused and not self._summing:
                self._withdraw()  # something else was asked, which fits
            if session is not None:
                self._refused.forget(session)
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
        draft = await asyncio.to_thread(draft_turn, text, files)  # which may be large
        shown, counter = _shown(session), self._counter(path)
        found = await newest_that_fit(session.conversation, counter, n_ctx, draft=draft)
        asked = Asked(session, path, session.conversation.active_branch(), text, files)
        is_refused = self._refused.is_one(asked)
        is_open = session is self._session() and not session.is_answering
        if (found is None and not is_refused) or not is_open or self._has_offer(session):
            return
        meter = self._window.status.context
        if not meter.is_outgrown or shown != _shown(session):
            return  # it was shortened meanwhile
        used = TokenCount(meter.used or n_ctx, meter.is_all)
        if is_refused:  # and its chat was left since, or not shown then
            self._tell_refused(Outgrown(asked, draft, used, n_ctx), found)
            return
        self._offer = _Offer(session, path, found, shown)
        with_draft = "With what you are typing, the" if draft is not None else "The"
        if files:
            with_draft = "With what is attached, the"
        words = f"{with_draft} chat fills {self._context_of(path, n_ctx)}."
        instead = BEGIN_ANEW if draft is None else SHORTEN
        self._tell(words, found, path, _needed(session, used), instead)

    def _has_offer(self, session: ChatSession) -> bool:
        """Whether one is made already: in a notice, or under the answer that the chat ends with."""
        composer = self._window.composer
        is_draft = bool(composer.text.strip() or composer.files)
        is_under = self._help.is_under(session.conversation.active_leaf_id) and not is_draft
        return is_under or self._offer is not None

    def _context_of(self, path: Path, n_ctx: int) -> str:
        return f"the context of {self._models.shown_name(path)} ({n_ctx:,} tokens)"

    def _tell(
        self, words: str, found: PossibleCut | None, path: Path, needed: int, instead: str
    ) -> None:
        """``needed``: the tokens for which a larger context is proposed; ``instead``: what to do
        where no cut helps."""
        larger = larger_context(LARGER, needed, path)
        if found is None:
            text = f"{words} {instead}, or give the model more context."
            actions: tuple[NoticeAction, ...] = (larger,)
        else:
            text = f"{words} {fits_without(found)}"
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
        offer = self._offer
        if callback_id not in (KEEP_NEWEST, SUMMARISE) or offer is None:
            return
        if offer.found is not None:
            self._offer = None
            self._cut(offer, offer.found, summarised=callback_id == SUMMARISE)

    def _cut(self, offer: _Offer, found: PossibleCut, *, summarised: bool) -> None:
        if not summarised:
            cut = ContextCut(first_id=found.first_id, created_at=time.time())
            self._tasks.start(self._go_on(offer, cut))
        else:
            self._summing = asyncio.ensure_future(self._summarise(offer, found.first_id))
            self._tasks.start(self._watched(self._summing, offer))

    async def _go_on(self, offer: _Offer, cut: ContextCut) -> None:
        """What was asked of other messages than are shown by then is not done: a summary takes its
        time."""
        session, is_current = offer.session, offer.is_current
        if session.is_gone or cut.first_id not in session.conversation:
            return
        await session.cut(with_cut(session.conversation, cut))
        refused = offer.refused if is_current else None
        if session is self._session():
            self._told = None  # more may be about to be sent by now: then that is told, too
            composer = self._window.composer
            composer.focus_editor()
            if refused is not None and refused.is_in(composer):
                composer.submit()
            elif refused is not None and refused.is_draft:
                notice = Notice(NoticeKind.INFO, HAS_ROOM, is_of_chat=True)
                self._window.notifications.show_notice(notice)
        elif refused is not None and refused.is_left:
            self.asked_again.emit(refused)
        if offer.then is not None and is_current and not session.is_answering:
            self._tasks.start(offer.then())  # a summary that goes before it is over by then

    async def _watched(self, work: asyncio.Task[None], offer: _Offer) -> None:
        """Wait for a summary; that a person stopped it is no error. Where a message is too long for
        one, all else is offered still."""
        await asyncio.wait([work])
        self._summing = None
        self._window.notifications.dismiss(OUTGROWN)
        self._window.notifications.withdraw(LATER)
        if work.cancelled():
            return
        try:
            work.result()
        except ContextLimitExceeded as error:
            if offer.found is None or offer.session is not self._session() or not offer.is_current:
                raise
            self._offer_unread(error.message, offer, offer.found)

    def _offer_unread(self, words: str, offer: _Offer, found: PossibleCut) -> None:
        """What helps beside a summary, which cannot be had, as ``words`` say."""
        used = TokenCount(found.n_tokens + (self._models.n_ctx_of(offer.path) or 0))
        needed = _needed(offer.session, used._replace(is_all=not found.is_more))
        self._offer = offer
        text = f"{words} {fits_without(found)}"
        newest = NoticeAction("Keep the newest", KEEP_NEWEST)
        actions = (newest, larger_context(LARGER, needed, offer.path))
        notice = Notice(NoticeKind.WARNING, text, actions=actions, key=OUTGROWN)
        self._window.notifications.show_notice(notice)

    async def _summarise(self, offer: _Offer, first_id: str) -> None:
        path, chat = offer.path, offer.session.conversation
        if first_id not in chat:
            return
        summary = await self._summaries.write(chat, first_id, path, self._counter(path))
        if summary is None:
            return
        cut = ContextCut(
            first_id=first_id,
            created_at=time.time(),
            summary=summary,
            model=model_name(path),
        )
        await self._go_on(offer, cut)

    def _counter(self, path: Path) -> CountTokens:
        async def count(turns: tuple[ChatTurn, ...]) -> int:
            counted = await self._worker.count_tokens(path, turns)
            if counted is None:
                raise MinervaError(f"{self._models.shown_name(path)} is not loaded any more")
            return counted

        return count


def _needed(session: ChatSession, used: TokenCount) -> int:
    """The tokens that a context needs for the chat, of which ``used`` were counted."""
    return used.about(sum(len(message.text) for message in session.conversation.active_branch()))


def _shown(session: ChatSession) -> tuple[str, ...]:
    return tuple(message.id for message in session.conversation.active_branch())
