"""What fills the context, in the window; a chat that outgrew it goes on as its person chooses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QLabel,
    QListView,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.conversation import Conversation
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.parts import FilePart
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import Settings, SettingsFile
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.ui.composer import MEASURING
from minerva_desktop.ui.context_panel import RESERVE
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.notification_bar import NotificationBar
from minerva_desktop.ui.waiting_messages import NO_ROOM
from tests.chat.samples import make_conversation
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

N_CTX = 256
NOT_SENT = "The message was not sent: with it the chat takes "


async def _keep(path: Path, conversation: Conversation) -> None:
    store = await ChatStore.open(path)
    await store.create(conversation)
    await store.close()


def _keep_chat(n_messages: int, n_times: int) -> None:
    """A chat of about ``n_times`` 10 tokens a message, and a context of `N_CTX` for its model."""
    paths = app_paths()
    paths.create()
    texts = [f"{number} is a number that we like." * n_times for number in range(n_messages)]
    conversation = make_conversation(*texts, title="Numbers")
    conversation.sampling = SamplingParameters(max_tokens=8, seed=1)
    asyncio.run(_keep(paths.database, conversation))
    settings = Settings(n_ctx=N_CTX, conversation_id=conversation.id)
    SettingsFile(paths.settings).save(settings)


def _load(opened: OpenWindow) -> None:
    picker = opened.window.header.picker
    assert picker.current is not None
    picker.selected.emit(picker.current.path)
    opened.until("model", opened.part(QToolButton, "ejectButton").isEnabled)
    opened.until("chat", lambda: "is a number" in opened.transcript)


@pytest.fixture
def opened(qtbot: QtBot, dressed_app: QApplication, catalog: Catalog) -> Iterator[OpenWindow]:
    """The window with a chat of about 440 tokens, and a model whose context has 256."""
    _keep_chat(10, 4)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        _load(opened)
        yield opened


def _click(opened: OpenWindow, label: str) -> None:
    bar = opened.window.findChildren(NotificationBar)[0]
    (button,) = (each for each in bar.findChildren(QPushButton) if each.text() == label)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def _edit(opened: OpenWindow, message_id: str, text: str) -> QPlainTextEdit:
    """Say ``text`` in the editor of that message, and send it."""
    view = opened.window.chat_view
    view.edit_message(message_id)
    (editor,) = (each for each in view.findChildren(QPlainTextEdit) if each.isVisible())
    editor.setPlainText(text)
    QTest.keyClick(editor, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    return editor


def _left_out(opened: OpenWindow) -> str:
    opened.part(QWidget, "contextMeter").click()  # type: ignore[attr-defined]
    panel = opened.window.context_panel
    opened.until("prompt", lambda: "<|im_start|>" in panel.prompt_text)
    return " ".join(label.text() for label in panel.findChildren(QLabel) if label.isVisible())


def _try_to_send(opened: OpenWindow, text: str) -> None:
    """Press Enter at once, before anything of it is counted, and see that nothing is spent."""
    opened.window.composer.set_text(text)
    opened.press(Qt.Key.Key_Return)
    opened.until("refusal", lambda: opened.notice.startswith(NOT_SENT))
    assert f"the context of small has {N_CTX}. Without the oldest" in opened.notice
    assert opened.window.composer.text == text
    assert text not in opened.transcript
    buttons = opened.window.notifications.findChildren(QPushButton)
    shown = [button for button in buttons if button.isVisible()]
    opened.until("whole labels", lambda: all(b.width() >= b.sizeHint().width() for b in shown))


def test_a_model_is_loaded_before_a_message_that_may_lack_room_is_sent(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    _keep_chat(10, 4)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.until("chat", lambda: "is a number" in opened.transcript)
        assert not opened.part(QToolButton, "ejectButton").isEnabled()
        _try_to_send(opened, "Which one do you like?")
        assert opened.part(QToolButton, "ejectButton").isEnabled()
        _click(opened, "Keep the newest")
        opened.until("cut", lambda: opened.window.chat_view.cut_mark.first_id is not None)
        opened.until("message", lambda: "Which one do you like?" in opened.transcript)
        opened.until("answer", lambda: opened.speed != "" and not opened.is_answering)


def test_a_huge_chat_is_counted_as_far_as_it_matters(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    _keep_chat(400, 20)  # 264,000 characters
    asked: list[int] = []
    count = EngineWorker.count_tokens

    async def count_tokens(
        worker: EngineWorker, path: Path, turns: tuple[ChatTurn, ...]
    ) -> int | None:
        asked.append(sum(len(turn.text) for turn in turns))
        return await count(worker, path, turns)

    monkeypatch.setattr(EngineWorker, "count_tokens", count_tokens)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        _load(opened)
        opened.until("count", lambda: opened.context.startswith("Context: > "))
        assert max(asked) < 80_000
        told = _left_out(opened)
        assert f"of {N_CTX} tokens; there is no room for an answer. The 2" in told
        assert "oldest messages are not counted, nor shown here." in told
        assert "> " in told
        assert "399 is a number" in opened.window.context_panel.prompt_text
        assert "\n0 is a number" not in opened.window.context_panel.prompt_text


def test_a_chat_that_outgrew_the_context_keeps_the_newest(opened: OpenWindow) -> None:
    _try_to_send(opened, "Which one do you like?")
    _click(opened, "Keep the newest")
    opened.until("cut", lambda: opened.window.chat_view.cut_mark.first_id is not None)
    opened.until("message", lambda: "Which one do you like?" in opened.transcript)
    opened.until("answer", lambda: opened.speed != "" and not opened.is_answering)
    assert opened.window.composer.text == ""
    assert "0 is a number" in opened.transcript
    told = _left_out(opened)
    assert "oldest messages are kept, but not sent." in told
    panel = opened.window.context_panel
    prompt = part(panel, QPlainTextEdit, "contextPrompt").geometry()
    assert panel.rect().adjusted(8, 8, -8, -8).contains(prompt)
    assert f"{RESERVE} 8" in told
    assert "0 is a number" not in opened.window.context_panel.prompt_text
    assert "Which one do you like?" in opened.window.context_panel.prompt_text
    view = opened.window.chat_view
    first = view.cut_mark.first_id or ""
    _edit(opened, first, "Seven is the best one.")
    opened.until("other answer", lambda: "Seven is the best" in opened.transcript)
    opened.until("end", lambda: not opened.is_answering)
    assert view.cut_mark.first_id not in {None, first}  # the line went with it
    QTest.mouseClick(opened.part(QPushButton, "restoreContextButton"), Qt.MouseButton.LeftButton)
    opened.until("whole prompt", lambda: "0 is a number" in opened.window.context_panel.prompt_text)
    opened.window.context_panel.close()


def test_what_is_offered_for_a_chat_goes_with_it(opened: OpenWindow) -> None:
    _try_to_send(opened, "Which one do you like?")
    QTest.mouseClick(opened.part(QPushButton, "newChatButton"), Qt.MouseButton.LeftButton)
    assert opened.notice == ""


def test_what_was_not_sent_goes_by_itself_also_after_another_chat(opened: OpenWindow) -> None:
    _try_to_send(opened, "Which one do you like?")
    refusal = opened.notice
    _leave_and_come_back(opened)
    opened.until("refusal", lambda: opened.notice == refusal)
    _click(opened, "Keep the newest")
    opened.until("message", lambda: "Which one do you like?" in opened.transcript)
    opened.until("answer", lambda: opened.speed != "" and not opened.is_answering)
    assert opened.window.composer.text == ""


def _leave_and_come_back(opened: OpenWindow) -> None:
    QTest.mouseClick(opened.part(QPushButton, "newChatButton"), Qt.MouseButton.LeftButton)
    opened.until("new chat", lambda: "number" not in opened.transcript)
    assert opened.notice == ""
    chats = opened.part(QListView, "chatList").model()
    chat_id = chats.index(1, 0).data(Qt.ItemDataRole.UserRole).id
    opened.window.sidebar.opened.emit(chat_id, "")


def test_it_is_offered_before_anything_is_sent_that_does_not_fit(opened: OpenWindow) -> None:
    fills = f"chat fills the context of small ({N_CTX} tokens)."
    opened.until("offer", lambda: opened.notice.startswith(f"The {fills}"))
    opened.window.notifications.dismiss("context-outgrown")
    opened.window.composer.set_text("Which one?")
    opened.until("count", lambda: "tokens" in opened.context)
    assert opened.notice == ""  # it was closed
    _leave_and_come_back(opened)
    typed = f"With what you are typing, the {fills}"
    opened.until("offer with the draft", lambda: opened.notice.startswith(typed))
    assert "it fits" in opened.notice
    _click(opened, "Keep the newest")
    opened.until("cut", lambda: opened.window.chat_view.cut_mark.first_id is not None)
    assert not opened.is_answering
    opened.until("meter", lambda: not opened.window.status.context.is_outgrown)
    assert opened.notice == ""
    assert opened.window.composer.text == "Which one?"


def test_the_offer_goes_when_the_message_was_made_shorter(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    _keep_chat(8, 2)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        _load(opened)
        opened.until("count", lambda: "— /" not in opened.context and "/" in opened.context)
        assert opened.notice == ""
        opened.window.composer.set_text("Which one do you like? " * 10)
        opened.until("offer", lambda: opened.notice.startswith("With what you are typing"))
        opened.window.composer.set_text("Which?")
        opened.until("end", lambda: opened.notice == "")


def test_files_that_are_to_be_sent_count(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    _keep_chat(15, 1)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        _load(opened)
        strip, view = opened.window.composer.attachments, opened.window.chat_view
        strip.add(FilePart("a.txt", "word " * 12, 60))
        opened.until("offer", lambda: opened.notice.startswith("With what is attached, the chat"))
        # The cut that is chosen is of this moment: what comes after it is told of anew.
        strip.add(FilePart("b.txt", "word " * 90, 450))
        _click(opened, "Keep the newest")
        opened.until("cut", lambda: view.cut_mark.first_id is not None)
        first = view.cut_mark.first_id
        opened.until("another offer", lambda: "it fits" in opened.notice)
        _click(opened, "Keep the newest")
        opened.until("another cut", lambda: view.cut_mark.first_id != first)
        opened.until("meter", lambda: not opened.window.status.context.is_outgrown)
        assert opened.notice == ""


def test_an_answer_that_failed_for_the_context_offers_what_helps(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    _keep_chat(10, 4)
    # A model that is not loaded may get less than could be expected.
    monkeypatch.setattr(ModelController, "expected_n_ctx", lambda *_asked: 8192)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.send("Which one do you like?")
        opened.until("failure", lambda: "Context limit exceeded" in _shown(opened, QLabel))
        opened.until("offer", lambda: "Keep the newest" in _shown(opened, QPushButton))
        assert "Without the oldest" in _shown(opened, QLabel)
        assert "Summarise older ones" in _shown(opened, QPushButton)
        opened.until("count", lambda: opened.window.status.context.is_outgrown)
        assert opened.notice == ""  # it is said once
        buttons = opened.window.chat_view.findChildren(QPushButton)
        (keep,) = (
            each for each in buttons if each.text() == "Keep the newest" and each.isVisible()
        )
        QTest.mouseClick(keep, Qt.MouseButton.LeftButton)
        opened.until("answer", lambda: opened.speed != "" and not opened.is_answering)
        assert opened.window.chat_view.cut_mark.first_id is not None
        assert "Keep the newest" not in _shown(opened, QPushButton)


def _shown(opened: OpenWindow, kind: type[QLabel] | type[QPushButton]) -> str:
    """What labels or buttons of the transcript say."""
    found = opened.window.chat_view.findChildren(kind)
    return " | ".join(each.text() for each in found if each.isVisible())


def test_what_is_said_instead_goes_on_once_it_fits(opened: OpenWindow) -> None:
    view = opened.window.chat_view
    ids = [message.id for message in view.messages.messages]
    editor = _edit(opened, ids[-2], "Which one?")
    opened.until("refusal", lambda: opened.notice.startswith(NOT_SENT))
    opened.window.grab()  # the notice has taken its place by then
    send = next(each for each in view.findChildren(QPushButton) if each.accessibleName() == "Send")
    for each in (editor, send):
        place = QRect(each.mapTo(view.viewport(), QPoint(0, 0)), each.size())
        assert view.viewport().rect().contains(place)
    assert [message.id for message in view.messages.messages] == ids
    editor.setPlainText("Which one do you like?")  # and that is what is sent
    _click(opened, "Keep the newest")
    opened.until("answer", lambda: opened.speed != "" and not opened.is_answering)
    assert "Which one do you like?" in opened.transcript


def test_an_answer_is_not_given_anew_that_would_not_fit(opened: OpenWindow) -> None:
    view = opened.window.chat_view
    ids = [message.id for message in view.messages.messages]
    view.events.retry_requested.emit(ids[-1])
    opened.until("refusal", lambda: opened.notice.startswith("The chat takes "))
    assert [message.id for message in view.messages.messages] == ids
    _click(opened, "Keep the newest")
    opened.until("answer", lambda: opened.speed != "" and not opened.is_answering)
    assert view.messages.messages[-1].id != ids[-1]


def test_an_offer_goes_once_something_that_fits_is_asked(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    _keep_chat(8, 2)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        _load(opened)
        view = opened.window.chat_view
        question = view.messages.messages[-2].id
        _edit(opened, question, "word " * 120)
        opened.until("refusal", lambda: opened.notice.startswith(NOT_SENT))
        _edit(opened, question, "Which one?")
        opened.until("answer", lambda: opened.speed != "" and not opened.is_answering)
        assert "Which one?" in opened.transcript
        assert opened.notice == ""


def test_a_message_that_waited_is_not_spent(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    _keep_chat(4, 4)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        _load(opened)
        opened.send("Which one?")
        opened.window.composer.set_text("word " * 70)
        opened.press(Qt.Key.Key_Return)
        waiting = opened.window.composer.waiting
        opened.until("refusal", lambda: opened.notice.startswith(NOT_SENT))
        assert NO_ROOM in [label.text() for label in waiting.findChildren(QLabel)]
        assert part(waiting, QPushButton, "sendWaitingButton").isVisible()
        assert "word word" not in opened.transcript
        _click(opened, "Keep the newest")
        opened.until("message", lambda: "word word" in opened.transcript)
        opened.until("answer", lambda: not opened.is_answering)
        assert not waiting.isVisible()


def test_a_message_that_is_counted_can_be_kept(
    opened: OpenWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    composer, counts = opened.window.composer, asyncio.Event()

    async def count_tokens(*_asked: object) -> int:
        await counts.wait()
        return 8

    opened.until("first offer", lambda: opened.notice != "")
    monkeypatch.setattr(EngineWorker, "count_tokens", count_tokens)
    composer.set_text("Which one?")
    for sends in (False, True):
        opened.press(Qt.Key.Key_Return)
        opened.until("Stop", lambda: opened.is_answering)
        assert MEASURING in [label.text() for label in composer.findChildren(QLabel)]
        if sends:
            monkeypatch.undo()
            counts.set()
        else:
            opened.press(Qt.Key.Key_Escape)
            opened.until("Send", lambda: not opened.is_answering)
            assert composer.text == "Which one?"
    opened.until("message", lambda: "Which one?" in opened.transcript)
    assert composer.text == ""
    opened.until("end", lambda: not opened.is_answering)
