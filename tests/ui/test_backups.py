"""Backups in the window: made, brought back, and that undone; and a disk that takes no chats."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QListView, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.__main__ import main
from minerva_desktop.app.chat_care import SavingTrouble
from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.chat.parts import FilePart
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.store import opening, recovery_note
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.ui import backups_controller
from minerva_desktop.ui.backups_controller import TROUBLE, BackupsController
from minerva_desktop.ui.backups_window import BackupsWindow, CopyRow
from minerva_desktop.ui.chat_places import ChatPlaces
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.notification_bar import NotificationBar
from minerva_desktop.ui.tasks import UiTasks
from tests.chat.samples import make_conversation
from tests.store.test_disk_trouble import full_disk
from tests.store.test_recovery import root_page, spoil_page
from tests.ui.open_window import OpenWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


async def _keep(path: Path, title: str) -> None:
    store = await ChatStore.open(path)
    await store.create(make_conversation("Why salt?", "Rivers.", title=title))
    await store.close()


@pytest.fixture
def opened(qtbot: QtBot, dressed_app: QApplication, catalog: Catalog) -> Iterator[OpenWindow]:
    paths = app_paths()
    paths.create()
    asyncio.run(_keep(paths.database, "Sea"))
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        yield opened


def _controller(opened: OpenWindow) -> BackupsController:
    (controller,) = opened.window.findChildren(BackupsController)
    return controller


def _dialog(opened: OpenWindow) -> BackupsWindow:
    _controller(opened).open_backups()
    (dialog,) = opened.window.findChildren(BackupsWindow)
    return dialog


def _status(dialog: BackupsWindow) -> str:
    (label,) = dialog.findChildren(QLabel, "backupsStatus")
    return label.text()


def _click(dialog: BackupsWindow, name: str) -> None:
    QTest.mouseClick(dialog.findChildren(QPushButton, name)[0], Qt.MouseButton.LeftButton)


def _titles(opened: OpenWindow) -> list[str]:
    model = opened.part(QListView, "chatList").model()
    return [str(model.index(row, 0).data()) for row in range(model.rowCount())]


def test_chats_come_back_from_a_backup_and_that_is_undone(opened: OpenWindow) -> None:
    dialog = _dialog(opened)
    _click(dialog, "backUpNow")
    opened.until("copy", lambda: _status(dialog).startswith("All chats are in chats-"))
    assert len(dialog.findChildren(CopyRow)) == 1
    dialog.reject()
    opened.send("A new question")
    opened.until("listed", lambda: "A new question" in _titles(opened))
    opened.press(Qt.Key.Key_Escape)
    opened.until("end", lambda: not opened.is_answering)
    dialog = _dialog(opened)
    opened.until("copy", lambda: len(dialog.findChildren(CopyRow)) == 1)
    _click(dialog, "restoreBackup")
    opened.until("restored", lambda: "The chats of the backup are here" in opened.notice)
    opened.until("list", lambda: "A new question" not in _titles(opened))
    assert "Sea" in _titles(opened)
    assert "A new question" not in opened.transcript
    bar = opened.window.findChildren(NotificationBar)[0]
    (undo,) = (each for each in bar.findChildren(QPushButton) if each.text() == "Undo")
    undo.click()
    opened.until("undone", lambda: "A new question" in _titles(opened))


def test_a_copy_of_ones_own_is_restored_where_it_is_chosen_and_where_it_is_dropped(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, tmp_path: Path
) -> None:
    copy, other = tmp_path / "mine.sqlite3", tmp_path / "other.sqlite3"
    paths = app_paths()
    paths.create()
    for path, chat in ((paths.database, "Sea"), (copy, "Moon"), (other, "Stars")):
        asyncio.run(_keep(path, chat))
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.until("chats", lambda: "Sea" in _titles(opened))
        _drop_and_choose(opened, copy, other)


def _drop_and_choose(opened: OpenWindow, copy: Path, other: Path) -> None:
    opened.window.files_dropped.emit([copy])
    opened.until("asked", lambda: "“mine.sqlite3” is a copy of all chats." in opened.notice)
    assert "Sea" in _titles(opened)  # nothing is replaced unasked
    (restore,) = (
        each
        for each in opened.window.notifications.findChildren(QPushButton)
        if each.text() == "Restore"
    )
    restore.click()
    opened.until("its chats", lambda: "Moon" in _titles(opened))
    assert "Sea" not in _titles(opened)
    _click(_dialog(opened), "restoreFile")
    (chooser,) = opened.window.findChildren(QFileDialog)
    chooser.fileSelected.emit(str(other))
    chooser.close()
    opened.until("its chats", lambda: "Stars" in _titles(opened))


def test_backups_are_one_click_from_what_a_damaged_file_lost(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    paths = app_paths()
    paths.create()
    asyncio.run(_keep(paths.database, "Sea"))
    paths.database.write_bytes(bytes(100) + paths.database.read_bytes()[100:])
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.until("told", lambda: "2 messages in 1 chat could be read" in opened.notice)
        bar = opened.window.notifications
        (show,) = (each for each in bar.findChildren(QPushButton) if each.text() == "Show backups")
        show.click()
        (dialog,) = opened.window.findChildren(BackupsWindow)
        assert dialog.isVisible()
        dialog.reject()


def test_what_a_command_recovered_is_told_once_by_the_next_window(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    paths = app_paths()
    paths.create()
    asyncio.run(_keep(paths.database, "Sea"))
    paths.database.write_bytes(bytes(100) + paths.database.read_bytes()[100:])
    assert main(["chats", "list"]) == 0
    assert "2 messages in 1 chat could be read. The damaged file is kept as" in caplog.text
    assert "Recovery(" not in caplog.text
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.until("told", lambda: "2 messages in 1 chat could be read" in opened.notice)
        bar = opened.window.notifications
        assert "Show backups" in [each.text() for each in bar.findChildren(QPushButton)]
    assert recovery_note.take(paths.database) == ""


def test_damage_that_is_met_at_the_start_is_recovered_at_once(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = app_paths()
    paths.create()
    asyncio.run(_keep(paths.database, "Sea"))
    monkeypatch.setattr(opening, "ALWAYS_CHECKED_BYTES", 0)
    spoil_page(paths.database, root_page(paths.database, "conversations_listed"))
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.until("told", lambda: "2 messages in 1 chat could be read." in opened.notice)
        opened.until("listed", lambda: "Sea" in _titles(opened))


def test_a_large_file_is_looked_through_once_the_window_is_there(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = app_paths()
    paths.create()
    asyncio.run(_keep(paths.database, "Sea"))
    monkeypatch.setattr(opening, "ALWAYS_CHECKED_BYTES", 0)
    monkeypatch.setattr(backups_controller, "LOOK_MS", 0)
    spoil_page(paths.database, root_page(paths.database, "messages_by_parent"))
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.until(
            "told", lambda: opened.notice.startswith("The file with your chats is damaged")
        )
        assert "Start Minerva again" in opened.notice
        assert opening.suspicion(paths.database).exists()
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.until("recovered", lambda: "2 messages in 1 chat could be read" in opened.notice)


async def test_a_window_that_stays_open_looks_again(qapp: QApplication) -> None:
    window, care = _Closing(), SimpleNamespace(damage=lambda **_: asyncio.Event().wait())
    controller = BackupsController(
        cast(MainWindow, window),
        UiTasks(asyncio.get_running_loop(), lambda _: None),
        lambda: cast(ChatLibrary, SimpleNamespace(care=care)),
        lambda: asyncio.sleep(0),
    )
    (timer,) = controller.findChildren(QTimer)
    controller.on_opened()
    timer.stop()
    timer.timeout.emit()  # as after 20 s
    await asyncio.sleep(0)
    controller.on_opened()
    assert not timer.isActive()
    window.closing.emit()
    window.stayed.emit()
    assert timer.isActive()
    window.closing.emit()


class _Closing(QObject):
    """What a window tells of its end."""

    closing = Signal()
    stayed = Signal()
    action_triggered = Signal(str)
    closed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.notifications = self


def test_what_was_typed_outlives_a_restore(opened: OpenWindow) -> None:
    """The chat that it was typed in does not: nothing is written of it any more."""
    for timer in opened.window.findChildren(ChatPlaces)[0].findChildren(QTimer):
        timer.setInterval(10**7)  # the draft is not on disk when the chats are replaced
    dialog = _dialog(opened)
    _click(dialog, "backUpNow")
    opened.until("copy", lambda: len(dialog.findChildren(CopyRow)) == 1)
    dialog.reject()
    opened.send("A new question")
    opened.press(Qt.Key.Key_Escape)
    opened.until("end", lambda: not opened.is_answering)
    opened.window.composer.set_text("and another")
    dialog = _dialog(opened)
    opened.until("copy", lambda: len(dialog.findChildren(CopyRow)) == 1)
    _click(dialog, "restoreBackup")
    opened.until("restored", lambda: "The chats of the backup are here" in opened.notice)
    opened.until("list", lambda: "A new question" not in _titles(opened))
    shown = opened.window.notifications.findChildren(QLabel, "noticeText")
    assert [label.text() for label in shown if "There is no chat" in label.text()] == []
    assert opened.window.composer.text == "and another"


def test_chats_are_looked_through(opened: OpenWindow, tmp_path: Path) -> None:
    dialog = _dialog(opened)
    _click(dialog, "checkChats")
    opened.until("result", lambda: _status(dialog) == "There is no damage.")
    target = tmp_path / "mine.sqlite3"
    _save_as(dialog, target)
    opened.until("copy", lambda: _status(dialog) == "All chats are in mine.sqlite3.")
    assert target.stat().st_size > 0
    _save_as(dialog, target)
    opened.until("refusal", lambda: "choose another name" in _status(dialog))
    dialog.reject()


def _save_as(dialog: BackupsWindow, target: Path) -> None:
    _click(dialog, "saveCopy")
    chooser = dialog.findChildren(QFileDialog)[-1]
    chooser.fileSelected.emit(str(target))
    chooser.reject()


def test_a_disk_that_does_not_take_the_chats(opened: OpenWindow, tmp_path: Path) -> None:
    controller = _controller(opened)
    controller.show_trouble(SavingTrouble("The chats cannot be saved: the disk is full.", "0 B"))
    assert opened.notice == "The chats cannot be saved: the disk is full."
    target = tmp_path / "elsewhere.sqlite3"
    controller.save_elsewhere(target)
    opened.until("saved", lambda: "are in elsewhere.sqlite3" in opened.notice)
    assert target.stat().st_size > 0
    controller.show_trouble(None)
    assert opened.notice == "All chats are on disk again."


def test_the_window_does_not_close_on_what_waits_for_the_disk(opened: OpenWindow) -> None:
    window, actions = opened.window, opened.window.sidebar.chat_actions
    opened.until("list", lambda: "Sea" in _titles(opened))
    chat = opened.part(QListView, "chatList").model().index(1, 0).data(Qt.ItemDataRole.UserRole).id
    actions.pin.emit([chat], True)
    opened.until("pin", lambda: "Pinned" in _titles(opened))
    with full_disk(app_paths().database):
        actions.pin.emit([chat], False)
        opened.until("trouble", lambda: opened.notice.startswith("The chats cannot be saved"))
        assert not window.close()
        assert window.isVisible()
        assert "would be lost" in opened.notice
        bar = window.findChildren(NotificationBar)[0]
        labels = [button.text() for button in bar.findChildren(QPushButton)]
        assert "Close and lose them" in labels
    actions.pin.emit([chat], True)
    opened.until("end", lambda: opened.notice == "All chats are on disk again.")


def test_what_waits_is_not_told_with_each_write(opened: OpenWindow) -> None:
    controller, bar = _controller(opened), opened.window.notifications
    first, second = (SavingTrouble(f"{n} changes wait.", "0 B") for n in (1, 2))
    controller.show_trouble(first)
    (save,) = (each for each in bar.findChildren(QPushButton) if each.text() == "Save elsewhere…")
    controller.show_trouble(second)
    assert save.isVisible()  # and not another one in its place
    bar.dismiss(TROUBLE)
    controller.show_trouble(first)
    assert opened.notice == ""
    controller.show_trouble(None)
    controller.show_trouble(second)
    assert opened.notice == "2 changes wait."
    controller.show_trouble(None)


def test_what_was_saved_elsewhere_holds_up_no_closing(opened: OpenWindow, tmp_path: Path) -> None:
    controller = _controller(opened)
    first, second = (
        SavingTrouble(f"The chats cannot be saved. {n} changes wait.", "0 B") for n in (1, 2)
    )
    controller.show_trouble(first)
    assert controller.must_stay()
    controller.save_elsewhere(tmp_path / "elsewhere.sqlite3")
    opened.until("saved", lambda: "are in elsewhere.sqlite3" in opened.notice)
    assert not controller.must_stay()
    controller.show_trouble(second)  # more than what was saved
    assert controller.must_stay()
    controller.show_trouble(None)
    assert not controller.must_stay()


def test_a_disk_that_fails_at_the_very_last_write_keeps_the_window_open(
    opened: OpenWindow,
) -> None:
    window = opened.window
    opened.until("list", lambda: "Sea" in _titles(opened))
    _open_chat(opened, "Sea")
    for timer in window.findChildren(ChatPlaces)[0].findChildren(QTimer):
        timer.setInterval(10**7)  # the draft is written as the window closes
    window.composer.set_text("An unfinished thought")
    window.composer.attachments.put_back((FilePart("a.md", "# A", 3),))
    window.chat_view.edit_message(window.chat_view.messages.messages[0].id, "Why not?")
    opened.until("pause", lambda: window.notifications.shown is None)
    with full_disk(app_paths().database):
        window.close()
        opened.until("told", lambda: "would be lost" in opened.notice)
        assert window.isVisible()
        assert window.composer.text == "Why not?\n\nAn unfinished thought"
        assert [file.name for file in window.composer.files] == ["a.md"]
        _press(opened, "Try again")
        opened.until("told again", lambda: "would be lost" in opened.notice)
    opened.until("end", lambda: opened.notice == "All chats are on disk again.")
    assert _draft_on_disk() == "Why not?\n\nAn unfinished thought"
    window.sidebar.new_chat.emit()  # and the app goes on
    opened.until("empty", lambda: "Rivers." not in opened.transcript)


def _draft_on_disk() -> str:
    with closing(sqlite3.connect(app_paths().database)) as connection:
        return str(connection.execute("SELECT draft FROM conversations").fetchone()[0])


def _open_chat(opened: OpenWindow, title: str) -> None:
    model = opened.part(QListView, "chatList").model()
    row = _titles(opened).index(title)
    chat_id = model.index(row, 0).data(Qt.ItemDataRole.UserRole).id
    opened.window.sidebar.opened.emit(chat_id, "")
    opened.until("chat", lambda: "Rivers." in opened.transcript)


def _press(opened: OpenWindow, label: str) -> None:
    bar = opened.window.findChildren(NotificationBar)[0]
    (button,) = (each for each in bar.findChildren(QPushButton) if each.text() == label)
    button.click()
