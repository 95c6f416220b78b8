r"""Formulas are found, typeset beside the window, and painted from outlines alone."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest
from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.markdown_math import MAX_FORMULA
from minerva_desktop.settings import ThemeChoice
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.decorations import position_x
from minerva_desktop.ui.chat_view.formula_object import OBJECT, SIZE
from minerva_desktop.ui.chat_view.formulas import MAX_POINTS, Allowance, Formulas
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.chat_view.preloading import import_typesetting
from minerva_desktop.ui.chat_view.rows import LINE_BREAK, Kind, Mark, Row
from minerva_desktop.ui.chat_view.streaming import MarkdownStream
from minerva_desktop.ui.theme import ThemeSource
from tests.ui.chat_view.markdown_pieces import PARSER, cut, rendered, streamed
from tests.ui.chat_view.messages import answer, streaming


def formulas(source: str) -> list[str]:
    return [
        run.text.replace(LINE_BREAK, "\n")
        for row in rendered(source)
        for runs in (row.runs, *row.cells)
        for run in runs
        if Mark.FORMULA in run.mark
    ]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("the $n$th root, $\\alpha_1$.", ["$n$", "$\\alpha_1$"]),
        (r"so \(a_1\) and \[b_2\].", [r"\(a_1\)", r"\[b_2\]"]),
        ("**bold $a*b*c$**", ["$a*b*c$"]),
        ("$a \\$ b$", ["$a \\$ b$"]),
        ("| $a$ |\n|--|\n| $b$ |", ["$a$", "$b$"]),
        ("# $h$", ["$h$"]),
        ("$5 and $6", []),
        ("from $5-$6", []),
        ("$10 to 20, `$x$`, ``$y$``", []),
        ("$ a$ and $a $", []),
        ("US$5 or A$6 $", []),
        ("$HOME:$PATH or $A$_x", []),
        ("`$a$` and \\$a\\$ and \\\\(a\\\\)", []),
        ("```\n$a$\n```\n\n    $$b$$", []),
        ("$$ $$ and \\[ \\]", []),
        ("$" + "x" * MAX_FORMULA + "$", []),
    ],
)
def test_what_is_a_formula(source: str, found: list[str]) -> None:
    assert formulas(source) == found


def test_a_formula_on_its_own_is_a_row() -> None:
    rows = rendered(
        "Thus\n$$\na = b\n+ c \\\\\n- d\n$$\nand \\[ e \\], so:\n\n- x\n  \\[\n  f\n  \\]"
    )
    assert [(row.kind, row.text, row.nest) for row in rows] == [
        (Kind.TEXT, "Thus", ""),
        (Kind.FORMULA, "$$\na = b\n+ c \\\\\n- d\n$$", ""),
        (Kind.TEXT, "and", ""),
        (Kind.FORMULA, "\\[ e \\],", ""),
        (Kind.TEXT, "so:", ""),
        (Kind.TEXT, "• x", "l"),
        (Kind.FORMULA, "\\[\nf\n\\]", "l"),
    ]


def test_a_formula_that_begins_an_item_is_beside_its_number() -> None:
    rows = rendered("1. $$a$$\n2. \\[\n   b\n   \\]\n\n- [ ] $$c$$ and d\n\n> 1. $$e$$")
    assert [(row.kind, row.text, row.nest) for row in rows] == [
        (Kind.FORMULA, "1. $$a$$", "l"),
        (Kind.FORMULA, "2. \\[\nb\n\\]", "l"),
        (Kind.FORMULA, "☐ $$c$$", "l"),
        (Kind.TEXT, "and d", "l"),
        (Kind.FORMULA, "1. $$e$$", "ql"),
    ]


def test_it_is_drawn_there(qtbot: QtBot, view: ChatView) -> None:
    body = shown(qtbot, view, "1. $$a^2$$\n2. $$b$$\n\n$$c$$").body
    first, second, last = (body.document().findBlockByNumber(number) for number in range(3))
    assert (first.text(), second.text(), last.text()) == (f"1.\t{OBJECT}", f"2.\t{OBJECT}", OBJECT)
    lefts = [position_x(block.layout().lineAt(0), block.length() - 2) for block in (first, second)]
    assert lefts[0] == lefts[1] < 40
    body.selectAll()
    body.copy()
    assert QApplication.clipboard().text() == "1. $$a^2$$\n2. $$b$$\n\n$$c$$"


def test_a_formula_ends_before_an_empty_line() -> None:
    assert formulas("$$\na\n\nb\n$$") == []
    assert formulas("\\[\na\n\\[\nb\n\\]") == ["\\[\nb\n\\]"]


FORMULAS = (
    "So $x_1$ is\n\n$$\na\n- b\n= c\n$$\n\nand $5, \\(y*z*\\):\n- \\[\n  q\n  \\]\n\n"
    "| $a$ | b |\n|---|---|\n| $$c$$ | \\(d\\) |\n\n> $$e$$.\n\n$$ not\n\n\\[ nor\n"
)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13])
def test_a_stream_of_formulas_cut_anywhere_ends_the_same(size: int) -> None:
    assert streamed(cut(FORMULAS, size)) == rendered(FORMULAS)


def test_half_a_formula_is_text_while_it_comes() -> None:
    for start in ("so $a_1 + b_", "so \\(a_1 *b", "so \\[ a_1 **b", "$$\na_1\n- b_2\n# c"):
        stream = MarkdownStream(PARSER)
        rows: list[Row] = []
        for character in start:
            stream.feed(character)
            rows = stream.update().rows
            assert all(row.kind is Kind.TEXT for row in rows)
        assert "\n".join(row.text for row in rows) == start
        assert not any(run.mark for row in rows for run in row.runs)


# -- the service -----------------------------------------------------------------------------


def test_formulas_are_typeset_beside_the_window(qtbot: QtBot) -> None:
    service = Formulas()
    assert service.drawing("$x$") is None
    with qtbot.waitSignal(service.drawn) as drawn:
        assert service.request("$x$", Allowance())
    assert drawn.args == [{"$x$"}]
    assert service.drawing("$x$") is not None
    assert service.request("$\\foo$", Allowance())
    qtbot.waitUntil(lambda: not service.is_working)
    assert service.drawing("$\\foo$") is None
    assert not service.request("$\\foo$", Allowance())  # it is not tried again
    assert "formulas" not in [thread.name for thread in threading.enumerate()]


def test_without_a_typesetter_formulas_stay_text(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise FileNotFoundError("STIXTwoMath-Regular.ttf")

    monkeypatch.setattr("minerva_desktop.ui.chat_view.formulas.import_typesetting", missing)
    service = Formulas()
    assert service.request("$x$", Allowance())
    qtbot.waitUntil(lambda: not service.is_working)
    assert service.drawing("$x$") is None
    assert not service.request("$y$", Allowance())


def test_the_formulas_of_one_text_get_a_bounded_time_together(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def late() -> object:
        asked.wait(20)
        return import_typesetting()

    monkeypatch.setattr("minerva_desktop.ui.chat_view.formulas.import_typesetting", late)
    service = Formulas()
    short, long = Allowance(1e-9), Allowance()
    for letter in "abc":
        assert service.request(f"${letter}$", short)
    assert service.request("$c$", long)  # of another text, too
    asked.set()
    qtbot.waitUntil(lambda: not service.is_working)
    drawn = [letter for letter in "abc" if service.drawing(f"${letter}$") is not None]
    assert drawn == ["a", "c"]
    assert not service.request("$b$", short)
    assert service.request("$b$", long)
    qtbot.waitUntil(lambda: not service.is_working)
    assert service.drawing("$b$") is not None
    assert long.seconds > 1


def test_what_is_kept_has_a_bound(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_POINTS < 1_000_000
    monkeypatch.setattr("minerva_desktop.ui.chat_view.formulas.MAX_POINTS", 900)
    service = Formulas()
    for letter in "abcdef":
        service.request(f"${letter}$", Allowance())
    qtbot.waitUntil(lambda: not service.is_working)
    kept = [letter for letter in "abcdef" if service.drawing(f"${letter}$") is not None]
    assert kept
    assert kept == list("abcdef")[-len(kept) :]
    assert len(kept) < 6


# -- in the window ---------------------------------------------------------------------------


def settle(qtbot: QtBot, view: ChatView) -> None:
    qtbot.waitUntil(lambda: not view.is_working())
    service = view.findChild(Formulas)
    qtbot.waitUntil(lambda: service is None or not service.is_working)


def shown(qtbot: QtBot, view: ChatView, text: str) -> MessageView:
    message = answer(text)
    view.set_messages([message])
    settle(qtbot, view)
    found = view.message_view(message.id)
    assert found is not None
    return found


def test_formulas_are_drawn_and_copied_as_latex(qtbot: QtBot, view: ChatView) -> None:
    text = (
        "So $x^2$ and\n\n$$\n\\frac{a}{b}\n$$\n\n| $c$ | \\(d\\) |\n|---|---|\n| 👍 $e$ | $\\foo$ |"
    )
    body = shown(qtbot, view, text).body
    assert body.document().toPlainText().count(OBJECT) == 5
    assert "$\\foo$" in body.document().toPlainText()
    body.selectAll()
    body.copy()
    copied = QApplication.clipboard().text()
    for source in ("So $x^2$ and", "$$\n\\frac{a}{b}\n$$", "$c$", "\\(d\\)", "👍 $e$", "$\\foo$"):
        assert source in copied
    assert OBJECT not in copied
    assert "$$\n\\frac{a}{b}\n$$" in view.plain_text()


def test_a_stream_draws_each_formula_when_it_is_whole(qtbot: QtBot, view: ChatView) -> None:
    running = streaming()
    view.append_message(running)
    view.append_text(running.id, "First $a^2$, then **b** and $c")
    settle(qtbot, view)
    message = view.message_view(running.id)
    assert message is not None
    document = message.body.document()
    assert document.toPlainText() == f"First {OBJECT}, then b and $c"
    height = message.height()
    view.append_text(running.id, "^2$ with more.\n\n$$\\frac{d}{\\frac{e}{f}}$$\n")
    settle(qtbot, view)
    qtbot.waitUntil(lambda: document.toPlainText().count(OBJECT) == 3)
    assert document.toPlainText() == f"First {OBJECT}, then b and {OBJECT} with more.\n{OBJECT}"
    assert message.height() > height + 40
    assert document.lastBlock().layout().lineAt(0).height() > 30


@pytest.mark.parametrize("tex", ["x", "x\\frac{a}{\\frac{b}{c}}", "x_{a_{b}}", "x^{a^{b}}"])
def test_a_formula_stands_on_the_baseline(qtbot: QtBot, view: ChatView, tex: str) -> None:
    """The x of a formula ends where the x before it does, whatever hangs above and below."""
    body = shown(qtbot, view, f"x ${tex}$").body
    line = body.document().firstBlock().layout().lineAt(0)
    text_x = inked_rows(body, 0, 9)
    formula_x = inked_rows(body, 14, 9)
    assert text_x[-1] + 1 == pytest.approx(line.y() + line.ascent(), abs=1)
    assert formula_x[-1] == pytest.approx(text_x[-1], abs=1)
    assert len(formula_x) == pytest.approx(len(text_x), abs=2)


def inked_rows(body: QWidget, left: int, width: int) -> list[int]:
    """The rows of pixels between ``left`` and ``left`` + ``width`` that have something on them."""
    image = body.grab().toImage()
    background = image.pixelColor(image.width() - 1, image.height() - 1).lightness()
    return [
        y
        for y in range(image.height())
        if any(
            abs(image.pixelColor(x, y).lightness() - background) > 60
            for x in range(left, left + width)
        )
    ]


def test_formulas_take_the_colour_of_the_theme(
    qtbot: QtBot, view: ChatView, themes: ThemeSource
) -> None:
    body = shown(qtbot, view, "$x$").body
    at = QTextCursor(body.document())
    at.setPosition(1)
    light = at.charFormat().foreground().color().name()
    themes.set_choice(ThemeChoice.DARK)
    view.apply_theme(themes.theme)
    settle(qtbot, view)
    at.setPosition(1)
    assert light == "#1c1b1a"
    assert at.charFormat().foreground().color().name() == themes.theme.text == "#ececee"
    assert at.charFormat().doubleProperty(SIZE) > 15
    assert body.document().toPlainText() == OBJECT


def test_a_selected_formula_is_as_clear_as_selected_text(qtbot: QtBot, view: ChatView) -> None:
    body = shown(qtbot, view, "$$\\blacksquare\\blacksquare$$").body
    body.selectAll()
    image = body.grab().toImage()
    palette = body.palette()
    places = [(x, y) for x in range(image.width()) for y in range(image.height())]
    colours = Counter(image.pixelColor(x, y).name() for x, y in places)
    assert colours[palette.highlight().color().name()] > 10
    assert colours[palette.highlightedText().color().name()] > 50


def test_formulas_on_their_own_are_further_apart_than_the_rows_of_one(
    qtbot: QtBot, view: ChatView
) -> None:
    body = shown(qtbot, view, "x\n\n$$x$$\n\n$$x\\\\x$$\n\nx").body
    blank, above = [], 0
    inked = inked_rows(body, 0, body.width() - 20)
    for row in inked:
        if row > above + 1 and above:
            blank.append(row - above - 1)
        above = row
    over, between, within, below = blank
    assert between >= 1.7 * within
    assert min(over, below) >= 0.9 * between
    assert max(over, below) <= 1.5 * between


@pytest.mark.parametrize("line", ["\\[a\n", "$$a\n"])
def test_formulas_that_never_end_cost_little_more_than_text(line: str) -> None:
    def taken(source: str) -> float:
        began = time.process_time()
        streamed(cut(source, 500))
        return time.process_time() - began

    text = taken("xxa\n" * 1_000)
    assert taken(line * 1_000) < 4 * text  # was 14 times: each line looked at all others
