"""What fills the context of the open chat, in the panel above the meter. Main thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Slot

from minerva_desktop.app.bounded_count import GROWTH, first_limit
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.app.context_cutting import without_cut
from minerva_desktop.app.context_use import ContextUse, prompt_source
from minerva_desktop.chat.turns import sent
from minerva_desktop.errors import MinervaError
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.tasks import LatestTask, UiTasks

MOVE_MS = 250  # between two numbers of an answer that is being written


class ContextReading(QObject):
    """Has it counted while the panel is open, and gives the model all of the chat again."""

    def __init__(
        self,
        window: MainWindow,
        worker: EngineWorker,
        models: ModelController,
        tasks: UiTasks,
        session: Callable[[], ChatSession | None],
    ) -> None:
        """``session`` is the open chat's."""
        super().__init__(window)
        self._window = window
        self._worker = worker
        self._models = models
        self._tasks = tasks
        self._reading = LatestTask(tasks)
        self._session = session
        self._panel = window.context_panel
        self._use: ContextUse | None = None  # as it was read last
        self._moves = QTimer(self)
        self._moves.setSingleShot(True)
        self._moves.setInterval(MOVE_MS)
        self._moves.timeout.connect(self._move)
        self._panel.everything_wanted.connect(self._on_everything)
        window.chat_view.cut_mark.restore_requested.connect(self._on_everything)
        window.status.context_clicked.connect(self._on_clicked)
        window.status.context.usage_told.connect(self._on_usage)

    @Slot()
    def _on_clicked(self) -> None:
        self._use = None
        self._panel.show_use(None, self._n_left_out())
        self._panel.open_above(self._window.status.context)
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """The prompt changed; shown if the panel is open."""
        if self._panel.isVisible():
            self._reading.start(self._read())

    @Slot()
    def _on_usage(self) -> None:
        """The meter tells another number, which the panel is to tell, too."""
        if self._panel.isVisible() and not self._moves.isActive():
            self._moves.start()

    @Slot()
    def _move(self) -> None:
        """Go along with an answer; what it was given stands there already."""
        session = self._session()
        if session is None or not session.is_answering:
            self.refresh()
        elif self._use is not None and self._panel.isVisible():
            self._panel.show_numbers(self._as_metered(session, self._use))

    def _as_metered(self, session: ChatSession, use: ContextUse) -> ContextUse:
        """With what the engine has written since, which the meter counts."""
        used = self._window.status.context.used
        return use if used is None or not session.is_answering else use.grown_to(used)

    async def _read(self) -> None:
        session, path = self._session(), self._models.current_path
        if session is None or path is None:
            return
        try:
            use = await self._use_of(session, path)
        except MinervaError:
            use = None  # sending says what is wrong
        if session is self._session():
            self._use = use
            metered = None if use is None else self._as_metered(session, use)
            self._panel.show_use(metered, self._n_left_out())

    async def _use_of(self, session: ChatSession, path: Path) -> ContextUse | None:
        """Of a chat that has no room, what the newest messages take that show it. What is typed
        while an answer is written comes after that."""
        composer, chat = self._window.composer, session.conversation
        answer = session.answer_so_far
        text, files = (composer.text, composer.files) if answer is None else ("", ())
        most = first_limit(self._models.n_ctx_of(path) or 0)
        while True:
            source = prompt_source(chat, text, files, most, answer=answer)
            use = await self._worker.context_use(path, source, chat.sampling.max_tokens)
            if use is None or not use.n_older or use.n_tokens > use.n_ctx:
                return use
            most *= GROWTH

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
