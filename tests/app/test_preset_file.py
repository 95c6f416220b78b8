"""Presets on disk: what was written comes back, and what is no preset costs nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minerva_desktop.app.preset_file import MAX_BYTES, PresetFile, read_presets, write_presets
from minerva_desktop.chat.presets import Preset, PromptLibrary, Snippet
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import InvalidRequest, StoreError

LIBRARY = PromptLibrary(
    presets=(Preset(name="Teacher", system_prompt="Teach.", sampling=SamplingParameters(seed=1)),),
    snippets=(Snippet(name="fix", text="Correct: {{text}}"),),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "presets.json"


def test_what_was_saved_comes_back(path: Path) -> None:
    file = PresetFile(path)
    assert file.current == PromptLibrary()
    file.save(LIBRARY)
    again = PresetFile(path)
    assert (again.current, again.problem) == (LIBRARY, None)
    assert sorted(each.name for each in path.parent.iterdir()) == ["presets.json"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"no JSON", "is no file of presets: JSON is malformed"),
        (b'{"format": "other", "version": 1}', "its format is not “minerva-presets”"),
        (b'{"presets": [{"name": 5}]}', "Expected `str`, got `int`"),
        (b'{"presets": [{"name": "x", "sampling": {"temperature": 9}}]}', "temperature"),
        (b'{"snippets": [{"name": "two words", "text": ""}]}', "cannot be a snippet's name"),
        (b"[" * 100_000, "is no file of presets"),
    ],
)
def test_a_file_that_is_none_is_kept_aside(path: Path, content: bytes, why: str) -> None:
    path.write_bytes(content)
    file = PresetFile(path)
    assert file.current == PromptLibrary()
    assert file.problem is not None
    assert why in file.problem
    assert path.with_name("presets.json.unreadable").read_bytes() == content
    file.save(LIBRARY)
    assert PresetFile(path).current == LIBRARY


def test_a_newer_file_stays_as_it_is(path: Path) -> None:
    content = b'{"format": "minerva-presets", "version": 2, "presets": {"in": "another shape"}}'
    path.write_bytes(content)
    file = PresetFile(path)
    assert file.current == PromptLibrary()
    assert file.problem == (
        "presets.json was written by a newer Minerva (format 2, this one knows 1): update the app"
        " to read it. It is left untouched."
    )
    with pytest.raises(StoreError, match="left untouched: update the app to change presets"):
        file.save(LIBRARY)
    with pytest.raises(StoreError, match="left untouched"):
        file.add(LIBRARY)
    assert path.read_bytes() == content
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_presets_of_another_person_are_added(path: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared.json"
    write_presets(shared, LIBRARY)
    file = PresetFile(path)
    assert file.add(read_presets(shared)) == 2
    assert file.add(read_presets(shared)) == 0
    assert PresetFile(path).current == LIBRARY


def test_a_bad_file_adds_nothing(path: Path, tmp_path: Path) -> None:
    file = PresetFile(path)
    file.save(LIBRARY)
    large = tmp_path / "large.json"
    large.touch()
    os.truncate(large, MAX_BYTES + 1)
    with pytest.raises(InvalidRequest, match="larger than 16,777,216 bytes"):
        file.add(read_presets(large))
    with pytest.raises(StoreError, match="could not be read: it is not there"):
        file.add(read_presets(tmp_path / "nothing.json"))
    assert PresetFile(path).current == LIBRARY


def test_a_disk_that_does_not_take_it(tmp_path: Path) -> None:
    folder = tmp_path / "presets.json.new"
    folder.mkdir()
    file = PresetFile(tmp_path / "presets.json")
    with pytest.raises(StoreError, match="could not be written: it is a folder"):
        file.save(LIBRARY)
    assert file.current == PromptLibrary()


def test_what_could_not_be_read_again_is_not_written(path: Path) -> None:
    file = PresetFile(path)
    file.save(LIBRARY)
    long = "x" * 200_000
    many = tuple(Snippet(name=f"s{number}", text=long) for number in range(85))
    with pytest.raises(StoreError, match="16,777,216 are the most"):
        file.save(PromptLibrary(snippets=many))
    with pytest.raises(InvalidRequest, match="at most 200,000 characters, not 200,001"):
        LIBRARY.with_snippet(Snippet(name="long", text=long + "x"))
    with pytest.raises(InvalidRequest, match="half a character"):
        LIBRARY.with_preset(Preset(name="half", system_prompt="\ud800"))
    assert PresetFile(path).current == LIBRARY
