"""The list tells of answers in chats that are not open: on their way, and not seen yet."""

from __future__ import annotations

from contextlib import closing

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QListView
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.conversation import ConversationSummary, Folder
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.chat_list import ChatListView
from minerva_desktop.ui.chat_rows import ChatMarks, chat_rows
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.sidebar import Sidebar
from tests.ui.open_window import OpenWindow
from tests.ui.parts import colour_at, part

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

PLAIN = ConversationSummary(id="plain", title="Plain", updated_at=0.0, model=None)
CHATS = (PLAIN, replace(PLAIN, id="inside", title="Inside", folder_id="home"))
HOME = Folder(id="home", name="Home")


def spoken(view: QListView, title: str) -> str:
    """What a screen reader says of a row."""
    rows = [view.model().index(row, 0) for row in range(view.model().rowCount())]
    (index,) = [row for row in rows if row.data() == title]
    return str(index.data(Qt.ItemDataRole.AccessibleTextRole))


@pytest.fixture
def sidebar(qtbot: QtBot, icons: Icons) -> Sidebar:
    sidebar = Sidebar(icons)
    qtbot.addWidget(sidebar)
    sidebar.resize(sidebar.width(), 400)
    sidebar.set_rows(chat_rows(CHATS, [HOME], closed=["home"]))
    sidebar.show()
    return sidebar


def the_list(sidebar: Sidebar) -> ChatListView:
    return part(sidebar, ChatListView, "chatList")


def test_a_row_says_and_shows_what_goes_on_in_its_chat(sidebar: Sidebar, icons: Icons) -> None:
    view = the_list(sidebar)
    model = view.model()
    row = view.visualRect(model.index(model.rowCount() - 1, 0))
    dot = QPoint(row.right() - 14, row.center().y())
    assert spoken(view, "Plain") == "Plain"
    sidebar.set_marks(ChatMarks(answering=frozenset({"plain"})))
    assert spoken(view, "Plain") == "Plain, answering"
    assert colour_at(view.viewport(), dot) != icons.theme.accent
    sidebar.set_marks(ChatMarks(unread=frozenset({"plain"})))
    assert spoken(view, "Plain") == "Plain, new answer"
    assert colour_at(view.viewport(), dot) == icons.theme.accent
    tip = model.index(model.rowCount() - 1, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert "There is an answer that you have not seen" in tip
    sidebar.set_current("plain")
    assert spoken(view, "Plain") == "Plain, open"


def test_a_closed_folder_tells_of_the_chats_in_it(sidebar: Sidebar) -> None:
    sidebar.set_marks(ChatMarks(answering=frozenset({"inside"}), unread=frozenset({"inside"})))
    view = the_list(sidebar)
    assert spoken(view, "Home") == "Home, folder, 1 chat, collapsed, answering, new answer"
    sidebar.set_rows(chat_rows(CHATS, [HOME]))
    assert spoken(view, "Home") == "Home, folder, 1 chat, expanded"
    assert spoken(view, "Inside") == "Inside, answering, new answer, in the folder Home"


def test_a_title_that_is_being_typed_stays(sidebar: Sidebar, qtbot: QtBot) -> None:
    sidebar.edit_name("plain")
    view = the_list(sidebar)
    qtbot.waitUntil(lambda: view.is_editing)
    (editor,) = view.viewport().findChildren(QLineEdit)
    QTest.keyClicks(editor, "Half")
    sidebar.set_marks(ChatMarks(answering=frozenset({"plain"})))
    assert (view.is_editing, editor.text()) == (True, "Half")


def test_an_answer_in_a_chat_that_was_left_is_marked_until_it_is_seen(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        view = opened.part(ChatListView, "chatList")
        opened.window.parameters.apply("", SamplingParameters(max_tokens=2))
        opened.send("Hi")
        opened.until("answer", lambda: opened.speed != "" and not opened.is_answering)
        assert "answer" not in spoken(view, "Hi")
        opened.window.sidebar.new_chat.emit()
        opened.window.parameters.apply("", SamplingParameters(max_tokens=2))
        with opened.engine_held():
            opened.send("Count")
            opened.until("row", lambda: view.model().rowCount() == 3)
            opened.open_chat("Hi")
            opened.until("mark", lambda: "answering" in spoken(view, "Count"))
        opened.until("mark", lambda: "new answer" in spoken(view, "Count"))
        assert "answering" not in spoken(view, "Count")
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        view = opened.part(ChatListView, "chatList")
        opened.until("rows", lambda: view.model().rowCount() == 3)
        assert "new answer" in spoken(view, "Count")
        opened.open_chat("Count")
        opened.until("no mark", lambda: "new answer" not in spoken(view, "Count"))
        assert opened.settings.current.unread_chats == ()


def test_an_answer_that_was_stopped_is_no_news(
    qtbot: QtBot, dressed_app: QApplication, smollm_catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, smollm_catalog)) as opened:
        opened.let_answers_go_on()
        opened.send("Count")
        opened.window.sidebar.new_chat.emit()
        view = opened.part(ChatListView, "chatList")
        opened.until("row", lambda: view.model().rowCount() == 2)
        assert "answering" in spoken(view, "Count")
    assert opened.settings.current.unread_chats == ()  # closing the window stopped it
