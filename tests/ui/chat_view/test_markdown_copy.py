"""What is selected is copied as Markdown: of a whole message its source, else what is shown."""

from __future__ import annotations

import msgspec
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QContextMenuEvent, QGuiApplication, QTextCursor
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import Message
from minerva_desktop.chat.parts import ReasoningPart
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.disclosure import Disclosure
from minerva_desktop.ui.chat_view.message_text import FOLD_ABOVE
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from tests.ui.chat_view.messages import answer, question
from tests.ui.chat_view.test_selection import Selecting

# What the offscreen platform says about popups.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

BOTH = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
TABLE = "| x | y |\n| --- | --: |\n| 1 | 2 |\n| 3 | 4 |"
RICH = f"""# Head *line*

Some **bold words** and 👍👍 `code_1` of [a link](http://a.b/c).

1. one
2. two
   - inner *one*

> quoted

```python
a = 1
b = 2
c = 3
```

{TABLE}

End."""


@pytest.fixture
def person(qtbot: QtBot, view: ChatView) -> Selecting:
    view.activateWindow()
    return Selecting(qtbot, view)


def select(body: RichTextView, begin: str, end: str) -> None:
    """From the beginning of the text ``begin``, behind others and a bar, to the end of ``end``."""
    document = body.document()
    body.setFocus()
    found = QTextCursor(document)
    for text in begin.split("|"):
        found = document.find(text, found)
        assert found.hasSelection()
    first = found.selectionStart()
    body.select(first, document.find(end, first).selectionEnd())


def markdown(person: Selecting) -> str:
    """What Ctrl+Shift+C copies."""
    QGuiApplication.clipboard().clear()
    person.press(Qt.Key.Key_C, BOTH)
    data = QGuiApplication.clipboard().mimeData()
    assert data.text() == bytes(data.data("text/markdown").data()).decode()
    return data.text()


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        ("line", "line", "*line*"),
        ("words", "👍", "**words** and 👍"),
        ("de_1", "of a", "`de_1` of [a](http://a.b/c)"),
        ("Head", "Some", "# Head *line*\n\nSome"),
        ("one|wo", "inner", "2. wo\n   - inner"),
        ("one", "quo", "1. one\n2. two\n   - inner *one*\n\n> quo"),
        ("b =", "c = 3", "```python\nb = 2\nc = 3\n```"),
        ("= 2", "= 2", "`= 2`"),
        ("x|3", "4", "| x | y |\n| --- | --: |\n| 3 | 4 |"),
        ("x|3", "End", f"{TABLE}\n\nEnd"),  # Qt selects the whole table
        ("x|4", "4", "4"),
        ("inner", "inner one", "inner *one*"),
    ],
)
def test_a_part_keeps_what_it_is(person: Selecting, begin: str, end: str, expected: str) -> None:
    (body,) = person.show(answer(RICH))
    select(body, begin, end)
    assert markdown(person) == expected


def test_a_whole_message_is_its_source(person: Selecting) -> None:
    odd = "A  *odd*   __source__\n* x\n* y"
    bodies = person.show(question("# my *own* words"), answer(odd), question("last"))
    bodies[1].setFocus()
    bodies[1].select(0, bodies[1].end)
    assert markdown(person) == odd
    person.press(Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert markdown(person) == (
        f"**You:**\n\n# my *own* words\n\n**tiny-model:**\n\n{odd}\n\n**You:**\n\nlast"
    )


def test_without_a_selection_it_is_the_message(person: Selecting) -> None:
    (body,) = person.show(answer("*all*"))
    body.setFocus()
    QGuiApplication.clipboard().clear()
    person.press(Qt.Key.Key_C, BOTH)
    assert QGuiApplication.clipboard().text() == "*all*"


def test_of_a_folded_message_only_what_is_shown_is_copied(person: Selecting) -> None:
    (body,) = person.show(answer("some words\n\n" * (FOLD_ABOVE // 10)))
    body.setFocus()
    body.select(0, body.end)
    copied = markdown(person)
    assert copied.startswith("some words\n\nsome words")
    assert len(copied) < FOLD_ABOVE // 5


def test_formulas_are_copied_as_they_were_written(person: Selecting) -> None:
    (body,) = person.show(answer("The sum $a_1 + b$ is **fine**.\n\nNext"))
    person.qtbot.waitUntil(lambda: "\ufffc" in body.toPlainText())
    select(body, "sum", "fine")
    assert markdown(person) == "sum $a_1 + b$ is **fine**"


def test_an_open_thought_is_a_part_of_what_is_selected(person: Selecting) -> None:
    message: Message = msgspec.structs.replace(
        answer("So *it* is."), parts=[ReasoningPart("Let *me* think.", 1_000.0)]
    )
    person.show(message)
    person.view.setFocus()
    person.press(Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert markdown(person) == "So *it* is."
    heading = person.views[0].findChild(Disclosure)
    assert isinstance(heading, Disclosure)
    heading.click()
    person.qtbot.waitUntil(lambda: not person.view.is_working())
    person.view.setFocus()
    person.press(Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert markdown(person) == "Let *me* think.\n\nSo *it* is."
    heading.click()
    assert markdown(person) == "So *it* is."


def test_the_menu_offers_both(person: Selecting) -> None:
    bodies = person.show(question("Why *so*?"), answer("For **this** reason"))
    person.drag((bodies[0], 4), (bodies[1], 8))
    place = bodies[1].mapToGlobal(QPoint(5, 5))
    event = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, QPoint(5, 5), place)
    assert event.type() is QEvent.Type.ContextMenu
    QApplication.sendEvent(bodies[1].viewport(), event)
    (menu,) = [each for each in person.view.findChildren(QMenu) if each.isVisible()]
    actions = {each.text(): each for each in menu.actions()}
    actions["Copy selection"].trigger()
    assert QGuiApplication.clipboard().text() == "You:\n*so*?\n\ntiny-model:\nFor this"
    actions["Copy selection as Markdown"].trigger()
    expected = "**You:**\n\n*so*?\n\n**tiny-model:**\n\nFor **this**"
    assert QGuiApplication.clipboard().text() == expected
    menu.close()
