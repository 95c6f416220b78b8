"""How long a context a model makes sense of, and what is said where one is longer."""

from __future__ import annotations

from pathlib import Path

import msgspec

from minerva_desktop.devices.ledgers import CPU
from minerva_desktop.engine.load_options import LoadOptions, RopeOptions, RopeScaling
from minerva_desktop.load_choice import choose_load
from tests.engine.models import write_with_long_rope

MB = 10**6
STRETCHED = "for 4,096, which RoPE scaling stretches to 8,192, and beyond these"


def test_a_context_beyond_the_trained_one_is_warned_of(
    model_path: Path, embedding_model: Path
) -> None:
    room = {CPU: 8_000 * MB}
    assert choose_load(model_path, LoadOptions(n_ctx=8192), room).warnings == ()
    long = LoadOptions(n_ctx=20_000)
    (warning,) = choose_load(model_path, long, room).warnings
    assert warning == (
        "context of 20,224 tokens: the model was trained for 8,192, and beyond these it may make "
        "no sense"
    )
    # Stretched to 32,768, but neither to 12,288 nor by what says nothing of the length.
    for rope, words in (
        (RopeOptions(freq_scale=0.25), ()),
        (RopeOptions(scaling=RopeScaling.YARN, freq_scale=0.4), ()),
        (RopeOptions(freq_scale=1 / 1.5), ("for 8,192, which RoPE scaling stretches to 12,288,",)),
        (RopeOptions(freq_base=20_000.0), ("for 8,192, and beyond these",)),
        (RopeOptions(freq_scale=0.25, yarn_orig_ctx=2048), ("for 8,192, and beyond these",)),
    ):
        stretched = msgspec.structs.replace(long, rope=rope)
        warnings = choose_load(model_path, stretched, room).warnings
        assert len(warnings) == len(words)
        assert all(each in warning for each, warning in zip(words, warnings, strict=True))
    # The least that was asked for already is too much, and neither hides the other.
    assert choose_load(model_path, long, {CPU: 50 * MB}).warnings == (warning,)
    embedding = choose_load(embedding_model, LoadOptions(n_ctx=513), room)
    assert embedding.options.n_ctx == 512
    (warning,) = embedding.warnings
    assert warning.startswith("context of 512 tokens instead of 513: the model was trained for 512")
    assert choose_load(embedding_model, LoadOptions(), room).warnings == ()


def test_a_model_whose_file_stretches_it_has_its_first_length_without(
    small_path: Path, tmp_path: Path
) -> None:
    model = tmp_path / "stretched.gguf"
    write_with_long_rope(model, small_path, 4096)  # of 32,768
    room = {CPU: 8_000 * MB}
    for rope, words in (
        (RopeOptions(), ()),
        (RopeOptions(freq_scale=0.125), ()),
        (RopeOptions(scaling=RopeScaling.NONE), ("for 4,096 before RoPE scaling,",)),
        (RopeOptions(freq_scale=0.5), (STRETCHED,)),
    ):
        warnings = choose_load(model, LoadOptions(n_ctx=32_768, rope=rope), room).warnings
        assert len(warnings) == len(words), warnings
        assert all(each in warning for each, warning in zip(words, warnings, strict=True))


def test_a_context_that_is_chosen_is_none_that_is_warned_of(
    small_path: Path, tmp_path: Path
) -> None:
    model = tmp_path / "stretched.gguf"
    write_with_long_rope(model, small_path, 4096)  # of 32,768
    for room in ({CPU: 8_000 * MB}, {CPU: 50 * MB}):  # with much of it, a longer one than usual
        for rope, n_ctx in (
            (RopeOptions(freq_scale=0.5), 8192),
            (RopeOptions(freq_scale=1 / 1.5), 6144),
            (RopeOptions(freq_scale=1 / 1.3), 5376),  # the step of 256 above 5,325
            (RopeOptions(scaling=RopeScaling.NONE), 4096),
        ):
            choice = choose_load(model, LoadOptions(rope=rope), room)
            assert (choice.options.n_ctx, choice.warnings) == (n_ctx, ())
    assert choose_load(model, LoadOptions(), {CPU: 8_000 * MB}).options.n_ctx == 32_768
