"""Deltas are whole characters and never part of a stop string."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minerva_desktop.engine.core.detokenizer import (
    IncrementalDetokenizer,
    begun_character,
)


def _pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(edges)]


@given(st.text(), st.lists(st.integers(min_value=0)))
def test_any_cut_gives_the_same_text_in_whole_characters(text: str, cuts: list[int]) -> None:
    detokenizer = IncrementalDetokenizer()
    data = text.encode("utf-8", "replace")
    deltas = [detokenizer.push(piece) for piece in _pieces(data, cuts)]
    assert "".join(deltas) + detokenizer.flush() == data.decode()


@given(st.text(alphabet="ab<|e", max_size=30), st.lists(st.integers(min_value=0), max_size=8))
def test_a_stop_string_never_leaks_however_it_is_cut(text: str, cuts: list[int]) -> None:
    stop = "<|e"
    detokenizer = IncrementalDetokenizer([stop])
    shown = "".join(detokenizer.push(piece) for piece in _pieces(text.encode(), cuts))
    shown += detokenizer.flush()
    assert shown == text.partition(stop)[0]
    assert detokenizer.stopped == (stop in text)


@given(st.text(), st.integers(min_value=0))
def test_an_answer_begins_with_the_character_that_its_prompt_ends_in(text: str, cut: int) -> None:
    data = text.encode("utf-8", "replace")
    prompt, answer = data[: cut % (len(data) + 1)], data[cut % (len(data) + 1) :]
    begun = begun_character(prompt)
    whole = prompt[: len(prompt) - len(begun)].decode()
    detokenizer = IncrementalDetokenizer(begun=begun)
    assert (
        whole + detokenizer.push(answer) + detokenizer.flush()
        == text.encode("utf-8", "replace").decode()
    )
    assert begun_character(prompt[-4:]) == begun


def test_a_character_split_over_tokens_appears_when_it_is_whole() -> None:
    detokenizer = IncrementalDetokenizer()
    snowman = "☃".encode()
    assert detokenizer.push(b"a" + snowman[:1]) == "a"
    assert detokenizer.push(snowman[1:2]) == ""
    assert detokenizer.push(snowman[2:] + b"b") == "☃b"


def test_what_could_become_a_stop_string_is_held_back_and_released() -> None:
    detokenizer = IncrementalDetokenizer(["END", "\n\nUser:"])
    assert detokenizer.push(b"one E") == "one "
    assert detokenizer.push(b"N") == ""
    assert detokenizer.push(b"tire") == "ENtire"
    assert detokenizer.push(b"\n\nUse") == ""
    assert detokenizer.push(b"r: more") == ""
    assert detokenizer.stopped
    assert detokenizer.stop_string == "\n\nUser:"


def test_the_stop_string_that_comes_first_in_the_text_is_the_one_that_counts() -> None:
    detokenizer = IncrementalDetokenizer(["two", "one"])
    assert detokenizer.stop_string is None
    assert detokenizer.push(b"zero one two") == "zero "
    assert detokenizer.stop_string == "one"


@pytest.mark.parametrize("stop", [(), ("\ufffd",), ("okay",)])
def test_a_character_that_the_end_cuts_is_left_out(stop: tuple[str, ...]) -> None:
    detokenizer = IncrementalDetokenizer(stop)
    assert detokenizer.push(b"ok\xe2\x98") + detokenizer.flush() == "ok"
    assert not detokenizer.stopped


def test_bytes_that_begin_no_character_are_marked_also_at_the_end() -> None:
    detokenizer = IncrementalDetokenizer()
    assert detokenizer.push(b"a\x98b\xe2c\xff") == "a\ufffdb\ufffdc\ufffd"
    assert detokenizer.flush() == ""


def test_what_the_prompt_has_opened_comes_with_the_first_token_and_stops_nothing() -> None:
    detokenizer = IncrementalDetokenizer(["\n"], "<think>\n")
    assert [detokenizer.push(piece) for piece in (b"a", b"b\n", b"c")] == ["<think>\na", "b", ""]
    assert IncrementalDetokenizer((), "<think>").flush() == "", "there was no answer"
    at_once = IncrementalDetokenizer(["x"], "<think>")
    assert (at_once.push(b"x"), at_once.flush()) == ("<think>", "")


def test_stop_strings_do_not_count_in_calls() -> None:
    detokenizer = IncrementalDetokenizer(["<a", "!"])
    # What could have become a stop string is given out when a call begins, of which it is none.
    shown = [detokenizer.push(b"x<"), detokenizer.push(b"a!", 2), detokenizer.push(b"b!", 1)]
    assert shown == ["x", "<a!", "b!"]
    assert [detokenizer.push(b"b!c"), detokenizer.stop_string] == ["b", "!"]


def test_half_a_character_is_withheld_with_the_stop_string_that_it_may_begin() -> None:
    piece = "é".encode()
    detokenizer = IncrementalDetokenizer(("éN",))
    assert [detokenizer.push(b"a" + piece[:1]), detokenizer.n_withheld] == ["a", 1]
    assert [detokenizer.push(piece[1:]), detokenizer.n_withheld] == ["", 2]
    assert [detokenizer.push(b"N"), detokenizer.n_withheld] == ["", 3]


def test_no_half_of_a_character_is_withheld_for_what_only_opens_the_text() -> None:
    detokenizer = IncrementalDetokenizer(opening="<think>")
    assert [detokenizer.push(b"\xc3"), detokenizer.n_withheld] == ["<think>", 0]
