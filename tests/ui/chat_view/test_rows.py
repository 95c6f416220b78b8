"""Overlong lines are shown in pieces that end between words and lose nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minerva_desktop.ui.chat_view.plain_stream import PlainStream
from minerva_desktop.ui.chat_view.plain_text import PLAIN_LIMIT
from minerva_desktop.ui.chat_view.rows import split_long
from tests.ui.chat_view.markdown_pieces import cut, streamed

LOREM = "lorem ipsum dolor sit amet "


@given(st.text(alphabet="ab1- \t\u00e9", max_size=200), st.integers(1, 30))
def test_pieces_join_to_the_line_again(line: str, limit: int) -> None:
    pieces = split_long(line, limit)
    assert "".join(pieces) == line
    assert all(len(piece) <= limit for piece in pieces)


@pytest.mark.parametrize(
    ("line", "pieces"),
    [
        ("one two three", ["one two ", "three"]),
        ("one two - three", ["one ", "two - ", "three"]),  # no line that begins with a bullet
        ("abcdefghijkl", ["abcdefghij", "kl"]),
        ("    abcdefghij", ["    abcdef", "ghij"]),  # no line of indentation alone
        ("", [""]),
    ],
)
def test_where_a_piece_ends(line: str, pieces: list[str]) -> None:
    assert split_long(line, 10) == pieces


def test_a_long_message_is_not_broken_within_a_word() -> None:
    text = (LOREM * 4_000)[:100_000]
    stream = PlainStream()
    for piece in cut(text, 500):
        stream.feed(piece)
    assert not stream.finish_some()
    rows = [row.text for row in stream.update().rows]
    assert "".join(rows) == text
    assert len(rows) > 20
    assert all(row.endswith(" ") and len(row) <= PLAIN_LIMIT for row in rows[:-1])


def test_nor_is_a_long_paragraph_of_an_answer() -> None:
    text = (LOREM * 500)[:12_000]
    lines = "\n".join(row.text for row in streamed(cut(text, 500))).split("\n")
    assert len(lines) > 2
    words = {word for line in lines[:-1] for word in line.split()}
    assert words == set(LOREM.split())
