"""Whether a prompt leaves room for its answer, which is known before anything is spent on it.

The engine's child counts, where a cheap look cannot tell. A model that is not loaded is loaded for
that, while what is asked stays where its person left it. Main thread.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec.structs import replace
from PySide6.QtCore import QObject, QTimer, Signal, Slot

from minerva_desktop.app.bounded_count import TokenCount, count_up_to
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.app.model_actions import ModelState
from minerva_desktop.chat.context_cut import ContextCut, last_cut
from minerva_desktop.chat.conversation import clean_text
from minerva_desktop.chat.draft import draft_turn
from minerva_desktop.chat.message import ChatTurn, Message
from minerva_desktop.chat.parts import (
    FilePart,
    Files,
    ReasoningPart,
    ToolResultPart,
    files_in,
    sent_texts,
)
from minerva_desktop.chat.turns import sent, turn_to_go_on, turns_of
from minerva_desktop.errors import MinervaError
from minerva_desktop.ui.composer import LOADING_FIRST, MEASURING, MEASURING_ELSE, Composer
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.model_notices import larger_context
from minerva_desktop.ui.notification_bar import Notice, NoticeKind
from minerva_desktop.ui.offers import Work

Each = TypeVar("Each")
Telling = Callable[[], None]  # why something is not begun

TOO_LONG = "message-too-long"
# More than any known template writes around a turn, and of its own at the beginning.
TURN_BYTES = 128
FIRST_BYTES = 2048
MOST_LOOKED_AT = 200  # messages: under 1 ms
HOLD_MS = 150  # that counting takes without anything being said of it


class Asked(msgspec.Struct, frozen=True):
    """What is about to be asked of the model at ``path``: ``branch`` of the session's chat, and
    behind it ``text`` with ``files``, or the message that ``edited`` is to become, if any. ``then``
    is done once that fits; None: a person does it. ``is_whole`` False: what of the chat there will
    be is not known yet; ``goes_on``: because older messages wait for their person, which go first
    then."""

    session: ChatSession
    path: Path
    branch: Sequence[Message]
    text: str = ""
    files: Files = ()
    then: Work | None = None
    is_whole: bool = True
    goes_on: bool = False
    edited: Message | None = None

    @property
    def is_draft(self) -> bool:
        """Whether it stands in the composer until it is sent."""
        return self.then is None

    def is_in(self, composer: Composer) -> bool:
        """Whether that is what stands there, unchanged."""
        has_files = sent_texts(composer.files) == sent_texts(self.files)
        return self.is_draft and has_files and composer.text == self.text

    @property
    def is_left(self) -> bool:
        """Whether that is what its chat keeps as its draft, which stands in no composer now."""
        kept = self.session.conversation
        has_files = sent_texts(kept.draft_files) == sent_texts(self.files)
        return self.is_draft and has_files and kept.draft == self.text

    @property
    def reply_to(self) -> str | None:
        """The message behind which it is asked, unless it is the first, or that was deleted."""
        leaf_id = self.branch[-1].id if self.branch else ""
        return leaf_id if leaf_id in self.session.conversation else None

    @property
    def cut(self) -> ContextCut | None:
        """From where on the model is given the branch; an edited message has it of itself."""
        ids = [message.id for message in self.branch]
        if self.edited is not None:
            ids.append(self.edited.id)
        return last_cut(self.session.conversation.cuts, ids)


class _Held(msgspec.Struct, frozen=True):
    """Whether ``asked`` fits is being counted, of which ``words`` say what it is about."""

    asked: Asked
    count: asyncio.Task[Telling | None]
    words: str


class Outgrown(msgspec.Struct, frozen=True):
    """``asked`` takes ``used`` tokens, which a context of ``n_ctx`` has not, and nothing was
    sent: not ``draft``, the message, if there is one."""

    asked: Asked
    draft: ChatTurn | None
    used: TokenCount
    n_ctx: int


class PromptRoom(QObject):
    """Holds what is asked in each chat and not yet begun, because it is counted: one thing in each,
    which its person can give up. ``outgrown(Outgrown)``: that was not sent, and cutting the chat
    might help. A message that alone is too long is told of here. ``asked_again(Asked)``: its model
    could not be loaded when it was asked, and is now, as its person wished; or there was no room
    for it, and is now."""

    outgrown = Signal(object)
    asked_again = Signal(object)

    def __init__(
        self,
        window: MainWindow,
        worker: EngineWorker,
        models: ModelController,
        session: Callable[[], ChatSession | None],
    ) -> None:
        """``session`` is the open chat's."""
        super().__init__(window)
        self._session = session
        self._composer = window.composer
        self._notifications = window.notifications
        self._worker = worker
        self._models = models
        self._alone: dict[Path, int | None] = {}  # contexts that models would have by themselves
        self._had: dict[Path, int] = {}  # contexts that models had when they were loaded last
        self._held: dict[ChatSession, _Held] = {}
        self._numbers = itertools.count(1)
        self._n_asked: dict[str, int] = {}  # by chat: what was asked last of an unloaded model
        self._holds = QTimer(self, singleShot=True, interval=HOLD_MS)
        self._holds.timeout.connect(self.show_held)
        worker.model_changed.connect(self._on_model_changed)

    def is_held(self, session: ChatSession) -> bool:
        """Whether something is counted for that chat."""
        return session in self._held

    def held_draft(self, session: ChatSession) -> Asked | None:
        """The message that is counted for that chat, and stands in its composer meanwhile."""
        held = self._held.get(session)
        return held.asked if held is not None and held.asked.is_draft else None

    async def is_free(self, asked: Asked) -> bool:
        """Whether that can be begun: it fits, and was not given up, nor its chat deleted. What is
        asked while something is counted for its chat is not: that goes first, which is said
        then. Why not is told once its chat holds nothing: who then asks again is heard."""
        session = asked.session
        if session in self._held:
            self.show_held()
            return False
        if not self.may_lack(asked):
            return not session.is_gone
        count = asyncio.ensure_future(self._load_and_count(asked))
        self._held[session] = _Held(asked, count, self._words_of(asked))
        self._holds.start()
        try:
            await asyncio.wait([count])
        finally:
            del self._held[session]
            self.show_held()
        if count.cancelled():
            return False
        tell = count.result()
        if tell is not None:
            tell()
        return not (tell or session.is_gone)

    async def _load_and_count(self, asked: Asked) -> Telling | None:
        """None where it can be begun: it fits, its model is loaded, and still the chosen one. What
        another chat holds goes on with the model that it was asked of."""
        was_chosen = asked.path == self._models.current_path
        is_loaded = self._models.n_ctx_of(asked.path) is not None
        if not is_loaded:
            number = self._n_asked[asked.session.conversation.id] = next(self._numbers)
            again = partial(self._ask_again, asked, number)
            is_loaded = await self._models.load_for(asked.path, again)
            held = self._held[asked.session]
            self._held[asked.session] = replace(held, words=self._words_of(asked))
            self.show_held()
        lack = await self._lack(asked) if is_loaded else None
        if lack is not None:
            return lack
        is_draft_here = asked.is_draft and asked.session is self._session()
        is_other = was_chosen and asked.path != self._models.current_path
        if is_other and (is_draft_here or not is_loaded):
            return partial(self._tell_other_model, asked)
        return None if is_loaded else _nothing  # for that was told when it was loaded

    async def _ask_again(self, asked: Asked, number: int) -> None:
        """Of what was asked in a chat while its model could not be loaded, the last alone."""
        session = asked.session  # in which something else may be asked by now
        if self._n_asked.get(session.conversation.id) != number:
            return
        if not (session.is_answering or session.is_gone or self.is_held(session)):
            self.asked_again.emit(asked)

    def _tell_other_model(self, asked: Asked) -> None:
        is_open, title = asked.session is self._session(), asked.session.conversation.title
        where = "" if is_open or not title else f" in the chat “{title}”"
        again = "Send it" if asked.is_draft else "Ask"
        name = self._models.shown_name(asked.path)
        words = f"Nothing was sent{where}: another model than {name} was chosen meanwhile."
        key = TOO_LONG if is_open else ""
        self._notifications.show_notice(
            Notice(NoticeKind.WARNING, f"{words} {again} again.", key=key, is_of_chat=is_open)
        )

    def _words_of(self, asked: Asked) -> str:
        """What is said while it is held."""
        if self._models.n_ctx_of(asked.path) is None:
            keeps = "keeps it here" if asked.is_draft else "gives it up"
            return LOADING_FIRST.format(self._models.shown_name(asked.path), keeps)
        return MEASURING if asked.is_draft else MEASURING_ELSE

    def give_up(self) -> bool:
        """Do not begin what is counted for the open chat; whether there was anything."""
        held = self._held_here()
        if held is not None:
            held.count.cancel()
        return held is not None

    async def give_up_all(self) -> None:
        """Begin nothing of what is counted for any chat: once this returns, it stands where it
        stood, or was begun before."""
        counts = [held.count for held in self._held.values()]
        for count in counts:
            count.cancel()
        if counts:
            await asyncio.wait(counts)

    def _held_here(self) -> _Held | None:
        session = self._session()
        return None if session is None else self._held.get(session)

    @Slot()
    def show_held(self) -> None:
        """Show what is counted for the open chat."""
        held = self._held_here()
        self._composer.set_held("" if held is None else held.words)

    def may_lack(self, asked: Asked) -> bool:
        """Whether it might not fit: no token is less than a byte. A chat of many messages might."""
        n_ctx = self._models.n_ctx_of(asked.path)
        spare = FIRST_BYTES
        if n_ctx is None:
            # What it had, or is likely to get; half is spare, and so short messages go at once.
            n_ctx = self._had.get(asked.path) or self._models.expected_n_ctx(asked.path)
            spare = n_ctx // 2
        left = _left(n_ctx, (asked.text, *(file.text for file in asked.files)))
        if left < 0 or not asked.is_whole:
            return left < 0
        cut = asked.cut
        system = asked.session.conversation.system_prompt
        left = _left(left - spare, (system, cut.summary if cut else ""))
        if left < 0:
            return True  # also of a new chat, which has no messages
        messages = (*_sequence(asked.edited), *reversed(asked.branch[-MOST_LOOKED_AT:]))
        for message in messages:
            left = _left(left - TURN_BYTES, _texts(message))
            if left < 0:
                return True
            if cut is not None and message.id == cut.first_id:
                return False
        return len(asked.branch) > MOST_LOOKED_AT

    async def is_there(self, asked: Asked) -> bool:
        """Whether it fits, or cannot be known now; otherwise it is said, and what helps is
        offered."""
        tell = await self._lack(asked)
        if tell is not None:
            tell()
        return tell is None

    async def _lack(self, asked: Asked) -> Telling | None:
        """None where it fits, or that cannot be known now."""
        if not self.may_lack(asked):
            return None
        turns, draft = await asyncio.to_thread(_prompt, asked)
        used, n_ctx = await self._count(asked.path, turns), self._models.n_ctx_of(asked.path)
        if used is None or n_ctx is None or used.n_tokens < n_ctx:  # one at least is the answer's
            return None
        if asked.session.is_gone:
            return _nothing
        alone = None if draft is None else await self._count(asked.path, (draft,))
        in_files = sum(file.n_tokens for file in asked.files)  # as their cards say
        used, alone = used.at_least(in_files), alone and alone.at_least(in_files)
        return partial(self._tell_lack, Outgrown(asked, draft, used, n_ctx), alone)

    def _tell_lack(self, lack: Outgrown, alone: TokenCount | None) -> None:
        """``alone``: what the message takes, if there is one."""
        is_open = lack.asked.session is self._session()
        if is_open and alone is not None and alone.n_tokens >= lack.n_ctx:
            self._notifications.show_notice(self._refusal(lack, alone))
        else:
            self.outgrown.emit(lack)

    async def _count(self, path: Path, turns: tuple[ChatTurn, ...]) -> TokenCount | None:
        """No further than it takes to know that they lack room, also in the context that the model
        would have by itself, which may be offered."""
        most = max(self._models.n_ctx_of(path) or 0, self._alone.get(path) or 0)
        count = partial(self._worker.count_tokens, path)
        try:
            return await count_up_to(count, turns, most) if turns else TokenCount(0)
        except MinervaError:
            return None  # the answer says what is wrong

    def _refusal(self, lack: Outgrown, alone: TokenCount) -> Notice:
        """Why a message ``alone`` exceeds the context, and what the meter counts of the chat with
        it."""
        path, used, n_ctx = lack.asked.path, lack.used, lack.n_ctx
        most = self._alone.get(path) or 0
        way = ". Shorten it"
        if used.n_tokens < most:
            way = (
                f", because others held memory when it was loaded: alone it gets {most:,}. Eject "
                "the model to have it loaded anew, shorten the message"
            )
        takes = f"it takes {alone.words} tokens"
        if used != alone:
            takes = f"with it the chat takes {used.words} tokens, {alone.words} of them its own"
        words = (
            f"The message was not sent: {takes}, and the context of "
            f"{self._models.shown_name(path)} has {n_ctx:,}{way}, or give the model a larger "
            "context in its load options (Ctrl+Shift+L)."
        )
        actions = (larger_context("Load options…", used.n_tokens, path),)
        return Notice(NoticeKind.WARNING, words, actions=actions, key=TOO_LONG, is_of_chat=True)

    @Slot(object)
    def _on_model_changed(self, state: ModelState) -> None:
        self._alone[state.path] = state.n_ctx_alone
        if state.n_ctx is not None:
            self._had[state.path] = state.n_ctx


def _nothing() -> None:
    """Where nothing needs to be told."""


def _prompt(asked: Asked) -> tuple[tuple[ChatTurn, ...], ChatTurn | None]:
    """What the model would be given, and the message that is to be sent, if there is one. Pure, on
    any thread: files of many megabytes take a while."""
    text, files = asked.text, asked.files
    if asked.edited is not None:
        text, files = asked.edited.text, files_in(asked.edited.parts)
    draft = draft_turn(text, files)
    if not asked.is_whole:
        return _sequence(draft), draft
    branch, cut = (*asked.branch, *_sequence(asked.edited)), asked.cut
    turns = turns_of(branch, clean_text(asked.session.conversation.system_prompt), cut)
    if asked.edited is not None:
        return turns, draft
    if draft is not None:
        return (*turns, draft), draft
    given = sent(branch, cut)
    return (*turns, *_sequence(turn_to_go_on(given[-1]) if given else None)), None


def _sequence(each: Each | None) -> tuple[Each, ...]:
    return () if each is None else (each,)


def _texts(message: Message) -> Iterable[str]:
    yield message.text
    for part in message.parts:
        if isinstance(part, (FilePart, ReasoningPart, ToolResultPart)):
            yield part.text


def _left(n_bytes: int, texts: Iterable[str]) -> int:
    """How many of ``n_bytes`` are left behind ``texts``; below 0 it may be any number. No more is
    encoded than that many characters: 4 MB would take 15 ms."""
    for text in texts:
        is_known = text.isascii() or len(text) > n_bytes
        n_bytes -= len(text) if is_known else len(text.encode(errors="replace"))
        if n_bytes < 0:
            break
    return n_bytes
