"""What is typed into the search, as a value."""

from __future__ import annotations

import time

import pytest

from minerva_desktop.errors import InvalidRequest
from minerva_desktop.store.search_query import SearchQuery, parse


def day(year: int, month: int, day: int) -> float:
    return time.mktime((year, month, day, 0, 0, 0, 0, 0, -1))


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", SearchQuery()),
        ("  \n ", SearchQuery()),
        ("Green  TEA", SearchQuery(words=("green", "tea"))),
        ("tea Tea", SearchQuery(words=("tea",))),
        ('"Green Tea" leaf', SearchQuery(words=("green tea", "leaf"))),
        ('"green te', SearchQuery(words=("green te",))),
        ('"', SearchQuery()),
        ('foo"bar', SearchQuery(words=('foo"bar',))),
        ("http://x y:z", SearchQuery(words=("http://x", "y:z"))),
        ("supermodel:x", SearchQuery(words=("supermodel:x",))),
        ("model:Smol", SearchQuery(models=("smol",))),
        ('Model:"My Model" x', SearchQuery(models=("my model",), words=("x",))),
        ('folder:"My Wo', SearchQuery(folders=("my wo",))),
        ("model: folder: x", SearchQuery(words=("x",))),
        ('tag:"" before:', SearchQuery()),
        ("tag:a tag:Ä tag:b", SearchQuery(tags=("a", "b"))),
        ("pinned:yes", SearchQuery(is_pinned=(True,))),
        ("pinned:FALSE pinned:1", SearchQuery(is_pinned=(False, True))),
        ("before:2026", SearchQuery(before=day(2026, 1, 1))),
        ("before:2026-3", SearchQuery(before=day(2026, 3, 1))),
        ("after:2024-02-29", SearchQuery(after=day(2024, 2, 29))),
        ('after:"2024-02-29"', SearchQuery(after=day(2024, 2, 29))),
        (
            "before:2026 before:2025 after:2020 after:2021",
            SearchQuery(before=day(2025, 1, 1), after=day(2021, 1, 1)),
        ),
    ],
)
def test_what_is_typed(text: str, query: SearchQuery) -> None:
    assert parse(text) == query


@pytest.mark.parametrize(
    ("said", "begins"),
    [
        ("today", (2026, 3, 31)),
        ("Yesterday", (2026, 3, 30)),
        ("tomorrow", (2026, 4, 1)),
        ("7d", (2026, 3, 24)),
        ("2w", (2026, 3, 17)),
        ("1m", (2026, 2, 28)),
        ("13 months ago", (2025, 2, 28)),
        ("1y", (2025, 3, 31)),
        ("this week", (2026, 3, 30)),
        ("last week", (2026, 3, 23)),
        ("month", (2026, 3, 1)),
        ("last month", (2026, 2, 1)),
        ("this year", (2026, 1, 1)),
        ("last_year", (2025, 1, 1)),
        ("Tuesday", (2026, 3, 31)),
        ("wed", (2026, 3, 25)),
        ("march", (2026, 3, 1)),
        ("Apr", (2025, 4, 1)),
        ("March 2024", (2024, 3, 1)),
        ("31 March 2024", (2024, 3, 31)),
        ("Feb 29, 2024", (2024, 2, 29)),
        ("2026/3/1", (2026, 3, 1)),
        ("2026.03", (2026, 3, 1)),
        ("20260301", (2026, 3, 1)),
        ("1.3.2026", (2026, 3, 1)),
    ],
)
def test_dates_as_people_say_them(said: str, begins: tuple[int, int, int]) -> None:
    now = day(2026, 3, 31) + 55_800
    expected = SearchQuery(after=day(*begins), words=("tea",))
    assert parse(f"after:{said} tea", now) == expected
    assert parse(f'tea after:"{said}"', now) == expected
    assert parse(f"tea after: {said}", now) == expected


def test_hours_are_counted_from_now() -> None:
    query = parse("after:24h", day(2026, 7, 31) + 55_800)
    assert query.after == day(2026, 7, 31) - 30_600


def test_only_what_is_a_part_of_a_date_goes_with_it() -> None:
    now = day(2026, 3, 31)
    assert parse("after:march may be", now).words == ("may", "be")
    assert parse('before:2026 "2025"', now) == SearchQuery(before=day(2026, 1, 1), words=("2025",))
    assert parse("after: tea", now) == SearchQuery(words=("tea",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("before:soon", "“before:soon” is no date: write before:2026-03-31"),
        ("after:2025-02-29", "“after:2025-02-29” is no date"),
        ("after:2025-13", "no date"),
        ("after:99999d", "no date"),
        ("after:9999y", "no date"),
        ("after:31.2.2026", "no date"),
        ("after:2026-03/01", "no date"),
        ("after:ma", "no date"),
        ("after:30 feb", "“after:30” is no date"),
        ("before:0000", "no date"),
        ("before:2026-03-31x", "no date"),
        ("pinned:maybe", "“pinned:maybe” is neither pinned:yes nor pinned:no"),
    ],
)
def test_what_cannot_be_is_said(text: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as caught:
        parse(text)
    assert caught.value.param == text.partition(":")[0]
