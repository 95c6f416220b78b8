"""Calls of tools and what they gave back, as cards of the transcript."""

from __future__ import annotations

import json

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import Message, Role
from minerva_desktop.chat.parts import ReasoningPart, ToolCallPart, ToolResultPart
from minerva_desktop.chat.tools import ToolCall
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.message_parts import ending_text
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.chat_view.tool_card import (
    MAX_FORMATTED,
    ToolCard,
    arguments_markdown,
    result_markdown,
)
from tests.patience import cpu_seconds
from tests.ui.chat_view.messages import answer, question

FIND = ToolCallPart(ToolCall("a", "find", '{"q": "Zürich", "n": 3}'))
NOW = ToolCallPart(ToolCall("b", "now", "{}"))


def _shown(qtbot: QtBot, view: ChatView, *messages: Message) -> list[ToolCard]:
    view.set_messages(list(messages))
    qtbot.waitUntil(lambda: not view.is_working())
    QApplication.processEvents()
    return view.findChildren(ToolCard)


def _result(text: str, name: str = "find") -> Message:
    message = msgspec.structs.replace(answer(""), role=Role.TOOL, model=None)
    return msgspec.structs.replace(message, parts=(ToolResultPart("a", text, name),))


def _spoken(message: MessageView) -> list[str]:
    """What a screen reader comes to, one after the other, down to the last card."""
    interface = QAccessible.queryAccessibleInterface(message)
    names: list[str] = []
    for number in range(interface.childCount()):
        part = interface.child(number)
        name = part.text(QAccessible.Text.Name)
        if not name and part.childCount():
            name = part.child(0).text(QAccessible.Text.Name)
        if name and not part.state().invisible:
            names.append(name)
    return names[:4]


def test_calls_stand_below_the_words_with_their_arguments(qtbot: QtBot, view: ChatView) -> None:
    called = msgspec.structs.replace(answer("I look."), parts=(ReasoningPart("Hm"), FIND, NOW))
    find, now = _shown(qtbot, view, question("Where?"), called)
    message = view.message_view(called.id)
    assert message is not None
    assert message.body.geometry().bottom() < find.y() < now.y()
    assert (find.heading.text(), now.heading.text()) == ("Called find", "Called now")
    assert _spoken(message) == ["Thoughts", "tiny-model", "Called find", "Called now"]
    assert find.body is not None
    assert find.body.isVisible()
    assert find.body.plain_text() == '{\n  "q": "Zürich",\n  "n": 3\n}'
    assert find.body.accessibleName() == "Called find"
    # There is nothing to show of a call without arguments.
    assert (now.is_open, now.heading.isEnabled(), now.body) == (False, False, None)
    height = message.height()
    find.heading.click()
    assert not find.body.isVisible()
    assert message.height() < height


def test_a_result_is_folded_until_the_keyboard_opens_it(qtbot: QtBot, view: ChatView) -> None:
    (card,) = _shown(qtbot, view, _result('{"found":[7]}'))
    assert (card.heading.text(), card.is_open, card.body) == ("Result of find", False, None)
    card.heading.setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(card.heading, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not view.is_working())
    assert card.body is not None
    assert card.body.plain_text() == json.dumps({"found": [7]}, indent=2)
    card.body.setFocus()
    QTest.keyClick(card.body, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == '{"found":[7]}'


def test_long_arguments_and_names_that_are_missing(qtbot: QtBot, view: ChatView) -> None:
    code = "\n".join(f"print({number})" for number in range(30))
    long_call = ToolCallPart(ToolCall("a", "python", json.dumps({"code": code})))
    called = msgspec.structs.replace(answer(""), parts=(long_call,))
    call, result = _shown(qtbot, view, called, _result("Oslo", ""))
    assert (call.heading.text(), call.is_open) == ("Called python", False)
    assert result.heading.text() == "Result of a tool"
    assert ending_text(called) == ""  # an answer may be a call alone


@pytest.mark.parametrize(
    ("name", "arguments", "markdown"),
    [
        ("find", '{"a":{"b":[1]}}', '{"a": {"b": [1]}}'),
        ("find", "", ""),
        ("find", " {} ", ""),
        ("find", "not JSON", "```\nnot JSON\n```"),
        ("find", "[" * 100_000, None),
        ("python", '{"code": "a\\nb"}', "```python\na\nb\n```"),
        ("other", '{"code": "a\\n```"}', "````\na\n```\n````"),
        ("python", '{"code": "a"}', '{"code": "a"}'),
    ],
)
def test_arguments_are_laid_out_to_be_read(name: str, arguments: str, markdown: str | None) -> None:
    found = arguments_markdown(name, arguments)
    if markdown is None:
        assert found == f"```\n{arguments}\n```"
    elif markdown.startswith("{"):
        laid_out = json.dumps(json.loads(markdown), indent=2)
        assert found == f"```json\n{laid_out}\n```"
    else:
        assert found == markdown


def test_results_are_shown_as_they_are_unless_they_are_json() -> None:
    assert result_markdown("<b>1</b>\n") == "```\n<b>1</b>\n```"
    assert result_markdown("12") == "```\n12\n```"
    assert result_markdown("[1]") == "```json\n[\n  1\n]\n```"
    assert result_markdown(" ") == ""
    large = json.dumps(["x" * MAX_FORMATTED])
    assert result_markdown(large) == f"```\n{large}\n```"


def test_json_that_nests_deeply_stays_as_it_is_in_little_time() -> None:
    deep = "[" * 900 + "1," * 20_000 + "1" + "]" * 900
    assert result_markdown(deep) == f"```\n{deep}\n```"
    # Laid out, it was 38 million characters, after 2 s.
    assert cpu_seconds(lambda: result_markdown(deep)) < 0.5
    rows = json.dumps([{"title": "[{,", "tags": ["a", "b"]}] * 1_000)
    assert result_markdown(rows).count("\n") == 7_003


def test_a_tool_name_shows_what_turns_it_round(qtbot: QtBot, view: ChatView) -> None:
    names = ["find\u202etxt.exe", "a\n b\x07", "x" * 5_000]
    cards = _shown(qtbot, view, *(_result("1", name) for name in names))
    assert [card.heading.text() for card in cards] == [
        "Result of find[U+202E]txt.exe",
        "Result of a b\ufffd",
        f"Result of {'x' * 200}",
    ]
    assert cards[0].heading.accessibleName() == "Result of find[U+202E]txt.exe"
