"""Tokens of the open chat with what is being typed, for the context meter.

The engine's child counts them, of a chat that has no room no more than show that. Main thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QObject, QTimer, Slot

from minerva_desktop.app.bounded_count import TokenCount, count_up_to
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.chat.conversation import clean_text
from minerva_desktop.chat.draft import draft_turn
from minerva_desktop.chat.message import ChatTurn, Message
from minerva_desktop.chat.parts import Files
from minerva_desktop.chat.turns import turns_of
from minerva_desktop.errors import MinervaError
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.tasks import LatestTask, UiTasks

COUNT_DELAY_MS = 400  # after the last key, before the prompt's tokens are counted
STALE_MS = 250  # for which a number that is true no longer may stand there


class PromptCounter(QObject):
    """Counts with the chosen model, once that is loaded."""

    def __init__(
        self, window: MainWindow, worker: EngineWorker, models: ModelController, tasks: UiTasks
    ) -> None:
        super().__init__(window)
        self._window = window
        self._worker = worker
        self._models = models
        self._counting = LatestTask(tasks)
        self._session: ChatSession | None = None
        # Of each running answer, in whichever chat, with its prompt: one may go to and fro.
        self._n_tokens: dict[str, int] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(COUNT_DELAY_MS)
        self._timer.timeout.connect(self._count)
        self._stale = QTimer(self)
        self._stale.setSingleShot(True)
        self._stale.setInterval(STALE_MS)
        self._stale.timeout.connect(self._forget)
        window.composer.text_changed.connect(self._on_changed)
        window.composer.attachments.changed.connect(self._on_changed)
        models.context_changed.connect(self._on_context_changed)
        worker.prefill_advanced.connect(self._on_prefill)
        worker.tokens_ready.connect(self._on_tokens)
        worker.answer_finished.connect(self._on_ended)
        worker.answer_failed.connect(self._on_ended)

    def use(self, session: ChatSession) -> None:
        """The chat that is open now."""
        is_other = session is not self._session
        self._session = session
        if is_other or session.answer_id is not None:
            self._window.status.set_context(None, self._models.n_ctx)
        if session.answer_id is not None:
            self._show_running(session.answer_id)
        if is_other:
            self._count()  # at once: nobody types yet
        else:
            self.count_soon()

    @Slot()
    def count_soon(self) -> None:
        """The chat, its draft or the model changed."""
        self._timer.start()

    @Slot()
    def count_anew(self) -> None:
        """Other messages are shown, or given to the model: what the meter says is not true of
        them. An answer to them that begins before they are counted tells it."""
        self._stale.start()
        self._count()

    @Slot()
    def _forget(self) -> None:
        self._window.status.set_context(None, self._models.n_ctx)

    @Slot()
    def _on_changed(self) -> None:
        composer = self._window.composer
        if composer.is_empty and not composer.attachments.items:
            composer.show_hint("")  # at once: sent, as a rule
        self.count_soon()

    @Slot(object)
    def _on_context_changed(self, _n_ctx: object) -> None:
        self._window.status.set_context(None, self._models.n_ctx)
        self.count_soon()

    @Slot(str, int, int)
    def _on_prefill(self, answer_id: str, _done: int, total: int) -> None:
        if total > 0:
            self._n_tokens[answer_id] = total
            self._show_running(answer_id)

    @Slot(str, int, object)
    def _on_tokens(self, answer_id: str, n_tokens: int, _parts: list[object]) -> None:
        if answer_id in self._n_tokens:
            self._n_tokens[answer_id] += n_tokens
            self._show_running(answer_id)

    @Slot(str, object)
    def _on_ended(self, answer_id: str, _end: object) -> None:
        self._n_tokens.pop(answer_id, None)

    def _show_running(self, answer_id: str) -> None:
        n_ctx, n_tokens = self._models.n_ctx, self._n_tokens.get(answer_id)
        is_open = self._session is not None and self._session.answer_id == answer_id
        if is_open and n_ctx and n_tokens is not None:
            self._stale.stop()
            self._window.status.set_context(min(n_tokens, n_ctx), n_ctx)

    @Slot()
    def _count(self) -> None:
        if self._session is not None and not self._session.is_answering:
            self._counting.start(self._show(self._session))

    async def _show(self, session: ChatSession) -> None:
        path, composer = self._models.current_path, self._window.composer
        n_ctx = self._models.n_ctx
        if path is None or n_ctx is None:
            self._show_overflow(None)
            return
        # A chat of 10,000 messages takes 15 ms, a file of 4 MB as long.
        chat = session.conversation
        branch, cut = chat.active_branch(), chat.active_cut()
        turns, draft = await asyncio.to_thread(
            _turns, branch, chat.system_prompt, cut, composer.text, composer.files
        )
        try:
            count = partial(self._worker.count_tokens, path)
            used = await count_up_to(count, turns, n_ctx) if turns else TokenCount(0)
        except MinervaError:
            used = None  # sending says what is wrong; a meter should not
        if session is not self._session or session.answer_id in self._n_tokens:
            return  # which knows better
        self._stale.stop()
        if used is not None and used.is_all:
            self._window.status.set_context(used.n_tokens, self._models.n_ctx)
        elif used is not None and n_ctx == self._models.n_ctx:
            self._window.status.set_context(used.n_tokens, n_ctx, is_all=False)
        else:
            self._window.status.set_context(None, self._models.n_ctx)
        self._show_overflow(used if draft is not None else None)

    def _show_overflow(self, used: TokenCount | None) -> None:
        """Say in the composer that what stands there does not fit; None: nothing does."""
        path, n_ctx = self._models.current_path, self._models.n_ctx
        composer = self._window.composer
        if used is None or n_ctx is None or path is None or used.n_tokens < n_ctx:
            if not composer.attachments.is_reading:
                composer.show_hint("")
            return
        composer.show_hint(
            f"With this the chat has {used.words} tokens. The context of"
            f" {self._models.shown_name(path)} has {n_ctx:,}."
        )


def _turns(
    branch: Sequence[Message], system: str, cut: ContextCut | None, text: str, files: Files
) -> tuple[tuple[ChatTurn, ...], ChatTurn | None]:
    """What a model would be given if ``text`` and ``files`` were sent now, and what of it that
    message is, if there is anything in it. Pure, on any thread."""
    turns, draft = turns_of(branch, clean_text(system), cut), draft_turn(text, files)
    return (turns if draft is None else (*turns, draft)), draft
