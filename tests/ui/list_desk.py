"""The sidebar with its controller over a real store, without models: for tests of what a person
does with the list of chats."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import qasync
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QMenu, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.chat.conversation import Conversation, ConversationSummary
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.snapshot_files import SnapshotFiles
from minerva_desktop.errors import MinervaError
from minerva_desktop.settings import Settings, SettingsFile
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.ui.chat_list import ChatListView
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.sidebar_controller import SidebarController
from minerva_desktop.ui.tasks import UiTasks
from tests.fakes import RecordingChatPlace, RecordingEngine, RecordingListener
from tests.ui.parts import part

Result = TypeVar("Result")


class ListDesk:
    """One run of the sidebar; `close` ends it."""

    def __init__(
        self,
        qtbot: QtBot,
        app: QApplication,
        icons: Icons,
        folder: Path,
        chats: Sequence[Conversation],
    ) -> None:
        self._qtbot = qtbot
        self._app = app
        self._loop = qasync.QEventLoop(app, already_running=True)
        asyncio.set_event_loop(self._loop)
        self.settings = SettingsFile(folder / "settings.json")
        self.errors: list[MinervaError] = []
        self.shown = RecordingChatPlace()
        self.window = MainWindow(icons, Settings())
        self._tasks = UiTasks(self._loop, self.errors.append)
        self._controller = SidebarController(self.window, self.settings, self._tasks, self.shown)
        self.window.show()
        self._store = self.run(ChatStore.open(folder / "chats.sqlite3"))
        self.add(chats)
        snapshots = SnapshotFiles(folder / "snapshots")
        self.listener = RecordingListener()
        self.library = ChatLibrary(self._store, RecordingEngine(), self.listener, snapshots)
        self.run(self._controller.use(self.library))

    def close(self) -> None:
        """End it, with nothing left behind."""
        self.run(self._tasks.finish())
        self.run(self.library.close())
        self.window.close()
        self._loop.stop()  # which also tells Qt to leave every loop, until the next `exec`
        QTimer.singleShot(0, self._app.quit)
        self._app.exec()
        asyncio._set_running_loop(None)
        self._loop.close()
        asyncio.set_event_loop(None)
        self.window.deleteLater()
        self._app.processEvents()
        del self._controller, self.window, self._loop, self._tasks
        gc.collect()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What ``work`` returns, once it is done."""
        task = asyncio.ensure_future(work, loop=self._loop)
        self.until(task.done)
        return task.result()

    def until(self, condition: Callable[[], bool]) -> None:
        """Let things happen until ``condition`` is true."""
        self._qtbot.waitUntil(condition)

    def add(self, chats: Sequence[Conversation]) -> None:
        """Put chats on the disk, behind the list's back."""
        for chat in chats:
            self.run(self._store.create(chat))

    # -- hands -----------------------------------------------------------------------------

    def click(self, title: str, modifier: Qt.KeyboardModifier | None = None) -> None:
        """Click a row."""
        keys = modifier or Qt.KeyboardModifier.NoModifier
        place = self.place_of(title)
        QTest.mouseClick(self.view.viewport(), Qt.MouseButton.LeftButton, keys, place)

    def choose(self, title: str, *path: str) -> None:
        """Choose an entry of a row's context menu, by the texts on the way there."""
        place = self.place_of(title)
        event = QContextMenuEvent(
            QContextMenuEvent.Reason.Mouse, place, self.view.viewport().mapToGlobal(place)
        )
        QApplication.sendEvent(self.view.viewport(), event)
        menu = QApplication.activePopupWidget()
        assert isinstance(menu, QMenu)
        entries = menu
        for text in path[:-1]:
            (inner,) = [each.menu() for each in entries.actions() if each.text() == text]
            assert isinstance(inner, QMenu)
            entries = inner
        (action,) = [each for each in entries.actions() if each.text() == path[-1]]
        action.trigger()
        menu.close()

    def press(self, text: str) -> None:
        """Press a button of the notice."""
        buttons = self.window.notifications.findChildren(QPushButton)
        (button,) = [each for each in buttons if each.text() == text and each.isVisible()]
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    def go_to(self, button: str) -> None:
        """Press a button of the sidebar."""
        QTest.mouseClick(part(self.window.sidebar, QPushButton, button), Qt.MouseButton.LeftButton)

    def type_name(self, name: str) -> None:
        """Type into the inline editor, which has to be open, and press Enter."""
        self.until(lambda: self.view.is_editing)
        (editor,) = self.view.viewport().findChildren(QLineEdit)
        QTest.keyClicks(editor, name)
        QTest.keyClick(editor, Qt.Key.Key_Return)

    # -- eyes ------------------------------------------------------------------------------

    @property
    def view(self) -> ChatListView:
        """The list."""
        return part(self.window, ChatListView, "chatList")

    @property
    def rows(self) -> list[str]:
        """What the rows say."""
        model = self.view.model()
        return [model.index(row, 0).data() for row in range(model.rowCount())]

    @property
    def notice(self) -> str:
        """The sentence on display; empty when there is none."""
        labels = self.window.notifications.findChildren(QLabel, "noticeText")
        return next((label.text() for label in labels if label.isVisible()), "")

    def lacks(self, title: str) -> bool:
        """Whether no row says that."""
        return title not in self.rows

    def place_of(self, title: str) -> QPoint:
        """Where a row is in the list's viewport."""
        return self.view.visualRect(self.view.model().index(self.rows.index(title), 0)).center()

    def spoken(self, title: str) -> str:
        """What a screen reader says of a row."""
        index = self.view.model().index(self.rows.index(title), 0)
        return str(index.data(Qt.ItemDataRole.AccessibleTextRole))

    def on_disk(self, *, is_archived: bool = False, in_trash: bool = False) -> dict[str, str]:
        """The chats that the store lists: their ids by their titles."""
        listing = self.library.summaries(is_archived=is_archived, in_trash=in_trash)
        return {chat.title: chat.id for chat in self.run(listing)}

    def summary(self, title: str) -> ConversationSummary:
        """What the store says of a chat."""
        (found,) = [chat for chat in self.run(self.library.summaries()) if chat.title == title]
        return found

    def open_session(self, title: str) -> None:
        """Have a session of the chat open, as the window has."""
        self.run(self.library.open_session(self.on_disk()[title]))

    def new_session(self) -> str:
        """The id of a new, empty chat."""
        return self.library.new_session("", SamplingParameters()).conversation.id
