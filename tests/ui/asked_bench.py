"""What the tests of asking share: the real chats and controllers, a scripted engine,
and a worker that counts as the test lets it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.presets import PromptLibrary
from minerva_desktop.errors import MinervaError
from minerva_desktop.ui.chat_view.actions import AnswerHelp
from minerva_desktop.ui.chat_view.message_events import MessageEvents
from minerva_desktop.ui.composer import Composer
from minerva_desktop.ui.context_controller import ContextController
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.message_actions import MessageActions
from minerva_desktop.ui.message_sender import MessageSender
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.notification_bar import NotificationBar
from minerva_desktop.ui.prompt_room import Outgrown, PromptRoom
from minerva_desktop.ui.tasks import UiTasks
from tests.app.desk import MODEL, Desk
from tests.patience import SECONDS


async def until(condition: Callable[[], object]) -> None:
    """Let the loop go on until then."""
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0)


class _View:
    """A transcript with at most one editor."""

    def __init__(self, parent: QObject) -> None:
        self.events = MessageEvents(parent)
        self.messages = self
        self.edits: dict[str, str] = {}
        self.cut_mark: QObject | None = None
        self.offered: list[tuple[str, AnswerHelp]] = []

    def offer_help(self, message_id: str, offered: AnswerHelp) -> None:
        self.offered.append((message_id, offered))

    def edited_text(self, message_id: str) -> str | None:
        return self.edits.get(message_id)

    def end_edit(self, message_id: str) -> None:
        self.edits.pop(message_id)


class _Window(QWidget):
    """The parts of the window that are used here."""

    context_clicked = Signal()
    usage_told = Signal()
    everything_wanted = Signal()
    restore_requested = Signal()
    is_outgrown = False  # what the meter says, which nobody counts here
    used: int | None = None
    is_all = True

    def __init__(self, icons: Icons) -> None:
        super().__init__()
        self.composer = Composer(icons, self)
        self.notifications = NotificationBar(icons, self)
        self.chat_view = _View(self)
        self.chat_view.cut_mark = self
        self.context_panel = self.status = self.context = self


class _Worker(QObject):
    """Counts a token for each word, once it may."""

    model_changed = Signal(object)
    answer_failed = Signal(str, object)
    answer_finished = Signal(str, object)
    prefill_advanced = Signal(str, int, int)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.may_count = asyncio.Event()
        self.may_count.set()
        self.counted: list[str] = []

    async def count_tokens(self, _path: Path, turns: tuple[ChatTurn, ...]) -> int:
        self.counted.append(turns[-1].text)
        await self.may_count.wait()
        return sum(len(turn.text.split()) for turn in turns)


class _Models:
    """One model, with a context of 300 tokens while it is loaded. ``may_load``: it can be."""

    current_path = MODEL
    n_ctx: int | None = 300
    may_load = True

    def __init__(self) -> None:
        self.loads: asyncio.Future[None] | None = None  # what a load waits for, if anything
        self.n_loads = 0

    def expected_n_ctx(self, _path: Path) -> int:
        return 300

    async def load_for(self, _path: Path, _again: object) -> bool:
        self.n_loads += 1
        if self.loads is not None:
            await self.loads
        self.n_ctx = 300 if self.may_load else None
        return self.may_load

    def n_ctx_of(self, _path: Path) -> int | None:
        return self.n_ctx

    def in_place_of(self, path: Path) -> Path:
        return path

    def shown_name(self, _path: Path) -> str:
        return "Tiny"


class Bench:
    """A chat, its composer and its transcript."""

    def __init__(self, desk: Desk, icons: Icons) -> None:
        self.desk = desk
        self.window = _Window(icons)
        self.worker = _Worker(self.window)
        self.session: ChatSession = desk.new_session()
        self.errors: list[MinervaError] = []
        self.refused: list[Outgrown] = []
        self.loaded = _Models()
        window, models = cast(MainWindow, self.window), cast(ModelController, self.loaded)
        worker = cast(EngineWorker, self.worker)
        tasks = UiTasks(asyncio.get_running_loop(), self.errors.append)
        self.room = PromptRoom(window, worker, models, lambda: self.session)
        self.room.outgrown.connect(self.refused.append)
        self.sender = MessageSender(window, models, self.room, tasks, lambda: self.session)
        self.sender.begin()
        self.actions = MessageActions(
            window,
            models,
            self.room,
            tasks,
            lambda: self.session,
            lambda: None,
            lambda _: None,
            PromptLibrary,
        )
        self.context = ContextController(
            window, worker, models, tasks, lambda: self.session, lambda: desk.library
        )
        self.room.outgrown.connect(self.context.on_outgrown)
        self.context.asked_again.connect(self.room.asked_again)

    @property
    def started(self) -> list[str]:
        """What the model was asked to answer, by its last line."""
        return [each.turns[-1].text for each in self.desk.engine.started]

    @property
    def notice(self) -> str:
        shown = self.window.notifications.shown
        return "" if shown is None else shown.text

    async def until_told(self, words: str) -> None:
        await until(lambda: words in self.notice)

    def show(self, session: ChatSession, text: str) -> None:
        """Have that chat open, with ``text`` in its composer, which is more than it has room for
        where there is any."""
        self.session = session
        self.window.composer.set_text(text)
        self.context.on_shown(session)
        self.window.is_outgrown = bool(text)
        self.window.usage_told.emit()

    def press(self, callback_id: str) -> None:
        self.window.notifications.action_triggered.emit(callback_id)

    def type(self, text: str) -> None:
        self.window.composer.set_text(text)
        self.window.composer.submit()

    async def until_counting(self, text: str) -> None:
        await until(lambda: text in self.worker.counted)

    async def until_started(self, n_answers: int) -> None:
        await until(lambda: len(self.desk.engine.started) >= n_answers)
