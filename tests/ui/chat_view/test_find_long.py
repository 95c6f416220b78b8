"""Find in a chat with a text so long that it takes a while: it is seen how far it is, who types on
or leaves need not wait, and nothing is rendered twice."""

from __future__ import annotations

from collections.abc import Generator

import msgspec
import pytest
from pygments.lexer import Lexer
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QProgressBar
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import MessageState
from minerva_desktop.ui.chat_view import find_bar, finder
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.code_highlight import LineHighlighter
from minerva_desktop.ui.chat_view.found_marks import MOST
from minerva_desktop.ui.chat_view.markdown import MarkdownParser
from minerva_desktop.ui.chat_view.message_sources import Source, rendered
from minerva_desktop.ui.chat_view.message_text import FOLD_ABOVE
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.chat_view.rows import Row
from minerva_desktop.ui.icons import Icons
from tests.ui.chat_view.messages import answer, ended
from tests.ui.chat_view.test_find import Finding

Lexed = tuple[list[tuple[str, str]], tuple[str, ...]]
PART = "Some *words* of it, " * 40 + "\n\n- an item\n- `x = 1`\n\n"
TABLE = "| a | b |\n|---|---|\n| c | d |\n\n```py\nx = 1\n```\n\n"
LONG = PART * (FOLD_ABOVE // len(PART) + 1) + TABLE + "The needle."


@pytest.fixture
def finding(qtbot: QtBot, view: ChatView, icons: Icons, monkeypatch: pytest.MonkeyPatch) -> Finding:
    """Of somebody who waits for nothing."""
    monkeypatch.setattr(find_bar, "PATIENCE_MS", 0)
    return Finding(qtbot, view, icons)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Source]:
    """What the finder rendered, each text once for each piece of it."""
    steps: list[Source] = []

    def counted(
        source: Source, parser: MarkdownParser, *, all_rows: bool, coloured: bool
    ) -> Generator[None, None, list[Row]]:
        made = rendered(source, parser, all_rows=all_rows, coloured=coloured)
        while True:
            steps.append(source)
            try:
                next(made)
            except StopIteration as end:
                return list(end.value)
            yield

    monkeypatch.setattr(finder, "rendered", counted)
    return steps


def progress(finding: Finding) -> QProgressBar:
    made = finding.bar.findChild(QProgressBar, "findProgress")
    assert isinstance(made, QProgressBar)
    return made


def test_it_is_seen_how_far_the_search_is(finding: Finding, qtbot: QtBot) -> None:
    long = answer(LONG)
    finding.open_chat(long)
    shown = progress(finding)
    seen: list[int] = []
    finding.look_for("needle")
    qtbot.waitUntil(shown.isVisible)
    shown.valueChanged.connect(seen.append)
    finding.until("1 of 1")
    assert finding.is_in_sight(long)
    assert not shown.isVisible()
    assert seen == sorted(seen)
    assert len([value for value in seen if value < 50]) > 3  # while it is looked for
    assert len([value for value in seen if value > 50]) > 3  # and while it is brought into sight


def test_what_is_found_at_once_shows_no_progress(finding: Finding, qtbot: QtBot) -> None:
    finding.open_chat(answer("A fox."))
    finding.look_for("fox")
    finding.until("1 of 1")
    qtbot.wait(1)
    assert not progress(finding).isVisible()


def test_who_types_on_has_a_long_text_rendered_once(
    finding: Finding, qtbot: QtBot, steps: list[Source]
) -> None:
    long = answer(LONG)
    finding.open_chat(long)
    for typed in ("n", "ne", "nee"):
        finding.look_for(typed)
        qtbot.waitUntil(lambda: finding.count == "…")
    finding.look_for("needle")
    finding.until("1 of 1")
    n_steps = len(steps)
    assert finding.marked(long) == ["needle"]
    shown = finding.view.message_view(long.id)
    assert shown is not None
    assert shown.is_whole
    one = answer(LONG.replace("needle", "end"))
    finding.open_chat(one)
    finding.look_for("the end")
    finding.until("1 of 1")
    assert len(steps) == 2 * n_steps  # one go for each of the two


def test_what_is_unfolded_for_it_is_what_a_person_unfolds(finding: Finding, qtbot: QtBot) -> None:
    long = answer(LONG)
    finding.open_chat(long)
    finding.look_for("needle")
    finding.until("1 of 1")
    shown = finding.view.message_view(long.id)
    assert shown is not None
    by_finding = shown.body.document().toHtml()
    finding.finder.close()
    finding.open_chat(answer(LONG))
    (other,) = [finding.view.message_view(each.id) for each in finding.view.messages.messages]
    assert other is not None
    other.unfold()
    qtbot.waitUntil(lambda: not finding.view.is_working())
    assert other.body.document().toHtml() == by_finding


def test_escape_ends_a_search_at_once(finding: Finding, qtbot: QtBot, steps: list[Source]) -> None:
    finding.open_chat(answer(LONG))
    finding.look_for("needle")
    qtbot.waitUntil(lambda: len(steps) > 3)
    finding.press(Qt.Key.Key_Escape)
    n_steps = len(steps)
    assert not finding.bar.isVisible()
    assert not progress(finding).isVisible()
    place = finding.view.verticalScrollBar().value()
    later = QTimer()
    later.setInterval(5 * finder.SLICE_PAUSE_MS)
    with qtbot.waitSignal(later.timeout):
        later.start()
    assert len(steps) == n_steps
    assert finding.view.verticalScrollBar().value() == place


def test_of_many_those_in_sight_are_marked_wherever_one_scrolls(
    finding: Finding, qtbot: QtBot
) -> None:
    """To mark all 2,000 took 0.1 s, with each step to the next again."""
    many = answer("\n\n".join(f"fox {number}" for number in range(1_000)))
    finding.open_chat(many)
    finding.view.verticalScrollBar().setValue(0)
    finding.look_for("fox")
    finding.until("1 of 1,000")
    shown = finding.view.message_view(many.id)
    assert shown is not None
    body, bar = shown.body, finding.view.verticalScrollBar()
    for value in (bar.maximum() // 2, bar.maximum(), bar.maximum() // 3, 0):
        bar.setValue(value)
        finding.view.grab()
        seen = body.visibleRegion().boundingRect()
        first, last = (
            body.cursorForPosition(at).block() for at in (seen.topLeft(), seen.bottomLeft())
        )
        marked = {each.cursor.block().blockNumber() for each in body.extraSelections()}
        assert set(range(first.blockNumber(), last.blockNumber() + 1)) <= marked
        assert len(marked) <= MOST + 1
    finding.press(Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    finding.until("1,000 of 1,000")
    finding.view.grab()
    assert body.document().lastBlock().text() == "fox 999"
    assert finding.is_in_sight(many)
    assert body.extraSelections()[-1].cursor.block() == body.document().lastBlock()


def test_more_in_sight_than_are_marked_of_many_is_marked_once(
    finding: Finding, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was with each picture: that took 20 ms."""
    many = answer("\n\n".join("fox " * 12 for _ in range(150)))
    finding.open_chat(many)
    finding.look_for("fox")
    finding.until("1 of 1,800")
    shown = finding.view.message_view(many.id)
    assert shown is not None
    bar = finding.view.verticalScrollBar()
    bar.setValue(bar.maximum() // 2)
    finding.view.grab()
    assert len(shown.body.extraSelections()) > MOST
    marked: list[int] = []
    monkeypatch.setattr(RichTextView, "setExtraSelections", lambda _, each: marked.append(each))
    finding.view.grab()
    assert marked == []


def test_what_is_unfolded_for_it_has_what_was_added_meanwhile(
    finding: Finding, qtbot: QtBot
) -> None:
    short, long = answer("A needle."), answer(LONG)
    finding.open_chat(short, long)
    finding.view.verticalScrollBar().setValue(0)
    finding.look_for("needle")
    finding.until("1 of 2")
    going_on = msgspec.structs.replace(long, state=MessageState.STREAMING)
    finding.view.resume_answer(going_on)
    finding.view.append_text(long.id, " More.")
    finding.view.finish_message(ended(long, f"{LONG} More."))
    finding.finder.step(1)
    finding.until("2 of 2")
    shown = finding.view.message_view(long.id)
    assert shown is not None
    assert shown.plain_text().endswith("The needle. More.")


def test_code_that_is_not_shown_is_found_without_its_colours(
    finding: Finding, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They took ten times as long as all else. What is found comes into sight with them."""
    lexed: list[str] = []
    lex = LineHighlighter._lex

    def counted(self: LineHighlighter, lexer: Lexer, lines: list[str]) -> Lexed:
        lexed.extend(lines)
        return lex(self, lexer, lines)

    monkeypatch.setattr(LineHighlighter, "_lex", counted)
    code = "Some code\n\n```py\nneedle = 1  # a needle\n```\n\nthe needle"
    first, last = answer(code), answer(code)
    finding.open_chat(first, *[answer(f"Message {n}.") for n in range(500)], last)
    n_lexed = len(lexed)
    finding.look_for("needle")
    finding.until("4 of 6")
    assert finding.view.message_view(first.id) is None
    assert len(lexed) == n_lexed
    for expected in ("5 of 6", "6 of 6", "1 of 6"):
        finding.press(Qt.Key.Key_Return)
        finding.until(expected)
    assert finding.marked(first) == ["needle"] * 3
    assert len(lexed) > n_lexed
