r"""``\begin{align}`` and its like are formulas on their own, with no dollar signs around them."""

from __future__ import annotations

import pytest

from minerva_desktop.chat.markdown_math import formula_tex
from minerva_desktop.ui.chat_view.rows import Kind, Mark, Row
from minerva_desktop.ui.chat_view.streaming import MarkdownStream
from minerva_desktop.ui.chat_view.typesetting import typeset
from tests.ui.chat_view.markdown_pieces import PARSER, cut, rendered, streamed
from tests.ui.chat_view.test_formulas import formulas

ALIGN = "\\begin{align}\na &= b \\\\\n- c &= *d*e*\n\\end{align}"
INDENTED = ALIGN.replace("\n", "\n  ")
CASES = "\\begin{cases*}\na &= b \\\\\nc &= *d*e*\n\\end{cases*}"
NAMES = """
    align align* aligned aligned* alignat}{1 alignat*}{1 alignedat}{1 flalign flalign* equation
    equation* gather gather* gathered multline multline* eqnarray eqnarray* split cases cases*
    dcases array}{cc matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix
"""
TEXT = (
    f"So\n{ALIGN}\nand {CASES}.\n\n- x\n  {INDENTED}\n\n> {CASES[:14]} open\n\n"
    "\\begin{gather*}\n# a\n"
)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (ALIGN, [ALIGN]),
        (f"so {CASES}, and", [CASES]),
        (f"$${ALIGN}$$", [f"$${ALIGN}$$"]),
        (f"$${CASES[:14]} x$$, {CASES}", [f"$${CASES[:14]} x$$", CASES]),
        (f"`{ALIGN}`", []),
        (f"```\n{ALIGN}\n```", []),
        (f"    {CASES}", []),
        (f"`x {CASES[:14]}` a \\end{{cases*}}, \\{CASES[:14]} \\end{{cases*}}", []),
        ("\\begin{align} a \\end{gather} \\begin{align*}", []),
        ("\\begin{itemize}\n\\item a\n\\end{itemize}", []),
        ("\\begin{align}\na\n\nb\n\\end{align}", []),
    ],
)
def test_what_is_one(source: str, found: list[str]) -> None:
    assert formulas(source) == found


def test_it_is_a_row() -> None:
    rows = rendered(f"Thus\n{ALIGN}\nso {CASES}, and\n\n- x\n  {INDENTED}\n")
    assert [(row.kind, row.text, row.nest) for row in rows] == [
        (Kind.TEXT, "Thus", ""),
        (Kind.FORMULA, ALIGN, ""),
        (Kind.TEXT, "so", ""),
        (Kind.FORMULA, f"{CASES},", ""),
        (Kind.TEXT, "and", ""),
        (Kind.TEXT, "• x", "l"),
        (Kind.FORMULA, ALIGN, "l"),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13])
def test_a_stream_cut_anywhere_ends_the_same(size: int) -> None:
    assert streamed(cut(TEXT, size)) == rendered(TEXT)


@pytest.mark.parametrize("before", ["", "so ", "above\n\n"])
def test_half_of_one_is_text_while_it_comes(before: str) -> None:
    stream = MarkdownStream(PARSER)
    shown: list[Row] = []
    for character in before + CASES[:-1]:
        stream.feed(character)
        update = stream.update()
        shown[update.keep :] = update.rows
        assert all(row.kind is Kind.TEXT for row in shown)
        assert not any(run.mark for row in shown for run in row.runs)
    written = before + CASES.rpartition("\n")[0]  # what its last line is to be is not clear yet
    assert "\n\n".join(row.text for row in shown) == written
    stream.feed(CASES[-1])
    update = stream.update()
    shown[update.keep :] = update.rows
    assert shown[-1].kind is Kind.FORMULA
    assert Mark.FORMULA in shown[-1].runs[0].mark


@pytest.mark.parametrize("name", NAMES.split())
def test_each_is_typeset(name: str) -> None:
    end = name.partition("}")[0]
    source = rf"\begin{{{name}}} a = \frac{{1}}{{2}} \\ c = \frac{{d}}{{e}} \end{{{end}}}"
    assert formulas(source) == [source]
    drawing = typeset(formula_tex(source), display=True)
    assert drawing.ascent + drawing.descent > 2 * typeset(r"\frac12", display=False).ascent
    assert drawing.path.elementCount() > 50
