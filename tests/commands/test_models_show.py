"""`models show` tells what `chat` and `serve` would do with a model and these options."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minerva_desktop.__main__ import main
from minerva_desktop.devices.cores import usable_cores
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import ModelOverrides, SettingsFile
from tests.engine.models import (
    write_lora,
    write_recurrent,
    write_with_fewer_tokens,
    write_with_long_rope,
    write_with_templates,
    write_without_tensor,
)
from tests.processes import WITHOUT_LOCKS

Refused = Callable[[Path, Path, Path], tuple[str, ...]]

NOT_FOUND = "tensor 'blk.1.ffn_down.weight' not found"


def _shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["models", "show", "--json", *arguments]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    shown: dict[str, Any] = json.loads(said.out)
    return shown


def _rows(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["models", "show", *arguments]) == 0
    return capsys.readouterr().out


def _other_adapter(small: Path, large: Path, folder: Path) -> tuple[str, ...]:
    write_lora(folder / "other.gguf", large, seed=1, strength=1.0)
    return (str(small), "--lora", str(folder / "other.gguf"))


def _other_vocabulary(small: Path, _large: Path, folder: Path) -> tuple[str, ...]:
    write_with_fewer_tokens(folder / "fewer.gguf", small, 1000)
    return (str(small), "--draft-model", str(folder / "fewer.gguf"))


def _adapter_alone(small: Path, _large: Path, folder: Path) -> tuple[str, ...]:
    write_lora(folder / "poet.gguf", small, seed=1, strength=1.0)
    return (str(folder / "poet.gguf"),)


def _without_a_tensor(small: Path, _large: Path, folder: Path) -> tuple[str, ...]:
    write_without_tensor(folder / "missing.gguf", small, "blk.1.ffn_down.weight")
    return (str(folder / "missing.gguf"),)


def _linked_to_itself(small: Path, _large: Path, folder: Path) -> tuple[str, ...]:
    (folder / "loop.gguf").symlink_to(folder / "loop.gguf")
    return (str(small), "--lora", str(folder / "loop.gguf"))


REFUSED: list[tuple[Refused, str]] = [
    (_other_adapter, "The adapter other.gguf does not fit this model: tensor 'blk.0.attn_output"),
    (_other_vocabulary, "fewer.gguf has another vocabulary (1,000 tokens) than the model (8,192"),
    (_adapter_alone, "“poet.gguf” is a LoRA adapter, which changes a model but is none itself"),
    (_without_a_tensor, f"llama.cpp could not load missing.gguf: check_tensor_dims: {NOT_FOUND}"),
    (_linked_to_itself, "The adapter “loop.gguf” cannot be read: its links lead back to themselve"),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSED)
def test_what_chat_refuses_is_refused_in_the_same_words(
    arguments: Refused,
    words: str,
    small_path: Path,
    model_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In one line: nothing twice, and nothing of how the memory was estimated."""
    given = arguments(small_path, model_path, tmp_path)
    said = []
    for command in (("chat", "--prompt", "Hello", "--max-tokens", "1"), ("models", "show")):
        assert main([*command, *given]) == 1
        said.append(capsys.readouterr())
    assert said[0] == said[1]
    assert said[1].out == ""
    assert said[1].err.startswith(f"minerva: {words}")
    assert said[1].err.count("\n") == 1
    assert said[1].err.count(NOT_FOUND) <= 1


def test_an_adapter_and_a_draft_that_go_with_the_model_are_told(
    small_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lora(tmp_path / "poet.gguf", small_path, seed=1, strength=1.0)
    lora = f"{tmp_path / 'poet.gguf'}:0.5"
    options = ("--lora", lora, "--draft-model", str(small_path), "--batch-size", "256")
    more = ("--threads", "1", "--parallel", "2", "--flash-attn", "on", "--no-mmap", "--mlock")
    stretched = ("--rope-scaling", "yarn", "--rope-scale", "4", "--rope-freq-base", "20000")
    told = _rows(capsys, str(small_path), *options, *more, *stretched)
    for row in (
        "adapter          poet.gguf, scale 0.5",
        "guesses          of small.gguf, up to 8 tokens",
        "batch            256 tokens",
        "threads          1",
        "requests         up to 2 together",
        "flash attention  on",
        "mmap             off: the file is read instead of mapped",
        "mlock            on: the weights are kept from being swapped out",
        "RoPE             yarn, stretched 4 times, base frequency 20000",
    ):
        assert f"{row}\n" in told
    load = _shown(capsys, str(small_path), *options, *more)["load"]
    assert load["lora"] == [{"path": str(tmp_path / "poet.gguf"), "scale": 0.5}]
    assert load["speculation"] == {"draft_model": str(small_path), "n_draft": 8}
    assert (load["n_threads"], load["use_mmap"], load["use_mlock"]) == (1, False, True)
    usual = _rows(capsys, str(small_path))
    for name in ("adapter", "guesses", "batch", "threads", "RoPE", "saved"):
        assert f"\n{name} " not in usual


@pytest.mark.parametrize(
    ("template", "words", "rows"),
    [
        (
            "{{ oops",
            "no chats: the model's chat template is broken: TemplateSyntaxError",
            "chat template    yes, a broken one\ncapabilities     text without chats\n",
        ),
        (
            "{{ raise_exception('Never') }}",
            "no chats that begin with a question alone: The model's chat template refuses these m",
            "chat template    yes\ncapabilities     chat\n",
        ),
    ],
)
def test_a_template_that_fails_each_chat_is_told(
    template: str,
    words: str,
    rows: str,
    small_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = tmp_path / "mute.gguf"
    write_with_templates(model, small_path, {"": template}, {})
    shown = _shown(capsys, str(model), "--n-ctx", "1024")
    (warning,) = shown["load"]["warnings"]
    assert warning.startswith(words)
    assert bool(shown["capabilities"]) == (template != "{{ oops")
    told = _rows(capsys, str(model), "--n-ctx", "1024")
    assert warning in told
    assert rows in told


def test_what_a_model_cannot_have_is_not_shown_as_if_it_had_it(
    generated: Callable[..., Path],
    vocabulary_path: Path,
    embedding_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mamba = tmp_path / "mamba.gguf"
    write_recurrent(mamba, vocabulary_path, seed=1)
    flash, coarse = ("--flash-attn", "on"), ("--kv-type", "q8_0")
    for asked, row in (
        ((str(generated("grok")), *flash, "--n-ctx", "1024"), "1,024 tokens, KV in f16"),
        ((str(mamba), *flash, *coarse), "2,048 tokens, no KV cache"),
    ):
        assert f"context          {row}\nflash attention  off\n" in _rows(capsys, *asked)
    load = _shown(capsys, str(mamba), *flash, *coarse, "--threads", "1024")["load"]
    assert load["n_threads"] == min(1024, usable_cores())
    assert (load["kv_type"], load["kv_type_v"], load["flash_attention"]) == (None, None, False)
    embeds = (str(embedding_model), *flash, *coarse, "--n-batch", "64", "--parallel", "9")
    told = _rows(capsys, *embeds)
    for row in ("context          512 tokens, no KV cache", "requests         up to 64 together"):
        assert f"{row}\n" in told
    assert "\nbatch " not in told
    load = _shown(capsys, *embeds)["load"]
    assert (load["flash_attention"], load["n_batch"], load["n_parallel"]) == (True, 512, 64)


def test_saved_options_count_as_for_chat(
    small_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app_paths().create()
    own = ModelOverrides(n_ctx=2048, kv_type="q8_0", rope_scaling="linear", rope_scale=2.0)
    SettingsFile(app_paths().settings).override(small_path, own)
    load = _shown(capsys, str(small_path))["load"]
    assert (load["n_ctx"], load["kv_type"]) == (2048, "q8_0")
    assert load["rope"] == {"scaling": "linear", "freq_scale": 0.5}
    assert load["saved"] == ["n_ctx", "kv_type_k", "kv_type_v", "rope"]
    told = _rows(capsys, str(small_path))
    assert "saved            context, KV cache, RoPE: as the settings have it\n" in told
    given = ("--n-ctx", "1024", "--kv-type", "f16", "--rope-scaling", "none")
    load = _shown(capsys, str(small_path), *given)["load"]
    assert (load["n_ctx"], load["kv_type"], load["saved"]) == (1024, "f16", [])
    assert load["rope"] == {"scaling": "none"}
    assert main(["models", "show", str(small_path), "--flash-attention", "off"]) == 2
    assert capsys.readouterr().err.startswith(
        "minerva: argument --flash-attention: A KV cache in q8_0 needs flash attention"
    )


def test_what_is_saved_can_be_left_to_us_again(
    small_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = _shown(capsys, str(small_path))["load"]
    app_paths().create()
    own = ModelOverrides(
        n_ctx=2048, n_gpu_layers=0, n_threads=1, rope_scaling="yarn", rope_scale=2.0,
        rope_freq_base=500, yarn_beta_fast=40.0,
    )  # fmt: skip
    SettingsFile(app_paths().settings).override(small_path, own)
    saved = _shown(capsys, str(small_path))["load"]
    assert (saved["n_ctx"], saved["n_threads"], len(saved["rope"])) == (2048, 1, 4)
    names = ("--n-ctx", "--gpu-layers", "--threads", "--rope-scaling", "--rope-freq-base")
    auto = [word for name in names for word in (name, "auto")]
    assert _shown(capsys, str(small_path), *auto)["load"] == usual


def test_a_stretch_that_is_less_than_the_files_own_is_told_beside_what_fits(
    small_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "stretched.gguf"
    write_with_long_rope(model, small_path, 4096)  # of 32,768
    told = _rows(capsys, str(model), "--rope-scale", "2")
    assert "context          8,192 tokens, " in told
    assert "largest context  32,768 tokens fit; this RoPE scaling makes sense of 8,192\n" in told
    assert "may make no sense" not in told


@pytest.mark.skipif(sys.platform != "linux", reason="takes a privilege away as Linux has it")
def test_weights_that_could_not_be_locked_are_told(small_path: Path) -> None:
    asked = ("--load", "--mlock", "--n-ctx", "512", "--threads", "1000")
    program = (sys.executable, "-m", "minerva_desktop", "models", "show", str(small_path), *asked)
    command = (sys.executable, "-c", WITHOUT_LOCKS, *program)
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    assert "weights that are not locked in memory: the system lets this process" in said.stdout
    # Known before the load, too.
    assert said.stdout.count(" threads instead of 1,000: there are no more cores for this") == 1
