"""What fills the context, in the window; a chat that outgrew it goes on as its person chooses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
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
from minerva_desktop.chat.parts import FilePart
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import Settings, SettingsFile
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.ui.context_panel import RESERVE
from minerva_desktop.ui.notification_bar import NotificationBar
from tests.chat.samples import make_conversation
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

N_CTX = 256


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


def _left_out(opened: OpenWindow) -> str:
    opened.part(QWidget, "contextMeter").click()  # type: ignore[attr-defined]
    panel = opened.window.context_panel
    opened.until("prompt", lambda: "<|im_start|>" in panel.prompt_text)
    return " ".join(label.text() for label in panel.findChildren(QLabel) if label.isVisible())


def test_a_chat_that_outgrew_the_context_keeps_the_newest(opened: OpenWindow) -> None:
    opened.send("Which one do you like?")
    opened.until("offer", lambda: "The chat is longer than" in opened.notice)
    assert f"longer than the context of SmolLM2-135M-Instruct ({N_CTX} tokens)" in opened.notice
    _click(opened, "Keep the newest")
    opened.until("answer", lambda: opened.speed != "" and not opened.is_answering)
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
    view.events.edit_submitted.emit(first, "Seven is the best one.")
    opened.until("other answer", lambda: "Seven is the best" in opened.transcript)
    opened.until("end", lambda: not opened.is_answering)
    assert view.cut_mark.first_id not in {None, first}  # the line went with it
    QTest.mouseClick(opened.part(QPushButton, "restoreContextButton"), Qt.MouseButton.LeftButton)
    opened.until("whole prompt", lambda: "0 is a number" in opened.window.context_panel.prompt_text)
    opened.window.context_panel.close()


def test_what_is_offered_for_a_chat_goes_with_it(opened: OpenWindow) -> None:
    opened.send("Which one do you like?")
    opened.until("offer", lambda: "The chat is longer than" in opened.notice)
    QTest.mouseClick(opened.part(QPushButton, "newChatButton"), Qt.MouseButton.LeftButton)
    assert opened.notice == ""


def test_older_messages_are_summarised(opened: OpenWindow) -> None:
    opened.send("Which one do you like?")
    opened.until("offer", lambda: "The chat is longer than" in opened.notice)
    _click(opened, "Summarise older ones")
    opened.until("summary", lambda: opened.notice.startswith("Summarising"))
    opened.until("answer", lambda: opened.speed != "" and not opened.is_answering)
    assert opened.notice == ""
    told = _left_out(opened)
    assert "Summary of what came before" in told
    assert "Summary of the conversation so far:" in opened.window.context_panel.prompt_text
    opened.window.context_panel.close()


def test_it_is_offered_before_anything_is_sent_that_does_not_fit(opened: OpenWindow) -> None:
    fills = f"chat fills the context of SmolLM2-135M-Instruct ({N_CTX} tokens)."
    opened.until("offer", lambda: opened.notice.startswith(f"The {fills}"))
    opened.window.notifications.dismiss("context-outgrown")
    opened.window.composer.set_text("Which one?")
    opened.until("count", lambda: "tokens" in opened.context)
    assert opened.notice == ""  # it was closed
    QTest.mouseClick(opened.part(QPushButton, "newChatButton"), Qt.MouseButton.LeftButton)
    opened.until("new chat", lambda: "number" not in opened.transcript)
    assert opened.notice == ""
    chats = opened.part(QListView, "chatList").model()
    chat_id = chats.index(1, 0).data(Qt.ItemDataRole.UserRole).id
    opened.window.sidebar.opened.emit(chat_id, "")
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
