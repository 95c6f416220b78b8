"""What a person does with messages in the whole window: with the real model and the real store."""

from __future__ import annotations

import asyncio
import functools
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QListView, QMenu, QPushButton, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.conversation import Conversation, ScrollPosition
from minerva_desktop.chat.message import MessageState
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import Settings, SettingsFile
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.ui.chat_view.action_row import ActionRow
from minerva_desktop.ui.chat_view.actions import MessageAction
from minerva_desktop.ui.chat_view.answer_details import AnswerDetails
from minerva_desktop.ui.chat_view.branch_navigator import BranchNavigator
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.waiting_messages import REMOVE
from tests.chat.samples import make_conversation
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part

# What the offscreen platform says about popups and dialogs.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

OpenApp = Callable[..., OpenWindow]
ENDLESS = SamplingParameters(ignore_eos=True, seed=1)
SHORT = SamplingParameters(max_tokens=4, seed=1)


@pytest.fixture
def open_app(qtbot: QtBot, dressed_app: QApplication, slow_catalog: Catalog) -> OpenApp:
    """Starts the app; one may be open at a time."""
    return functools.partial(OpenWindow, qtbot, dressed_app, slow_catalog)


@pytest.fixture
def short(qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog) -> Iterator[OpenWindow]:
    """A window whose model, a small one, gives answers of four tokens."""
    remember(SHORT)
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        yield opened


def remember(sampling: SamplingParameters) -> None:
    """What the window starts with."""
    paths = app_paths()
    paths.create()
    SettingsFile(paths.settings).save(Settings(n_ctx=2048, sampling=sampling))


def on_disk(*conversations: Conversation) -> None:
    """What other runs of the app left behind."""

    async def write() -> None:
        store = await ChatStore.open(app_paths().database)
        for conversation in conversations:
            await store.create(conversation)
        await store.close()

    app_paths().create()
    asyncio.run(write())


def from_disk(conversation_id: str) -> Conversation:
    """A chat as it is on disk; the app is closed."""

    async def read() -> Conversation:
        store = await ChatStore.open(app_paths().database)
        conversation = await store.load(conversation_id)
        await store.close()
        return conversation

    return asyncio.run(read())


def titles(opened: OpenWindow) -> list[str]:
    """The chats in the sidebar, without the headings."""
    model = opened.part(QListView, "chatList").model()
    rows = [model.index(row, 0) for row in range(model.rowCount())]
    return [row.data() for row in rows if row.flags() & Qt.ItemFlag.ItemIsEnabled]


def open_chat(opened: OpenWindow, title: str, text: str) -> None:
    """Open a chat, and wait until ``text`` is there."""
    opened.until("chats", lambda: title in titles(opened))
    opened.open_chat(title)
    opened.until("chat", lambda: text in opened.transcript)
    opened.until("whole chat", lambda: not opened.window.chat_view.is_working())


def views(opened: OpenWindow) -> list[MessageView]:
    """The messages on display, from top to bottom."""
    found = [each for each in opened.window.findChildren(MessageView) if each.isVisible()]
    return sorted(found, key=QWidget.y)


def do(opened: OpenWindow, at: int, action: MessageAction) -> None:
    """Have a message's action done, as its row and its menu do."""
    message_id = views(opened)[at].message.id
    opened.window.chat_view.events.action_requested.emit(message_id, action, QPoint(200, 200))


def answered(opened: OpenWindow, count: int) -> None:
    """Wait until so many messages are there, and the last is over."""

    def is_over() -> bool:
        shown = views(opened)
        last = shown[-1].message.state if shown else MessageState.STREAMING
        return len(shown) == count and last is not MessageState.STREAMING

    opened.until(f"end of message {count}", lambda: is_over() and not opened.is_answering)


def choose(opened: OpenWindow, name: str, entry: str) -> None:
    """Choose an entry of an open menu."""
    menus = [each for each in opened.window.findChildren(QMenu, name) if each.isVisible()]
    (menu,) = menus
    (action,) = [each for each in menu.actions() if each.text() == entry]
    action.trigger()
    menu.close()


def regenerate(opened: OpenWindow, entry: str) -> None:
    """Choose an entry of the menu of the first answer's *Regenerate*."""
    do(opened, 1, MessageAction.REGENERATE)
    opened.until("menu", lambda: bool(opened.window.findChildren(QMenu, "regenerateMenu")))
    choose(opened, "regenerateMenu", entry)


def undo(opened: OpenWindow) -> None:
    """Press Undo in the notice on display."""
    buttons = opened.window.notifications.findChildren(QPushButton)
    next(each for each in buttons if each.isVisible() and each.text() == "Undo").click()


# -- the tree ----------------------------------------------------------------------------------


def test_a_question_without_an_answer_is_answered(short: OpenWindow) -> None:
    opened = short
    opened.send("Say one")
    answered(opened, 2)
    do(opened, 1, MessageAction.DELETE)
    opened.until("question alone", lambda: opened.transcript == "Say one")
    row = next(each for each in opened.window.findChildren(ActionRow) if each.isVisible())
    (button,) = (
        each
        for each in row.findChildren(QToolButton)
        if each.isVisible() and each.accessibleName() == "Answer"
    )
    button.click()
    answered(opened, 2)
    assert opened.transcript.startswith("Say one\n\n")
    assert [each.navigator for each in views(opened)] == [None, None]


def test_a_chat_up_to_a_message_becomes_one_of_its_own(open_app: OpenApp) -> None:
    on_disk(make_conversation("One", "Un", "Two", "Deux", title="Count"))
    with closing(open_app()) as opened:
        open_chat(opened, "Count", "Deux")
        do(opened, 1, MessageAction.BRANCH)
        opened.until("branch", lambda: opened.transcript == "One\n\nUn")
        opened.until("title", lambda: set(titles(opened)) == {"Count", "Count (branch)"})
        open_chat(opened, "Count", "Deux")


def test_an_edited_question_is_another_branch(short: OpenWindow) -> None:
    opened = short
    opened.send("Say one")
    answered(opened, 2)
    first = opened.transcript
    composer = opened.part(MessageEdit, "composer")
    QTest.keyClick(composer, Qt.Key.Key_Up)
    field = part(opened.window, MessageEdit, "messageEdit")
    assert field.toPlainText() == "Say one"
    field.set_text("Say two")
    QTest.keyClick(field, Qt.Key.Key_Return)
    opened.until("edited question", lambda: opened.transcript.startswith("Say two"))
    answered(opened, 2)
    assert composer.hasFocus()
    assert not opened.window.findChildren(MessageEdit, "messageEdit")
    (navigator,) = [
        each for each in opened.window.findChildren(BranchNavigator) if each.isVisible()
    ]
    assert navigator.accessibleName() == "Version 2 of 2"
    QTest.mouseClick(navigator.buttons[0], Qt.MouseButton.LeftButton)
    opened.until("first branch", lambda: opened.transcript == first)


def test_another_answer_is_beside_the_first(short: OpenWindow) -> None:
    opened = short
    opened.send("Hello")
    answered(opened, 2)
    regenerate(opened, "Again with small")
    opened.until("answer", lambda: bool(opened.window.findChildren(BranchNavigator)))
    answered(opened, 2)
    assert [each.accessibleName() for each in opened.window.findChildren(BranchNavigator)] == [
        "Version 2 of 2"
    ]
    do(opened, 1, MessageAction.DETAILS)
    details = part(opened.window, AnswerDetails, "answerDetails")
    told = details.accessibleDescription()
    assert "Seed: 1" in told
    assert "Parameters: max_tokens 4" in told
    assert "Answer: 4 tokens" in told
    assert "Ended: at its limit of tokens" in told
    QTest.keyClick(details, Qt.Key.Key_Escape)
    assert not details.isVisible()
    regenerate(opened, "Ask for it shorter")
    answered(opened, 4)
    assert "much shorter." in opened.transcript
    regenerate(opened, "Ask for it longer")  # an earlier answer, in another branch
    opened.until("question", lambda: "in more detail." in opened.transcript)
    answered(opened, 4)


def test_another_model_answers_once_and_the_chat_stays_with_its_own(
    short: OpenWindow, small_catalog: Catalog, small_path: Path, tmp_path: Path
) -> None:
    opened, picker = short, short.window.header.picker
    small_catalog.add(shutil.copyfile(small_path, tmp_path / "other.gguf"))
    picker.opened.emit()  # it is looked for whenever the list is opened
    opened.until("other model", lambda: len(picker.items) == 2)
    opened.send("Hello")
    answered(opened, 2)
    regenerate(opened, "With other (not loaded)")
    opened.until("answer", lambda: views(opened)[-1].message.model == "other.gguf")
    answered(opened, 2)
    opened.window.sidebar.new_chat.emit()
    open_chat(opened, "Hello", "Hello")
    assert views(opened)[1].message.model == "other.gguf"
    assert [picker.current] == [item for item in picker.items if item.name == "small"]


def test_a_cut_answer_goes_on_in_its_own_message(short: OpenWindow) -> None:
    opened = short
    opened.send("Count to ten in words.")
    answered(opened, 2)
    shown, text = views(opened)[1], views(opened)[1].source()
    (go_on,) = [
        each
        for each in shown.findChildren(QPushButton)
        if each.accessibleName() == "Continue the answer"
    ]
    go_on.click()
    opened.until("more", lambda: len(shown.source()) > len(text))
    answered(opened, 2)
    assert views(opened)[1] is shown
    assert shown.source().startswith(text)


# -- messages that wait ------------------------------------------------------------------------


def test_messages_wait_for_the_answer_and_for_the_person(open_app: OpenApp) -> None:
    remember(ENDLESS)
    with closing(open_app()) as opened:
        opened.send("Write a story.")
        opened.until("words", lambda: len(opened.transcript) > 60)
        editor = opened.part(MessageEdit, "composer")
        for text in ("Second", "Third"):
            QTest.keyClicks(editor, text)
            QTest.keyClick(editor, Qt.Key.Key_Return)
        waiting = opened.window.composer.waiting
        opened.until("queue", lambda: waiting.accessibleName() == "2 messages wait")
        assert editor.toPlainText() == ""
        assert "Second" not in opened.transcript
        send = part(waiting, QPushButton, "sendWaitingButton")
        assert not send.isVisible()
        QTest.keyClicks(editor, "Draft")
        buttons = waiting.findChildren(QToolButton)
        next(each for each in buttons if each.accessibleName() == REMOVE).click()
        assert waiting.accessibleName() == "1 message waits"
        opened.press(Qt.Key.Key_Escape)
        opened.until("end of the answer", lambda: not opened.is_answering)
        opened.until("way on", send.isVisible)
        told = "Not sent, because you stopped the answer before it."
        assert waiting.accessibleDescription() == told
        assert "Third" not in opened.transcript
        send.click()
        opened.until("third", lambda: "Third" in opened.transcript and opened.is_answering)
        assert not waiting.isVisible()
        opened.press(Qt.Key.Key_Escape)
        opened.until("end of the answer", lambda: not opened.is_answering)


def test_a_waiting_message_follows_an_answer_that_ends_well(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog, small_path: Path
) -> None:
    chat = make_conversation("Hello", "Hi.\n\n" * 40, title="Long")
    chat.sampling = SamplingParameters(max_tokens=40, ignore_eos=True, seed=1)
    on_disk(chat)
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        opened.until("model", opened.load_for_a_client(small_path).done)
        open_chat(opened, "Long", "Hi.")
        bar = opened.window.chat_view.verticalScrollBar()
        with opened.engine_held():
            opened.send("One")
            opened.until("end of the chat", lambda: bar.value() == bar.maximum() > 0)
            QTest.keyClicks(opened.part(MessageEdit, "composer"), "Two")
            QTest.mouseClick(opened.part(QPushButton, "queueButton"), Qt.MouseButton.LeftButton)
            opened.until("queue", opened.window.composer.waiting.isVisible)
            assert opened.is_answering
            bar.setValue(0)  # to read something again
        answered(opened, 6)
        assert "\n\nTwo\n\n" in opened.transcript
        assert not opened.window.composer.waiting.isVisible()
        assert bar.value() == 0


# -- drafts and places -------------------------------------------------------------------------


def test_each_chat_keeps_its_draft_and_its_place(open_app: OpenApp) -> None:
    long = make_conversation(*(["Question. " * 30, "Answer. " * 80] * 30), title="Long")
    on_disk(long, make_conversation("Hello", "Hi", title="Small"))
    with closing(open_app()) as opened:
        editor = opened.part(MessageEdit, "composer")
        QTest.keyClicks(editor, "For a new chat")
        open_chat(opened, "Long", "Answer.")
        assert editor.toPlainText() == ""
        bar = opened.window.chat_view.verticalScrollBar()
        opened.until("whole chat", lambda: not opened.window.chat_view.is_working())
        bar.setValue(bar.maximum() // 2)
        place = bar.value()
        QTest.keyClicks(editor, "For the long one")
        open_chat(opened, "Small", "Hi")
        assert editor.toPlainText() == ""
        editor.undo()
        assert editor.toPlainText() == ""
        opened.window.sidebar.new_chat.emit()
        assert editor.toPlainText() == "For a new chat"
        open_chat(opened, "Long", "Answer.")
        assert editor.toPlainText() == "For the long one"
        opened.until("whole chat", lambda: not opened.window.chat_view.is_working())
        assert abs(bar.value() - place) <= 2
        QTest.keyClicks(editor, ", and more")
    kept = from_disk(long.id)
    assert kept.draft == "For the long one, and more"
    assert isinstance(kept.scroll, ScrollPosition)
    with closing(open_app()) as opened:
        opened.until("draft", lambda: opened.window.composer.text == kept.draft)
        bar = opened.window.chat_view.verticalScrollBar()
        opened.until("whole chat", lambda: not opened.window.chat_view.is_working())
        assert 0 < bar.value() < bar.maximum()


def test_a_draft_reaches_the_disk_while_it_is_typed(open_app: OpenApp) -> None:
    conversation = make_conversation("Hello", "Hi", title="Small")
    on_disk(conversation)
    with closing(open_app()) as opened:
        open_chat(opened, "Small", "Hi")
        QTest.keyClicks(opened.part(MessageEdit, "composer"), "Half a th")
        opened.until("draft", lambda: _draft_on_disk(conversation.id) == "Half a th")


def _draft_on_disk(conversation_id: str) -> str:
    """Read beside the running app."""
    path = str(app_paths().database)
    with closing(apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        found = "SELECT draft FROM conversations WHERE id = ?"
        return str(connection.execute(found, (conversation_id,)).fetchall()[0][0])


# -- temporary chats ---------------------------------------------------------------------------


def test_a_temporary_chat_says_so_and_is_never_written(short: OpenWindow) -> None:
    opened = short
    opened.window.activateWindow()
    editor = opened.part(MessageEdit, "composer")
    keys = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(editor, Qt.Key.Key_N, keys)
    mark = opened.part(QWidget, "temporaryMark")
    assert mark.isVisible()
    opened.send("A secret")
    answered(opened, 2)
    assert titles(opened) == []
    opened.window.sidebar.new_chat.emit()
    assert not mark.isVisible()
    opened.send("Public")
    answered(opened, 2)
    opened.until("chat", lambda: titles(opened) == ["Public"])
    assert b"A secret" not in app_paths().database.read_bytes()
