"""What the settings have of a model, and what the command line says of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from minerva_desktop.__main__ import main
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import ModelOverrides, SettingsFile

ASKED = (
    *("--prompt", "The capital of France is", "--max-tokens", "12"),
    *("--temperature", "0", "--n-ctx", "1024"),
)
NEEDS_FLASH = (
    "A KV cache in q8_0 needs flash attention, which is off: let it be automatic, or keep the cache"
    " (its values at least) in f16"
)
SAVED = "saved for small.gguf: "
SAVED_KV = f"{SAVED}--kv-type q8_0, which --kv-type auto undoes"
NO_STRETCH = "would have no effect: without a stretch factor nothing is stretched"
SAVED_YARN = f"{SAVED}--rope-scaling yarn, --rope-scale 4"
TWO_FACTORS = (
    "YaRN's attention factor would have no effect: with YaRN llama.cpp works it out by itself"
)
NO_YARN = "would have no effect: RoPE scaling is not “yarn”"


def _save(path: Path, own: ModelOverrides) -> None:
    app_paths().create()
    SettingsFile(app_paths().settings).override(path, own)


def _answer(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["chat", *arguments, *ASKED]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


@pytest.mark.parametrize(
    "command",
    [
        ("chat", "{}", *ASKED),
        ("serve", "--port", "0", "--model", "{}"),
        ("models", "show", "{}"),
    ],
)
def test_what_is_given_and_does_not_go_with_what_is_saved_is_named(
    command: tuple[str, ...], small_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is saved was good alone, so it is told beside."""
    _save(small_path, ModelOverrides(kv_type="q8_0"))
    given = (*command, "--flash-attn", "off")
    assert main([word.format(small_path) for word in given]) == 2
    assert capsys.readouterr().err == (
        f"minerva: argument --flash-attn: {NEEDS_FLASH}; {SAVED_KV}\n"
    )


def test_it_can_be_undone_as_is_said(small_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _save(small_path, ModelOverrides(kv_type="q8_0"))
    for kind in ("auto", "f16"):
        given = ("--flash-attention", "off", "--kv-type", kind)
        assert len(_answer((str(small_path), *given), capsys)) > 10
    _save(small_path, ModelOverrides(flash_attention="off"))
    assert main(["chat", str(small_path), *ASKED, "--cache-type-v", "q8_0"]) == 2
    assert capsys.readouterr().err == (
        f"minerva: argument --cache-type-v: {NEEDS_FLASH}; saved for small.gguf:"
        " --flash-attention off, which --flash-attention auto undoes\n"
    )


def test_the_settings_are_blamed_for_what_they_alone_have(
    small_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever else is given, as a kind of keys."""
    _save(small_path, ModelOverrides(kv_type="q8_0", flash_attention="off"))
    assert main(["chat", str(small_path), *ASKED, "--kv-type-k", "f16"]) == 2
    assert capsys.readouterr().err == (
        f"minerva: small.gguf, as the settings have it: {NEEDS_FLASH}\n"
    )


@pytest.mark.parametrize("given", [(), ("--flash-attn", "on")], ids=["saved", "beside"])
@pytest.mark.parametrize(
    ("architecture", "head", "words"),
    [
        ("grok", 32, "A quantised KV cache needs flash attention, which llama.cpp does not have"),
        ("llama", 40, "A KV cache in q8_0 needs attention heads of a multiple of 32 numbers"),
    ],
)
def test_the_settings_are_blamed_for_a_cache_that_the_model_cannot_have(
    given: tuple[str, ...],
    architecture: str,
    head: int,
    words: str,
    generated: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Flash attention, which is given, has no part in it."""
    size = {"width": 2 * head, "n_heads": 2, "kv_heads": 2, "feed": 64, "head": head}
    model = generated(architecture, n_layers=1, **size)
    _save(model, ModelOverrides(kv_type="q8_0"))
    assert main(["chat", str(model), *ASKED, *given]) == 2
    assert capsys.readouterr().err.startswith(
        f"minerva: {model.name}, as the settings have it: {words}"
    )


@pytest.mark.parametrize(
    ("own", "given", "words"),
    [
        (
            ModelOverrides(rope_scaling="yarn", rope_scale=4.0),
            ("--rope-scale", "1"),
            f"argument --rope-scale: RoPE scaling {NO_STRETCH}; {SAVED}--rope-scaling yarn",
        ),
        (
            ModelOverrides(rope_scaling="yarn", rope_scale=4.0),
            ("--yarn-attn-factor", "2"),
            f"argument --yarn-attn-factor: {TWO_FACTORS}; {SAVED_YARN}",
        ),
        (
            ModelOverrides(rope_scaling="none"),
            ("--yarn-beta-fast", "9"),
            f"argument --yarn-beta-fast: YaRN's fast beta {NO_YARN}; {SAVED}--rope-scaling none",
        ),
        (
            ModelOverrides(yarn_beta_fast=9.0),
            ("--rope-freq-base", "20000"),
            f"small.gguf, as the settings have it: YaRN's fast beta {NO_YARN}",
        ),
        (
            ModelOverrides(),
            ("--rope-scaling", "yarn", "--rope-scale", "1"),
            f"argument --rope-scaling: RoPE scaling {NO_STRETCH}",
        ),
    ],
)
def test_positions_that_do_not_go_together_are_told_as_they_were_given_and_saved(
    own: ModelOverrides,
    given: tuple[str, ...],
    words: str,
    small_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _save(small_path, own)
    assert main(["chat", str(small_path), *ASKED, *given]) == 2
    assert capsys.readouterr().err == f"minerva: {words}\n"


def test_what_is_given_undoes_what_is_saved_and_does_not_go_with_it(
    small_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(small_path)
    plain = _answer((model,), capsys)
    linear = _answer((model, "--rope-scaling", "linear", "--rope-scale", "8"), capsys)
    _save(small_path, ModelOverrides(rope_scaling="yarn", rope_scale=8.0, yarn_beta_slow=2.0))
    saved = _answer((model,), capsys)
    assert _answer((model, "--rope-scaling", "none"), capsys) == plain
    assert _answer((model, "--rope-scaling", "linear"), capsys) == linear
    assert len({plain, linear, saved}) == 3
    _save(small_path, ModelOverrides(rope_scaling="none"))
    assert _answer((model, "--rope-scale", "8"), capsys) == linear
