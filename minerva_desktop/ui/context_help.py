"""What is offered under an answer that filled the context, or failed for it: to leave the oldest
messages out. Main thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.answer_words import model_name
from minerva_desktop.app.bounded_count import TokenCount
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.app.context_cutting import PossibleCut
from minerva_desktop.app.model_actions import ModelState
from minerva_desktop.chat.completion import Completion
from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.errors import ContextLimitExceeded, MinervaError
from minerva_desktop.ui.chat_view.actions import AnswerHelp
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.tasks import UiTasks

Find = Callable[[ChatSession, Path, int], Awaitable[PossibleCut | None]]


class _Offered(NamedTuple):
    """What it was found out for: the cuts that there were, the model and its context in tokens."""

    cuts: tuple[ContextCut, ...]
    path: Path
    n_ctx: int


class ContextHelp(QObject):
    """Made by the `ContextController`, who does what is chosen."""

    def __init__(
        self,
        window: MainWindow,
        worker: EngineWorker,
        models: ModelController,
        tasks: UiTasks,
        session: Callable[[], ChatSession | None],
        find: Find,
    ) -> None:
        """``session`` is the open chat's; ``find`` what has to go so that a chat fits into so many
        tokens of the model at a path."""
        super().__init__(window)
        self._view = window.chat_view
        self._models = models
        self._tasks = tasks
        self._session = session
        self._find = find
        self._offered: dict[str, _Offered] = {}  # by the answer
        worker.answer_failed.connect(self._on_failed)
        worker.answer_finished.connect(self._on_finished)
        worker.model_changed.connect(self._on_model_changed)

    def is_under(self, answer_id: str | None) -> bool:
        """Whether that answer offers it, or is about to."""
        return answer_id in self._offered

    @Slot(str, object)
    def _on_failed(self, answer_id: str, error: MinervaError) -> None:
        if isinstance(error, ContextLimitExceeded):
            self._seek(answer_id)

    @Slot(str, object)
    def _on_finished(self, answer_id: str, completion: Completion) -> None:
        if completion.full_context:
            self._seek(answer_id)

    def _seek(self, answer_id: str) -> None:
        """Find out what to offer under that answer, which failed for the context, or filled it."""
        session, path, n_ctx = self._session(), self._models.current_path, self._models.n_ctx
        if session is None or answer_id not in session.conversation:
            return
        is_its = path is not None and session.conversation[answer_id].model == model_name(path)
        if path is None or n_ctx is None or not is_its:
            return
        self._offered[answer_id] = _Offered(session.conversation.cuts, path, n_ctx)
        self._view.offer_help(answer_id, AnswerHelp(seeks=True))
        self._tasks.start(self._offer_cut(session, answer_id, path, n_ctx))

    async def _offer_cut(
        self, session: ChatSession, answer_id: str, path: Path, n_ctx: int
    ) -> None:
        offered = AnswerHelp(seeks=False)
        try:
            found = await self._find(session, path, n_ctx)
            # Where nothing fits, a larger context alone helps, which the answer says.
            cut = "" if found is None else fits_without(found)
            offered = AnswerHelp(options=True, cut=cut, seeks=False)
        finally:  # also where the model is gone by then
            self._view.offer_help(answer_id, offered)
            self.withdraw(session)
            if not offered.cut:
                self._offered.pop(answer_id, None)

    @Slot(object)
    def _on_model_changed(self, _state: ModelState) -> None:
        session = self._session()
        if session is not None:
            self.withdraw(session)

    def withdraw(self, session: ChatSession) -> None:
        """What was cut or given back since is not in what answers of ``session`` offer, and a
        longer context may have room for all: it may fit now."""
        conversation = session.conversation
        for answer_id, (cuts, path, n_ctx) in list(self._offered.items()):
            is_longer = (self._models.n_ctx_of(path) or 0) > n_ctx
            if answer_id in conversation and (is_longer or cuts != conversation.cuts):
                del self._offered[answer_id]
                options = False if is_longer else None
                self._view.offer_help(answer_id, AnswerHelp(options=options, cut=""))


def fits_without(cut: PossibleCut) -> str:
    """What has to go, so that a chat fits."""
    tokens = TokenCount(cut.n_tokens, is_all=not cut.is_more).words
    left = "" if cut.n_left is None else f", with {cut.n_left:,} tokens left for the answer"
    return (
        f"Without the oldest {counted_messages(cut.n_messages)} ({tokens} tokens) it fits{left}. "
        "All of them stay in the chat."
    )


def counted_messages(count: int) -> str:
    """Behind "the oldest" or "summarising"."""
    return "message" if count == 1 else f"{count:,} messages"
