"""A document that was changed step by step equals one that was written at once."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PySide6.QtGui import QColor, QFontMetricsF, QTextCursor, QTextDocument, QTextFormat
from PySide6.QtWidgets import QApplication

from minerva_desktop.ui.chat_view.decorations import position_x
from minerva_desktop.ui.chat_view.document_writer import DocumentWriter
from minerva_desktop.ui.chat_view.plain_stream import Update
from minerva_desktop.ui.chat_view.rows import Kind, Row, Run
from minerva_desktop.ui.chat_view.text_formats import (
    MIN_CONTRAST,
    MORE_CONTRAST,
    TextFormats,
    contrast,
)
from minerva_desktop.ui.chat_view.text_measures import (
    BODY_PX,
    CODE_HEADER,
    INDENT,
    MANY_COLUMNS,
    MARKER_GAP,
    SMALL_PX,
    TextMeasures,
)
from minerva_desktop.ui.theme import DARK, LIGHT, VIVID_DARK, VIVID_LIGHT, Theme
from tests.ui.chat_view.markdown_pieces import FRAGMENTS, cut, rendered, updates


def formats(qapp: QApplication, theme: Theme = LIGHT, percent: int = 100) -> TextFormats:
    return TextFormats(theme, qapp.font(), TextMeasures(percent))


def make_writer(qapp: QApplication, percent: int = 100) -> tuple[QTextDocument, DocumentWriter]:
    document = QTextDocument()
    return document, DocumentWriter(document, formats(qapp, percent=percent))


def written(
    qapp: QApplication, rows: list[Row], width: float = -1, percent: int = 100
) -> QTextDocument:
    document, writer = make_writer(qapp, percent)
    document.setTextWidth(width)
    writer.apply(Update(0, rows))
    return document


def assert_equal(document: QTextDocument, expected: QTextDocument) -> None:
    assert document.toPlainText() == expected.toPlainText()
    assert document.toHtml() == expected.toHtml()
    assert document.blockCount() == expected.blockCount()


@settings(max_examples=120, deadline=None)
@given(fragments=st.lists(FRAGMENTS, max_size=25), size=st.integers(1, 9))
@example(fragments=["word", "[ref]: http://e.f\n", "> ", "[ref]: http://e.f\n", '"""'], size=1)
def test_streamed_document_equals_one_written_at_once(
    qapp: QApplication, fragments: list[str], size: int
) -> None:
    text = "".join(fragments)
    document, writer = make_writer(qapp)
    for update in updates(cut(text, size)):
        writer.apply(update)
    rows = rendered(text)
    assert writer.rows == rows
    assert_equal(document, written(qapp, rows))


@settings(max_examples=120, deadline=None)
@given(
    before=st.lists(FRAGMENTS, max_size=25),
    after=st.lists(FRAGMENTS, max_size=25),
    size=st.integers(1, 4),
)
@example(before=["# head\n", "- [ ] ", "word"], after=["more words ", "\n\n", "- [ ] "], size=1)
def test_a_document_rewritten_in_slices_equals_one_written_at_once(
    qapp: QApplication, before: list[str], after: list[str], size: int
) -> None:
    rows = rendered("".join(after))
    document, writer = make_writer(qapp)
    writer.apply(Update(0, rendered("".join(before))))
    for begin in range(0, len(rows), size):
        writer.apply(Update(begin, rows[begin : begin + size], whole=False))
    writer.apply(Update(len(rows), []))
    assert writer.rows == rows
    assert_equal(document, written(qapp, rows))


def test_what_is_shown_stays_while_it_is_rewritten_in_slices(qapp: QApplication) -> None:
    """With a table or a note in it the view shrank, and grew back over half a second."""
    table = "| a | b |\n|---|---|\n| x[^long] | y |\n| 1 | 2 |\n\n"
    text = f"Some[^1].\n\n{table}" + "word\n\n" * 30 + "[^long]: note\n[^1]: *note*\n"
    document, writer = make_writer(qapp)
    writer.apply(updates([text])[0])
    n_rows, n_blocks = len(writer.rows), document.blockCount()
    rows = rendered(text)
    for begin in range(0, n_rows, 3):
        writer.apply(Update(begin, rows[begin : begin + 3], whole=False))
        assert (len(writer.rows), document.blockCount()) == (n_rows, n_blocks)
    writer.apply(Update(n_rows, rows[n_rows:]))
    assert_equal(document, written(qapp, rows))


def test_a_cell_that_grows_is_gone_on_with(qapp: QApplication) -> None:
    """It was written anew with the rows above it: 17 ms for each token at 44 kB."""
    head, words = "|a|b, a wide one|\n|-|-|\n", "some words " * 250
    done = f"{head}|{words}|x|\n|{words}|y|\n"
    document, writer = make_writer(qapp)
    document.setTextWidth(600)
    writer.apply(Update(0, rendered(f"{done}|{words}|")))
    assert len(document.rootFrame().childFrames()) == 3  # so that little is laid out anew
    changes: list[tuple[int, int]] = []
    document.contentsChange.connect(lambda _at, gone, come: changes.append((gone, come)))
    for more in ("and **more**", "and **more** of them|", "and **more** of them|last|"):
        source = f"{done}|{words}{more}"
        writer.apply(Update(0, rendered(source)))
        assert_equal(document, written(qapp, rendered(source), 600))
    assert 1 <= len(changes) <= 9
    assert max(max(change) for change in changes) < 30


TABLE = "|a|b|\n|-|-|\n|1|2|\n|3|4|\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (TABLE, "text"),
        ("text\n\n" + TABLE, "text"),
        (TABLE + "\ntext\n\nmore", TABLE),
        (TABLE, "|a|b|\n|-|-|\n|1|2|\n"),
        (TABLE, "|a|b|\n|-|-|\n|9|2|\n|3|4|\n"),
        (TABLE + "\n# h\n\n" + TABLE, TABLE + "\n# h"),
        (TABLE + "\n# h\n\n" + TABLE, "x\n\n" + TABLE),
        ("- a\n\n" + TABLE + "\n> q", TABLE + "\n" + TABLE),
        ("```\na\nb\n```\n\nc", "```\na\n```"),
        ("a 👍👍 b", "a 👍👍 c **d**"),
        ("text", ""),
    ],
)
def test_any_change_leads_to_the_same_document(qapp: QApplication, before: str, after: str) -> None:
    document, writer = make_writer(qapp)
    writer.apply(Update(0, rendered(before)))
    writer.apply(Update(0, rendered(after)))
    assert_equal(document, written(qapp, rendered(after)))
    writer.apply(Update(0, rendered(before)))
    assert_equal(document, written(qapp, rendered(before)))


def test_only_what_changed_is_written(qapp: QApplication) -> None:
    document, writer = make_writer(qapp)
    writer.apply(Update(0, rendered("one\n\ntwo\n\nthr")))
    document.documentLayout()  # without one no change is reported
    changes: list[tuple[int, int, int]] = []
    document.contentsChange.connect(lambda *change: changes.append(change))
    assert writer.apply(Update(0, rendered("one\n\ntwo\n\nthree"))) == 2
    assert changes == [(11, 0, 2)]


def test_code_boxes_know_their_source(qapp: QApplication) -> None:
    _, writer = make_writer(qapp)
    writer.apply(Update(0, rendered("```\na\n\n\tb\n```\ntext\n```py\nc\n```")))
    assert [writer.box_source(box) for box in range(len(writer.boxes))] == ["a\n\n\tb", "c"]


def test_a_box_at_the_very_beginning_has_room_for_its_header(qapp: QApplication) -> None:
    document, writer = make_writer(qapp)
    layout = document.documentLayout()
    for source, top in (("```py\na\n```", CODE_HEADER), ("text", 0), ("> a", 0)):
        writer.apply(Update(0, rendered(source)))
        assert layout.blockBoundingRect(document.begin()).top() == top, source


def test_a_box_below_a_table_has_room_for_its_header(qapp: QApplication) -> None:
    document, writer = make_writer(qapp)
    document.setTextWidth(400)
    layout = document.documentLayout()
    table = "| a |\n|---|\n| 1 |\n\n"
    tops = []
    for below in ("text", "```py\ncode\n```", "text"):
        writer.apply(Update(0, rendered(table + below)))
        tops.append(layout.blockBoundingRect(document.lastBlock()).top())
    assert tops == [tops[0], tops[0] + CODE_HEADER, tops[0]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1. one", INDENT), ("1. واحد", 400 - INDENT), ("1. > one", 2 * INDENT)],
)
def test_a_list_has_its_text_beside_its_numbers(
    qapp: QApplication, text: str, expected: int
) -> None:
    document = written(qapp, rendered(text))
    document.setTextWidth(400)
    line = document.firstBlock().layout().lineAt(0)
    assert position_x(line, 0) == pytest.approx(0 if expected < 200 else 400, abs=INDENT / 2)
    assert line.cursorToX(len("1.\t")) == (pytest.approx(expected), len("1.\t"))


@pytest.mark.parametrize("number", [9, 10, 18, 99, 100, 12_345])
def test_a_number_keeps_off_its_text_and_all_lines_begin_below_that(
    qapp: QApplication, number: int
) -> None:
    document = written(qapp, rendered(f"{number}. " + "word " * 60))
    document.setTextWidth(400)
    layout = document.firstBlock().layout()
    marker = f"{number}."
    width = QFontMetricsF(document.defaultFont()).horizontalAdvance(marker)
    first, second = layout.lineAt(0), layout.lineAt(1)
    begin = position_x(first, len(marker) + 1)
    assert position_x(first, 0) == 0
    assert begin >= width + MARKER_GAP
    assert position_x(second, second.textStart()) == pytest.approx(begin)
    assert number > 99 or begin == pytest.approx(INDENT)


def test_text_cannot_break_the_document(qapp: QApplication) -> None:
    hostile = "".join(map(chr, [*range(32), 0x85, 0x2028, 0x2029, 0xFDD0, 0xFDD1, 0xFFFC, 0xD800]))
    rows = rendered(f"{hostile}\n\n`{hostile}`\n\n| {hostile} |\n|-|\n\n```\n{hostile}\n```")
    document = written(qapp, rows)
    assert document.blockCount() == len(rows)
    assert "\ufffc" not in document.toPlainText()


def test_restyle_keeps_the_text_and_changes_its_colour(qapp: QApplication) -> None:
    document, writer = make_writer(qapp)
    writer.apply(Update(0, rendered("text\n\n" + TABLE + "\n```py\nx = 1\n```")))
    text = document.toPlainText()
    writer.restyle(formats(qapp, DARK))
    assert document.toPlainText() == text
    colour = document.firstBlock().charFormat().foreground().color()
    assert colour == QColor(DARK.text)


@pytest.mark.parametrize("percent", [80, 150])
def test_a_document_that_gets_another_size_while_it_is_written_is_as_one_written_so(
    qapp: QApplication, percent: int
) -> None:
    head = "# Head\n\n- one\n  1. two\n\n> `said`\n\n"
    text = f"{head}{TABLE}\n```py\nx = 1\n\ty\n```\nand *so* on\n\n{TABLE}"
    document, writer = make_writer(qapp)
    document.setTextWidth(400)
    steps = updates(cut(text, 5))
    for number, update in enumerate(steps):
        if number == len(steps) // 2:
            writer.restyle(formats(qapp, percent=percent))
        writer.apply(update)
    expected = written(qapp, rendered(text), 400, percent)
    assert_equal(document, expected)
    assert document.size() == expected.size()
    assert document.defaultFont() == expected.defaultFont()
    tabs = [each.defaultTextOption().tabStopDistance() for each in (document, expected)]
    assert tabs[0] == tabs[1]
    assert document.size() != written(qapp, rendered(text), 400).size()


def test_all_of_a_text_grows_with_it(qapp: QApplication) -> None:
    """Twice as large in twice the width, it is twice as high but for the headers of code."""
    text = f"# Head\n\n- one\n  1. two\n\n> said\n\n{TABLE}\nlast"
    usual, large = (written(qapp, rendered(text), 4 * each, each) for each in (100, 200))
    assert large.size().height() == pytest.approx(2 * usual.size().height(), rel=0.03)
    places = [
        document.documentLayout().blockBoundingRect(document.firstBlock().next()).x()
        for document in (usual, large)
    ]
    assert places[1] == 2 * places[0]


@pytest.mark.parametrize("theme", [LIGHT, DARK, VIVID_LIGHT, VIVID_DARK])
def test_every_token_can_be_read(qapp: QApplication, theme: Theme) -> None:
    made = formats(qapp, theme)
    row = Row(Kind.CODE)
    for token in (
        "Keyword",
        "Comment",
        "Name.Function",
        "Literal.String",
        "Operator",
        "Generic.Error",
    ):
        colour = made.run(Run("x", token=token), row).foreground().color()
        least = MORE_CONTRAST if theme.vivid else MIN_CONTRAST
        assert contrast(colour, QColor(theme.code)) >= least, token


@pytest.mark.parametrize(
    ("n_columns", "px", "gap"), [(MANY_COLUMNS - 1, BODY_PX, 16), (MANY_COLUMNS, SMALL_PX, 8)]
)
def test_tables_of_many_columns_are_set_smaller_and_closer(
    qapp: QApplication, n_columns: int, px: int, gap: int
) -> None:
    document, writer = make_writer(qapp)
    line = "|word" * n_columns + "|\n"
    writer.apply(Update(0, rendered(line + "|-" * n_columns + "|\n" + line + "\ntext")))
    table = QTextCursor(writer.block(0)).currentTable()
    for row in range(2):
        cell = table.cellAt(row, 0)
        sized = cell.firstCursorPosition()
        sized.movePosition(QTextCursor.MoveOperation.NextCharacter)
        assert sized.charFormat().intProperty(QTextFormat.Property.FontPixelSize.value) == px
        assert cell.format().toTableCellFormat().rightPadding() == gap
    end = QTextCursor(document)
    end.movePosition(QTextCursor.MoveOperation.End)
    assert end.charFormat().intProperty(QTextFormat.Property.FontPixelSize.value) == BODY_PX
