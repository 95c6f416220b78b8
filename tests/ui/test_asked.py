"""What is asked of a model and not yet begun: counted first, and nothing of it is lost. With the
real chats, a scripted engine, and a worker that counts as the test lets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.presets import PromptLibrary
from minerva_desktop.errors import MinervaError
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.ui.chat_controller import ChatController
from minerva_desktop.ui.chat_view.actions import AnswerHelp
from minerva_desktop.ui.chat_view.message_events import MessageEvents
from minerva_desktop.ui.composer import MEASURING_ELSE, Composer
from minerva_desktop.ui.context_controller import KEEP_NEWEST, SUMMARISE, ContextController
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.message_actions import MessageActions
from minerva_desktop.ui.message_sender import MessageSender
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.notification_bar import NotificationBar
from minerva_desktop.ui.prompt_room import Asked, Outgrown, PromptRoom
from minerva_desktop.ui.tasks import UiTasks
from tests.app.desk import DONE, MODEL, Desk

LONG = "word " * 70  # more bytes than the context has tokens


async def until(condition: Callable[[], object]) -> None:
    """Let the loop go on until then."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


class _View:
    """A transcript with at most one editor."""

    def __init__(self, parent: QObject) -> None:
        self.events = MessageEvents(parent)
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
    """One model, with a context of 300 tokens while it is loaded."""

    current_path = MODEL
    n_ctx: int | None = 300

    def n_ctx_of(self, _path: Path) -> int | None:
        return self.n_ctx

    def shown_name(self, _path: Path) -> str:
        return "Tiny"


class _Bench:
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

    def press(self, callback_id: str) -> None:
        self.window.notifications.action_triggered.emit(callback_id)

    def type(self, text: str) -> None:
        self.window.composer.set_text(text)
        self.window.composer.submit()

    async def until_counting(self, text: str) -> None:
        await until(lambda: text in self.worker.counted)

    async def until_started(self, n_answers: int) -> None:
        await until(lambda: len(self.desk.engine.started) >= n_answers)


@pytest.fixture
async def bench(
    qtbot: QtBot,
    dressed_app: QApplication,
    icons: Icons,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[_Bench]:
    desk = Desk(await ChatStore.open(tmp_path / "chats.sqlite3"), tmp_path)
    bench = _Bench(desk, icons)
    monkeypatch.setattr(desk.listener, "has_room", bench.sender.has_room)
    qtbot.addWidget(bench.window)
    await desk.answered(bench.session, "One", "Un")
    yield bench
    await desk.library.close()


async def test_regenerating_goes_on_in_its_chat_and_is_counted_once(bench: _Bench) -> None:
    session = bench.session
    answer_id = session.conversation.active_leaf_id or ""
    bench.worker.may_count.clear()
    for _ in range(2):
        bench.window.chat_view.events.retry_requested.emit(answer_id)
    await bench.until_counting("One")
    await asyncio.sleep(0)
    assert bench.worker.counted == ["One"]
    bench.room.show_held()
    assert bench.window.composer._hint.text() == MEASURING_ELSE
    bench.session = bench.desk.new_session()
    bench.room.show_held()
    assert bench.window.composer._hint.text() == ""
    assert not bench.room.give_up()  # it is another chat's
    bench.worker.may_count.set()
    await bench.until_started(2)
    assert session.is_answering
    assert bench.worker.counted == ["One"]
    assert bench.errors == []


async def _grow(bench: _Bench) -> tuple[str, str]:
    """Have the chat take 250 words; the ids of its last question and of the answer to that."""
    await bench.desk.answered(bench.session, "Two", "w " * 250)
    await bench.desk.answered(bench.session, "Three", "Drei")
    answer_id = await bench.desk.answered(bench.session, "Four", "Vier")
    return bench.session.conversation.active_branch()[-2].id, answer_id


async def test_an_edit_is_sent_as_its_editor_has_it(bench: _Bench) -> None:
    question_id, _ = await _grow(bench)
    edits, events = bench.window.chat_view.edits, bench.window.chat_view.events
    edits[question_id] = LONG
    events.edit_submitted.emit(question_id, LONG)
    await bench.until_told("The message was not sent")
    edits[question_id] = "A better wording"
    bench.press(KEEP_NEWEST)
    await bench.until_started(5)
    assert bench.started[-1] == "A better wording"
    assert edits == {}


async def test_an_edit_that_is_closed_while_it_is_counted_is_not_sent(bench: _Bench) -> None:
    question_id = bench.session.conversation.active_branch()[0].id
    bench.worker.may_count.clear()
    bench.window.chat_view.edits[question_id] = "Another"
    bench.window.chat_view.events.edit_submitted.emit(question_id, "Another")
    await bench.until_counting("Another")
    bench.window.chat_view.edits.clear()
    bench.worker.may_count.set()
    await until(lambda: not bench.room._held)
    assert not bench.session.is_answering
    assert bench.errors == []


async def test_an_offer_goes_with_its_branch(bench: _Bench) -> None:
    question_id, answer_id = await _grow(bench)
    bench.window.chat_view.edits[question_id] = LONG
    bench.window.chat_view.events.edit_submitted.emit(question_id, LONG)
    await bench.until_told("it fits")
    await bench.session.remove(answer_id, with_replies=False)
    bench.context.on_branch_changed(bench.session)
    assert bench.notice == ""
    bench.press(KEEP_NEWEST)
    assert bench.session.conversation.cuts == ()


async def test_a_summary_is_its_models_and_others_are_told_to_wait(bench: _Bench) -> None:
    question_id, _ = await _grow(bench)
    edits, events = bench.window.chat_view.edits, bench.window.chat_view.events
    edits[question_id] = LONG
    for is_loaded in (False, True):
        events.edit_submitted.emit(question_id, LONG)
        await bench.until_told("it fits")
        bench.loaded.n_ctx = 300 if is_loaded else None
        bench.press(SUMMARISE)
        if is_loaded:
            await bench.until_told("Summarising")
        await until(lambda: bench.errors)
        bench.loaded.n_ctx = 300
    (error,) = bench.errors
    assert error.message == "Tiny, which was to summarise, is not loaded any more. Ask again"
    events.edit_submitted.emit(question_id, LONG)
    await bench.until_told("ask again once that is done")
    bench.press("context-stop-summary")
    other, bench.session = bench.session, bench.desk.new_session()
    bench.room.outgrown.emit(bench.refused[-1])
    assert bench.notice.startswith(f"Nothing was sent in the chat “{other.conversation.title}”.")


async def test_what_was_counted_alone_is_counted_with_the_answer_that_ended(bench: _Bench) -> None:
    await bench.session.send("Two", MODEL)
    bench.worker.may_count.clear()
    bench.type(LONG)
    await bench.until_counting(LONG)
    await bench.desk.says(bench.session, "w " * 250)
    await bench.session.settle()
    bench.worker.may_count.set()
    await until(lambda: bench.session.lacks_room)
    assert bench.started == ["One", "Two"]
    assert [queued.text for queued in bench.session.queued] == [LONG]


async def test_what_is_typed_goes_behind_what_is_counted(bench: _Bench) -> None:
    await bench.session.send("Two", MODEL)
    bench.session.enqueue("First", MODEL)
    bench.worker.may_count.clear()
    await bench.desk.says(bench.session, "Zwei")
    await bench.until_counting("First")
    bench.type("Later")
    await until(lambda: len(bench.session.queued) == 2)
    bench.worker.may_count.set()
    await bench.until_started(3)
    assert bench.started[-1] == "First"
    assert [queued.text for queued in bench.session.queued] == ["Later"]


async def test_esc_gives_back_what_is_held_before_it_stops_anything(bench: _Bench) -> None:
    await bench.session.send("Two", MODEL)
    bench.worker.may_count.clear()
    bench.type(LONG)
    await bench.until_counting(LONG)
    parts = SimpleNamespace(_room=bench.room, _session=bench.session, _status=_Status())
    controller = cast(ChatController, parts)
    ChatController._on_stop(controller)
    assert bench.desk.engine.cancelled == []
    await until(lambda: not bench.room._held)
    assert bench.window.composer.text == LONG
    ChatController._on_stop(controller)
    assert bench.desk.engine.cancelled == [bench.session.answer_id]


class _Status:
    """Shows nothing."""

    def stop(self, _answer_id: str) -> None:
        """Nothing to show."""


async def test_a_message_goes_on_in_the_chat_that_was_left(bench: _Bench) -> None:
    session = bench.session
    bench.worker.may_count.clear()
    bench.type(LONG)
    await bench.until_counting(LONG)
    await session.keep_draft(LONG)  # as leaving it does
    bench.session = bench.desk.new_session()
    bench.worker.may_count.set()
    await bench.until_started(2)
    assert session.conversation.draft == ""
    assert bench.started[-1] == LONG


async def test_under_an_answer_that_filled_the_context_it_is_offered_to_cut(bench: _Bench) -> None:
    await bench.desk.answered(bench.session, "Two", "w " * 20)
    answer_id = await bench.desk.answered(bench.session, "Three", "w " * 274)
    view = bench.window.chat_view
    bench.worker.answer_finished.emit(answer_id, DONE)
    full = msgspec.structs.replace(DONE, finish_reason=FinishReason.LENGTH, full_context=300)
    bench.worker.answer_finished.emit(answer_id, full)
    await until(lambda: view.offered)
    words = (
        "Without the oldest 4 messages (23 tokens) it fits, with 23 tokens left for the answer. "
        "All of them stay in the chat."
    )
    assert view.offered == [(answer_id, AnswerHelp(options=True, cut=words))]


async def test_an_answer_that_cannot_go_on_has_no_message_to_shorten(bench: _Bench) -> None:
    asked = Asked(bench.session, MODEL, bench.session.conversation.active_branch(), then=_nothing)
    bench.room.outgrown.emit(Outgrown(asked, 300, 300))
    await bench.until_told("Begin a new chat, or give")
    assert bench.notice == (
        "The chat takes 300 tokens, and the context of Tiny has 300. Begin a new chat, or give the "
        "model more context."
    )


async def _nothing() -> None:
    """Nothing is done."""


async def test_long_text_is_not_encoded_to_see_that_it_may_lack_room(bench: _Bench) -> None:
    class Long(str):
        """It must not be."""

        __slots__ = ()

        def encode(self, *_: object, **__: object) -> bytes:
            raise AssertionError

    asked = Asked(bench.session, MODEL, (), Long("é" * 301))
    assert bench.room.may_lack(asked)
