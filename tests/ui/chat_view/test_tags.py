"""``<sub>``, ``<sup>`` and ``<kbd>`` say how letters look; all other HTML stays text."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QTextCharFormat, QTextCursor
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.export_html import HtmlExporter
from minerva_desktop.chat.markdown_tags import MAX_TAGGED
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.row_html import html_of
from minerva_desktop.ui.chat_view.row_markdown import markdown_of
from minerva_desktop.ui.chat_view.rows import Mark
from minerva_desktop.ui.chat_view.streaming import MarkdownStream
from tests.ui.chat_view.markdown_pieces import PARSER, rendered
from tests.ui.chat_view.test_formulas import shown

SOURCE = "H<sub>2</sub>O, **x<sup>*n*+1</sup>**, <kbd>Ctrl</kbd>+<kbd>C</kbd>"


def test_their_text_is_lowered_raised_or_a_key() -> None:
    (row,) = rendered(SOURCE)
    assert row.text == "H2O, xn+1, Ctrl+C"
    looks = {run.text: run.mark for run in row.runs}
    assert looks["2"] == Mark.LOWERED
    assert looks["n"] == Mark.RAISED | Mark.BOLD | Mark.ITALIC
    assert looks["Ctrl"] == Mark.CODE


def test_it_is_drawn_so(qtbot: QtBot, view: ChatView) -> None:
    body = shown(qtbot, view, "a<sub>2</sub><sup>3</sup>").body
    cursor = QTextCursor(body.document())
    places = []
    for position in (1, 2, 3):
        cursor.setPosition(position)
        places.append(cursor.charFormat().verticalAlignment())
    kinds = QTextCharFormat.VerticalAlignment
    assert places == [kinds.AlignNormal, kinds.AlignSubScript, kinds.AlignSuperScript]


def test_what_is_copied_is_shown_the_same_again() -> None:
    rows = rendered(SOURCE)
    assert rendered(markdown_of(rows)) == rows
    assert html_of(rows).startswith("H<sub>2</sub>O, <strong>x</strong>")


def test_an_exported_page_has_them_too() -> None:
    html = HtmlExporter().markdown(f"{SOURCE} <b>bold</b> <sub onclick='x'>y</sub>")
    assert "H<sub>2</sub>O" in html
    assert "<kbd>Ctrl</kbd>" in html
    assert "&lt;b&gt;bold&lt;/b&gt; &lt;sub onclick='x'&gt;y&lt;/sub&gt;" in html


@pytest.mark.parametrize(
    "source",
    [
        *("<sub>2", "2</sub>", "<SUB>2</SUB>", "<sub class='x'>2</sub>", "\\<sub>2</sub>"),
        *("<b>2</b>", f"<sub>{'x' * (MAX_TAGGED + 1)}</sub>", "<script>2</script>"),
        "<sub>`</sub>`",
    ],
)
def test_all_else_stays_text(source: str) -> None:
    (row,) = rendered(source)
    assert row.text == source.removeprefix("\\").replace("`", "")
    assert all(run.mark in (Mark.NONE, Mark.CODE) for run in row.runs)


def test_half_a_tag_is_not_seen_while_it_is_written() -> None:
    stream, seen = MarkdownStream(PARSER), []
    for character in "The formula is H<sub>2</sub>O and 1 < 2, so press <kbd>Esc</kbd>.":
        stream.feed(character)
        seen.append("".join(row.text for row in stream.update().rows))
    assert not any("<s" in text or "<k" in text or "</" in text for text in seen)
    assert seen[-1] == "The formula is H2O and 1 < 2, so press Esc."
    assert "The formula is H2" in seen
