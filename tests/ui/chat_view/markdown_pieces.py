"""Markdown to be nasty with, and the two ways of rendering it, for several tests."""

from __future__ import annotations

from itertools import chain

from hypothesis import strategies as st

from minerva_desktop.chat.visible_text import clean_source
from minerva_desktop.ui.chat_view.footnotes import begin_notes
from minerva_desktop.ui.chat_view.markdown import (
    ALL_ROWS,
    Environment,
    MarkdownParser,
    RowBuilder,
)
from minerva_desktop.ui.chat_view.plain_stream import Update
from minerva_desktop.ui.chat_view.rows import Row
from minerva_desktop.ui.chat_view.streaming import MarkdownStream

PARSER = MarkdownParser()

# What ends, interrupts, continues or looks like something else.
FRAGMENTS = st.sampled_from(
    [
        "word", "more words ", " ", "\n", "\n\n", "\n\n\n", "  \n", "\\\n", "\r\n", "\r",
        "# ", "#", "## head\n", "- ", "-", "--", "---", "---\n", "* ", "*", "**", "***\n", "+ ",
        "1. ", "1", "2. ", "7) ", "10. ", "- [ ] ", "- [x] done\n", "> ", ">", "> > ", "  ",
        "    ", "   ", "\t", "`", "``", "```", "```\n", "```py\n", "~~~\n", "~~~~", "~~", "_", "__",
        "=", "===\n", "| a | b |\n", "|---|:-:|\n", "|---|\n", "|--", "| 1 | 2 |\n", "| x",
        "a | b\n", "--|--\n", "[", "]", "[x](http://a.b)", "[x](http://a", "(file:///x)",
        "![i](http://a/b.png)", "!", "[ref]", "[ref]: http://e.f\n", "[ref]:", " http://g.h",
        "http://a.b/c_d.", "<b>", "<br>", "<sub>", "</sub>", "<sup>2</sup>", "<kbd>", "</kbd>",
        "&amp;", "\\", "\\*", "def f():\n", "    return 1\n",
        '"""', "x = 1  # y\n", "é", "👍", "\u202e",
        "$", "$$", "$$\n", "$x$", "$$y$$\n", "\\(", "\\)", "\\[", "\\]\n", "\\[\n",
        "[!NOTE]\n", "> [!tip]\n", "[!",
        "a_1^2", "= b\n", "[^1]", "[^1]: note\n", "[^b]: ", "[^b]", "[^",
    ]
)  # fmt: skip


def rendered(text: str, *, all_rows: bool = False) -> list[Row]:
    """All of ``text`` parsed in one go, links defined anywhere in it known."""
    text = clean_source(text)
    text += "" if text.endswith("\n") else "\n"
    env: Environment = {ALL_ROWS: all_rows}
    PARSER.blocks(text, env)
    notes = begin_notes(env)
    rows = RowBuilder(PARSER, env).build(PARSER.blocks(text, env), text.split("\n"))
    return [*rows, *chain.from_iterable(notes.section())]


def updates(pieces: list[str], eager_size: int = 0) -> list[Update]:
    """What a view gets when ``pieces`` arrive one by one."""
    stream = MarkdownStream(PARSER, eager_size=eager_size)
    made: list[Update] = []
    for piece in pieces:
        stream.feed(piece)
        made.append(stream.update())
    while stream.finish_some():
        pass
    return [*made, stream.update()]


def streamed(pieces: list[str]) -> list[Row]:
    """What a view shows in the end."""
    rows: list[Row] = []
    for update in updates(pieces):
        rows[update.keep :] = update.rows
    return rows


def cut(text: str, size: int) -> list[str]:
    """``text`` in pieces of ``size`` characters."""
    return [text[start : start + size] for start in range(0, len(text), size)]
