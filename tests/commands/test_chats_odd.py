"""`minerva chats` where it is asked in unusual ways, and writes to unusual places."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tests.commands.conftest import Run
from tests.commands.test_chats import chat, stored


def test_a_slash_at_the_end_makes_a_folder(run: Run, tmp_path: Path) -> None:
    stored(chat("Tea", "ab" * 16))
    assert run("export", "ab", "-o", "new/")[1] == f"exported 1 chat to {Path('new/Tea.md')}\n"
    assert (tmp_path / "new" / "Tea.md").is_file()


def test_an_id_is_found_in_either_case(run: Run) -> None:
    stored(chat("Upper", "AB" * 16), chat("Other", "cd" * 16))
    for wanted in ("AB" * 16, "ab" * 16, "Abab"):
        assert run("show", wanted)[1].startswith("# Upper\n")


def test_an_output_that_has_not_every_character(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(chat("Café 京都", "ab" * 16))

    def written(*arguments: str, terminal: bool) -> bytes:
        with io.BytesIO() as raw, monkeypatch.context() as patch:
            output = io.TextIOWrapper(raw, encoding="cp1252")
            patch.setattr(output, "isatty", lambda: terminal)
            patch.setattr("sys.stdout", output)
            assert run(*arguments)[0] == 0
            return raw.getvalue()

    assert "Café ??" in written("list", terminal=True).decode("cp1252")
    listed = written("list", "--json", terminal=True).decode("cp1252")
    assert json.loads(listed)[0]["title"] == "Café 京都"
    # A pipe or a file has no encoding of its own.
    assert "Café 京都" in written("list", terminal=False).decode()
    assert b"Caf\xc3\xa9" in written("list", "--json", terminal=False)


def test_ids_that_are_none_or_several(run: Run) -> None:
    stored(chat("One", "ab1" + "0" * 29), chat("Two", "ab2" + "0" * 29))
    code, _, said = run("show", "two")
    assert (code, said) == (
        2,
        "minerva: There is no chat whose id begins with “two”; by title, it may be ab200000 Two\n",
    )
    assert run("show", "zz")[2].endswith("“zz”; `minerva chats list` shows the ids\n")
    code, _, said = run("show", "ab")
    assert (code, said.count("ab10"), said.count("Two")) == (2, 1, 1)
    assert said.startswith("minerva: The ids of 2 chats begin with “ab”: ")
    assert run("show", "ab2")[0] == 0
    assert run("show", "")[0] == 2
