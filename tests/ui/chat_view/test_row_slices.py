"""Whatever is selected of a document, its Markdown says all of it and nothing else."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QApplication

from minerva_desktop.ui.chat_view.plain_stream import Update
from minerva_desktop.ui.chat_view.row_markdown import markdown_of
from minerva_desktop.ui.chat_view.row_slices import selected_rows
from minerva_desktop.ui.chat_view.rows import Row
from tests.ui.chat_view.markdown_pieces import FRAGMENTS, rendered
from tests.ui.chat_view.test_document_writer import make_writer


def words(rows: list[Row]) -> str:
    """What ``rows`` say; an item that is alone may have another bullet."""
    return "".join("".join(row.text.split()) for row in rows).replace("◦", "•")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(FRAGMENTS, max_size=12), st.floats(0, 1), st.floats(0, 1))
def test_a_cut_says_what_was_selected(
    qapp: QApplication, fragments: list[str], begin: float, end: float
) -> None:
    source = "".join(fragments)
    assume("[^" not in source)
    document, writer = make_writer(qapp)
    writer.apply(Update(0, rendered(source)))
    last = document.characterCount() - 1
    cursor = QTextCursor(document)
    cursor.setPosition(round(begin * last))
    cursor.setPosition(round(end * last), QTextCursor.MoveMode.KeepAnchor)
    rows = selected_rows(writer, cursor)
    assert words(rendered(markdown_of(rows))) == words(rows)


def test_a_cut_counts_as_qt_does(qapp: QApplication) -> None:
    document, writer = make_writer(qapp)
    writer.apply(Update(0, rendered("- 👍 **two** 👎 three")))
    found = document.find("two 👎")
    assert markdown_of(selected_rows(writer, found)) == "**two** 👎"
