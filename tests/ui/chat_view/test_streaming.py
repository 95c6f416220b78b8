"""Streaming in pieces ends as rendering at once does, at a cost that does not grow."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minerva_desktop.ui.chat_view.markdown import (
    Environment,
    MarkdownParser,
    RowBuilder,
    clean_source,
)
from minerva_desktop.ui.chat_view.rows import Kind, Row
from minerva_desktop.ui.chat_view.streaming import MarkdownStream

PARSER = MarkdownParser()

# Pieces of Markdown that end, interrupt, continue and look like one another.
FRAGMENTS = st.sampled_from(
    [
        "word", "more words ", " ", "\n", "\n\n", "\n\n\n", "  \n", "\\\n", "\r\n", "\r",
        "# ", "#", "## head\n", "- ", "-", "--", "---", "---\n", "* ", "*", "**", "***\n", "+ ",
        "1. ", "1", "2. ", "7) ", "10. ", "- [ ] ", "- [x] done\n", "> ", ">", "> > ", "  ", "    ",
        "   ", "\t", "`", "``", "```", "```\n", "```py\n", "~~~\n", "~~~~", "~~", "_", "__", "=", "===\n",
        "| a | b |\n", "|---|:-:|\n", "|---|\n", "|--", "| 1 | 2 |\n", "| x", "a | b\n", "--|--\n",
        "[", "]", "[x](http://a.b)", "[x](http://a", "(file:///x)", "![i](http://a/b.png)", "!",
        "[ref]", "[ref]: http://e.f\n", "[ref]:", " http://g.h", "http://a.b/c_d.", "<b>", "<br>",
        "&amp;", "\\", "\\*", "def f():\n", "    return 1\n", '"""', "x = 1  # y\n", "é", "👍", "\u202e",
    ]
)  # fmt: skip


def rendered(text: str) -> list[Row]:
    """All of ``text`` parsed in one go, links defined anywhere in it known."""
    text = clean_source(text)
    text += "" if text.endswith("\n") else "\n"
    env: Environment = {}
    PARSER.blocks(text, env)
    return RowBuilder(PARSER, env).build(PARSER.blocks(text, env), text.split("\n"))


def streamed(pieces: list[str], eager_size: int = 0) -> list[Row]:
    """What a view holds that applied every update."""
    stream = MarkdownStream(PARSER, eager_size=eager_size)
    rows: list[Row] = []
    for piece in pieces:
        stream.feed(piece)
        update = stream.update()
        rows[update.keep :] = update.rows
    stream.finish()
    update = stream.update()
    rows[update.keep :] = update.rows
    return rows


def cut(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


@settings(max_examples=400, deadline=None)
@given(st.lists(FRAGMENTS, max_size=30), st.integers(1, 7))
def test_any_chunking_ends_as_one_rendering(fragments: list[str], size: int) -> None:
    text = "".join(fragments)
    expected = rendered(text)
    assert streamed(fragments) == expected
    assert streamed(cut(text, size)) == expected
    assert streamed([text]) == expected
