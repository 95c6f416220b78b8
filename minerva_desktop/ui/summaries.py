"""Has a model summarise the older messages of a chat, and says how far it is. Main thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.app.context_cutting import CountTokens
from minerva_desktop.chat.conversation import Conversation
from minerva_desktop.errors import MinervaError
from minerva_desktop.ui.context_help import counted_messages
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind

STOP_SUMMARY = "context-stop-summary"


class Summaries(QObject):
    """One at a time. Its notice has the identity ``key``, and a button `STOP_SUMMARY`."""

    def __init__(
        self,
        window: MainWindow,
        worker: EngineWorker,
        models: ModelController,
        library: Callable[[], ChatLibrary | None],
        key: str,
    ) -> None:
        super().__init__(window)
        self._notifications = window.notifications
        self._models = models
        self._library = library
        self._key = key
        worker.prefill_advanced.connect(self._on_read)

    async def write(
        self, conversation: Conversation, first_id: str, path: Path, count: CountTokens
    ) -> str | None:
        """What comes before ``first_id``, as `Summariser.summary` has it; None where the chats are
        not open. Raises as that, and where the model is not loaded."""
        library, n_ctx = self._library(), self._models.n_ctx_of(path)
        if library is None:
            return None
        if n_ctx is None:
            raise MinervaError(
                f"{self._models.shown_name(path)}, which was to summarise, is not loaded any more. "
                "Ask again"
            )
        return await library.summariser.summary(
            conversation, first_id, path, count, n_ctx, self._show_progress
        )

    @Slot(str, int, int)
    def _on_read(self, answer_id: str, n_tokens: int, n_all: int) -> None:
        library = self._library()
        if library is not None:
            library.on_answer_read(answer_id, n_tokens, n_all)

    def _show_progress(self, share: float, n_messages: int) -> None:
        words = f"Summarising {counted_messages(n_messages)}"
        if share >= 1.0:
            words += ": all read, the summary is being written"
        else:
            words += f": {share:.0%} read".replace("%", " %") if share > 0 else "…"
        stop = NoticeAction("Stop", STOP_SUMMARY)
        notice = Notice(NoticeKind.INFO, words, actions=(stop,), key=self._key, stays=True)
        self._notifications.show_notice(notice)
