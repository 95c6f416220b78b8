"""`minerva models` as a person and as a script uses it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minerva_desktop.__main__ import main
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import ModelOverrides, SettingsFile
from tests.engine.models import split_model, write_lora

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
    there = f"mine is already there: {mine}\n"
    assert run("add", str(mine)) == (0, there, "")
    again = json.loads(run("add", str(mine), "--json")[1])
    assert (again["added"], [each["id"] for each in again["already_there"]]) == ([], ["mine"])
    _, listed, _ = run("list")
    assert [line.split()[0] for line in listed.splitlines()] == ["MODEL", model_path.stem, "mine"]
    mine.rename(tmp_path / "elsewhere.gguf")
    (entry,) = [e for e in json.loads(run("list", "--json")[1]) if e["id"] == "mine"]
    assert "is not there" in entry["problem"]
    code, said, _ = run("remove", "mine")
    assert (code, said) == (0, f"removed mine; the file {mine} stays\n")
    assert "mine" not in run("list")[1].split()


def test_a_replaced_chat_template_is_told(run: Run, small_path: Path) -> None:
    shown = json.loads(run("show", str(small_path), "--json")[1])
    assert (shown["chat_template_replaced"], shown["capabilities"]) == (False, ["chat"])
    settings = SettingsFile(app_paths().settings)
    settings.override(small_path, ModelOverrides(chat_template="{{ tools }}{{ messages }}"))
    shown = json.loads(run("show", str(small_path), "--json")[1])
    assert (shown["chat_template_replaced"], shown["capabilities"]) == (True, ["chat", "tools"])
    assert "replaced in its load options" in run("show", str(small_path))[1]
    settings.override(small_path, ModelOverrides(chat_template="{{ oops"))
    code, _, said = run("show", str(small_path), "--load")
    assert code == 1
    assert "the chat template in its load options is broken" in said
    assert "(line 1)" in said


def test_a_model_gets_another_name_and_loses_it(run: Run, model_path: Path) -> None:
    model = model_path.stem
    assert run("alias", model, "gpt-4o") == (0, f"gpt-4o is now a name of {model}\n", "")
    assert "gpt-4o" in run("list")[1].splitlines()[1].split()
    assert json.loads(run("list", "--json")[1])[0]["aliases"] == ["gpt-4o"]
    shown = json.loads(run("show", "gpt-4o", "--json", "--n-ctx", "512")[1])
    assert (shown["aliases"], shown["capabilities"]) == (["gpt-4o"], ["chat"])
    assert "aliases          gpt-4o" in run("show", "gpt-4o")[1]
    code, _, said = run("alias", "nothing-like-this", "x")
    assert (code, "There is no model" in said) == (2, True)
    code, _, said = run("alias", model, "two\nlines")
    assert (code, "“two lines” cannot be an alias: it has a line break." in said) == (2, True)
    code, _, said = run("alias", str(Path(__file__)), "x")
    hint = "is not in the library: `minerva models add` takes it in"
    assert (code, said) == (2, f"minerva: “{Path(__file__).name}” {hint}\n")
    removed = json.loads(run("alias", "gpt-4o", "gpt-4o", "--remove", "--json")[1])
    assert (removed["removed"], removed["model"]["aliases"]) == ("gpt-4o", [])
    code, _, said = run("alias", model, "gpt-4o", "--remove")
    assert (code, "is no alias of" in said) == (2, True)


def test_a_file_name_cannot_write_to_the_terminal(
    run: Run, model_path: Path, tmp_path: Path
) -> None:
    """Neither in the table nor in a sentence; the other characters of a path stay as they are."""
    folder = tmp_path / "two  spaces\nand \x1b[31mred\u202e"
    folder.mkdir()
    mine = folder / "mine\x1b]0;title\x07.gguf"
    shutil.copyfile(model_path, mine)
    shown = "two  spaces\ufffdand \ufffd[31mred\ufffd/mine\ufffd]0;title\ufffd.gguf"
    said = [run("add", str(mine)), run("add", str(mine)), run("list")]
    assert [code for code, _, _ in said] == [0, 0, 0]
    assert shown in said[1][1]
    assert shown in said[2][1].splitlines()[2]
    (entry,) = [e for e in json.loads(run("list", "--json")[1]) if e["path"] == str(mine)]
    said += [run("remove", entry["id"]), run("show", str(folder / "not\x1b[2Jthere.gguf"))]
    assert shown in said[3][1]
    assert said[4][0] == 2
    for _, out, error in said:
        assert all(line.isprintable() for line in (out + error).split("\n"))


def test_files_that_are_no_models_are_told_one_by_one(run: Run, tmp_path: Path) -> None:
    notes = tmp_path / "notes.gguf"
    notes.write_text("notes")
    code, out, said = run("add", str(notes), str(tmp_path / "nowhere.gguf"))
    assert (code, out) == (1, "")
    assert said.startswith("minerva: not added: “notes.gguf” is not a GGUF file")
    assert said.splitlines()[1] == (
        "minerva: not added: “nowhere.gguf” is not there; it may have been moved or deleted."
    )


def _shown(run: Run, *arguments: str) -> dict[str, Any]:
    code, said, problem = run("show", "--json", *arguments)
    assert (code, problem) == (0, "")
    shown: dict[str, Any] = json.loads(said)
    return shown


def test_show_says_what_it_is_and_what_it_takes(run: Run, model_path: Path) -> None:
    code, said, _ = run("show", str(model_path))
    assert code == 0
    rows = dict(line.split(maxsplit=1) for line in said.splitlines() if len(line.split()) > 1)
    assert "Smollm2" in rows["name"]
    assert rows["buffers"] == "as llama.cpp says"
    assert rows["MEMORY"].split() == ["WEIGHTS", "KV", "CACHE", "COMPUTE", "OTHER", "TOTAL", "ROOM"]
    assert rows["CPU"].startswith("96.6 MB")
    smaller = _shown(run, model_path.stem, "--n-ctx", "1024")
    larger = _shown(run, model_path.stem, "--n-ctx", "2048")
    (few,), (many,) = smaller["memory"], larger["memory"]
    assert few["weights_bytes"] == many["weights_bytes"] == 96_576_768
    assert 2 * few["kv_bytes"] == many["kv_bytes"] == 2048 * 30 * 2 * 3 * 64 * 2
    parts = ("weights", "kv", "compute", "other")
    assert few["total_bytes"] == sum(few[f"{part}_bytes"] for part in parts)
    half = _shown(run, model_path.stem, "--kv-type", "q8_0")
    assert half["memory"][0]["kv_bytes"] == 8192 * 30 * 2 * 3 * 64 * 34 // 32


def test_show_tells_what_fits_at_most(
    run: Run, model_path: Path, gemma_path: Path, tmp_path: Path
) -> None:
    plenty = _shown(run, str(model_path))["load"]
    assert (plenty["largest_n_ctx"], plenty["most_gpu_layers"]) == (8192, 0)
    settings = tmp_path / "home" / "config" / "settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps({"memory_gb": 0.25}))
    nothing = _shown(run, str(gemma_path))
    assert nothing["load"]["fit"] == "wont_fit"
    assert nothing["load"]["largest_n_ctx"] == 0
    assert nothing["memory"][0]["room_bytes"] == 250_000_000
    assert nothing["load"]["reasons"][0].startswith("it takes ")
    assert _shown(run, str(gemma_path), "--memory-gb", "1.5")["load"]["fit"] == "fits"


def test_show_does_not_contradict_itself_beyond_the_trained_context(
    run: Run, model_path: Path, embedding_model: Path
) -> None:
    load = _shown(run, str(model_path), "--n-ctx", "20000", "--memory-gb", "2")["load"]
    assert (load["n_ctx"], load["largest_n_ctx"], load["fit"]) == (20_224, 20_224, "fits")
    assert "the model was trained for 8,192" in load["warnings"][0]
    _, said, _ = run("show", str(model_path), "--n-ctx", "20000", "--memory-gb", "2")
    assert "context of 20,224 tokens: 20,000 were asked for, and it comes in steps of 256\n" in said
    assert "largest context  20,224 tokens fit; it was trained for 8,192\n" in said
    assert load["warnings"][0] in said
    assert "8,192 tokens fit, all that it was trained for\n" in run("show", str(model_path))[1]
    _, said, _ = run("show", str(model_path), "--rope-scale", "4")
    assert "; RoPE scaling stretches that to 32,768 where --n-ctx asks for them\n" in said
    _, said, _ = run("show", str(embedding_model), "--n-ctx", "20000")
    assert "context of 512 tokens instead of 20,000: the model was trained for 512" in said


def test_what_does_not_fit_is_only_loaded_by_force(run: Run, model_path: Path) -> None:
    asked = ("show", str(model_path), "--n-ctx", "8192", "--kv-type", "f16", "--load")
    tight = ("--memory-gb", "0.25")
    code, said, problem = run(*asked, *tight)
    assert (code, said) == (1, "")
    lines = problem.splitlines()
    assert lines[0].startswith(f"minerva: {model_path.name}: Memory exceeded: the model needs 3")
    assert lines[0].endswith(" MB of this computer's memory, of which models may take 250.0 MB")
    assert lines[-3].startswith("A context of up to ")
    assert lines[-2].startswith("With --memory-gb 0.3")
    assert lines[-1] == "--force loads it all the same."
    shown = json.loads(run(*asked, *tight, "--force", "--json")[1])
    assert shown["load"]["fit"] == "wont_fit"
    assert shown["memory"][0]["measured_bytes"] > 200_000_000
    with pytest.raises(SystemExit):
        run("show", str(model_path), "--force")


def test_show_takes_the_options_of_a_load(
    run: Run,
    model_path: Path,
    small_path: Path,
    tmp_path: Path,
) -> None:
    asked = (str(small_path), "--n-ctx", "1024")
    usual = _shown(run, *asked)
    slow = ("--flash-attention", "off", "--n-batch", "128", "--parallel", "6", "--threads", "1")
    other = _shown(run, *asked, *slow)
    load = other["load"]
    assert (load["flash_attention"], load["n_batch"], load["n_parallel"]) == (False, 128, 6)
    assert other["memory"][0]["compute_bytes"] != usual["memory"][0]["compute_bytes"]
    assert load["rope"] == {}
    yarn = ("--rope-scaling", "yarn", "--rope-scale", "4", "--yarn-orig-ctx", "8192")
    long = _shown(run, str(model_path), "--n-ctx", "16384", "--memory-gb", "4", *yarn)["load"]
    assert long["rope"] == {"scaling": "yarn", "freq_scale": 0.25, "yarn_orig_ctx": 8192}
    assert long["warnings"] == []  # of a context that it was not trained for
    mixed = _shown(run, *asked, "--kv-type", "q8_0", "--kv-type-v", "q4_0")["load"]
    assert (mixed["kv_type"], mixed["kv_type_v"]) == ("q8_0", "q4_0")
    weights = usual["memory"][0]["weights_bytes"]
    lora = tmp_path / "half:strong.gguf"
    write_lora(lora, small_path, seed=1, strength=0.5)
    adapted = _shown(run, *asked, "--lora", f"{lora}:0.5")
    assert adapted["memory"][0]["weights_bytes"] > weights + 4000
    named = _shown(run, *asked, "--lora", str(lora))
    assert named["memory"] == adapted["memory"]
    draft = _shown(run, *asked, "--draft-model", str(small_path))
    assert draft["memory"][0]["weights_bytes"] == 2 * weights
    code, _, said = run("show", *asked, "--flash-attention", "off", "--kv-type", "q8_0")
    assert (code, "needs flash attention" in said) == (2, True)


def test_show_loads_it_and_says_what_it_took(run: Run, model_path: Path) -> None:
    shown = _shown(run, str(model_path), "--load", "--n-ctx", "512")
    load = shown["load"]
    assert (load["n_ctx"], load["fit"], load["reasons"]) == (512, "fits", [])
    assert load["buffers_from"] == "llama.cpp"
    (memory,) = shown["memory"]
    assert memory["measured_bytes"] == pytest.approx(memory["total_bytes"], rel=0.05)
    again = _shown(run, str(model_path), "--n-ctx", "512")["memory"][0]
    assert again["compute_bytes"] == pytest.approx(memory["compute_bytes"], rel=0.01)


def test_show_measures_what_a_full_context_takes(run: Run, model_path: Path) -> None:
    """Without flash attention scores are converted in a buffer of llama.cpp's own."""
    options = ("--load", "--n-ctx", "4096", "--flash-attention", "off")
    (memory,) = _shown(run, str(model_path), *options)["memory"]
    assert memory["other_bytes"] > 50_000_000
    assert memory["measured_bytes"] == pytest.approx(memory["total_bytes"], rel=0.05)


def test_show_counts_a_draft_model_that_is_mapped(run: Run, model_path: Path) -> None:
    """Its pages are only there once it has guessed, which it does from the second token on."""
    options = ("--load", "--n-ctx", "512", "--draft-model", str(model_path))
    (memory,) = _shown(run, str(model_path), *options)["memory"]
    assert memory["weights_bytes"] == 2 * 96_576_768
    # Without its draft's pages, a third would be missing. How close it is, `bench.py memory` tells.
    assert memory["measured_bytes"] == pytest.approx(memory["total_bytes"], rel=0.1)


def test_show_loads_the_whole_model_by_any_of_its_parts(
    run: Run, model_path: Path, tmp_path: Path
) -> None:
    first, second = split_model(model_path, tmp_path, 2)
    shown = _shown(run, str(second), "--load", "--n-ctx", "512")
    (memory,) = shown["memory"]
    assert memory["weights_bytes"] == 96_576_768
    assert memory["measured_bytes"] == pytest.approx(memory["total_bytes"], rel=0.05)
    assert _shown(run, str(first), "--n-ctx", "512")["n_params"] == shown["n_params"]


def test_show_loads_an_embedding_model(run: Run, embedding_model: Path) -> None:
    shown = _shown(run, str(embedding_model), "--load")
    (memory,) = shown["memory"]
    assert shown["load"]["n_ctx"] == 512
    assert memory["measured_bytes"] == pytest.approx(memory["total_bytes"], rel=0.05)


def test_what_is_not_there_or_impossible_is_said(run: Run) -> None:
    code, _, said = run("show", "nothing-like-this")
    assert (code, "There is no model" in said) == (2, True)
    with pytest.raises(SystemExit) as caught:
        run("show", "nothing-like-this", "--n-ctx", "-5")
    assert caught.value.code == 2
    assert run("show", "nothing-like-this", "--n-ctx", "4")[0] == 2
    code, _, said = run("remove", "SmolLM2-135M-Instruct.Q4_1")
    assert (code, "cannot be removed" in said) == (2, True)


def test_a_reader_that_goes_away_is_no_error_of_ours(minerva_home: Path) -> None:
    """As with ``| head``."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "minerva_desktop", "models", "list", "--json"]
    with os.fdopen(writing, "wb") as nobody:
        ended = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (1, b"")
