"""Text gets another size: at once in sight, by and by elsewhere, and what one reads stays there."""

from __future__ import annotations

import msgspec
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QTextBlock, QTextCursor, QTextFormat
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import Message
from minerva_desktop.chat.parts import ReasoningPart, ToolCallPart
from minerva_desktop.chat.tools import ToolCall
from minerva_desktop.ui.chat_view import text_size_mark
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.code_bar import CodeBar
from minerva_desktop.ui.chat_view.code_sheet import CodeSheet
from minerva_desktop.ui.chat_view.formula_object import SIZE
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.chat_view.preloading import import_typesetting
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.theme import ThemeSource
from tests.ui.chat_view.messages import answer, ended, question, streaming
from tests.ui.parts import part

TABLE = "| a | b |\n|---|--:|\n| `x` | 1 |\n"
MIXED = f"# Head\n\n1. one **bold**\n   - two\n\n{TABLE}\n```py\nx = 1\n```\n\n> said\n\nend"
PIXELS = QTextFormat.Property.FontPixelSize.value


@pytest.fixture
def view(view: ChatView, themes: ThemeSource) -> ChatView:
    """A transcript that follows the size of text, as the window has it do."""
    themes.text_size.changed.connect(view.apply_text_size)
    return view


@pytest.fixture
def short_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_size_mark, "SHOWN_MS", 100)


def settle(qtbot: QtBot, view: ChatView) -> None:
    qtbot.waitUntil(lambda: not view.is_working())


def show(qtbot: QtBot, view: ChatView, *messages: Message) -> list[MessageView]:
    """Show ``messages``, and wait until they are rendered."""
    view.set_messages(list(messages))
    settle(qtbot, view)
    shown = [view.message_view(message.id) for message in messages]
    return [each for each in shown if each is not None]


def sizes(body: RichTextView) -> list[int]:
    """px of the font at the beginning of each paragraph with text."""
    found = []
    block = body.document().begin()
    while block.isValid():
        if block.text():
            at = QTextCursor(block)
            at.movePosition(QTextCursor.MoveOperation.NextCharacter)
            found.append(at.charFormat().intProperty(PIXELS))
        block = block.next()
    return found


def top_text(view: ChatView, shown: MessageView) -> str:
    """What is written where the view begins."""
    body = shown.body
    place = body.mapFrom(view.viewport(), QPoint(0, 1))
    return body.cursorForPosition(QPoint(0, place.y())).block().text()


def test_headings_text_and_code_grow_and_shrink_with_their_message(
    qtbot: QtBot, view: ChatView, themes: ThemeSource
) -> None:
    asked, said = show(qtbot, view, question("Why?"), answer("# Head\n\ntext\n\n```\ncode\n```"))
    before = (asked.height(), said.height())
    assert (sizes(asked.body), sizes(said.body)) == ([15], [22, 15, 13])
    themes.text_size.set_percent(150)
    assert (sizes(asked.body), sizes(said.body)) == ([23], [33, 23, 20])
    assert asked.height() > before[0]
    assert said.height() > before[1]
    assert said.y() == asked.y() + asked.height() + asked.gap_below
    themes.text_size.set_percent(80)
    assert (sizes(asked.body), sizes(said.body)) == ([12], [18, 12, 10])
    themes.text_size.reset()
    assert (asked.height(), said.height()) == before


@pytest.mark.usefixtures("short_mark")
def test_it_is_said_what_size_text_has_for_a_moment(
    qtbot: QtBot, view: ChatView, themes: ThemeSource
) -> None:
    mark = part(view, QLabel, "textSizeMark")
    assert not mark.isVisible()
    themes.text_size.step(1)
    assert (mark.isVisible(), mark.text()) == (True, "Text size: 110 %")
    qtbot.waitUntil(lambda: not mark.isVisible())


def test_thoughts_cards_and_formulas_follow(
    qtbot: QtBot, view: ChatView, themes: ThemeSource
) -> None:
    import_typesetting()
    call = ToolCallPart(ToolCall("a", "find", '{"q": "Zürich"}'))
    parts = (ReasoningPart("A *thought*", 1_000.0), call)
    (said,) = show(qtbot, view, msgspec.structs.replace(answer("$x$"), parts=parts))
    headings = [each for each in said.findChildren(QWidget, "disclosure") if each.isVisible()]
    QTest.mouseClick(headings[0], Qt.MouseButton.LeftButton)
    settle(qtbot, view)
    at = QTextCursor(said.body.document())
    at.setPosition(1)
    qtbot.waitUntil(lambda: at.charFormat().doubleProperty(SIZE) > 0)
    usual = at.charFormat().doubleProperty(SIZE)
    thought, _, card = said.bodies
    assert (sizes(thought), sizes(card)[0]) == ([15], 13)
    themes.text_size.set_percent(200)
    assert (sizes(thought), sizes(card)[0]) == ([30], 26)
    at.setPosition(1)
    assert at.charFormat().doubleProperty(SIZE) == pytest.approx(2 * usual, rel=0.1)


def test_code_that_does_not_wrap_follows(qtbot: QtBot, view: ChatView, themes: ThemeSource) -> None:
    (said,) = show(qtbot, view, answer("```py\n" + "word " * 200 + "\n```"))
    said.findChildren(CodeBar)[0].wrap.click()
    (sheet,) = said.findChildren(CodeSheet)
    selected = sheet.textCursor()
    selected.setPosition(4, QTextCursor.MoveMode.KeepAnchor)
    sheet.setTextCursor(selected)
    sheet.horizontalScrollBar().setValue(260)
    view.resize(600, 500)
    themes.text_size.set_percent(200)
    settle(qtbot, view)
    assert sheet.horizontalScrollBar().value() == 520  # the same letters
    assert sheet.textCursor().selectedText() == "word"
    at = QTextCursor(sheet.document())
    at.setPosition(1)
    assert at.charFormat().intProperty(PIXELS) == 26
    assert sheet.document().size().height() <= sheet.height()


def test_what_is_out_of_sight_follows_by_and_by(
    qtbot: QtBot, view: ChatView, themes: ThemeSource
) -> None:
    first, *_, last = show(qtbot, view, *(answer(f"Answer {n}. " * 30) for n in range(40)))
    themes.text_size.set_percent(125)
    assert sizes(last.body) == [19]
    assert sizes(first.body) == [15]
    settle(qtbot, view)
    assert sizes(first.body) == [19]


def test_the_end_stays_in_sight(qtbot: QtBot, view: ChatView, themes: ThemeSource) -> None:
    show(qtbot, view, *(answer(f"Answer {n}. " * 60) for n in range(20)))
    bar = view.verticalScrollBar()
    for percent in (200, 80, 100):
        themes.text_size.set_percent(percent)
        assert bar.value() == bar.maximum() > 0
        settle(qtbot, view)
        assert bar.value() == bar.maximum()
        assert view.scroll_position is None


def test_the_line_at_the_top_stays_there(qtbot: QtBot, view: ChatView, themes: ThemeSource) -> None:
    """Not only the message: it may be many screens high."""
    text = "\n\n".join(f"Paragraph {n}. " + "Some words of it. " * 20 for n in range(60))
    _, said, _ = show(qtbot, view, answer(text), answer(text), answer(text))
    bar = view.verticalScrollBar()
    block = said.body.document().findBlockByNumber(30)
    place = said.body.document().documentLayout().blockBoundingRect(block).top()
    bar.setValue(said.y() + said.body.y() + round(place))
    assert top_text(view, said).startswith("Paragraph 30. ")
    for percent in (125, 200, 175, 80, 100):
        themes.text_size.set_percent(percent)
        assert top_text(view, said).startswith("Paragraph 30. ")
        settle(qtbot, view)
        assert top_text(view, said).startswith("Paragraph 30. ")


def test_what_begins_below_a_message_stays_at_the_top(
    qtbot: QtBot, view: ChatView, themes: ThemeSource
) -> None:
    long = "Some words of it. " * 400
    first, second, _ = show(qtbot, view, answer(long), answer(long), answer(long))
    bar = view.verticalScrollBar()
    bar.setValue(first.y() + first.height() - 10)
    themes.text_size.set_percent(175)
    assert bar.value() == first.y() + first.height() - 10
    settle(qtbot, view)
    assert bar.value() == second.y() - first.gap_below - 10


def test_an_answer_that_is_written_meanwhile_ends_as_one_written_so(
    qtbot: QtBot, view: ChatView, themes: ThemeSource
) -> None:
    running = streaming()
    view.set_messages([question("Why?")])
    view.append_message(running)
    bar = view.verticalScrollBar()
    text = "\n\n".join([MIXED] * 6)
    for begin in range(0, len(text), 40):
        view.append_text(running.id, text[begin : begin + 40])
        if begin == 400:
            settle(qtbot, view)
            themes.text_size.set_percent(150)
            assert bar.value() == bar.maximum()
    settle(qtbot, view)
    assert bar.value() == bar.maximum()
    view.finish_message(ended(running, text))
    settle(qtbot, view)
    written = view.message_view(running.id)
    assert written is not None
    html, size = written.body.document().toHtml(), written.body.document().size()
    (at_once,) = show(qtbot, view, answer(text))
    assert at_once.body.document().toHtml() == html
    assert at_once.body.document().size() == size


def test_a_question_that_is_edited_follows(
    qtbot: QtBot, view: ChatView, themes: ThemeSource
) -> None:
    asked = question("Why is the sea salty?\nAnd why not lakes?")
    shown, below = show(qtbot, view, asked, answer("It is."))
    view.activateWindow()
    view.edit_message(asked.id)
    field = part(view, MessageEdit, "messageEdit")
    usual, height = field.fontInfo().pixelSize(), field.height()
    themes.text_size.set_percent(200)
    settle(qtbot, view)
    assert field.fontInfo().pixelSize() == 2 * usual
    assert field.height() > 1.7 * height
    assert below.y() == shown.y() + shown.height() + shown.gap_below
    view.messages.end_edit(asked.id)
    assert sizes(shown.body) == [30, 30]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_of_a_long_text_what_is_in_sight_follows_at_once_and_stays_there(
    qtbot: QtBot, view: ChatView, themes: ThemeSource, share: float
) -> None:
    """All of 25,000 tokens of code took 0.2 to 0.6 s."""
    code = "".join(f"x_{number} = {number}  # why\n" for number in range(900))
    (said,) = show(qtbot, view, answer(f"So:\n\n```py\n{code}```\n\nend"))
    bar = view.verticalScrollBar()
    bar.setValue(round(share * bar.maximum()))
    for percent, size in ((150, 20), (80, 10), (100, 13)):
        before, shown = sizes(said.body), top_line(view, said)
        themes.text_size.set_percent(percent)
        lines = [block for block in seen_blocks(said.body) if block.text().startswith("x_")]
        assert {font_size(block) for block in lines} == {size}
        now = sizes(said.body)
        assert sum(one != other for one, other in zip(before, now, strict=True)) < 300
        while view.is_working():
            assert abs(top_line(view, said) - shown) <= 1
            QApplication.processEvents()
        assert abs(top_line(view, said) - shown) <= 1
        assert set(sizes(said.body)[1:-1]) == {size}
        assert said.body.document().size().height() <= said.body.height()


def top_line(view: ChatView, shown: MessageView) -> int:
    """The number of the line of code there; one may differ, which is cut by the edge."""
    text = top_text(view, shown)
    return int(text.split()[-3]) if text.startswith("x_") else 0


def seen_blocks(body: RichTextView) -> list[QTextBlock]:
    """The paragraphs that are in sight."""
    seen = body.visibleRegion().boundingRect()
    block, last = (
        body.cursorForPosition(QPoint(0, y)).block() for y in (seen.top(), seen.bottom())
    )
    found = [block]
    while block != last:
        block = block.next()
        found.append(block)
    return found


def font_size(block: QTextBlock) -> int:
    """px of its first letters."""
    return block.begin().fragment().charFormat().intProperty(PIXELS)
