from __future__ import annotations

from pathlib import Path

from minerva_desktop.app.model_actions import lacks_template, load_options, overridden, own_options
from minerva_desktop.engine.load_options import FlashAttention, KvType, RopeOptions, RopeScaling
from minerva_desktop.library.model_file import read_model_file
from minerva_desktop.paths import path_text
from minerva_desktop.settings import ModelOverrides, Settings, SettingsFile


def test_a_models_own_options_win_and_the_rest_is_as_for_all(tmp_path: Path) -> None:
    own = ModelOverrides(n_ctx=2048, kv_type="q4_0", flash_attention="on")
    settings = Settings(n_ctx=4096, n_threads=3, models={"/m/a.gguf": own})
    common = load_options(settings, tmp_path)
    options = own_options(settings, common)[Path("/m/a.gguf")]
    assert (options.n_ctx, options.n_threads) == (2048, 3)
    assert (options.kv_type_k, options.kv_type_v) == (KvType.Q4_0, KvType.Q4_0)
    assert options.flash_attention is FlashAttention.ON
    assert options.snapshots == common.snapshots


def test_positions_of_a_model_go_with_its_load(tmp_path: Path) -> None:
    options = load_options(Settings(), tmp_path)
    own = ModelOverrides(
        rope_scaling="yarn",
        rope_scale=4.0,
        rope_freq_base=1_000_000,
        yarn_orig_ctx=8192,
        yarn_ext_factor=0.5,
        yarn_attn_factor=2.0,
        yarn_beta_fast=31.5,
        yarn_beta_slow=0.25,
    )
    assert overridden(options, own).rope == RopeOptions(
        scaling=RopeScaling.YARN,
        freq_scale=0.25,
        freq_base=1e6,
        yarn_orig_ctx=8192,
        yarn_ext_factor=0.5,
        yarn_attn_factor=2.0,
        yarn_beta_fast=31.5,
        yarn_beta_slow=0.25,
    )


def test_a_chat_template_goes_with_the_load(tmp_path: Path) -> None:
    options = load_options(Settings(), tmp_path)
    own = overridden(options, ModelOverrides(chat_template="{{ messages }}"))
    assert own.chat_template == "{{ messages }}"
    assert own != options  # so a loaded model is loaded anew
    assert overridden(options, ModelOverrides(chat_template=" \n")) == options


def test_another_template_ends_that_one_is_missed(gemma_path: Path, small_path: Path) -> None:
    base, chats = (read_model_file(path) for path in (gemma_path, small_path))
    own = Settings(models={path_text(gemma_path): ModelOverrides(chat_template="{{ messages }}")})
    assert lacks_template(base, Settings())
    assert not lacks_template(base, own)
    assert not lacks_template(chats, Settings())


def test_words_that_nobody_knows_are_left_out(tmp_path: Path) -> None:
    options = load_options(Settings(), tmp_path)
    assert overridden(options, ModelOverrides(kv_type="f8", flash_attention="maybe")) == options


def test_overrides_outlive_a_restart_and_go_when_they_say_nothing(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    path = Path("/m/a.gguf")
    SettingsFile(file).override(path, ModelOverrides(n_ctx=2048))
    again = SettingsFile(file)
    assert again.current.models == {"/m/a.gguf": ModelOverrides(n_ctx=2048)}
    again.override(path, ModelOverrides())
    assert SettingsFile(file).current.models == {}


def test_the_preset_of_new_chats_is_no_matter_of_loading(tmp_path: Path) -> None:
    """So a loaded model is not loaded anew for it."""
    options = load_options(Settings(), tmp_path)
    assert overridden(options, ModelOverrides(preset="Teacher")) == options
