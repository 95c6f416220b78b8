"""What is written of rows is shown as those rows again."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from minerva_desktop.ui.chat_view.row_markdown import markdown_of
from minerva_desktop.ui.chat_view.rows import Kind, Mark, Row, Run
from tests.ui.chat_view.markdown_pieces import FRAGMENTS, rendered

AS_WRITTEN = [
    "Plain words, snake_case, 3 * 4 \\* 5 and a - b.",
    "# Head\n\ntext\n\n###### Small",
    "**bold** *italic* ***both*** ~~gone~~ `code` **a *b* c**",
    "- a\n- b\n  - c\n  - d\n- e",
    "1. one\n2. two\n   - inner\n3. three",
    "- [ ] open\n- [x] done",
    "1. [ ] open\n2. [x] done",
    "> quote\n>\n> more\n>\n> > inner",
    "```python\ndef f():\n    return 1\n```",
    "````\n```\n````",
    "| a | b | c | d |\n| --- | :-- | :-: | --: |\n| 1 | `x\\|y` | **3** | 4 \\| 5 |",
    "[text](http://a.b/c) and http://a.b/c_d, then me@a.org",
    "![alt](http://a.b/c.png)",
    "$x^2$ and\n\n$$\na_1\n$$\n\nthen \\(y\\)",
    "one\ntwo<br><br>three",
    "- a\n\n* b",
    "-\n  ```\n  code\n  ```",
    "one\n\n---\n\ntwo",
    "[a$](http://b.c/$) and \\$x\\$",
    "- a\n\n  more\n\n  > quote\n- b",
    "> [!NOTE]\n> text\n>\n> - a\n\n> [!NOTE]\n>\n> - b\n\n> quote",
    "- > a\n  >\n  > more\n- > # b\n- c\n  1. > d\n     > - e",
]


@pytest.mark.parametrize("source", AS_WRITTEN)
def test_markdown_as_most_people_write_it_comes_back(source: str) -> None:
    assert looks(rendered(markdown_of(rendered(source)))) == looks(rendered(source))


def looks(rows: list[Row]) -> list[object]:
    """All of ``rows`` that is seen: white space has no look."""
    return [
        (row.kind, row.nest, row.marker, row.level, row.label, row.raw, row.align,
         characters(row.runs), [characters(cell) for cell in row.cells])
        for row in rows
    ]  # fmt: skip


def characters(runs: tuple[Run, ...]) -> list[tuple[str, Mark, str]]:
    runs = tuple(
        run._replace(text=" ".join(run.text.split())) if Mark.FORMULA in run.mark else run
        for run in runs
    )
    return [
        (each, Mark.NONE, "") if each.isspace() else (each, run.mark, run.link)
        for run in runs
        for each in run.text
    ]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(FRAGMENTS, max_size=14))
def test_rows_come_back_from_their_markdown(fragments: list[str]) -> None:
    source = "".join(fragments)
    rows = rendered(source)
    assume(not has_no_markdown(source, rows))
    assert looks(rendered(markdown_of(rows))) == looks(rows)


def has_no_markdown(source: str, rows: list[Row]) -> bool:
    """Whether something makes rows that no Markdown of theirs could: notes, whose definitions are
    not among them; two lists without anything between; an item that is empty and goes on; code
    in a language that is called after a table."""
    pairs = list(itertools.pairwise(rows))
    restarts = any(
        row.marker[:1].isdigit() and row.marker[-1] == above.marker[-1:] and not row.tight
        for above, row in pairs
    )
    goes_on = any(
        above.marker and not above.runs and row.kind is Kind.TEXT and row.nest == above.nest
        for above, row in pairs
        if not row.marker
    )
    odd_language = any("|" in row.label for row in rows)
    return "[^" in source or restarts or goes_on or odd_language


def test_what_leads_elsewhere_in_the_message_is_left_out() -> None:
    noted = rendered("Words[^1] here.\n\n[^1]: The *note*.")
    assert markdown_of(noted) == "Words[^1] here.\n\n---\n\n1. The *note*."
    long = rendered("| a | b |\n| - | - |\n" + "| 1 | 2 |\n" * 600)
    assert markdown_of(long).endswith("| 1 | 2 |")
    assert "Show all rows" not in markdown_of(long)


def test_nothing_is_escaped_without_need() -> None:
    plain = "It costs $5 (see snake_case, 2 < 3 & x!). Hello! [1], a-b, 1.5 and C#."
    assert markdown_of(rendered(plain)) == plain
