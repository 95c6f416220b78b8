"""Quotes that begin with ``[!NOTE]`` and its like are shown as alerts."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.markdown_alerts import ALERTS
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.markdown import MarkdownParser
from minerva_desktop.ui.chat_view.row_html import html_of
from minerva_desktop.ui.chat_view.row_markdown import markdown_of
from minerva_desktop.ui.chat_view.row_text import text_pieces
from minerva_desktop.ui.chat_view.rows import Kind
from minerva_desktop.ui.chat_view.streaming import MarkdownStream
from minerva_desktop.ui.chat_view.text_formats import alert_colour, contrast
from minerva_desktop.ui.chat_view.text_measures import PARAGRAPH_GAP, TextMeasures
from minerva_desktop.ui.theme import DARK, LIGHT, VIVID_DARK, VIVID_LIGHT, Theme
from tests.ui.chat_view.markdown_pieces import rendered
from tests.ui.chat_view.test_formulas import shown
from tests.ui.chat_view.test_right_to_left import caret
from tests.ui.parts import colour_at

SOURCE = "> [!NOTE]\n> Tea is hot.\n>\n> - Wait.\n\n> [!NOTE]\n> It cools."


def test_an_alert_has_its_name_instead_of_its_sign() -> None:
    rows = rendered(SOURCE)
    assert [(row.kind, row.text) for row in rows] == [
        (Kind.ALERT, "Note"),
        (Kind.TEXT, "Tea is hot."),
        (Kind.TEXT, "• Wait."),
        (Kind.ALERT, "Note"),
        (Kind.TEXT, "It cools."),
    ]
    assert {row.nest[0] for row in rows} == {"N"}


def test_what_is_copied_is_its_source_or_says_its_name() -> None:
    rows = rendered(SOURCE)
    copied = "> [!NOTE]\n> Tea is hot.\n>\n> - Wait.\n\n> [!NOTE]\n> It cools."
    assert markdown_of(rows) == copied
    assert "".join(text_pieces(rows)) == "Note\nTea is hot.\n\n• Wait.\n\nNote\nIt cools."
    note = "<blockquote><p><strong>Note</strong></p>"
    assert html_of(rows).startswith(f"{note}<p>Tea is hot.</p>")
    assert html_of(rows).count(note) == 2


def test_a_quote_that_says_the_sign_of_an_alert_is_copied_as_none() -> None:
    source = "> \\[!NOTE]\n> begins one."
    assert markdown_of(rendered(source)) == source


@pytest.mark.parametrize(
    "source",
    [
        "> [!NOTE] on a line with text",
        "> [!NOBODY]\n> knows it",
        "> first\n> [!NOTE]\n> then",
        "> first\n>\n> [!NOTE]\n> then",
        "- > [!NOTE]\n  > in a list",
        "> > [!NOTE]\n> > in a quote",
        "[!NOTE]\nin none",
        "> [!NOTE]\n> ---",
    ],
)
def test_what_is_no_alert_stays_as_it_was_written(source: str) -> None:
    rows = rendered(source)
    assert Kind.ALERT not in {row.kind for row in rows}
    assert source.count("[!") == sum("[!" in row.text for row in rows)


@pytest.mark.parametrize("name", ["note", "Tip", "IMPORTANT", "WARNING", "CAUTION"])
def test_its_sign_is_never_seen_while_it_is_written(name: str) -> None:
    stream = MarkdownStream(MarkdownParser(), eager_size=0)
    source = f"Before.\n\n> [!{name}]\n> one\n>\n> two\n>\n> three\n"
    seen = []
    rows: list[str] = []
    for character in source:
        stream.feed(character)
        update = stream.update()
        rows[update.keep :] = [row.text for row in update.rows]
        seen.append(list(rows))
    assert not any("[" in text for texts in seen for text in texts)
    assert ["Before.", name.capitalize()] in seen
    while stream.finish_some():
        pass
    update = stream.update()
    assert [*rows[: update.keep], *(row.text for row in update.rows)] == [
        "Before.",
        name.capitalize(),
        "one",
        "two",
        "three",
    ]


@pytest.mark.parametrize("theme", [LIGHT, DARK, VIVID_LIGHT, VIVID_DARK])
def test_its_name_can_be_read(theme: Theme) -> None:
    for alert in ALERTS:
        colour = QColor(alert_colour(theme, alert))
        assert contrast(colour, QColor(theme.window)) >= (7 if theme.vivid else 4.5)


@pytest.mark.parametrize("below", ["text", "> [!NOTE]\n> text", "> text", "- text"])
def test_an_empty_alert_stands_apart_from_what_follows(
    qtbot: QtBot, view: ChatView, below: str
) -> None:
    body = shown(qtbot, view, f"> [!NOTE]\n\n{below}\n\ntext").body
    follows = body.document().findBlockByNumber(1)
    assert follows.blockFormat().topMargin() == TextMeasures().px(PARAGRAPH_GAP)
    inside = shown(qtbot, view, "> [!NOTE]\n> text").body.document().lastBlock()
    assert inside.blockFormat().topMargin() < TextMeasures().px(PARAGRAPH_GAP)


def test_its_bar_has_the_colour_of_its_name(qtbot: QtBot, view: ChatView) -> None:
    body = shown(qtbot, view, "> [!TIP]\n> one\n\n> [!CAUTION]\n> two\n\n> three").body
    for text, colour in (("one", LIGHT.success), ("two", LIGHT.danger), ("three", LIGHT.border)):
        assert colour_at(body, QPoint(1, caret(body, text).center().y())) == colour
