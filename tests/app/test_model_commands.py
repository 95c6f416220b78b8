"""`minerva models` as a person and as a script uses it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from minerva_desktop.__main__ import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("MINERVA_HOME", str(tmp_path / "home"))

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["models", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_a_model_is_added_listed_and_forgotten(run: Run, model_path: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.gguf"
    shutil.copyfile(model_path, mine)
    assert run("add", str(mine)) == (0, "added mine (98.4 MB)\n", "")
    _, listed, _ = run("list")
    assert [line.split()[0] for line in listed.splitlines()] == ["MODEL", model_path.stem, "mine"]
    mine.rename(tmp_path / "elsewhere.gguf")
    (entry,) = [e for e in json.loads(run("list", "--json")[1]) if e["id"] == "mine"]
    assert "is not there" in entry["problem"]
    code, said, _ = run("remove", "mine")
    assert (code, said) == (0, f"removed mine; the file {mine} stays\n")
    assert "mine" not in run("list")[1].split()


def test_a_model_gets_another_name_and_loses_it(run: Run, model_path: Path) -> None:
    model = model_path.stem
    assert run("alias", model, "gpt-4o") == (0, f"gpt-4o is now a name of {model}\n", "")
    assert "gpt-4o" in run("list")[1].splitlines()[1].split()
    assert json.loads(run("list", "--json")[1])[0]["aliases"] == ["gpt-4o"]
    shown = json.loads(run("show", "gpt-4o", "--json", "--n-ctx", "512")[1])
    assert (shown["aliases"], shown["capabilities"]) == (["gpt-4o"], ["chat"])
    assert "aliases          gpt-4o" in run("show", "gpt-4o")[1]
    code, _, said = run("alias", "nothing-like-this", "x")
    assert (code, "There is no model" in said) == (1, True)
    code, _, said = run("alias", model, "two\nlines")
    assert (code, "An alias is one line" in said) == (1, True)
    removed = json.loads(run("alias", "gpt-4o", "gpt-4o", "--remove", "--json")[1])
    assert (removed["removed"], removed["model"]["aliases"]) == ("gpt-4o", [])
    code, _, said = run("alias", model, "gpt-4o", "--remove")
    assert (code, "is no alias of" in said) == (1, True)


def test_files_that_are_no_models_are_told_one_by_one(run: Run, tmp_path: Path) -> None:
    notes = tmp_path / "notes.gguf"
    notes.write_text("notes")
    code, said, _ = run("add", str(notes), str(tmp_path / "nowhere.gguf"))
    assert code == 1
    assert said.count("not added: ") == 2


def test_show_says_what_it_is_and_what_it_takes(run: Run, model_path: Path) -> None:
    code, said, _ = run("show", str(model_path))
    assert code == 0
    assert "SmolLM2" in said or "Smollm2" in said
    smaller = json.loads(run("show", model_path.stem, "--json", "--n-ctx", "1024")[1])
    larger = json.loads(run("show", model_path.stem, "--json", "--n-ctx", "2048")[1])
    (few,), (many,) = smaller["memory"], larger["memory"]
    assert few["weights_bytes"] == many["weights_bytes"] == 96_576_768
    assert 2 * few["kv_bytes"] == many["kv_bytes"] == 2048 * 30 * 2 * 3 * 64 * 2
    assert few["total_bytes"] == sum(few[f"{part}_bytes"] for part in ("weights", "kv", "compute"))
    half = json.loads(run("show", model_path.stem, "--json", "--kv-type", "q8_0")[1])
    assert half["memory"][0]["kv_bytes"] == 8192 * 30 * 2 * 3 * 64 * 34 // 32


def test_show_loads_it_and_says_what_it_took(run: Run, model_path: Path) -> None:
    shown = json.loads(run("show", str(model_path), "--json", "--load", "--n-ctx", "512")[1])
    assert shown["load"] == {"n_ctx": 512, "kv_type": "f16", "fit": "fits", "reasons": []}
    (memory,) = shown["memory"]
    assert memory["measured_bytes"] == pytest.approx(memory["total_bytes"], rel=0.05)


def test_what_is_not_there_or_impossible_is_said(run: Run) -> None:
    code, _, said = run("show", "nothing-like-this")
    assert (code, "There is no model" in said) == (1, True)
    code, _, said = run("show", "nothing-like-this", "--n-ctx", "-5")
    assert (code, "n_ctx must be between" in said) == (1, True)
    code, _, said = run("remove", "SmolLM2-135M-Instruct.Q4_1")
    assert (code, "cannot be removed" in said) == (1, True)
