from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minerva_desktop.chat.export_names import MAX_NAME_BYTES, FileNames, file_stem


@pytest.mark.parametrize(
    ("title", "stem"),
    [
        ("How do I …?", "How do I …-"),
        ("a/b\\c:d", "a-b-c-d"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1", "_com1"),
        ("LPT¹ .x", "_LPT¹ .x"),
        ("console", "console"),
        ("ends with dots. . .", "ends with dots"),
        ("..", "chat"),
        ("", "chat"),
        ("two\nlines\tand\0zero", "two lines and zero"),
        ("invoice\u202efdp.exe", "invoice fdp.exe"),
        ("e\u0301", "é"),
        ("é" * 200, "é" * 90),
        ("\ud83d", "�"),
    ],
)
def test_a_title_as_a_name(title: str, stem: str) -> None:
    assert file_stem(title) == stem


@given(st.text(max_size=300))
def test_any_title_makes_a_name_that_all_systems_take(title: str) -> None:
    stem = file_stem(title)
    assert 0 < len(stem.encode()) <= MAX_NAME_BYTES + 1
    assert set(stem).isdisjoint('<>:"/\\|?*\0\n\r')
    assert stem == stem.strip(" .")


def test_names_of_one_folder_differ_whatever_the_case() -> None:
    names = FileNames(".md")
    titles = ("Chat", "chat", "CHAT (2)", "e\u0301", "É", "a/b", "a:b")
    assert [names.name_for(title) for title in titles] == [
        "Chat.md", "chat (2).md", "CHAT (2) (2).md", "é.md", "É (2).md", "a-b.md", "a-b (2).md",
    ]  # fmt: skip
