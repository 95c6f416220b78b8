"""Find in chat, by keyboard, over short and long chats and answers that are being written."""

from __future__ import annotations

import msgspec
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QTextCursor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QTextEdit
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import Message, Role
from minerva_desktop.chat.parts import ReasoningPart, ToolCallPart, ToolResultPart
from minerva_desktop.chat.tools import ToolCall
from minerva_desktop.ui.chat_view.answer_view import AnswerView
from minerva_desktop.ui.chat_view.chat_finder import ChatFinder
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.code_bar import CodeBar
from minerva_desktop.ui.chat_view.code_sheet import CodeSheet
from minerva_desktop.ui.chat_view.find_bar import FindBar
from minerva_desktop.ui.chat_view.formula_object import OBJECT
from minerva_desktop.ui.chat_view.message_text import FOLD_ABOVE, FOLD_ABOVE_LINES
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import LIGHT
from tests.ui.chat_view.messages import answer, ended, question, streaming
from tests.ui.chat_view.test_formulas import settle, shown
from tests.ui.parts import colour_at


def marks(body: QTextEdit | None) -> list[str]:
    """What is marked in a text."""
    assert body is not None
    return [each.cursor.selectedText() for each in body.extraSelections()]


class Finding:
    """A person who looks for something in ``view``."""

    def __init__(self, qtbot: QtBot, view: ChatView, icons: Icons) -> None:
        self._qtbot = qtbot
        self.view = view
        self.finder = ChatFinder(icons, view)

    @property
    def bar(self) -> FindBar:
        (bar,) = self.view.findChildren(FindBar)
        return bar

    @property
    def field(self) -> QLineEdit:
        field = self.bar.findChild(QLineEdit, "findField")
        assert isinstance(field, QLineEdit)
        return field

    @property
    def count(self) -> str:
        label = self.bar.findChild(QLabel, "findCount")
        assert isinstance(label, QLabel)
        return label.text()

    def open_chat(self, *messages: Message) -> None:
        self.view.set_messages(list(messages))
        self._qtbot.waitUntil(lambda: not self.view.is_working())

    def look_for(self, text: str) -> None:
        self.finder.open()
        self.field.setText(text)

    def until(self, count: str) -> None:
        self._qtbot.waitUntil(lambda: self.count == count and not self.view.is_working())

    def press(
        self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
    ) -> None:
        QTest.keyClick(self.field, key, modifier)

    def marked(self, message: Message) -> list[str]:
        view = self.view.message_view(message.id)
        assert view is not None
        return marks(view.body)

    def is_in_sight(self, message: Message) -> bool:
        """Whether the last marked text of ``message`` is."""
        view = self.view.message_view(message.id)
        assert view is not None
        rects = [view.body.cursorRect(each.cursor) for each in view.body.extraSelections()]
        port = self.view.viewport()
        places = [view.body.mapTo(port, QPoint(0, rect.top())).y() for rect in rects]
        return any(0 <= y < port.height() for y in places)


@pytest.fixture
def finding(qtbot: QtBot, view: ChatView, icons: Icons) -> Finding:
    return Finding(qtbot, view, icons)


def test_counts_marks_and_goes_round(finding: Finding) -> None:
    asked, given = question("A fox?"), answer("The **Fox** and the fox.\n\n`fox`")
    finding.open_chat(asked, given)
    finding.look_for("fox")
    finding.until("1 of 4")
    assert finding.marked(asked) == ["fox"]
    assert finding.marked(given) == ["Fox", "fox", "fox"]
    for expected in ("2 of 4", "3 of 4", "4 of 4", "1 of 4"):
        finding.press(Qt.Key.Key_Return)
        assert finding.count == expected
    finding.press(Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert finding.count == "4 of 4"
    finding.press(Qt.Key.Key_F3)
    assert finding.count == "1 of 4"


def test_the_bar_hides_no_match_at_the_top(finding: Finding) -> None:
    first = question("fox")
    finding.open_chat(first, *[answer("Filling. " * 300) for _ in range(5)])
    finding.look_for("fox")
    finding.until("1 of 1")
    view = finding.view.message_view(first.id)
    assert view is not None
    assert view.mapTo(finding.view, QPoint(0, 0)).y() > finding.bar.geometry().bottom()
    assert finding.is_in_sight(first)


def test_what_is_not_there_is_said(finding: Finding) -> None:
    finding.open_chat(question("Hi"))
    finding.look_for("wolf")
    finding.until("Not found")
    assert finding.field.accessibleDescription() == "Not found"
    finding.field.clear()
    assert finding.count == ""


def test_it_is_seen_that_the_field_has_the_keyboard(finding: Finding) -> None:
    finding.open_chat(question("Hi"))
    finding.look_for("Hi")
    finding.until("1 of 1")
    edge = QPoint(finding.bar.width() // 2, 0)
    assert colour_at(finding.bar, edge) == LIGHT.accent
    finding.press(Qt.Key.Key_Tab)
    assert colour_at(finding.bar, edge) == LIGHT.border


def test_escape_leaves_no_marks(finding: Finding, qtbot: QtBot) -> None:
    given = answer("fox")
    finding.open_chat(given)
    finding.look_for("fox")
    finding.until("1 of 1")
    finding.press(Qt.Key.Key_Escape)
    assert not finding.bar.isVisible()
    assert finding.marked(given) == []
    finding.look_for("wolf")
    finding.until("Not found")
    with qtbot.waitSignal(finding.finder.closed):
        finding.press(Qt.Key.Key_Escape)


def test_a_message_far_up_is_built_and_shown(finding: Finding) -> None:
    messages = [answer(f"Message {n}.\n\nMore of it.") for n in range(2_000)]
    first = answer("Long text. " * 400 + "The needle.")
    finding.open_chat(first, *messages)
    assert finding.view.message_view(first.id) is None
    finding.look_for("needle")
    finding.until("1 of 1")
    assert finding.marked(first) == ["needle"]
    assert finding.is_in_sight(first)


def test_the_search_begins_at_what_is_in_sight(finding: Finding) -> None:
    finding.open_chat(*[answer(f"Word {n}. " + "Filling. " * 300) for n in range(30)])
    finding.look_for("word")
    finding.until("30 of 30")


def test_a_folded_message_is_unfolded(finding: Finding) -> None:
    # Of many slices: one that began inside of the last would come to Python's depth of calls.
    long = answer("Some words of it, and more.\n\n" * (FOLD_ABOVE // 20) + "The needle.")
    finding.open_chat(long)
    finding.look_for("needle")
    finding.until("1 of 1")
    assert finding.marked(long) == ["needle"]
    assert finding.is_in_sight(long)


def test_an_answer_that_is_written_is_counted(often: None, finding: Finding) -> None:
    running = streaming()
    finding.open_chat(question("fox"))
    finding.look_for("fox")
    finding.until("1 of 1")
    finding.view.append_message(running)
    finding.view.append_text(running.id, "A fox, a fo")
    finding.until("1 of 2")
    finding.view.append_text(running.id, "x.")
    finding.view.finish_message(ended(running, "A fox, a fox."))
    finding.until("1 of 3")
    assert finding.marked(running) == ["fox", "fox"]


def test_an_answer_is_counted_while_its_next_words_wait(finding: Finding) -> None:
    running = streaming()
    finding.open_chat(question("fox"))
    finding.view.append_message(running)
    finding.view.append_text(running.id, "A fox. ")
    finding.until("")
    finding.view.append_text(running.id, "And")  # not rendered yet when the search begins
    finding.look_for("fox")
    assert finding.count == "1 of 2"


def test_another_chat_is_searched_for_the_same(finding: Finding) -> None:
    finding.open_chat(question("fox, fox"))
    finding.look_for("fox")
    finding.until("1 of 2")
    finding.open_chat(answer("One fox."))
    finding.until("0 of 1")
    finding.press(Qt.Key.Key_Return)
    assert finding.count == "1 of 1"


def test_a_changed_answer_cannot_break_the_marks(finding: Finding, qtbot: QtBot) -> None:
    running = streaming()
    finding.open_chat(question("Hi"))
    finding.view.append_message(running)
    finding.view.append_text(running.id, "| a | fox |\n|---|---|\n| fox | b |\n\nfox\n\nfox")
    qtbot.waitUntil(lambda: not finding.view.is_working())
    finding.look_for("fox")
    finding.until("1 of 4")
    finding.view.finish_message(ended(running, "Short."))
    finding.until("Not found")
    assert finding.marked(running) == []


def test_the_selection_is_what_is_looked_for(finding: Finding, dressed_app: QApplication) -> None:
    given = answer("A fox and a fox.")
    finding.open_chat(given)
    view = finding.view.message_view(given.id)
    assert view is not None
    view.body.setFocus()
    cursor = view.body.textCursor()
    cursor.setPosition(2)
    cursor.setPosition(5, cursor.MoveMode.KeepAnchor)
    view.body.setTextCursor(cursor)
    finding.finder.open()
    assert finding.field.text() == "fox"
    finding.until("1 of 2")


def test_a_formula_that_holds_it_is_marked(finding: Finding, qtbot: QtBot) -> None:
    message = answer("So $x^2$ and **x** then\n\n| a | b |\n|---|---|\n| $x^2$ | $y^2$ |")
    finding.open_chat(message)
    finding.look_for("x^2")
    finding.until("1 of 2")
    assert finding.marked(message) == ["x^2", "x^2"]  # until they are drawn
    settle(qtbot, finding.view)
    assert finding.marked(message) == [OBJECT, OBJECT]
    finding.look_for("and x")
    finding.until("1 of 1")
    assert finding.marked(message) == ["and x"]


@pytest.mark.parametrize(
    ("begin", "end", "meant"),
    [
        ("So", "and", "So $x^2$ and"),
        ("•", "item", "item"),
        ("one", "two", "one"),
        ("let", "y", "let  y"),
    ],
)
def test_what_is_selected_is_looked_for_as_it_was_written(
    finding: Finding, qtbot: QtBot, begin: str, end: str, meant: str
) -> None:
    source = "So $x^2$ and\n\n- item\n\n| a | b |\n|---|---|\n| one | two |\n\n    let\t y"
    body = shown(qtbot, finding.view, source).body
    start = body.document().find(begin).selectionStart()
    cursor = body.document().find(end, start)
    stop = cursor.selectionEnd()
    cursor.setPosition(start)
    cursor.setPosition(stop, QTextCursor.MoveMode.KeepAnchor)
    body.setTextCursor(cursor)
    body.setFocus()
    finding.finder.open()
    assert finding.field.text() == meant
    finding.until("1 of 1")


def test_what_is_in_code_that_does_not_wrap_is_marked_and_in_sight(finding: Finding) -> None:
    given = answer(f"fox\n\n```\nfox\n{'x' * 300} fox\n```\n\nfox\n\n```\nfox\n```")
    finding.open_chat(given)
    for bar in finding.view.findChildren(CodeBar):
        bar.wrap.click()
    first, second = finding.view.findChildren(CodeSheet)
    finding.look_for("fox")
    finding.until("1 of 5")
    assert (marks(first), marks(second)) == (["fox", "fox"], ["fox"])
    for _ in range(2):
        finding.press(Qt.Key.Key_Return)
    _, far = first.extraSelections()
    assert first.viewport().rect().contains(first.cursorRect(far.cursor))
    finding.press(Qt.Key.Key_Escape)
    assert (marks(first), marks(second)) == ([], [])


def test_marks_take_the_colours_of_the_theme(finding: Finding, icons: Icons) -> None:
    given = answer("fox fox")
    finding.open_chat(given)
    finding.look_for("fox")
    finding.until("1 of 2")
    finding.view.apply_theme(icons.theme)
    assert finding.marked(given) == ["fox", "fox"]


def test_cards_of_tools_are_searched_and_opened(finding: Finding) -> None:
    call = ToolCallPart(ToolCall("a", "python", '{"code": "print(2+2)\\n"}'))
    called = msgspec.structs.replace(answer("I add 2+2."), parts=(call,))
    gave = msgspec.structs.replace(
        answer(""), role=Role.TOOL, model=None, parts=(ToolResultPart("a", "4", "python"),)
    )
    finding.open_chat(question("Sum?"), called, gave, answer("Filling. " * 300))
    shown, told = (finding.view.message_view(each.id) for each in (called, gave))
    assert isinstance(shown, AnswerView)
    assert isinstance(told, AnswerView)
    finding.look_for("2+2")
    finding.until("1 of 2")
    assert finding.marked(called) == ["2+2"]
    (card,), (result,) = shown.cards, told.cards
    assert marks(card.body) == ["2+2"]
    card.heading.click()  # it is folded, and still found
    finding.press(Qt.Key.Key_Return)
    finding.until("2 of 2")
    assert card.is_open
    finding.look_for("4")
    finding.until("1 of 1")
    assert marks(result.body) == ["4"]
    assert not marks(card.body)
    finding.finder.close()
    assert not marks(result.body)


def test_thoughts_are_searched_and_opened(finding: Finding) -> None:
    parts = (ReasoningPart("A fox, they say.", 900.0), ReasoningPart("No.\n\nThe *fox* it is."))
    thought = msgspec.structs.replace(answer("It is the fox."), parts=parts)
    finding.open_chat(question("Who?"), thought, answer("Filling. " * 300))
    shown = finding.view.message_view(thought.id)
    assert isinstance(shown, AnswerView)
    finding.look_for("fox")
    finding.until("1 of 3")
    first, second = shown.thoughts
    assert (first.is_open, second.is_open) == (True, False)
    assert (marks(first.body), finding.marked(thought)) == (["fox"], ["fox"])
    finding.press(Qt.Key.Key_Return)
    finding.until("2 of 3")
    assert marks(second.body) == ["fox"]
    second.heading.click()  # it is folded again, and still found
    finding.press(Qt.Key.Key_Return)
    finding.until("3 of 3")
    assert not second.is_open
    assert first.body is not None
    first.body.setFocus()
    first.body.find("they say")  # what is selected there is what is meant
    finding.finder.open()
    finding.until("1 of 1")
    assert finding.field.text() == "they say"


def test_what_is_being_thought_is_found(often: None, finding: Finding) -> None:
    running = streaming()
    finding.open_chat(question("Who?"))
    finding.view.append_message(running)
    finding.view.append_thought(running.id, "A fox, a fo")
    finding.look_for("fox")
    finding.until("1 of 1")
    finding.view.append_thought(running.id, "x.")
    finding.until("1 of 2")
    shown = finding.view.message_view(running.id)
    assert isinstance(shown, AnswerView)
    (thought,) = shown.thoughts
    assert marks(thought.body) == ["fox", "fox"]
    finding.view.append_text(running.id, "The fox.")
    finding.until("1 of 3")
    assert finding.marked(running) == ["fox"]


def test_what_is_folded_of_an_answer_that_is_written_is_found(finding: Finding) -> None:
    running = streaming()
    finding.open_chat(question("Who?"))
    finding.view.append_message(running)
    finding.view.append_text(running.id, "line\n" * (FOLD_ABOVE_LINES + 200) + "\nA *fox*.")
    shown = finding.view.message_view(running.id)
    assert shown is not None
    assert "A *fox*" not in shown.plain_text()
    finding.look_for("A fox")
    finding.until("1 of 1")
    assert finding.marked(running) == ["A fox"]
    assert finding.is_in_sight(running)
    finding.view.append_text(running.id, " And a fox.")
    finding.until("1 of 2")
