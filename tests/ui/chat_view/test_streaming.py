"""Streaming in pieces ends as rendering at once does, at a cost that does not grow."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it.token import Token

from minerva_desktop.ui.chat_view.code_highlight import LineHighlighter
from minerva_desktop.ui.chat_view.markdown import Environment, MarkdownParser
from minerva_desktop.ui.chat_view.open_size import LEAST_LINE
from minerva_desktop.ui.chat_view.plain_stream import PlainStream, Update
from minerva_desktop.ui.chat_view.rows import Kind, Mark, Row, Run
from minerva_desktop.ui.chat_view.streaming import CUT_LIMIT, OPEN_LIMIT, MarkdownStream
from tests.ui.chat_view.markdown_pieces import FRAGMENTS, PARSER, cut, rendered, streamed, updates


@settings(max_examples=300, deadline=None)
@example(["```", "[^1]", "\n", "\r"], 1)
@example(["[^b]: |---|\n", "|---|:-:|\n", "__", "|---|:-:|\n"], 1)
@given(st.lists(FRAGMENTS, max_size=30), st.integers(1, 7))
def test_any_chunking_ends_as_one_rendering(fragments: list[str], size: int) -> None:
    text = "".join(fragments)
    expected = rendered(text)
    assert streamed(fragments) == expected
    assert streamed(cut(text, size)) == expected
    assert streamed([text]) == expected


@pytest.mark.parametrize(
    "fragments",
    [
        [
            "word",
            "| a | b |\n",
            "-",
            "|---|:-:|\n",
            "\n",
            "word",
        ],  # blank line after a table's head
        ["~~~~", "a | b\n", "--|--\n"],  # a fence's info that is the head of a table
        ["- [x] done\n", "- ", "|---|\n", "--|--\n"],  # an item that looks like a table's head
        ["[ref]: http://e.f\n", '"""'],  # a definition taken back by the next line
        ["  ", "```\n", "\t"],  # a tab in an indented fence
        ["text\n", "#", "hash"],  # a heading that turns out to be text
        ["> a\n", "    >```\n"],  # in the quote a fence, alone an indented line
        ["- a\n", "*", "b*"],  # a new list that turns out to be emphasis
    ],
)
def test_found_by_chance_once(fragments: list[str]) -> None:
    assert streamed(fragments) == rendered("".join(fragments))


@pytest.mark.parametrize(
    "text",
    [
        "word " * 5_000,
        "x" * 20_000,
        "line of words\n" * 1_500,
        "- item\n" + "  nested text\n\n" * 1_500,
        "> quote\n" * 1_500,
        "```\n" + "y" * 9_000 + "\nshort\n```\nafter",
        "1. item\n" * 900,
        "|a|b|\n|-|-|\n" + "|some|cells|\n" * 700,
    ],
)
def test_overlong_blocks_are_cut_at_the_same_place_in_any_chunking(text: str) -> None:
    assert streamed(cut(text, 777)) == streamed([text]) == streamed(cut(text, 4_001))


def test_what_is_open_is_lexed_and_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was lexed anew with each piece: 140 lines of code in a list took 60 ms each time."""
    lexed, parsed = [], []
    add, runs = LineHighlighter.add, MarkdownParser.runs

    def counted_add(self: LineHighlighter, line: str) -> None:
        lexed.append(line)
        add(self, line)

    def counted_runs(self: MarkdownParser, source: str, env: Environment) -> tuple[Run, ...]:
        parsed.append(source)
        return runs(self, source, env)

    monkeypatch.setattr(LineHighlighter, "add", counted_add)
    monkeypatch.setattr(MarkdownParser, "runs", counted_runs)
    items = "".join(f"  - item {number}\n" for number in range(200))
    text = "- top\n\n  ```python\n" + "  x = 1\n" * 200 + f"  ```\n{items}"
    stream = MarkdownStream(PARSER)
    shown: list[Row] = []
    for piece in cut(text, 40):
        stream.feed(piece)
        update = stream.update()
        shown[update.keep :] = update.rows
    assert len(shown) > 300
    assert len(lexed) < 450
    assert len(parsed) < 700
    assert streamed(cut(text, 40)) == rendered(text)


def test_nothing_overlong_is_left_open() -> None:
    stream = MarkdownStream(PARSER)
    for piece in cut("- item\n" + "  nested text\n\n" * 2_000, 900):
        stream.feed(piece)
        assert sum(len(row.text) for row in stream.update().rows) < 2 * CUT_LIMIT
    stream = MarkdownStream(PARSER)
    for piece in cut("word " * 4_000, 500):
        stream.feed(piece)
        assert sum(len(row.text) for row in stream.update().rows) < 2 * OPEN_LIMIT
    stream = MarkdownStream(PARSER)
    for piece in cut("a | b\n- | -\n" * 1_500, 500):  # each item might be the head of a table
        stream.feed(piece)
        assert sum(len(row.text) for row in stream.update().rows) < 2 * OPEN_LIMIT


MIXED = """\
## Heading

A paragraph with **bold**, `code` and [a link](https://example.org) that goes on for a while.

1. first item
2. second item with more words
   - nested

| a | b |
|---|---|
| 1 | 2 |
| 3 | 4 |

```python
def f(x: int) -> int:
    return x + 1
```

> quoted text

"""


def seconds_for(stream: MarkdownStream, pieces: list[str]) -> float:
    started = time.thread_time()
    for piece in pieces:
        stream.feed(piece)
        stream.update()
    return time.thread_time() - started


def test_cost_per_piece_does_not_grow_with_the_answer() -> None:
    stream = MarkdownStream(PARSER)
    pieces = cut(MIXED * 4, 8)
    early = min(seconds_for(stream, pieces) for _ in range(6))
    stream.feed(MIXED * 300)
    late = min(seconds_for(stream, pieces) for _ in range(6))
    assert late < 2 * early


@pytest.mark.parametrize(
    "text", ["- item of a list\n", "x = f(1)  # code\n", "|a|b|\n", "> q\n\n", "> - item\n"]
)
def test_nor_with_one_long_block(text: str) -> None:
    stream = MarkdownStream(PARSER)
    stream.feed({"x": "```python\n", "|": "|a|b|\n|-|-|\n"}.get(text[0], "") + text * 100)
    pieces = cut(text * 30, 6)
    early = min(seconds_for(stream, pieces) for _ in range(3))
    stream.feed(text * 1_000)
    late = min(seconds_for(stream, pieces) for _ in range(3))
    assert late < 3 * early


@pytest.mark.parametrize("almost_a_fence", ["`" * 3_000 + "|\n", "~" * 3_000 + "|\n"])
def test_a_line_is_looked_at_once(almost_a_fence: str) -> None:
    assert seconds_for(MarkdownStream(PARSER), [almost_a_fence] * 10) < 0.15  # it was 0.5 s


@pytest.mark.parametrize(
    ("text", "is_cut"),
    [
        ("[^1]: note\n" + "a\n" * 3_000, True),
        ("> a\n" * 3_000, True),
        ("- a\n" + "  b\n" * 3_000, True),
        ("> - a\n" * 3_000, False),
        ("> > 1. a\n" * 3_000, False),
        ("> [!NOTE]\n> > a\n> >\n" * 1_000, False),
        ("> |a|\n> |-|\n> |b|\n>\n" * 750, False),
    ],
)
def test_many_short_lines_are_not_parsed_at_once(
    monkeypatch: pytest.MonkeyPatch, text: str, is_cut: bool
) -> None:
    """6,000 lines of one letter in a note took 0.3 s with each piece, and so did items in a quote:
    now a paragraph is cut, and what is in a quote is settled, item by item."""
    most, blocks = 0, MarkdownParser.blocks

    def counted(self: MarkdownParser, source: str, env: Environment) -> list[Token]:
        nonlocal most
        most = max(most, source.count("\n"))
        return blocks(self, source, env)

    monkeypatch.setattr(MarkdownParser, "blocks", counted)
    rows = streamed(cut(text, 500))
    assert most <= OPEN_LIMIT // LEAST_LINE
    assert rows == streamed([text])
    assert (rows != rendered(text)) == is_cut


def shown(text: str) -> list[Row]:
    """What is shown while ``text`` is all that came so far."""
    stream = MarkdownStream(PARSER)
    stream.feed(text)
    return stream.update().rows


def test_half_written_emphasis_is_shown_as_it_will_be() -> None:
    (row,) = shown("this is **very bo")
    assert row.text == "this is very bo"
    assert row.runs[-1].mark is Mark.BOLD
    (row,) = shown("call `foo(")
    assert row.runs[-1] == ("foo(", Mark.CODE, "", "")
    (row,) = shown("see [the page](https://exam")
    assert row.text == "see the page"
    (row,) = shown("no *")
    assert row.text.strip() == "no"


@pytest.mark.parametrize(
    "start", ["-", "1", "1.", "#", "##", "|", "```", "```py", "===", "- [", "~~"]
)
def test_a_line_waits_until_it_is_clear_what_it_is(start: str) -> None:
    assert [row.text for row in shown(f"Some text\n{start}")] == ["Some text"]


def test_a_table_does_not_appear_as_text_first() -> None:
    assert [row.text for row in shown("Look:\n\n| a | b |\n|--")] == ["Look:"]
    header, row = shown("Look:\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 ")[1:]
    assert header.kind is row.kind is Kind.TABLE
    assert row.text == "1 | 2"


def test_links_defined_at_the_end_are_found() -> None:
    rows = streamed(
        cut("See [the docs].\n\n" + "text\n\n" * 300 + "[the docs]: https://d.org\n", 50)
    )
    assert rows[0].runs[1].link == "https://d.org"


def test_settled_rows_are_not_sent_again() -> None:
    made = updates(cut(MIXED * 20, 40))
    sent = sum(len(update.rows) for update in made)
    total = made[-1].keep + len(made[-1].rows)
    assert sent < 12 * total
    assert all(later.keep >= sooner.keep for sooner, later in pairwise(made))


@given(st.lists(st.sampled_from(["a", "\n", "\r", "\r\n", "# x", " ", "**b**"])), st.integers(1, 3))
def test_a_persons_text_stays_as_it_is_up_to_blank_lines_at_its_end(
    fragments: list[str], size: int
) -> None:
    text = "".join(fragments)
    stream = PlainStream()
    rows: list[Row] = []
    for piece in cut(text, size):
        stream.feed(piece)
        update: Update = stream.update()
        rows[update.keep :] = update.rows
    while stream.finish_some():
        pass
    update = stream.update()
    rows[update.keep :] = update.rows
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    assert [row.text for row in rows] == (lines or [""])
