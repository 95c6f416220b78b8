"""The whole window, with its engine thread: what a person finds in it and does with it.

Chats that are there already are written by the real store first; the embedded model answers where
an answer matters.
"""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAccessible, QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QLabel,
    QListView,
    QPushButton,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.conversation import Conversation
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import SettingsFile, ThemeChoice
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.stylesheet import apply_theme
from minerva_desktop.ui.theme import DARK, LIGHT
from tests.chat.samples import make_conversation
from tests.library.gguf_writer import LLAMA, gguf_bytes, write_gguf
from tests.stored_messages import stored_messages
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part

# What the offscreen platform says about popups and dialogs.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

STORY = "Write a long story about a river."
CONTRACT = (
    "chatList chatSearch newChatButton modelPicker ejectButton loadProgress chatView composer "
    "sendButton stopButton memoryGauge contextMeter speedLabel serverToggle parametersPanel "
    "systemPrompt notificationBar"
)


OpenApp = Callable[..., OpenWindow]


@pytest.fixture
def open_app(qtbot: QtBot, dressed_app: QApplication, slow_catalog: Catalog) -> OpenApp:
    """Starts the app; one may be open at a time."""
    return functools.partial(OpenWindow, qtbot, dressed_app, slow_catalog)


@pytest.fixture
def opened(open_app: OpenApp) -> Iterator[OpenWindow]:
    """The window at a first start."""
    with closing(open_app()) as opened:
        yield opened


def chats_on_disk(*conversations: Conversation) -> None:
    """What other runs of the app left behind."""

    async def write() -> None:
        store = await ChatStore.open(app_paths().database)
        for conversation in conversations:
            await store.create(conversation)
        await store.close()

    app_paths().create()
    asyncio.run(write())


def titles(opened: OpenWindow) -> list[str]:
    """The chats in the sidebar, without the headings."""
    model = opened.part(QListView, "chatList").model()
    rows = [model.index(row, 0) for row in range(model.rowCount())]
    return [row.data() for row in rows if row.flags() & Qt.ItemFlag.ItemIsEnabled]


# -- the parts of the window -------------------------------------------------------------------


def test_the_named_parts_are_there(opened: OpenWindow) -> None:
    assert opened.window.objectName() == "mainWindow"
    for name in CONTRACT.split():
        opened.part(QWidget, name)
    assert opened.window.findChild(QAction, "settingsAction") is not None


def test_everything_that_takes_keys_has_a_name_and_says_no_markup(open_app: OpenApp) -> None:
    chats_on_disk(make_conversation(*(["Question", "Answer\n\n```\ncode\n```"] * 40), title="Long"))
    with closing(open_app()) as opened:
        opened.until("chat", lambda: len(titles(opened)) == 1)
        opened.open_chat("Long")
        opened.drop(Path("/does/not/exist.gguf"))
        opened.until("notice", lambda: opened.notice != "")
        opened.window.parameters.toggle_action.setChecked(True)
        spoken = {
            widget: QAccessible.queryAccessibleInterface(widget)
            for widget in opened.window.findChildren(QWidget)
            if widget.isVisibleTo(opened.window)
            and widget.focusPolicy() != Qt.FocusPolicy.NoFocus
            and not isinstance(widget.parentWidget(), QAbstractSpinBox)  # which has the name
        }
        names = {widget: widget.objectName() or type(widget).__name__ for widget in spoken}
        said = QAccessible.Text
        assert not [names[each] for each, words in spoken.items() if not words.text(said.Name)]
        # Without a description it is the tool tip.
        described = (words.text(said.Description) for words in spoken.values())
        assert not [words for words in described if "<" in words]


def test_tab_reaches_everything_that_is_shown(opened: OpenWindow) -> None:
    opened.let_answers_go_on()
    opened.send(STORY)  # so that a model is loaded, and there is a message to go to
    opened.until("answer", lambda: opened.is_answering and opened.speed != "")
    opened.press(Qt.Key.Key_Escape)
    opened.until("end of the answer", lambda: not opened.is_answering)
    QTest.keyClicks(opened.part(MessageEdit, "composer"), "Next")
    window = opened.window
    window.parameters.toggle_action.setChecked(True)
    wanted = {
        widget
        for widget in window.findChildren(QWidget)
        if widget.isVisible()
        and widget.isEnabled()
        and widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        and widget.focusProxy() is None
    }
    reached = set()
    for _ in range(2 * len(wanted)):
        focused = QApplication.focusWidget()
        assert focused is not None
        reached.add(focused)
        QTest.keyClick(focused, Qt.Key.Key_Tab)
    assert sorted(w.objectName() for w in wanted - reached) == []
    assert {"composer", "sendButton", "modelPicker", "messageText", "systemPrompt"} <= {
        widget.objectName() for widget in reached
    }


def test_no_window_but_the_main_one_appears(dressed_app: QApplication, open_app: OpenApp) -> None:
    watcher = WindowWatcher()
    dressed_app.installEventFilter(watcher)
    with closing(open_app()) as opened:
        opened.drop(Path("/does/not/exist.gguf"))
        opened.until("sentence", lambda: opened.notice != "")
        opened.window.parameters.toggle_action.setChecked(True)
    dressed_app.removeEventFilter(watcher)
    assert watcher.seen == ["mainWindow"]


class WindowWatcher(QObject):
    """Notes every window that is shown, for however short a time: a widget that is made visible
    before it has its place flashes as a window of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        shown = event.type() == QEvent.Type.Show
        if shown and isinstance(watched, QWidget) and watched.isWindow():
            self.seen.append(watched.objectName() or type(watched).__name__)
        return False


# -- chatting ----------------------------------------------------------------------------------


def test_an_answer_streams_in_and_its_numbers_are_shown(opened: OpenWindow) -> None:
    settings = opened.window.parameters
    settings.set_values("", settings.values()[1].__class__(max_tokens=12, seed=1))
    settings.changed.emit()
    opened.send("What is a sea?")
    assert opened.is_answering
    opened.until("end of the answer", lambda: not opened.is_answering)
    assert opened.part(MessageEdit, "composer").toPlainText() == ""
    assert "tokens/s" in opened.speed
    assert "first token" in opened.speed
    assert opened.part(QToolButton, "ejectButton").isEnabled()
    assert "cut off at its limit of 12 tokens" in shown_text(opened)
    opened.until("context in use", lambda: "32,768 tokens" in opened.context)


@pytest.mark.parametrize("how", ["Esc", "Stop"])
def test_an_answer_is_stopped(opened: OpenWindow, how: str) -> None:
    opened.let_answers_go_on()
    opened.send(STORY)
    opened.until("answer", lambda: opened.speed != "")
    if how == "Esc":
        opened.press(Qt.Key.Key_Escape)
    else:
        QTest.mouseClick(opened.part(QToolButton, "stopButton"), Qt.MouseButton.LeftButton)
    opened.until("end of the answer", lambda: not opened.is_answering)
    assert "You stopped this answer." in shown_text(opened)
    opened.until(
        "end on disk", lambda: stored_messages(opened.paths.database)[-1].state == "stopped"
    )


def test_enter_at_the_first_moment_is_not_lost(open_app: OpenApp) -> None:
    with closing(open_app(wait=False)) as opened:
        opened.send("Hello")
        opened.until("answer", lambda: opened.speed != "")


def shown_text(opened: OpenWindow) -> str:
    """The labels in the transcript that are on the screen."""
    labels = opened.window.chat_view.findChildren(QLabel)
    return "\n".join(label.text() for label in labels if label.isVisible())


# -- chats -------------------------------------------------------------------------------------


def test_chats_are_opened_renamed_deleted_and_restored(open_app: OpenApp) -> None:
    sea = make_conversation("Why is the sea salty?", "Rivers.", title="Sea", updated_at=2e9)
    cat = make_conversation("Name my cat", "Ada.", title="Cat", updated_at=1e9)
    chats_on_disk(sea, cat)
    with closing(open_app()) as opened:
        opened.until("chats", lambda: titles(opened) == ["Sea", "Cat"])
        opened.open_chat("Cat")
        opened.until("chat", lambda: opened.transcript == "Name my cat\n\nAda.")

        opened.window.sidebar.chat_actions.rename.emit(cat.id, "Grey cat")
        opened.until("new title", lambda: "Grey cat" in titles(opened))

        opened.window.sidebar.chat_actions.delete.emit([cat.id])
        opened.until("gap", lambda: titles(opened) == ["Sea"])
        opened.until("notice", lambda: opened.notice == "Chat deleted")
        assert "Name my cat" not in opened.transcript
        buttons = opened.window.notifications.findChildren(QPushButton)
        (undo,) = [button for button in buttons if button.text() == "Undo"]
        QTest.mouseClick(undo, Qt.MouseButton.LeftButton)
        opened.until("chat", lambda: titles(opened) == ["Sea", "Grey cat"])
        opened.until("messages", lambda: opened.transcript == "Name my cat\n\nAda.")

        QTest.mouseClick(opened.part(QPushButton, "newChatButton"), Qt.MouseButton.LeftButton)
        opened.until("empty chat", lambda: "What is on your mind?" in opened.transcript)


def test_search_finds_chats_by_their_messages(open_app: OpenApp) -> None:
    chats_on_disk(
        make_conversation("Why is the sea salty?", "Rivers.", title="Sea"),
        make_conversation("Name my cat", "Ada.", title="Cat"),
    )
    with closing(open_app()) as opened:
        opened.until("chats", lambda: len(titles(opened)) == 2)
        search = opened.part(QWidget, "chatSearch")
        QTest.keyClicks(search, "rivers")
        results = opened.part(QListView, "searchResults")
        opened.until("one chat", results.isVisible)
        found = [results.model().index(row, 0).data() for row in range(results.model().rowCount())]
        assert found == ["Sea", "Rivers."]
        QTest.keyClick(search, Qt.Key.Key_Escape)
        opened.until("all chats", lambda: not results.isVisible())
        assert len(titles(opened)) == 2


# -- models ------------------------------------------------------------------------------------


def test_a_dropped_model_is_used_where_it_is(
    opened: OpenWindow, small_path: Path, tmp_path: Path
) -> None:
    dropped = Path(shutil.copyfile(small_path, tmp_path / "dropped.gguf"))
    opened.drop(dropped)
    opened.until("loaded model", lambda: opened.part(QToolButton, "ejectButton").isEnabled())
    picker = opened.window.header.picker
    assert picker.current is not None
    assert picker.current.path == str(dropped)
    assert opened.notice == ""
    assert sorted(opened.model_paths) == sorted([str(small_path), str(dropped)])
    assert dropped.exists()


def no_gguf(path: Path) -> None:
    path.write_text("Dear diary,", encoding="utf-8")


def truncated(path: Path) -> None:
    path.write_bytes(gguf_bytes()[:-200])


def header_cut_off(path: Path) -> None:
    path.write_bytes(gguf_bytes()[:100])


def unknown_architecture(path: Path) -> None:
    write_gguf(path, {**LLAMA, "general.architecture": "flux-capacitor"})


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("notes.gguf", no_gguf, "notes.gguf"),
        ("cut.gguf", truncated, "cut.gguf"),
        ("header.gguf", header_cut_off, "header.gguf"),
        ("folder.gguf", Path.mkdir, "folder.gguf"),
        ("pipe.gguf", os.mkfifo, "pipe.gguf"),
        ("empty.gguf", Path.touch, "empty.gguf"),
        ("future.gguf", unknown_architecture, "flux-capacitor"),
    ],
)
def test_what_is_no_usable_model_is_refused_in_a_sentence(
    opened: OpenWindow,
    small_path: Path,
    tmp_path: Path,
    name: str,
    make: Callable[[Path], object],
    words: str,
) -> None:
    make(tmp_path / name)
    opened.drop(tmp_path / name)
    opened.until("sentence", lambda: words in opened.notice)
    opened.until("old list", lambda: opened.model_paths == [str(small_path)])
    assert opened.window.header.picker.current is not None
    assert opened.window.header.picker.current.path == str(small_path)


# -- settings ----------------------------------------------------------------------------------


@pytest.fixture
def light_afterwards(dressed_app: QApplication) -> Iterator[None]:
    """The palette that the other tests of the window expect."""
    yield
    dressed_app.styleHints().unsetColorScheme()
    apply_theme(dressed_app, LIGHT)


@pytest.mark.usefixtures("light_afterwards")
def test_the_theme_changes_at_once_and_settings_survive(open_app: OpenApp) -> None:
    with closing(open_app()) as opened:
        assert background(opened) == LIGHT.window
        dialog = opened.open_settings()
        QTest.mouseClick(part(dialog, QPushButton, "themeDark"), Qt.MouseButton.LeftButton)
        QTest.mouseClick(part(dialog, QAbstractButton, "sendWithEnter"), Qt.MouseButton.LeftButton)
        opened.accept(dialog)
        opened.until("dark window", lambda: background(opened) == DARK.window)
        opened.window.resize(780, 560)
        opened.window.sidebar.toggle_action.setChecked(False)
    saved = SettingsFile(app_paths().settings).current
    assert (saved.theme, saved.send_with_enter) == (ThemeChoice.DARK, False)

    with closing(open_app()) as opened:
        assert background(opened) == DARK.window
        assert (opened.window.width(), opened.window.height()) == (780, 560)
        assert not opened.window.sidebar.isVisible()
        editor = opened.part(MessageEdit, "composer")
        QTest.keyClicks(editor, "One line\rand another")
        assert editor.toPlainText() == "One line\nand another"


def test_cancelled_settings_change_nothing(opened: OpenWindow) -> None:
    dialog = opened.open_settings()
    QTest.mouseClick(part(dialog, QPushButton, "themeDark"), Qt.MouseButton.LeftButton)
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
    assert background(opened) == LIGHT.window
    assert opened.settings.current.theme is ThemeChoice.SYSTEM


def background(opened: OpenWindow) -> str:
    """The colour of the transcript where nothing is written."""
    picture = opened.window.grab().toImage()
    corner = opened.window.chat_view.mapTo(opened.window, opened.window.chat_view.rect().topLeft())
    return picture.pixelColor(corner.x() + 12, corner.y() + 12).name()
