"""The settings file: kept, read again, and edited by hand with all that can go wrong then."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import msgspec
import pytest

from minerva_desktop.app.memory_budgets import gpu_bytes, memory_bytes
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.queue_limit import QueueLimit
from minerva_desktop.settings import ModelOverrides, Settings, SettingsFile, ThemeChoice


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.json"


def test_what_is_saved_is_read_again(file: Path) -> None:
    assert SettingsFile(file).current == Settings()
    settings = Settings(
        theme=ThemeChoice.DARK,
        n_ctx=4096,
        memory_gb=6,
        gpu_gb={"RTX 4090": 20, "Arc": 0},
        snapshot_gb=0,
        sampling=SamplingParameters(temperature=0.5, logit_bias={7: -1.0}),
        models={"/m/a.gguf": ModelOverrides(n_ctx=2048, kv_type="q8_0", flash_attention="on")},
    )
    SettingsFile(file).save(settings)
    again = SettingsFile(file)
    assert (again.current, again.problem) == (settings, None)


def test_the_queue_is_as_long_as_the_engine_has_it() -> None:
    assert Settings().server_waiting == QueueLimit().n_waiting


def test_budgets_may_be_fractions(file: Path) -> None:
    file.write_text(json.dumps({"memory_gb": 0.5, "gpu_gb": {"Arc": 1.25}, "theme": "dark"}))
    read = SettingsFile(file)
    assert read.problem is None
    assert read.current == Settings(memory_gb=0.5, gpu_gb={"Arc": 1.25}, theme=ThemeChoice.DARK)
    assert memory_bytes(read.current) == 500_000_000
    assert gpu_bytes(read.current) == {"Arc": 1_250_000_000}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("memory_gb", -1, "memory_gb is -1 (expected number >= 0.25)"),
        ("memory_gb", 0, "memory_gb is 0 (expected number >= 0.25)"),
        ("memory_gb", 1e300, "memory_gb is 1e+300 (expected number <= 100000.0)"),
        ("memory_gb", 10**400, "memory_gb is 10000000000000000000"),
        ("memory_gb", math.inf, 'memory_gb is "Infinity" (expected number | null, got text)'),
        ("memory_gb", math.nan, 'memory_gb is "NaN" (expected number | null, got text)'),
        ("n_ctx", 10**400, "n_ctx is 10000000000000000000"),
        ("memory_gb", "much", 'memory_gb is "much" (expected number | null, got text)'),
        ("n_ctx", 4096.5, "n_ctx is 4096.5 (expected whole number | null, got number)"),
        ("n_ctx", 1, "n_ctx is 1 (expected whole number >= 16)"),
        ("server_waiting", 0, "server_waiting is 0 (expected whole number >= 1)"),
        ("server_port", 70_000, "server_port is 70000 (expected whole number <= 65535)"),
        ("text_size", 300, "text_size is 300 (expected whole number <= 200)"),
        ("text_size", 110.5, "text_size is 110.5 (expected whole number, got number)"),
        ("theme", "pink", "theme is \"pink\" (invalid enum value 'pink')"),
        ("sampling", [1] * 40, "sampling is [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, … (expected"),
        ("gpu_gb", {"Arc": -3}, "gpu_gb.Arc is -3 (expected number >= 0.0)"),
        ("models", {"/m": {"kv_type": "f8"}}, 'models./m.kv_type is "f8" (expected text matching'),
        ("sampling", {"temperature": 99}, "sampling: temperature must be between 0.0 and 5.0"),
        ("sampling", {"mirostat": 1, "top_k": 5}, "sampling: top_k has no effect together with"),
    ],
)
def test_a_bad_value_costs_only_itself(file: Path, name: str, value: object, words: str) -> None:
    given = {"system_prompt": "Be brief.", name: value, "parameters_visible": True}
    text = json.dumps(given)
    file.write_text(text)
    read = SettingsFile(file)
    expected = Settings(system_prompt="Be brief.", parameters_visible=True)
    if name == "models":
        expected = Settings(
            system_prompt="Be brief.", parameters_visible=True, models={"/m": ModelOverrides()}
        )
    elif isinstance(value, dict) and "mirostat" in value:
        sampling = SamplingParameters(mirostat=1)
        expected = Settings(system_prompt="Be brief.", parameters_visible=True, sampling=sampling)
    assert read.current == expected
    assert read.problem is not None
    assert words in read.problem
    kept = file.with_name("settings.json.unreadable")
    assert f"The rest holds. The file as it was is kept as {kept}." in read.problem
    read.save(read.current)
    assert kept.read_text() == text
    assert SettingsFile(file).problem is None


def test_what_is_good_beside_bad_values_is_kept_in_the_parts_too(file: Path) -> None:
    sampling = {"temperature": "hot", "top_k": 7, "min_p": 3, "logit_bias": {"5": 1}}
    models = {"/a": {"n_ctx": 5, "n_threads": 2}, "/b": {"n_ctx": 2048}, "/c": 1}
    file.write_text(json.dumps({"sampling": sampling, "models": models, "gpu_gb": {"A": 5}}))
    read = SettingsFile(file)
    assert read.current == Settings(
        sampling=SamplingParameters(top_k=7, logit_bias={5: 1.0}),
        models={"/a": ModelOverrides(n_threads=2), "/b": ModelOverrides(n_ctx=2048)},
        gpu_gb={"A": 5},
    )
    told = str(read.problem)
    assert all(name in told for name in ("sampling.temperature", "min_p", "/a.n_ctx", "models./c"))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"n_ctx":\n  x', "they are no JSON from line 2, column 3 on"),
        (b"[1]", "they are no JSON object"),
        (b"\xff", "they are no text in UTF-8"),
        (b"[" * 100_000, "they are nested too deep"),
        (b"", "they are no JSON from line 1, column 1 on"),
        (b'{"system_prompt": "\\ud800"}', "there is half a character in them"),
    ],
)
def test_what_is_no_json_object_is_kept_and_told(
    file: Path, content: bytes, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_bytes(content)
    read = SettingsFile(file)
    assert read.current == Settings()
    kept = file.with_name("settings.json.unreadable")
    assert kept.read_bytes() == content
    assert read.problem == (
        f"The settings could not be read: {why}. The file as it was is kept as {kept}."
    )
    assert caplog.messages == [read.problem]  # which commands show in the terminal


def test_a_mistake_in_the_text_is_told_with_its_place(file: Path) -> None:
    file.write_text('{\n  "n_ctx": 4096,\n}')
    assert "no JSON from line 3, column 1 on" in str(SettingsFile(file).problem)
    file.write_bytes(b"\xef\xbb\xbf" + b'{"n_ctx": 4096}')  # as Windows' Notepad begins a text
    assert SettingsFile(file).current.n_ctx == 4096


def test_what_cannot_be_kept_is_not_said_to_be(file: Path) -> None:
    file.write_text("{")
    file.with_name("settings.json.unreadable").mkdir()
    told = str(SettingsFile(file).problem)
    assert "The file as it was could not be kept: it is a folder." in told
    assert file.read_text() == "{"


@pytest.mark.skipif(os.name != "posix", reason="folders are read otherwise")
def test_settings_that_are_a_folder_are_set_aside(file: Path) -> None:
    file.mkdir()
    read = SettingsFile(file)
    assert read.current == Settings()
    read.save(Settings(n_ctx=512))
    assert SettingsFile(file).current.n_ctx == 512
    assert file.with_name("settings.json.unreadable").is_dir()


def test_what_another_version_keeps_in_the_file_stays_there(file: Path) -> None:
    file.write_text(
        json.dumps(
            {
                "n_ctx": 2048,
                "night_light": {"from": 22},
                "sampling": {"seed": 5, "beam_width": 3},
                "models": {"/m/a.gguf": {"n_ctx": 512, "rope": "yarn"}},
            }
        )
    )
    settings = SettingsFile(file)
    assert settings.problem is None
    settings.save(msgspec.structs.replace(settings.current, n_ctx=4096))
    settings.override(Path("/m/b.gguf"), ModelOverrides(n_ctx=1024))
    saved = json.loads(file.read_text())
    assert saved["n_ctx"] == 4096
    assert saved["night_light"] == {"from": 22}
    assert (saved["sampling"]["seed"], saved["sampling"]["beam_width"]) == (5, 3)
    assert saved["models"] == {
        "/m/a.gguf": {"n_ctx": 512, "rope": "yarn"},
        "/m/b.gguf": {"n_ctx": 1024},
    }
    assert SettingsFile(file).current == settings.current


def test_a_newer_file_holds_as_far_as_it_is_known_and_is_not_written(file: Path) -> None:
    content = json.dumps({"format": 2, "n_ctx": 2048, "theme": {"day": "light"}})
    file.write_text(content)
    settings = SettingsFile(file)
    assert settings.current == Settings(n_ctx=2048)
    assert settings.problem is not None
    assert "written by a newer Minerva (format 2, this one knows up to 1)" in settings.problem
    settings.save(Settings(n_ctx=512))
    settings.remember(model="/m/a.gguf")
    assert settings.current == Settings(n_ctx=512, model="/m/a.gguf")
    assert file.read_text() == content
    assert [each.name for each in file.parent.iterdir()] == [file.name]
