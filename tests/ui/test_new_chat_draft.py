"""What is typed into a new chat, and set in it, outlives the app, although that chat is not on
disk."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QListView, QPlainTextEdit, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.names import title_from
from minerva_desktop.chat.parts import FilePart
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import ChatSetup, Settings, SettingsFile
from minerva_desktop.ui.composer import MEASURING
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.message_edit import MessageEdit
from tests.chat.samples import make_conversation
from tests.ui.open_window import OpenWindow
from tests.ui.test_message_actions import SHORT, on_disk, open_chat, remember

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def test_a_draft_of_a_new_chat_is_there_after_a_restart(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        QTest.keyClicks(opened.part(MessageEdit, "composer"), "Half a th")
        # Also where the app is killed: it does not wait for the end.
        opened.until("draft", lambda: opened.settings.current.new_chat_draft == "Half a th")
        QTest.keyClicks(opened.part(MessageEdit, "composer"), "ought")
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        assert opened.window.composer.text == "Half a thought"
        opened.press(Qt.Key.Key_Return)
        opened.until("message", lambda: "Half a thought" in opened.transcript)
        assert opened.settings.current.new_chat_draft == ""
        opened.press(Qt.Key.Key_Escape)
        opened.until("end", lambda: not opened.is_answering)


def test_who_types_without_a_rest_has_a_draft_too(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        editor = opened.part(MessageEdit, "composer")

        def is_kept_after_another_key() -> bool:
            QTest.keyClick(editor, Qt.Key.Key_A)
            return opened.settings.current.new_chat_draft != ""

        opened.until("draft", is_kept_after_another_key)


def _titles(opened: OpenWindow) -> list[str]:
    model = opened.part(QListView, "chatList").model()
    return [str(model.index(row, 0).data()) for row in range(model.rowCount())]


def test_a_first_message_that_is_counted_begins_its_chat(
    qtbot: QtBot,
    dressed_app: QApplication,
    small_catalog: Catalog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_count, counted = asyncio.Event(), [10**6, 5]

    async def count(_worker: EngineWorker, _path: Path, turns: tuple[ChatTurn, ...]) -> int:
        await may_count.wait()
        return counted[0] if len(turns) == 1 and "salt" in turns[0].text else 1

    monkeypatch.setattr(EngineWorker, "count_tokens", count)
    paths = app_paths()
    paths.create()
    SettingsFile(paths.settings).save(Settings(n_ctx=1024))
    opened = OpenWindow(qtbot, dressed_app, small_catalog)
    with closing(opened), ExitStack() as at_end:
        at_end.callback(may_count.set)
        composer, sidebar = opened.window.composer, opened.window.sidebar
        opened.until("chat", lambda: opened._application._chats.session is not None)
        text = "Why salt? " * 110
        composer.set_text(text)
        composer.submit()
        opened.until("hold", lambda: composer._hint.text() != "")
        sidebar.new_chat.emit()
        assert composer.text == ""
        opened.until("chat in the list", lambda: title_from(text) in _titles(opened))
        assert opened.settings.current.new_chat_draft == ""
        QTest.keyClicks(opened.part(MessageEdit, "composer"), "Another")
        may_count.set()
        opened.until("refusal", lambda: "Nothing was sent in the chat “Why" in opened.notice)
        assert composer.text == "Another"
        opened.open_chat(title_from(text))
        opened.until("draft", lambda: composer.text == text)
        counted.pop(0)
        composer.submit()
        opened.until("message", lambda: "Why salt?" in opened.transcript)
        opened.press(Qt.Key.Key_Escape)
        opened.until("end", lambda: not opened.is_answering)
        sidebar.new_chat.emit()
        assert composer.text == "Another"


def test_a_draft_of_a_temporary_chat_is_not_kept(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        opened.window.new_temporary_chat.emit()
        QTest.keyClicks(opened.part(MessageEdit, "composer"), "Nobody's business")
    assert opened.paths.settings.read_text().find("business") == -1


def test_a_draft_is_kept_for_its_own_chat_alone(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    lake = make_conversation("Lake", "Yes?", title="Lake")
    lake.draft, lake.draft_files = "How deep?", (FilePart("a.md", "# A", 3),)
    on_disk(lake)
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        open_chat(opened, "Lake", "Yes?")
        assert opened.window.composer.text == "How deep?"
        assert opened.settings.current.new_chat_draft == ""
        opened.window.new_temporary_chat.emit()
        opened.send("Nobody's")
        opened.until("answer", lambda: opened.is_answering)
        opened.press(Qt.Key.Key_Escape)
        opened.until("end", lambda: not opened.is_answering)
        QTest.keyClicks(opened.part(MessageEdit, "composer"), "business")
        open_chat(opened, "Lake", "Yes?")
        buttons = opened.window.notifications.findChildren(QPushButton)
        next(each for each in buttons if each.text() == "Undo").click()
        assert opened.window.composer.text == "business"
        assert opened.settings.current.new_chat_draft == ""
        opened.window.sidebar.new_chat.emit()
        assert opened.window.composer.text == ""


PIRATE = ("Be a pirate.", SamplingParameters(temperature=1.5, max_tokens=2))
USUAL = ("", SamplingParameters())


def test_what_was_set_in_a_new_chat_is_there_after_a_restart(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    kept = ChatSetup(system_prompt=PIRATE[0], sampling=PIRATE[1])
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        opened.window.parameters.apply("", PIRATE[1])
        QTest.keyClicks(opened.part(QPlainTextEdit, "systemPrompt"), PIRATE[0])
        # Also where the app is killed: it does not wait for the end.
        opened.until("setup", lambda: opened.settings.current.new_chat_setup == kept)
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        panel = opened.window.parameters
        assert panel.values() == PIRATE
        opened.window.header.picker.selected.emit(opened.model_paths[0])
        assert panel.values() == PIRATE  # though the model has other defaults
        opened.send("Hi")
        opened.until("answer", lambda: opened.speed != "" and not opened.is_answering)
        assert opened.settings.current.new_chat_setup is None
        opened.window.sidebar.new_chat.emit()
        assert panel.values() == USUAL


def test_what_was_set_in_a_new_chat_waits_while_another_is_looked_at(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        panel, sidebar = opened.window.parameters, opened.window.sidebar
        panel.apply("", SamplingParameters(max_tokens=2))
        opened.send("Hi")
        opened.until("answer", lambda: opened.speed != "" and not opened.is_answering)
        sidebar.new_chat.emit()
        panel.apply(*PIRATE)
        opened.window.new_temporary_chat.emit()
        assert panel.values() == USUAL
        panel.apply("A secret.", SamplingParameters())
        opened.open_chat("Hi")
        opened.until("chat", lambda: "Hi" in opened.transcript)
        panel.apply("Of this chat alone.", SamplingParameters(max_tokens=2))
        sidebar.new_chat.emit()
        assert panel.values() == PIRATE
        sidebar.new_chat.emit()  # in a new chat, it asks for another one
        assert panel.values() == USUAL
        buttons = opened.window.notifications.findChildren(QPushButton)
        (undo,) = [each for each in buttons if each.text() == "Undo" and each.isVisible()]
        QTest.mouseClick(undo, Qt.MouseButton.LeftButton)
        opened.until("setup", lambda: panel.values() == PIRATE)
    assert "secret" not in opened.paths.settings.read_text()
    assert opened.settings.current.new_chat_setup is not None


def test_a_message_that_is_counted_when_the_window_closes_is_there_after_a_restart(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was sent once all was on disk, and the disk was not there any more."""
    may_count, settle = asyncio.Event(), ChatLibrary.settle

    async def count(_worker: EngineWorker, _path: Path, _turns: tuple[ChatTurn, ...]) -> int:
        await may_count.wait()
        return 10

    async def settle_and_count(library: ChatLibrary) -> None:
        await settle(library)
        may_count.set()
        for _ in range(10):
            await asyncio.sleep(0)

    remember(SHORT)
    text = "Why salt? " * 200
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        monkeypatch.setattr(EngineWorker, "count_tokens", count)
        monkeypatch.setattr(ChatLibrary, "settle", settle_and_count)
        opened.window.composer.set_text(text)
        opened.press(Qt.Key.Key_Return)
        opened.until("count", lambda: opened.window.composer._held == MEASURING)
    assert SettingsFile(app_paths().settings).current.new_chat_draft == text
