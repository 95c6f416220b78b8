"""How `chat` and `serve` are told to load a model: the same words as for `models show`."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from minerva_desktop.__main__ import main
from minerva_desktop.chat.sampling import MAX_TOKENS
from minerva_desktop.commands.chat import argument_parser
from minerva_desktop.commands.load_arguments import as_given
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.load_limits import MAX_GPU_LAYERS
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import ModelOverrides, SettingsFile
from tests.commands.served import Served, serve
from tests.engine.models import write_lora, write_recurrent, write_with_templates

PROMPT = "The capital of France is"
GREEDY: dict[str, Any] = {"temperature": 0}
COMPLETION: dict[str, Any] = {"model": "small", "prompt": PROMPT, "max_tokens": 12, **GREEDY}
ASKED = ("--prompt", PROMPT, "--max-tokens", "12", "--temperature", "0", "--n-ctx", "1024")

needs_posix = pytest.mark.skipif(os.name != "posix", reason="signals")


async def _loaded_bytes(*arguments: str) -> float:
    """Megabytes that `serve` says the model takes with these."""
    async with serve(*arguments) as served:
        (loaded,) = served.told
    told = re.search(r"context of 32,768 tokens, ([\d.]+) MB$", loaded)
    assert told is not None, loaded
    return float(told[1])


@needs_posix
async def test_serve_keeps_the_cache_as_it_is_told(small_path: Path) -> None:
    model = ("--model", str(small_path), "--ctx-size", "32768", "--batch-size", "64")
    small = await _loaded_bytes(*model, "--kv-type", "q8_0", "--flash-attention", "on")
    same = await _loaded_bytes(*model, "--cache-type-k", "q8_0", "--cache-type-v", "q8_0")
    large = await _loaded_bytes(*model, "--kv-type", "f16", "--flash-attn", "on")
    keys = await _loaded_bytes(*model, "--kv-type", "f16", "--kv-type-k", "q8_0")
    assert small == same
    # Two layers of 64 keys and 64 values each: 16.8 MB in f16, 53 % of that in q8_0.
    assert large - small == pytest.approx(7.9, abs=0.2)
    assert large - keys == pytest.approx(7.9 / 2, abs=0.2)


async def _text(served: Served, **fields: Any) -> str:
    answer = await served.http.post("/v1/completions", json=COMPLETION | fields)
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["choices"][0]["text"]
    return text


@needs_posix
async def test_serve_loads_adapters_and_a_draft_model(small_path: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "poet.gguf"
    write_lora(adapter, small_path, seed=1, strength=1.0)
    model = ("--model", str(small_path), "--n-ctx", "1024")
    async with serve(*model) as served:
        plain = await _text(served)
    async with serve(*model, "--lora", str(adapter), "--model-draft", str(small_path)) as served:
        adapted = await _text(served)
        half = await _text(served, lora=[{"id": 0, "scale": 0.5}])
        assert await _text(served, lora=[]) == plain
    async with serve(*model, "--lora", f"{adapter}:0.5", "--draft-lookup") as served:
        assert await _text(served) == half
    assert len({plain, adapted, half}) == 3


def _answer(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["chat", *arguments, *ASKED]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def test_chat_takes_them_too(
    small_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = tmp_path / "poet.gguf"
    write_lora(adapter, small_path, seed=1, strength=1.0)
    model = str(small_path)
    plain = _answer((model,), capsys)
    adapted = _answer((model, "--lora", str(adapter)), capsys)
    guessed = _answer((model, "--lora", str(adapter), "--draft-model", model), capsys)
    coarse = _answer((model, "--kv-type", "q4_0", "--threads", "1", "--no-mmap"), capsys)
    assert adapted == guessed
    assert len({plain, adapted, coarse}) == 3


def _code(*arguments: str) -> object:
    """The exit code, also where argparse refuses them."""
    try:
        return main(arguments)
    except SystemExit as left:
        return left.code


LEFT_OPEN = "auto leaves it open"
REFUSED = [
    (
        ("--kv-type", "q8_0", "--flash-attention", "off"),
        "A KV cache in q8_0 needs flash attention, which is off",
    ),
    (
        ("--gpu-layers", "10001"),
        "argument --gpu-layers: The number of layers on the GPU must be between 0 and 10,000",
    ),
    *(
        (
            ("--gpu-layers", number),
            f"“{number}” is no whole number from 0 on; auto takes all layers that fit, all",
        )
        for number in ("-2", "many")
    ),
    (
        ("--n-batch", "70000"),
        "argument --n-batch: The batch size in tokens must be between 1 and 65,536, not 70,000",
    ),
    *(
        ((name, number), f"{name}: “{number}” is no whole number from 1 on; {LEFT_OPEN}")
        for name, number in (("--threads", "-1"), ("--ctx-size", "0"))
    ),
    (("--rope-freq-base", "x"), f"argument --rope-freq-base: “x” is no number; {LEFT_OPEN}"),
    *(
        (("--lora", name), "--lora/--lora-scaled: it is empty; name the file of a LoRA adapter")
        for name in ("", " ", ":0.5", "a.gguf,", "a.gguf, ,b.gguf")
    ),
    (("--lora", "a.gguf:1000"), "The scale of a LoRA adapter must be between -100.0 and 100.0"),
    (
        ("--rope-scale", "20000"),
        "argument --rope-scale: it must be between 0.01 and 10,000, not 20000",
    ),
    (
        ("--rope-freq-scale", "1e-5"),
        "argument --rope-freq-scale: The frequency scale of RoPE must be between 0.0001 and 100",
    ),
    (("--model-draft", " "), "it is empty; name a library model or a GGUF file"),
    (
        ("--ctx-size", "9" * 5000),  # of which Python makes no number
        "The context size in tokens must be between 16 and 16,777,216, not 999,999,999,999,",
    ),
    (("--threads", "9" * 5000 + "x"), f"--threads: “{'9' * 29}…” is no whole number from 1 on"),
    (("--tensor-split", "1,b"), "argument --tensor-split: “1,b” is no list of numbers"),
    (("--draft-lookup", "--draft-model", "a"), "not allowed with argument --draft-lookup"),
]


@pytest.mark.parametrize("command", ["chat", "serve"])
@pytest.mark.parametrize(("arguments", "words"), REFUSED)
def test_what_is_out_of_range_is_said(
    command: str, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _code(command, "--model", "small", *arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("minerva: ")
    assert words in said
    assert said.count("\n") == 1


def test_a_batch_has_room_for_all_requests_and_chat_has_one(
    small_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ("--batch-size", "2", "--kv-type", "f16")
    with pytest.raises(SystemExit):
        main(["serve", *small])
    assert capsys.readouterr().err.startswith(
        "minerva: argument --batch-size: A batch of 2 tokens is too small for 4 requests"
    )
    assert len(_answer((str(small_path), *small), capsys)) > 10


def test_what_is_of_named_models_needs_one(capsys: pytest.CaptureFixture[str]) -> None:
    """It is called as it was given."""
    for name, *rest in (("--lora-scaled", "a.gguf"), ("--draft-lookup",), ("--rope-scale", "2")):
        with pytest.raises(SystemExit):
            main(["serve", name, *rest])
        assert capsys.readouterr().err == (
            f"minerva: argument {name}: it goes with --model, which names the models that get it\n"
        )


@pytest.mark.parametrize("command", ["chat", "serve", "models show"])
def test_the_help_says_that_the_settings_count(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert told.count("What is not given is as the settings say") == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--rope-scaling", "yarn"), "--rope-scaling: RoPE scaling"),
        (("--yarn-ext-factor", "1"), "--yarn-ext-factor: YaRN's extrapolation factor"),
    ],
)
def test_what_needs_a_stretch_says_what_gives_one(
    given: tuple[str, ...],
    words: str,
    small_path: Path,
    vocabulary_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It helps no model without such positions."""
    assert main(["chat", str(small_path), *ASKED, *given]) == 2
    refused = f"minerva: argument {words} would have no effect: "
    assert capsys.readouterr().err == (
        f"{refused}without a stretch factor nothing is stretched; --rope-scale gives one\n"
    )
    mamba = tmp_path / "mamba.gguf"
    write_recurrent(mamba, vocabulary_path, seed=1)
    assert main(["chat", str(mamba), *ASKED, *given]) == 2
    assert capsys.readouterr().err == f"{refused}this model has no rotary positions\n"


def test_a_scale_that_is_no_number_is_told(
    small_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = tmp_path / "poet.gguf"
    write_lora(adapter, small_path, seed=1, strength=1.0)
    with pytest.raises(SystemExit):
        main(["chat", str(small_path), *ASKED, "--lora", f"{adapter}:abc"])
    assert f"“abc” is no number for SCALE, as in {adapter}:0.5\n" in capsys.readouterr().err
    odd = adapter.rename(tmp_path / "poet.gguf:abc")
    assert len(_answer((str(small_path), "--lora", str(odd)), capsys)) > 10


def test_several_adapters_may_come_in_a_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As llama-server takes them; a file whose own name has a comma is one of them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b.gguf").touch()
    (tmp_path / "poems").mkdir()
    for arguments, adapters in (
        (("--lora", "x:0.5,y", "--lora-scaled", "z:2"), [("x", 0.5), ("y", 1.0), ("z", 2.0)]),
        (("--lora", "a,b.gguf"), [("a,b.gguf", 1.0)]),
        (("--lora", "a,b.gguf:0.5"), [("a,b.gguf", 0.5)]),
        (("--lora", "poems:a.gguf"), [("poems:a.gguf", 1.0)]),  # no folder is an adapter
        (("--lora", f"x,{'y' * 5000}"), [("x", 1.0), ("y" * 5000, 1.0)]),
    ):
        found = as_given(argument_parser().parse_args(arguments)).lora
        assert [(Path(os.fsdecode(each.path)).name, each.scale) for each in found] == adapters


@pytest.mark.parametrize(
    ("word", "n_layers"), [("all", MAX_GPU_LAYERS), ("auto", None), ("-1", None), ("0", 0)]
)
def test_layers_on_the_gpu_are_told_as_to_llama_server(word: str, n_layers: int | None) -> None:
    given = argument_parser().parse_args(["--gpu-layers", word])
    assert as_given(given).n_gpu_layers == n_layers


@pytest.mark.parametrize(
    ("word", "limit"),
    [
        ("-1", None),
        ("7", 7),
        ("0" * 40 + "7", 7),
        (str(10**30), MAX_TOKENS),
        ("9" * 5000, MAX_TOKENS),
    ],
)
def test_any_number_of_tokens_is_a_limit(word: str, limit: int | None) -> None:
    """As over HTTP: clients mean “no limit” by some of them."""
    assert argument_parser().parse_args(["--max-tokens", word]).max_tokens == limit


def test_a_draft_model_is_named_as_a_model_is(
    catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    name = catalog.default().model_id
    plain = _answer((name,), capsys)
    assert _answer((name, "--draft-model", name), capsys) == plain
    assert main(["chat", *ASKED, "--model-draft", "nothing"]) == 2
    assert capsys.readouterr().err.startswith(
        "minerva: argument --model-draft: There is no model “nothing”"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", ""), "argument --model: it is empty; name a library model or a GGUF file"),
        (("--prompt", "a\udcff"), "argument --prompt: its character 2 is none"),
    ],
)
def test_what_is_no_name_and_no_text_is_said(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["chat", *arguments])
    assert capsys.readouterr().err.startswith(f"minerva: {words}")


async def _warning_at_start(model: Path) -> str:
    async with serve("--model", str(model), "--n-ctx", "1024") as served:
        _, warning = served.told
        answer = await served.http.post("/v1/completions", json={**COMPLETION, "model": model.stem})
        assert answer.status_code == 200
    return warning


@needs_posix
@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ oops", "TemplateSyntaxError: "),
        ("{{ 1 // 0 }}", "ZeroDivisionError: integer division or modulo by zero (line 1)"),
    ],
)
def test_a_template_that_fails_each_chat_is_told(
    template: str, why: str, small_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By serve at its start, and by models show in the same words."""
    mute = tmp_path / "mute.gguf"
    write_with_templates(mute, small_path, {"": template}, {})
    warning = asyncio.run(_warning_at_start(mute))
    about = "mute.gguf: "
    assert warning.startswith(f"{about}no chats: the model's chat template is broken: {why}")
    assert main(["models", "show", str(mute)]) == 0
    assert f" {warning.removeprefix(about)}\n" in capsys.readouterr().out


@needs_posix
async def test_no_client_is_blamed_for_load_options_that_do_not_go_together(
    catalog: Catalog,
) -> None:
    app_paths().create()
    own = ModelOverrides(yarn_beta_fast=9.0)
    SettingsFile(app_paths().settings).override(catalog.default().path, own)
    async with serve() as served:
        body = {**COMPLETION, "model": catalog.default().model_id}
        answer = await served.http.post("/v1/completions", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (500, "model_load_failed")
    assert (error["type"], error["param"]) == ("server_error", None)
    assert error["message"] == (
        f"{catalog.default().model_id} cannot be loaded as its load options are here: YaRN's fast"
        " beta would have no effect: RoPE scaling is not “yarn”"
    )


def test_a_split_over_gpus_that_are_not_there_is_refused_at_the_start(
    minerva_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No model need be named: none could be loaded."""
    assert main(["serve", "--port", "0", "--tensor-split", ",".join("1" * 64)]) == 2
    assert capsys.readouterr().err.startswith(
        "minerva: argument --tensor-split: The model is to be split over 64 GPUs, but llama.cpp"
    )
