"""Chats leave the window as files, and come back by a drop."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import QStandardPaths
from PySide6.QtWidgets import QApplication, QComboBox, QFileDialog, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.conversation import Conversation
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.ui.chat_files_controller import ChatFilesController
from minerva_desktop.ui.notification_bar import NotificationBar
from tests.app.chat_exports import chatgpt_chat, chatgpt_grown
from tests.chat.samples import make_conversation
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part
from tests.ui.test_message_actions import titles

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


async def _keep(path: Path, *conversations: Conversation) -> None:
    store = await ChatStore.open(path)
    for conversation in conversations:
        await store.create(conversation)
    await store.close()


@pytest.fixture
def opened(qtbot: QtBot, dressed_app: QApplication, catalog: Catalog) -> Iterator[OpenWindow]:
    paths = app_paths()
    paths.create()
    chats = [make_conversation("Why salt?", "Rivers.", title=f"Sea {each}") for each in "ab"]
    asyncio.run(_keep(paths.database, *chats))
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        yield opened


def _controller(opened: OpenWindow) -> ChatFilesController:
    (controller,) = opened.window.findChildren(ChatFilesController)
    return controller


def _save_as(opened: OpenWindow, path: Path, name_filter: str) -> None:
    """What a person does in the dialog that has opened."""
    opened.until("dialog", lambda: bool(opened.window.findChildren(QFileDialog)))
    (dialog,) = opened.window.findChildren(QFileDialog)
    dialog.selectNameFilter(name_filter)
    dialog.fileSelected.emit(str(path))
    dialog.reject()


def test_all_chats_go_into_a_file_and_come_back(opened: OpenWindow, tmp_path: Path) -> None:
    _controller(opened).export([])
    file = tmp_path / "all.json"
    _save_as(opened, file, "Minerva chats, to be imported again (*.json)")
    opened.until("end", lambda: opened.notice == "2 chats exported to all.json.")
    exported = json.loads(file.read_bytes())
    assert sorted(chat["title"] for chat in exported["chats"]) == ["Sea a", "Sea b"]
    opened.drop(file)
    opened.until("report", lambda: "were here already" in opened.notice)
    assert opened.notice == "0 chats imported; 2 were here already."


def test_what_a_later_export_has_besides_is_shown_in_the_open_chat(
    opened: OpenWindow, tmp_path: Path
) -> None:
    chat, file = chatgpt_chat("1", "Why salt?"), tmp_path / "conversations.json"
    file.write_text(json.dumps([chat]))
    opened.drop(file)
    opened.until("report", lambda: opened.notice == "1 chat imported.")
    opened.until("listed", lambda: "Chat 1" in titles(opened))
    opened.open_chat("Chat 1")
    opened.until("chat", lambda: opened.transcript == "Why salt?\n\nAbout Why salt?")
    file.write_text(json.dumps([chatgpt_grown(chat, "And then?")]))
    opened.drop(file)
    opened.until("more", lambda: opened.transcript.endswith("\n\nAnd then?"))
    opened.until("report", lambda: opened.notice == "0 chats imported; 1 has new messages.")


def test_a_dropped_chat_is_listed_and_can_be_opened(opened: OpenWindow, tmp_path: Path) -> None:
    file = tmp_path / "conversations.json"
    node: dict[str, object] = {"id": "m", "parent": None, "children": []}
    message = {
        "id": "m",
        "author": {"role": "user"},
        "content": {"content_type": "text", "parts": ["Bonjour"]},
        "create_time": 1.7e9,
    }
    chat = {
        "conversation_id": "c1",
        "title": "French",
        "create_time": 1.7e9,
        "update_time": 1.7e9,
        "current_node": "m",
        "mapping": {"m": {**node, "message": message}},
    }
    file.write_text(json.dumps([chat]))
    opened.drop(file)
    opened.until("report", lambda: opened.notice == "1 chat imported.")
    bar = opened.window.findChildren(NotificationBar)[0]
    (button,) = (each for each in bar.findChildren(QPushButton) if each.text() == "Open")
    button.click()
    opened.until("chat", lambda: "Bonjour" in opened.transcript)


def test_an_import_can_be_undone(opened: OpenWindow, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    chats = [chatgpt_chat("1", "one"), chatgpt_chat("2", "two"), {"title": "T", "mapping": {}}]
    (folder / "conversations.json").write_text(json.dumps(chats))
    opened.drop(folder)
    opened.until("report", lambda: opened.notice == "2 chats imported; 1 was empty.")
    bar = opened.window.findChildren(NotificationBar)[0]
    (button,) = (each for each in bar.findChildren(QPushButton) if each.text() == "Undo")
    button.click()
    opened.until("undone", lambda: opened.notice == "2 chats deleted")
    opened.drop(folder)
    words = "0 chats imported; 2 were here already, 2 of them in the trash; 1 was empty."
    opened.until("report", lambda: opened.notice == words)


def test_files_that_come_during_an_import_are_imported_behind_it(
    opened: OpenWindow, tmp_path: Path
) -> None:
    """They were refused, in a notice that the one about the running import hid."""
    files = [tmp_path / "may.json", tmp_path / "june.json", tmp_path / "none.json"]
    for number, file in enumerate(files[:2]):
        file.write_text(json.dumps([chatgpt_chat(str(number), file.stem)]))
    for file in files:
        _controller(opened).import_files([file])
    words = "2 chats imported; 1 file or chat could not be imported."
    opened.until("report", lambda: opened.notice == words)
    shown = opened.window.notifications.shown
    assert shown is not None
    assert shown.detail.endswith("none.json cannot be read: it is not there")
    opened.until("listed", lambda: {"Chat 0", "Chat 1"} <= set(titles(opened)))


def test_ctrl_z_takes_back_each_import_and_says_what_stays(
    opened: OpenWindow, tmp_path: Path
) -> None:
    bar = opened.window.notifications
    file = tmp_path / "conversations.json"
    first, second = chatgpt_chat("1", "one"), chatgpt_chat("2", "two")
    file.write_text(json.dumps([first]))
    opened.drop(file)
    opened.until("report", lambda: opened.notice == "1 chat imported.")
    file.write_text(json.dumps([chatgpt_grown(first, "And then?"), second]))
    opened.drop(file)
    opened.until("report", lambda: opened.notice == "1 chat imported; 1 has new messages.")
    assert bar.shown is not None
    assert [each.label for each in bar.shown.actions] == ["Undo the new chats"]
    assert bar.shown.is_last_chance
    assert bar.undo_last()
    opened.until("second undone", lambda: opened.notice == "Chat deleted")
    assert sorted(titles(opened)) == ["Chat 1", "Sea a", "Sea b"]
    assert bar.undo_last()  # the deletion
    assert bar.undo_last()  # the first import
    opened.until("first undone", lambda: sorted(titles(opened)) == ["Chat 2", "Sea a", "Sea b"])


def test_a_file_without_chats_says_so(opened: OpenWindow, tmp_path: Path) -> None:
    file = tmp_path / "package.json"
    file.write_text('{"name": "x"}')
    _controller(opened).import_files([file])
    opened.until("report", lambda: "holds no chats of a kind that is known" in opened.notice)


def test_one_chat_as_markdown(opened: OpenWindow, tmp_path: Path) -> None:
    opened.open_chat("Sea a")
    opened.until("chat", lambda: "Rivers" in opened.transcript)
    chosen = opened.settings.current.conversation_id
    assert chosen is not None
    _controller(opened).export([chosen])
    opened.until("dialog", lambda: bool(opened.window.findChildren(QFileDialog)))
    (dialog,) = opened.window.findChildren(QFileDialog)
    documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
    assert [Path(each).name for each in dialog.selectedFiles()] == ["Sea a.md"]
    assert dialog.directory().path() in {documents, str(Path.home())}
    part(dialog, QComboBox, "fileTypeCombo").setFocus()  # the name is left alone while it is typed
    dialog.filterSelected.emit("Web page (*.html)")
    assert [Path(each).name for each in dialog.selectedFiles()] == ["Sea a.html"]
    file = tmp_path / "sea.md"
    _save_as(opened, file, "Markdown (*.md)")
    opened.until("end", lambda: opened.notice == "1 chat exported to sea.md.")
    text = file.read_text()
    assert "# Sea a" in text
    assert "Rivers." in text


def test_code_of_an_answer_goes_into_a_file(opened: OpenWindow, tmp_path: Path) -> None:
    opened.window.chat_view.events.save_requested.emit("é = 1\n", "code.py")
    (dialog,) = opened.window.findChildren(QFileDialog)
    assert dialog.acceptMode() is QFileDialog.AcceptMode.AcceptSave
    assert not dialog.testOption(QFileDialog.Option.DontConfirmOverwrite)
    dialog.fileSelected.emit(str(tmp_path / "mine.py"))
    dialog.reject()
    opened.until("saved", lambda: opened.notice == "Code saved to mine.py.")
    assert (tmp_path / "mine.py").read_text(encoding="utf-8") == "é = 1\n"


def test_a_file_that_cannot_be_written_is_said(opened: OpenWindow, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # whose reader would be waited for
    opened.window.chat_view.events.save_requested.emit("code", "code.py")
    (dialog,) = opened.window.findChildren(QFileDialog)
    dialog.fileSelected.emit(str(tmp_path / "pipe"))
    dialog.reject()
    opened.until("error", lambda: "no regular file" in opened.notice)
    assert opened.notice == "pipe is no regular file: choose another name"
