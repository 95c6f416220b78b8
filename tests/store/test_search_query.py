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
    ("text", "said"),
    [
        ("before:soon", "“before:soon” is no date: write before:2026-03-31"),
        ("after:2025-02-29", "“after:2025-02-29” is no date"),
        ("after:2025-13", "no date"),
        ("before:0000", "no date"),
        ("before:2026-03-31x", "no date"),
        ("pinned:maybe", "“pinned:maybe” is neither pinned:yes nor pinned:no"),
    ],
)
def test_what_cannot_be_is_said(text: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as caught:
        parse(text)
    assert caught.value.param == text.partition(":")[0]
