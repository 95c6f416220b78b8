"""Presets on disk: what was written comes back, and what is no preset costs nothing."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from minerva_desktop.app import preset_file
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


async def test_what_was_kept_comes_back(path: Path) -> None:
    file = PresetFile(path)
    assert file.current == PromptLibrary()
    file.keep(LIBRARY)
    assert file.current == LIBRARY
    await file.written()
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
async def test_a_file_that_is_none_is_kept_aside(path: Path, content: bytes, why: str) -> None:
    path.write_bytes(content)
    file = PresetFile(path)
    assert file.current == PromptLibrary()
    assert file.problem is not None
    assert why in file.problem
    assert path.with_name("presets.json.unreadable").read_bytes() == content
    file.keep(LIBRARY)
    await file.written()
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
        file.keep(LIBRARY)
    with pytest.raises(StoreError, match="left untouched"):
        file.add(LIBRARY)
    assert path.read_bytes() == content
    assert [each.name for each in path.parent.iterdir()] == [path.name]


async def test_presets_of_another_person_are_added(path: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared.json"
    write_presets(shared, LIBRARY)
    file = PresetFile(path)
    assert file.add(read_presets(shared)) == 2
    assert file.add(read_presets(shared)) == 0
    await file.written()
    assert PresetFile(path).current == LIBRARY


async def test_a_bad_file_adds_nothing(path: Path, tmp_path: Path) -> None:
    file = PresetFile(path)
    file.keep(LIBRARY)
    await file.written()
    large = tmp_path / "large.json"
    large.touch()
    os.truncate(large, MAX_BYTES + 1)
    with pytest.raises(InvalidRequest, match="larger than 16,777,216 bytes"):
        file.add(read_presets(large))
    with pytest.raises(StoreError, match="could not be read: it is not there"):
        file.add(read_presets(tmp_path / "nothing.json"))
    assert PresetFile(path).current == LIBRARY


async def test_what_a_disk_does_not_take_is_written_with_the_next_change(path: Path) -> None:
    folder = path.with_name("presets.json.new")
    folder.mkdir()
    file = PresetFile(path)
    file.keep(LIBRARY)
    with pytest.raises(StoreError, match=r"could not be written: it is a folder\. What you"):
        await file.written()
    assert file.current == LIBRARY
    folder.rmdir()
    await file.written()
    assert PresetFile(path).current == LIBRARY


async def test_the_last_of_many_changes_is_what_is_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    def write(to: Path, library: PromptLibrary, **_: object) -> None:
        assert threading.current_thread() is not threading.main_thread()
        written.append(len(library.snippets))
        write_presets(to, library)

    monkeypatch.setattr(preset_file, "write_presets", write)
    file = PresetFile(path)
    writing = []
    for number in range(20):
        file.keep(file.current.with_snippet(Snippet(name=f"s{number}", text="x")))
        writing.append(asyncio.ensure_future(file.written()))
        if number == 9:
            await writing[0]
    await asyncio.gather(*writing)
    assert PresetFile(path).current == file.current
    assert written == sorted(written)
    assert (written[-1], len(written) < 20) == (20, True)


async def test_what_could_not_be_read_again_is_not_kept(path: Path) -> None:
    file = PresetFile(path)
    file.keep(LIBRARY)
    await file.written()
    long = "x" * 200_000
    many = tuple(Snippet(name=f"s{number}", text=long) for number in range(85))
    with pytest.raises(StoreError, match="16,777,216 are the most"):
        file.keep(PromptLibrary(snippets=many))
    assert file.current == LIBRARY
    with pytest.raises(InvalidRequest, match="at most 200,000 characters, not 200,001"):
        LIBRARY.with_snippet(Snippet(name="long", text=long + "x"))
    with pytest.raises(InvalidRequest, match="half a character"):
        LIBRARY.with_preset(Preset(name="half", system_prompt="\ud800"))
    assert PresetFile(path).current == LIBRARY
