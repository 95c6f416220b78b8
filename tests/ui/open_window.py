"""The whole window inside a test: the real `Application`, with its engine thread, on the test's
`QApplication`, and hands to use it with."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
import qasync
from PySide6.QtCore import QMimeData, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QDialogButtonBox,
    QLabel,
    QListView,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from minerva_desktop.app.model_actions import MemoryGivenBack, ModelState
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine import heartbeat
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.runtime import Runtime
from minerva_desktop.settings import SettingsFile
from minerva_desktop.ui.application import Application
from minerva_desktop.ui.main_window import DEFAULT_SIZE
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.settings_dialog import SettingsDialog
from tests.patience import SECONDS
from tests.processes import engines_with_models
from tests.ui.parts import part
from window_parts import compose

Widget = TypeVar("Widget", bound=QWidget)

NO_BUTTON = Qt.MouseButton.NoButton
NO_KEYS = Qt.KeyboardModifier.NoModifier


class OpenWindow:
    """One run of the app, from its start until `close`."""

    def __init__(
        self,
        qtbot: QtBot,
        app: QApplication,
        catalog: Catalog,
        files: Sequence[Path] = (),
        *,
        wait: bool = True,
    ) -> None:
        """``wait``: until there is a model to chat with."""
        self._qtbot = qtbot
        self._app = app
        # "Running" although nobody is inside it: pytest-qt turns Qt's loop whenever it likes to,
        # and asyncio's tasks run in there.
        self._loop = qasync.QEventLoop(app, already_running=True)
        asyncio.set_event_loop(self._loop)
        self.paths = app_paths()
        remembered = self.paths.settings.exists()
        services, make = compose(self.paths, catalog)

        def make_runtime(on_change: Callable[[ModelState | MemoryGivenBack], None]) -> Runtime:
            runtime = make(on_change)
            runtime.keeps_spare = False  # to start one takes 0.2 s, and few tests load once more
            return runtime

        # All that is older is frozen (tests/conftest.py), and the window is to be freed at its end.
        self._application = Application(
            app, self._loop, services, make_runtime, files, freezes=False
        )
        self.window = self._application.window
        # The offscreen platform's screen is narrower, and the window keeps within it.
        if not remembered:
            self.window.resize(*DEFAULT_SIZE)
        self._application.start()
        if wait:
            self.until("model", lambda: self.window.header.picker.current is not None)

    def close(self) -> None:
        """Close the window, as a person does, and wait until the app would have ended."""
        self.window.close()
        self._app.exec()  # until the application quits
        self._loop.stop()  # which also tells Qt to leave every loop, until the next `exec`
        QTimer.singleShot(0, self._app.quit)
        self._app.exec()
        asyncio._set_running_loop(None)
        self._loop.close()
        asyncio.set_event_loop(None)
        self.window.deleteLater()
        self._app.processEvents()
        # Here, in the window's thread: collected in another, its timers would outlive it and crash.
        del self._application, self.window, self._loop
        gc.collect()
        gc.freeze()  # what came with it and stays, such as modules, is older than the next window

    def until(self, what: str, condition: Callable[[], bool]) -> None:
        """Let the app run until ``condition`` is true; fails the test after a minute."""

        def check() -> None:
            assert condition(), f"there was no {what}"

        self._qtbot.waitUntil(check)

    def load_for_a_client(self, model: Path) -> asyncio.Future[None]:
        """Load a model as a request to the server does: nothing in the window asks for it."""
        return asyncio.ensure_future(self._application._worker.load(model), loop=self._loop)

    @contextmanager
    def engine_held(self) -> Iterator[None]:
        """Keep the one loaded model from computing anything, and from being ended for that."""
        (child,) = engines_with_models(psutil.Process())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(heartbeat, "BEAT_SECONDS", SECONDS)
            child.suspend()
            try:
                yield
            finally:
                child.resume()

    @contextmanager
    def read_for(self, model: Path) -> Iterator[None]:
        """Let the files of a request be read that has yet to load ``model``."""
        worker = self._application._worker
        reading = worker._required().activity.using(model)
        worker._call(reading.__enter__)
        try:
            yield
        finally:
            worker._call(reading.__exit__, None, None, None)
            worker.list_models()  # which it does every few seconds

    def tell_of_model(self, state: ModelState) -> None:
        """Let the window believe that this became of a model."""
        self._application._worker.model_changed.emit(state)

    def tell_of_memory(self, text: str) -> None:
        """Let the window believe that loaded models gave memory back."""
        self._application._worker.memory_given_back.emit(text)

    def let_the_caret_rest(self) -> None:
        """Let the time be over that text cursors blink after the last key."""
        timer = self._application._caret_rest.findChildren(QTimer)[0]
        usual = timer.interval()
        timer.start(0)
        timer.timeout.connect(
            lambda: timer.setInterval(usual), Qt.ConnectionType.SingleShotConnection
        )

    # -- hands -----------------------------------------------------------------------------

    def part(self, kind: type[Widget], name: str) -> Widget:
        """The part of the window with that object name."""
        return part(self.window, kind, name)

    def send(self, text: str) -> None:
        """Type a message, press Enter, and wait until it is in the transcript."""
        editor = self.part(MessageEdit, "composer")
        QTest.keyClicks(editor, text)
        QTest.keyClick(editor, Qt.Key.Key_Return)
        self.until("message in the transcript", lambda: text in self.transcript)

    def let_answers_go_on(self) -> None:
        """Let the model say no end of an answer, until it is stopped."""
        self.window.parameters.apply("", SamplingParameters(ignore_eos=True, seed=1))

    def press(self, key: Qt.Key) -> None:
        """Press a key in the composer."""
        QTest.keyClick(self.part(MessageEdit, "composer"), key)

    def open_chat(self, title: str) -> None:
        """Click a chat in the sidebar."""
        view = self.part(QListView, "chatList")
        rows = [view.model().index(row, 0) for row in range(view.model().rowCount())]
        (index,) = [row for row in rows if row.data() == title]
        place = view.visualRect(index).center()
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)

    def drop(self, *files: Path) -> None:
        """Drag files over the window and let them go."""
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(file)) for file in files])
        middle = self.window.rect().center()
        copy, left = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
        enter = QDragEnterEvent(middle, copy, data, left, NO_KEYS)
        QApplication.sendEvent(self.window, enter)
        assert enter.isAccepted()
        assert self.part(QWidget, "dropOverlay").isVisible()
        drop = QDropEvent(QPointF(middle), copy, data, NO_BUTTON, NO_KEYS)
        QApplication.sendEvent(self.window, drop)
        assert not self.part(QWidget, "dropOverlay").isVisible()

    def hand_over(self, *files: Path) -> None:
        """Let a second start, or the system, give these files to the app."""
        self._application.open_files(list(files))

    def open_settings(self) -> SettingsDialog:
        """Open the settings by their button."""
        QTest.mouseClick(self.part(QToolButton, "settingsActionButton"), Qt.MouseButton.LeftButton)
        return self.part(SettingsDialog, "settingsDialog")

    def accept(self, dialog: SettingsDialog) -> None:
        """Press OK, and wait until the dialog has gone."""
        (buttons,) = dialog.findChildren(QDialogButtonBox)
        ok = buttons.button(QDialogButtonBox.StandardButton.Ok)
        QTest.mouseClick(ok, Qt.MouseButton.LeftButton)
        self.until("end", lambda: not self.window.findChildren(SettingsDialog))

    # -- eyes ------------------------------------------------------------------------------

    @property
    def transcript(self) -> str:
        """All that the transcript shows."""
        return self.window.chat_view.plain_text()

    @property
    def is_answering(self) -> bool:
        """Whether Stop is offered."""
        return self.part(QToolButton, "stopButton").isVisible()

    @property
    def model_paths(self) -> list[str]:
        """The files behind the rows of the picker."""
        model = self.part(QListView, "pickerList").model()
        rows = [model.index(row, 0) for row in range(model.rowCount())]
        return [row.data(Qt.ItemDataRole.UserRole).path for row in rows]

    @property
    def loaded_paths(self) -> list[str]:
        """The files of the models that the picker marks as loaded."""
        model = self.part(QListView, "pickerList").model()
        rows = [model.index(row, 0) for row in range(model.rowCount())]
        items = [row.data(Qt.ItemDataRole.UserRole) for row in rows]
        return [item.path for item in items if item.loaded]

    @property
    def notice(self) -> str:
        """The sentence on display; empty when there is none."""
        labels = self.window.notifications.findChildren(QLabel, "noticeText")
        shown = [label.text() for label in labels if label.isVisible()]
        return shown[0] if shown else ""

    @property
    def speed(self) -> str:
        """Speed of the answer, as the status bar shows it."""
        return self.part(QLabel, "speedLabel").text()

    @property
    def context(self) -> str:
        """How full the context is, as a screen reader hears it."""
        return self.part(QWidget, "contextMeter").accessibleName()

    @property
    def settings(self) -> SettingsFile:
        """The settings as they are on disk."""
        return SettingsFile(self.paths.settings)
