"""Messages that are deleted in the whole window, and how they come back."""

from __future__ import annotations

import functools
from contextlib import closing

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QListView, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import Role
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.chat_view.actions import MessageAction
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.message_actions import BUSY_DELETING
from minerva_desktop.ui.message_edit import MessageEdit
from tests.chat.samples import make_conversation, make_message
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part
from tests.ui.test_message_actions import (
    ENDLESS,
    OpenApp,
    do,
    from_disk,
    on_disk,
    open_chat,
    remember,
    titles,
    undo,
    views,
)

# What the offscreen platform says about popups and dialogs.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)
PLAIN = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def open_app(qtbot: QtBot, dressed_app: QApplication, catalog: Catalog) -> OpenApp:
    """Starts the app; one may be open at a time."""
    return functools.partial(OpenWindow, qtbot, dressed_app, catalog)


def test_what_is_deleted_comes_back_by_undo(open_app: OpenApp) -> None:
    conversation = make_conversation("One", "Un", "Two", "Deux", "Three", "Trois", title="Count")
    on_disk(conversation)
    with closing(open_app()) as opened:
        open_chat(opened, "Count", "Trois")
        whole = opened.transcript
        do(opened, 2, MessageAction.DELETE)
        opened.until("gap", lambda: "Two" not in opened.transcript)
        assert opened.transcript == "One\n\nUn\n\nDeux\n\nThree\n\nTrois"
        opened.until("notice", lambda: opened.notice == "Message “Two” deleted")
        do(opened, 2, MessageAction.DELETE_BELOW)
        opened.until("end", lambda: opened.transcript == "One\n\nUn")
        opened.until("notice", lambda: opened.notice == "3 messages from “Deux” on deleted")
        undo(opened)
        opened.until("rest", lambda: opened.transcript.endswith("Deux\n\nThree\n\nTrois"))
        undo(opened)
        opened.until("message", lambda: opened.transcript == whole)
        do(opened, 4, MessageAction.DELETE_BELOW)
        opened.until("notice", lambda: opened.notice == "2 messages from “Three” on deleted")
        assert opened.transcript.endswith("Deux")
        opened.window.sidebar.new_chat.emit()
        opened.until("new chat", lambda: "Deux" not in opened.transcript)
        undo(opened)
        opened.until("the chat again", lambda: opened.transcript == whole)
    texts = [message.text for message in from_disk(conversation.id).active_branch()]
    assert texts == ["One", "Un", "Two", "Deux", "Three", "Trois"]


def test_what_is_brought_back_out_of_order_brings_what_it_replies_to(open_app: OpenApp) -> None:
    conversation = make_conversation("One", "Un", "Two", "Deux", title="Count")
    on_disk(conversation)
    with closing(open_app()) as opened:
        open_chat(opened, "Count", "Deux")
        do(opened, 3, MessageAction.DELETE)
        opened.until("notice", lambda: opened.notice == "Message “Deux” deleted")
        do(opened, 2, MessageAction.DELETE)
        opened.until("notice", lambda: opened.notice == "Message “Two” deleted")
        part(opened.window, QPushButton, "noticeMoreButton").click()
        assert opened.notice == "Message “Deux” deleted"
        undo(opened)
        opened.until("both", lambda: opened.transcript == "One\n\nUn\n\nTwo\n\nDeux")
        opened.until("no notice", lambda: opened.notice == "")  # the other one is done, too
    texts = [message.text for message in from_disk(conversation.id).active_branch()]
    assert texts == ["One", "Un", "Two", "Deux"]


def _shows(opened: OpenWindow, text: str) -> bool:
    return opened.transcript == text


def test_a_version_that_is_shown_instead_is_told(open_app: OpenApp) -> None:
    conversation = make_conversation("One", "Un", title="Count")
    for text in ("Uno", "Eins"):
        first = conversation.active_branch()[0]
        conversation.add(make_message(text, first, role=Role.ASSISTANT))
    on_disk(conversation)
    with closing(open_app()) as opened:
        open_chat(opened, "Count", "Eins")
        for words, left in (
            ("Message “Eins” deleted. Version 2 of 2 is shown", "Uno"),
            ("Message “Uno” deleted. Its other version is shown", "Un"),
            ("Message “Un” deleted", ""),
        ):
            do(opened, 1, MessageAction.DELETE_BELOW)
            opened.until("notice", functools.partial(_tells, opened, words))
            shown = "\n\n".join(filter(None, ("One", left)))
            opened.until("version", functools.partial(_shows, opened, shown))


def test_undo_waits_for_the_answer_that_is_written(open_app: OpenApp) -> None:
    remember(ENDLESS)
    on_disk(make_conversation("One", "Un", "Two", "Deux", title="Count"))
    with closing(open_app()) as opened:
        open_chat(opened, "Count", "Deux")
        do(opened, 2, MessageAction.DELETE_BELOW)
        opened.until("notice", lambda: opened.notice == "2 messages from “Two” on deleted")
        opened.send("Three")
        opened.until("answer", lambda: opened.is_answering)
        undo(opened)
        opened.until("wait", lambda: "once the answer is over" in opened.notice)
        opened.press(Qt.Key.Key_Escape)
        opened.until("end of the answer", lambda: not opened.is_answering)
        undo(opened)
        opened.until("branch of before", lambda: opened.transcript == "One\n\nUn\n\nTwo\n\nDeux")
        assert [each.navigator is not None for each in views(opened)] == [False, False, True, False]


def test_ctrl_z_takes_back_what_was_done_last(open_app: OpenApp) -> None:
    """Also when the notices are gone, with the keyboard in the composer, and from another chat; but
    what was typed after it comes first."""
    conversation = make_conversation("One", "Un", "Two", "Deux", title="Count")
    on_disk(conversation)
    with closing(open_app()) as opened:
        open_chat(opened, "Count", "Deux")
        whole = opened.transcript
        composer = opened.part(MessageEdit, "composer")
        do(opened, 3, MessageAction.DELETE)
        opened.until("notice", lambda: opened.notice == "Message “Deux” deleted")
        QTest.keyClicks(composer, "Hi")
        do(opened, 2, MessageAction.DELETE_BELOW)
        opened.until("notice", lambda: opened.notice == "Message “Two” deleted")
        part(opened.window, QPushButton, "noticeCloseAllButton").click()
        assert opened.notice == ""
        QTest.keyClick(composer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        opened.until("question", lambda: opened.transcript == "One\n\nUn\n\nTwo")
        assert (opened.notice, composer.toPlainText()) == ("Message “Two” restored", "Hi")
        for _ in range(3):
            QTest.keyClick(composer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert composer.toPlainText() == ""
        assert opened.notice == "Message “Two” restored"  # and no other: it stops there
        opened.window.sidebar.new_chat.emit()
        opened.until("new chat", lambda: "Un" not in opened.transcript)
        QTest.keyClick(composer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        opened.until("answer", lambda: opened.transcript == whole)
        body = views(opened)[0].body
        do(opened, 3, MessageAction.DELETE)
        opened.until("no answer", lambda: opened.transcript != whole)
        opened.until("notice", lambda: opened.notice == "Message “Deux” deleted")
        body.setFocus()
        QTest.keyClick(body, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        opened.until("answer", lambda: opened.transcript == whole)
        QTest.keyClick(body, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert opened.transcript == whole  # there is nothing more
    texts = [message.text for message in from_disk(conversation.id).active_branch()]
    assert texts == ["One", "Un", "Two", "Deux"]


def test_what_a_button_undid_is_no_step_any_more(open_app: OpenApp) -> None:
    on_disk(make_conversation("One", "Un", "Two", "Deux", title="Count"))
    with closing(open_app()) as opened:
        open_chat(opened, "Count", "Deux")
        do(opened, 3, MessageAction.DELETE)
        opened.until("notice", lambda: opened.notice == "Message “Deux” deleted")
        do(opened, 2, MessageAction.DELETE)
        opened.until("notice", lambda: opened.notice == "Message “Two” deleted")
        undo(opened)
        opened.until("question", lambda: opened.transcript == "One\n\nUn\n\nTwo")
        opened.window.notifications.undo_last()
        opened.until("answer", lambda: opened.transcript == "One\n\nUn\n\nTwo\n\nDeux")
        assert opened.window.notifications.undo_steps.take_last() is None


def _tells(opened: OpenWindow, words: str) -> bool:
    return opened.notice == words


def test_del_deletes_the_message_with_the_keyboard_and_never_a_selection(
    open_app: OpenApp,
) -> None:
    remember(ENDLESS)
    on_disk(make_conversation("One", "Un", "Two", "Deux", title="Count"))
    with closing(open_app()) as opened:
        open_chat(opened, "Count", "Deux")
        whole = opened.transcript
        body = views(opened)[2].body
        body.setFocus(Qt.FocusReason.TabFocusReason)
        body.selectAll()
        QTest.keyClick(body, Qt.Key.Key_Delete)
        QApplication.processEvents()
        assert (opened.transcript, opened.notice) == (whole, "")
        body.clear_selection()
        QTest.keyClick(body, Qt.Key.Key_Delete)
        opened.until("notice", lambda: opened.notice == "Message “Two” deleted")
        assert opened.transcript == "One\n\nUn\n\nDeux"
        undo(opened)
        opened.until("message", lambda: opened.transcript == whole)
        opened.send("Three")
        opened.until("answer", lambda: opened.is_answering)
        QTest.keyClick(views(opened)[0].body, Qt.Key.Key_Delete)
        opened.until("why not", lambda: opened.notice == BUSY_DELETING)
        assert opened.transcript.startswith(whole)
        opened.press(Qt.Key.Key_Escape)
        opened.until("end of the answer", lambda: not opened.is_answering)


def test_undo_in_a_chat_that_was_deleted_meanwhile_brings_that_back(open_app: OpenApp) -> None:
    """The chat was open and still in the trash, from which it would have gone for good."""
    count = make_conversation("One", "Un", "Two", "Deux", title="Count")
    on_disk(count, make_conversation("River", "Fleuve", title="River"))
    with closing(open_app()) as opened:
        open_chat(opened, "Count", "Deux")
        whole = opened.transcript
        do(opened, 2, MessageAction.DELETE)
        opened.until("notice", lambda: opened.notice == "Message “Two” deleted")
        QTest.keyClick(opened.part(QListView, "chatList"), Qt.Key.Key_Delete)
        opened.until("notice", lambda: opened.notice == "Chat deleted")
        opened.until("other chat", lambda: "Count" not in titles(opened))
        part(opened.window, QPushButton, "noticeMoreButton").click()
        assert opened.notice == "Message “Two” deleted"
        undo(opened)
        opened.until("message", lambda: opened.transcript == whole)
        opened.until("chat in the list", lambda: "Count" in titles(opened))
    texts = [message.text for message in from_disk(count.id).active_branch()]
    assert texts == ["One", "Un", "Two", "Deux"]


def test_del_that_is_held_down_deletes_one_message(open_app: OpenApp) -> None:
    on_disk(make_conversation("One", "Un", "Two", "Deux", title="Count"))
    with closing(open_app()) as opened:
        open_chat(opened, "Count", "Deux")
        views(opened)[3].body.setFocus(Qt.FocusReason.TabFocusReason)
        for is_again in (False, True, True):
            keyboard = opened.window.focusWidget()
            assert isinstance(keyboard, RichTextView)
            delete = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Delete, PLAIN, "\x7f", is_again)
            QApplication.sendEvent(keyboard, delete)
            opened.until("notice", lambda: opened.notice == "Message “Deux” deleted")
        views(opened)[0].body.setFocus(Qt.FocusReason.TabFocusReason)
        QTest.keyClick(views(opened)[0].body, Qt.Key.Key_Delete)
        opened.until("notice", lambda: opened.notice == "Message “One” deleted")
        assert opened.transcript == "Un\n\nTwo"
