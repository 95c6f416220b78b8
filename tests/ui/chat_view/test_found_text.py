"""Finding text in rendered rows; without a window."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

import pytest

from minerva_desktop.ui.chat_view.found_text import MAX_MATCHES, PIECE, Match, Needle
from minerva_desktop.ui.chat_view.markdown import MarkdownParser
from minerva_desktop.ui.chat_view.rows import Row
from minerva_desktop.ui.chat_view.streaming import MarkdownStream
from tests.patience import cpu_seconds

Result = TypeVar("Result")

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
    while stream.finish_some():
        pass
    return stream.update().rows


def run(steps: Generator[None, None, Result]) -> Result:
    """What comes of it in the end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


def may_be_in(needle: str, source: str) -> bool:
    return run(Needle(needle).may_be_in(source))


def matches(needle: str, rows: list[Row]) -> tuple[Match, ...]:
    return run(Needle(needle).matches(rows))


def test_finds_what_is_read_and_not_the_markup() -> None:
    rows = rows_of(SOURCE)
    found = matches("bold", rows)
    assert [(rows[m.row].kind.name, m.cell, m.start, m.end) for m in found] == [
        ("TEXT", 0, 2, 6),
        ("TEXT", 0, 13, 17),
        ("TEXT", 0, 0, 4),
        ("TABLE", 1, 0, 4),
        ("TABLE", 0, 2, 6),
        ("CODE", 0, 0, 4),
        ("CODE", 0, 13, 17),
    ]
    assert matches("**", rows) == ()


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
        ("STRASSE", "Straße"),
        ("straße", "STRASSE"),
        ("ß", "ẞ"),
        ("office", "o\ufb03ce"),
        ("café", "cafe\u0301"),
        ("cafe\u0301 au", "café au"),
        ("cafe au", "cafe\u0301 au"),
        ("مرحبا", "مَرْحَبًا"),
        ("ὀδυσσεύς", "ΟΔΥΣΣΕΥΣ"),
        ("❤", "❤\ufe0f"),
        ("❤\ufe0f", "❤"),
        ("...", "…"),
    ],
)
def test_case_accents_ligatures_and_widths_do_not_matter(needle: str, text: str) -> None:
    assert may_be_in(needle, text)
    assert matches(needle, rows_of(text)) == (Match(0, 0, 0, len(text)),)


def test_what_is_found_after_other_forms_is_marked_at_its_place() -> None:
    found = matches("maße", rows_of("Größe e\u0301 **Maße**, ﬁn MASSE."))
    assert [(match.start, match.end) for match in found] == [(9, 13), (18, 23)]


@pytest.mark.parametrize(("needle", "text"), [("s", "ß"), ("か", "が"), ("하", "한"), ("क", "ख")])
def test_a_part_of_a_character_or_another_letter_is_not_found(needle: str, text: str) -> None:
    assert matches(needle, rows_of(text)) == ()


@pytest.mark.parametrize("text", ["a **bo**ld b", "[bo](http://x.y)ld", "bo`l`d", "bo\\_ld"])
def test_markup_within_a_word_hides_it_from_nobody(text: str) -> None:
    assert may_be_in("bold", text)


def test_most_messages_are_not_rendered_for_it() -> None:
    assert not may_be_in("needle", "Hay, and more hay.")


def test_nothing_is_found_for_nothing() -> None:
    assert not Needle("")


def test_the_number_of_matches_is_bounded() -> None:
    assert len(matches("a", rows_of("a" * 3 * MAX_MATCHES))) == MAX_MATCHES


@pytest.mark.parametrize("place", [0, PIECE - 8, PIECE - 3, PIECE, 2 * PIECE - 1, 3 * PIECE - 10])
@pytest.mark.parametrize("between", ["x", "x" * 79 + "\n"])
def test_long_messages_are_searched_in_pieces(place: int, between: str) -> None:
    hay = (between * 3 * PIECE)[: 3 * PIECE]
    source = f"{hay[:place]}ne[ed](http://x.y)le{hay[place:]}"
    steps = list(Needle("absent").may_be_in(source))
    assert len(steps) >= 3
    in_one_piece = "\n" in between or place % PIECE < PIECE - 20
    assert may_be_in("needle", source) or not in_one_piece
    assert may_be_in("needle", hay[:place] + "need*le*" + hay[place:])


def test_links_without_an_end_cost_no_more_than_others() -> None:
    assert not may_be_in("needle", "[a](b" * 40_000)
    assert cpu_seconds(lambda: may_be_in("needle", "[a](b" * 40_000)) < 1.0


def test_many_rows_are_searched_in_steps() -> None:
    rows = rows_of("word\n\n" * 1_000)
    assert len(list(Needle("absent").matches(rows))) == 10
    assert len(matches("word", rows)) == 1_000
