"""Answers that a person changes in the whole window: with the real model and the real store."""

from __future__ import annotations

from contextlib import closing

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.conversation import Conversation
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.answer_edits import UNDONE, UNDONE_LATER
from minerva_desktop.ui.chat_view.actions import MessageAction
from minerva_desktop.ui.chat_view.answer_details import AnswerDetails
from minerva_desktop.ui.chat_view.branch_navigator import BranchNavigator
from minerva_desktop.ui.chat_view.message_editor import MessageEditor
from minerva_desktop.ui.message_edit import MessageEdit
from tests.chat.samples import make_conversation
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part
from tests.ui.test_message_actions import (
    ENDLESS,
    SHORT,
    answered,
    do,
    from_disk,
    on_disk,
    open_chat,
    remember,
    undo,
    views,
)

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

CONTROL = Qt.KeyboardModifier.ControlModifier


def count() -> Conversation:
    """A chat on disk of two questions and answers."""
    chat = make_conversation("One", "Un", "Two", "Deux", title="Count")
    chat.sampling = SHORT
    on_disk(chat)
    return chat


def begin(opened: OpenWindow, at: int) -> MessageEdit:
    """Edit the message number ``at`` of those shown, by its key."""
    opened.until("no editor", lambda: not _editors(opened))  # of before, on its way out
    body = views(opened)[at].body
    body.setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(body, Qt.Key.Key_F2)
    return part(opened.window, MessageEdit, "messageEdit")


def change(opened: OpenWindow, at: int, text: str) -> None:
    """Have the answer number ``at`` say ``text``, by keys, and wait until it does."""
    field = begin(opened, at)
    field.selectAll()
    QTest.keyClicks(field, text)
    QTest.keyClick(field, Qt.Key.Key_Return, CONTROL)
    opened.until("edited answer", lambda: opened.notice == "The answer was edited")


def _editors(opened: OpenWindow) -> list[MessageEdit]:
    return opened.window.findChildren(MessageEdit, "messageEdit")


def versions(opened: OpenWindow) -> list[str]:
    """What the ways to other versions say, from the top down."""
    found = [each for each in opened.window.findChildren(BranchNavigator) if each.isVisible()]
    return [each.accessibleName() for each in found]


def row_button(opened: OpenWindow, name: str) -> QToolButton:
    """The one of that name under a message."""
    (found,) = [
        each
        for each in opened.window.findChildren(QToolButton)
        if each.isVisible() and each.accessibleName() == name
    ]
    return found


def test_it_is_a_version_beside_the_old_one_with_all_below(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    chat = count()
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        open_chat(opened, "Count", "Deux")
        change(opened, 1, "1, *uno*")
        opened.until("text", lambda: opened.transcript == "One\n\n1, uno\n\nTwo\n\nDeux")
        assert versions(opened) == ["Version 2 of 2"]
        assert views(opened)[1].body.hasFocus()
        undo(opened)
        opened.until("old text", lambda: opened.transcript == "One\n\nUn\n\nTwo\n\nDeux")
        assert versions(opened) == []
        opened.until("other offer", lambda: opened.notice == "The edit was undone")
        _redo(opened)
        opened.until("edited", lambda: opened.transcript == "One\n\n1, uno\n\nTwo\n\nDeux")
        assert versions(opened) == ["Version 2 of 2"]
        QTest.keyClick(views(opened)[1].body, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
        opened.until("first version", lambda: opened.transcript == "One\n\nUn")
        QTest.keyClick(views(opened)[1].body, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
        opened.until("second version", lambda: opened.transcript.startswith("One\n\n1, uno\n\nTwo"))
    kept = from_disk(chat.id)
    assert [each.text for each in kept.active_branch()] == ["One", "1, *uno*", "Two", "Deux"]
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        open_chat(opened, "Count", "Deux")
        opened.until("text", lambda: opened.transcript == "One\n\n1, uno\n\nTwo\n\nDeux")
        assert versions(opened) == ["Version 2 of 2"]


def test_a_model_goes_on_with_it(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    count()
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        open_chat(opened, "Count", "Deux")
        change(opened, 3, "Two is")
        do(opened, 3, MessageAction.DETAILS)
        details = part(opened.window, AnswerDetails, "answerDetails")
        assert "Edited: by you, " in details.accessibleDescription()
        assert "Ended" not in details.accessibleDescription()
        details.close()
        row_button(opened, "Continue").click()
        opened.until("more", lambda: len(views(opened)[3].source()) > len("Two is"))
        answered(opened, 4)
        assert views(opened)[3].source().startswith("Two is")
        do(opened, 3, MessageAction.DETAILS)
        details = part(opened.window, AnswerDetails, "answerDetails")
        assert "of what the model wrote behind that" in details.accessibleDescription()
        assert "Answer: 4 tokens" in details.accessibleDescription()
        details.close()


def test_the_next_answer_is_as_if_the_model_had_said_that(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    """What was computed of the old text is not taken for that of the new one."""
    greedy = SamplingParameters(temperature=0.0, max_tokens=12, ignore_eos=True, seed=1)
    remember(greedy)
    said = "Bees are blue, and there are seven of them in all of the world."
    other = make_conversation("Tell me of bees.", said, title="Other")
    other.sampling = greedy
    on_disk(other)
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        opened.send("Tell me of bees.")
        answered(opened, 2)
        change(opened, 1, said)
        opened.send("How many are there?")
        answered(opened, 4)
        answer = views(opened)[3].source()
        open_chat(opened, "Other", said)
        opened.send("How many are there?")
        answered(opened, 4)
        assert views(opened)[3].source() == answer


def test_saving_the_same_is_no_version(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    chat = count()
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        open_chat(opened, "Count", "Deux")
        begin(opened, 3)
        (save,) = [
            each
            for each in views(opened)[3].findChildren(QPushButton)
            if each.accessibleName() == "Save"
        ]
        QTest.mouseClick(save, Qt.MouseButton.LeftButton)
        opened.until("answer", views(opened)[3].body.isVisible)
        composer = opened.part(MessageEdit, "composer")
        opened.until("keyboard in the composer", composer.hasFocus)
        assert (opened.notice, versions(opened)) == ("", [])
    assert len(from_disk(chat.id)) == 4


def test_esc_can_be_undone_and_what_is_not_saved_outlives_the_window(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    chat = count()
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        open_chat(opened, "Count", "Deux")
        QTest.keyClicks(begin(opened, 3), " ou")
        opened.press(Qt.Key.Key_A)  # elsewhere meanwhile
        field = part(opened.window, MessageEdit, "messageEdit")
        QTest.keyClick(field, Qt.Key.Key_Escape)
        assert opened.notice == "Your change to the answer was not saved"
        opened.until("no editor", lambda: not _editors(opened))
        undo(opened)
        opened.until("editor", lambda: bool(_editors(opened)))
        (field,) = _editors(opened)
        assert (field.toPlainText(), field.hasFocus()) == ("Deux ou", True)
    kept = from_disk(chat.id)
    assert kept.draft == "Deux ou\n\na"
    assert [each.text for each in kept] == ["One", "Un", "Two", "Deux"]


def test_what_is_typed_into_an_edited_answer_outlives_the_undo_of_the_edit(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    chat = count()
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        open_chat(opened, "Count", "Deux")
        change(opened, 3, "Zwei")
        QTest.keyClicks(begin(opened, 3), " und mehr")
        undo(opened)
        opened.until("old version", lambda: views(opened)[3].source() == "Deux")
        opened.until("editor", lambda: [each.hasFocus() for each in _editors(opened)] == [True])
        (field,) = _editors(opened)
        assert field.toPlainText() == "Zwei und mehr"
        QTest.keyClick(field, Qt.Key.Key_Return, CONTROL)
        opened.until("notice", lambda: opened.notice == "The answer was edited")
        opened.until("text", lambda: opened.transcript.endswith("Zwei und mehr"))
        begin(opened, 3)
        undo(opened)
        opened.until("answer", lambda: opened.transcript == "One\n\nUn\n\nTwo\n\nDeux")
        opened.until("no editor", lambda: not _editors(opened))
    assert from_disk(chat.id).draft == ""


def test_who_deletes_it_has_the_answer_of_before_with_all_below(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    count()
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        open_chat(opened, "Count", "Deux")
        change(opened, 1, "Uno")
        QTest.keyClick(views(opened)[1].body, Qt.Key.Key_Delete)
        told = "Message “Uno” deleted. Its other version is shown"
        opened.until("notice", lambda: opened.notice == told)
        opened.until("first", lambda: opened.transcript == "One\n\nUn\n\nTwo\n\nDeux")
        assert versions(opened) == []
        undo(opened)
        opened.until("edited", lambda: opened.transcript == "One\n\nUno\n\nTwo\n\nDeux")
        assert versions(opened) == ["Version 2 of 2"]


def test_of_a_temporary_chat_it_is_told(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    remember(SHORT)
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        opened.window.new_temporary_chat.emit()
        opened.send("A secret")
        answered(opened, 2)
        change(opened, 1, "Hush")
        opened.until("edited", lambda: opened.transcript == "A secret\n\nHush")
        QTest.keyClicks(begin(opened, 1), " hush")
        assert opened.window.must_stay()
        told = "nothing of a temporary chat is kept, and 1 changed answer is not saved."
        assert opened.notice == f"Minerva is still open: {told}"
        field = part(opened.window, MessageEdit, "messageEdit")
        QTest.keyClick(field, Qt.Key.Key_Return, CONTROL)
        opened.until("second edit", lambda: opened.transcript == "A secret\n\nHush hush")
        opened.window.sidebar.new_chat.emit()


def test_while_another_chat_is_answered_in(
    qtbot: QtBot, dressed_app: QApplication, slow_catalog: Catalog
) -> None:
    """What is edited there waits for the end of its own chat's answer alone."""
    remember(ENDLESS)
    count()
    with closing(OpenWindow(qtbot, dressed_app, slow_catalog)) as opened:
        opened.let_answers_go_on()
        opened.send("Tell a story")
        opened.until("words", lambda: opened.is_answering and len(opened.transcript) > 40)
        open_chat(opened, "Count", "Deux")
        change(opened, 1, "1")
        opened.until("text", lambda: opened.transcript == "One\n\n1\n\nTwo\n\nDeux")
        opened.open_chat("Tell a story")
        opened.until("story", lambda: opened.transcript.startswith("Tell a story"))
        assert opened.is_answering
        body = views(opened)[1].body
        QTest.keyClick(body, Qt.Key.Key_F2)
        assert not opened.window.findChildren(MessageEdit, "messageEdit")
        composer = opened.part(MessageEdit, "composer")
        QTest.keyClick(composer, Qt.Key.Key_Z, CONTROL)  # the last thing that was done
        opened.until("other chat", lambda: opened.transcript == "One\n\nUn\n\nTwo\n\nDeux")
        opened.open_chat("Tell a story")
        opened.until("story", lambda: opened.transcript.startswith("Tell a story"))
        opened.press(Qt.Key.Key_Escape)
        opened.until("end of the answer", lambda: not opened.is_answering)


def test_redo_waits_for_an_answer_that_is_being_written(
    qtbot: QtBot, dressed_app: QApplication, slow_catalog: Catalog
) -> None:
    """What the person had written was nowhere any more."""
    remember(ENDLESS)
    count()
    with closing(OpenWindow(qtbot, dressed_app, slow_catalog)) as opened:
        open_chat(opened, "Count", "Deux")
        opened.window.parameters.apply("", ENDLESS)
        change(opened, 1, "1")
        undo(opened)
        opened.until("offer", lambda: opened.notice == UNDONE)
        opened.send("Three")
        opened.until("words", lambda: opened.is_answering and len(views(opened)) == 6)
        _redo(opened)
        opened.until("offer for later", lambda: opened.notice == UNDONE_LATER)
        opened.press(Qt.Key.Key_Escape)
        opened.until("end of the answer", lambda: not opened.is_answering)
        _redo(opened)
        opened.until("edited", lambda: opened.transcript.startswith("One\n\n1\n\nTwo\n\nDeux"))


def _redo(opened: OpenWindow) -> None:
    buttons = [each for each in opened.window.findChildren(QPushButton) if each.text() == "Redo"]
    buttons[-1].click()


def test_a_click_beside_the_text_leads_into_it(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    count()
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        open_chat(opened, "Count", "Deux")
        field = begin(opened, 1)
        editor = field.parentWidget()
        assert isinstance(editor, MessageEditor)
        opened.window.composer.focus_editor()
        QTest.mouseClick(editor, Qt.MouseButton.LeftButton, pos=editor.rect().bottomLeft())
        assert field.hasFocus()
