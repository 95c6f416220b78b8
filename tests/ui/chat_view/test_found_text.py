"""Finding text in rendered rows; without a window."""

from __future__ import annotations

import pytest

from minerva_desktop.ui.chat_view.found_text import MAX_MATCHES, Match, Needle
from minerva_desktop.ui.chat_view.markdown import MarkdownParser
from minerva_desktop.ui.chat_view.rows import Row
from minerva_desktop.ui.chat_view.streaming import MarkdownStream

SOURCE = """\
A **bo**ld word, bold.

- Bold item

| Head | bold |
|---|---|
| x bold | y |

```py
BOLD = "über bold"
```
"""


def rows_of(source: str) -> list[Row]:
    stream = MarkdownStream(MarkdownParser())
    stream.feed(source)
    stream.finish()
    return stream.update().rows


def test_finds_what_is_read_and_not_the_markup() -> None:
    rows = rows_of(SOURCE)
    found = Needle("bold").matches(rows)
    assert [(rows[m.row].kind.name, m.cell, m.start, m.end) for m in found] == [
        ("TEXT", 0, 2, 6),
        ("TEXT", 0, 13, 17),
        ("TEXT", 0, 0, 4),
        ("TABLE", 1, 0, 4),
        ("TABLE", 0, 2, 6),
        ("CODE", 0, 0, 4),
        ("CODE", 0, 13, 17),
    ]
    assert Needle("**").matches(rows) == ()


@pytest.mark.parametrize(
    ("needle", "text"),
    [
        ("uber", "Über"),
        ("ÜBER", "uber"),
        ("straße", "Straße"),
        ("a b", "a\u00a0b"),
        ("ａ", "A"),
        ("東京", "東京"),
        ("i", "İ"),
    ],
)
def test_case_accents_and_widths_do_not_matter(needle: str, text: str) -> None:
    assert Needle(needle).may_be_in(text)
    assert Needle(needle).matches(rows_of(text)) == (Match(0, 0, 0, len(text)),)


@pytest.mark.parametrize("text", ["a **bo**ld b", "[bo](http://x.y)ld", "bo`l`d", "bo\\_ld"])
def test_markup_within_a_word_hides_it_from_nobody(text: str) -> None:
    assert Needle("bold").may_be_in(text)


def test_most_messages_are_not_rendered_for_it() -> None:
    assert not Needle("needle").may_be_in("Hay, and more hay.")


def test_nothing_is_found_for_nothing() -> None:
    assert not Needle("")


def test_the_number_of_matches_is_bounded() -> None:
    assert len(Needle("a").matches(rows_of("a" * 3 * MAX_MATCHES))) == MAX_MATCHES
