"""Presets and snippets: names, joining, and places to fill in."""

from __future__ import annotations

import time

import pytest

from minerva_desktop.chat.presets import (
    MAX_NAME,
    Preset,
    PromptLibrary,
    Snippet,
    filled,
    variables,
)
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import InvalidRequest

TEACHER = Preset(name="Teacher", system_prompt="Teach.")
BOLD = Preset(name="Bold", sampling=SamplingParameters(temperature=1.5))
FIX = Snippet(name="fix", text="Correct this: {{text}}")


def test_a_preset_of_the_same_name_takes_its_place() -> None:
    library = PromptLibrary().with_preset(TEACHER).with_preset(BOLD)
    stricter = Preset(name="Teacher", system_prompt="Teach strictly.")
    changed = library.with_preset(stricter)
    assert changed.presets == (stricter, BOLD)
    assert changed.preset("Teacher") == stricter
    assert changed.without_preset("Teacher").presets == (BOLD,)
    assert changed.preset("nobody") is None


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * (MAX_NAME + 1)])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(InvalidRequest, match="1 to 60 characters"):
        PromptLibrary().with_preset(Preset(name=name))


def test_parameters_out_of_range_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="temperature"):
        PromptLibrary().with_preset(Preset(name="x", sampling=SamplingParameters(temperature=9)))


@pytest.mark.parametrize("name", ["two words", "", "a/b", "x" * 61])
def test_a_snippets_name_is_one_word(name: str) -> None:
    with pytest.raises(InvalidRequest, match="no spaces"):
        PromptLibrary().with_snippet(Snippet(name=name, text="x"))
    library = PromptLibrary().with_snippet(Snippet(name="über-2", text="x"))
    assert library.snippet("über-2") is not None
    assert library.without_snippet("über-2") == PromptLibrary()


def test_joining_keeps_both_and_doubles_nothing() -> None:
    ours = PromptLibrary(presets=(TEACHER,), snippets=(FIX,))
    other_teacher = Preset(name="Teacher", system_prompt="Other.")
    other_fix = Snippet(name="fix", text="Mend: {{text}}")
    joined = ours.joined(
        PromptLibrary(presets=(TEACHER, other_teacher, BOLD), snippets=(other_fix,))
    )
    assert [each.name for each in joined.presets] == ["Teacher", "Teacher 2", "Bold"]
    assert [each.name for each in joined.snippets] == ["fix", "fix-2"]
    assert joined.presets[1].system_prompt == "Other."
    again = joined.joined(PromptLibrary(presets=(other_teacher,), snippets=(other_fix,)))
    assert again == joined  # they are there, with their numbers
    long = Preset(name="x" * MAX_NAME)
    twice = PromptLibrary(presets=(long,)).joined(
        PromptLibrary(presets=(Preset(name="x" * MAX_NAME, system_prompt="y"),))
    )
    assert twice.presets[1].name == "x" * (MAX_NAME - 2) + " 2"


def test_places_to_fill_in() -> None:
    text = "On {{ Date }}: {{text}} and {{text}}, {not} {{}} {{ }} {{a{b}}"
    assert variables(text) == {"date", "text"}
    done = filled(text, {"date": "{{text}} day"})
    assert done.text == "On {{text}} day: {{text}} and {{text}}, {not} {{}} {{ }} {{a{b}}"
    assert done.places == ((17, 25), (30, 38))  # what came with a value is no place


def test_renaming_keeps_the_place_and_takes_no_other_name() -> None:
    library = PromptLibrary(presets=(TEACHER, BOLD), snippets=(FIX,))
    assert [each.name for each in library.renamed_preset("Teacher", "T").presets] == ["T", "Bold"]
    with pytest.raises(InvalidRequest, match="There is a “Bold” already"):
        library.renamed_preset("Teacher", "Bold")
    assert library.renamed_snippet("fix", "mend").snippet("mend") is not None
    with pytest.raises(InvalidRequest, match="cannot be a snippet's name"):
        library.renamed_snippet("fix", "to mend")


def test_what_was_taken_out_comes_back_where_it_was() -> None:
    library = PromptLibrary(presets=(TEACHER, BOLD), snippets=(FIX,))
    assert library.without_preset("Teacher").put_back_preset(TEACHER, 0) == library
    assert library.without_snippet("fix").put_back_snippet(FIX, 0) == library
    taken = library.put_back_preset(TEACHER, 2)
    assert [each.name for each in taken.presets] == ["Teacher", "Bold", "Teacher 2"]


def test_a_preset_leaves_alone_what_it_does_not_set() -> None:
    hot = SamplingParameters(temperature=2.0)
    assert TEACHER.applied_to("x", hot) == ("Teach.", hot)
    assert BOLD.applied_to("x", hot) == ("x", BOLD.sampling)
    assert TEACHER.is_in_force("Teach.", hot)
    assert not TEACHER.is_in_force("x", hot)


def test_many_are_joined_in_a_moment() -> None:
    many = PromptLibrary(snippets=tuple(Snippet(name=f"s{i}", text="x") for i in range(20_000)))
    started = time.perf_counter()
    assert len(many.joined(many).snippets) == 20_000
    assert time.perf_counter() - started < 2.0  # it took minutes one by one
