"""Rotary positions as they are asked for: what changes what a model sees, and what is refused."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions, RopeOptions, RopeScaling
from minerva_desktop.engine.option_words import option_words
from minerva_desktop.errors import InvalidRequest
from tests.engine.models import write_with_factor

UNSTRETCHED = "without a stretch factor nothing is stretched"
GREEDY = SamplingParameters(temperature=0.0, max_tokens=12)
COUNT = ", ".join(str(number) for number in range(1, 60)) + ","


async def _text(model: Path, rope: RopeOptions) -> str:
    engine = LlamaEngine(model)
    await engine.load(options=LoadOptions(n_ctx=1024, rope=rope))
    text = await engine.generate(COUNT, sampling=GREEDY).text()
    await engine.unload()
    return text


async def test_rope_options_change_what_the_model_sees(
    small_path: Path,
) -> None:
    as_trained = await _text(small_path, RopeOptions())
    stretched = RopeOptions(scaling=RopeScaling.LINEAR, freq_scale=0.05)
    text = await _text(small_path, stretched)
    other_base = await _text(small_path, RopeOptions(freq_base=100.0))
    assert len({as_trained, text, other_base}) == 3


YARN = RopeOptions(scaling=RopeScaling.YARN, freq_scale=0.5, yarn_orig_ctx=4096)


async def test_each_number_of_yarn_changes_what_the_model_sees(small_path: Path) -> None:
    changes: tuple[dict[str, float], ...] = (
        {},
        {"yarn_ext_factor": 0.5},
        {"yarn_beta_fast": 2.0},
        {"yarn_beta_slow": 20.0},
        {"yarn_orig_ctx": 64},
    )
    stretched = [msgspec.structs.replace(YARN, **each) for each in changes]
    without = RopeOptions(
        scaling=RopeScaling.YARN, freq_scale=0.5, yarn_ext_factor=0.0, yarn_attn_factor=3.0
    )
    plain = msgspec.structs.replace(without, yarn_attn_factor=None)
    texts = [await _text(small_path, rope) for rope in (*stretched, without, plain)]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("model", "rope", "param", "why"),
    [
        (
            "recurrent_path",
            RopeOptions(freq_base=100.0),
            "freq_base",
            "this model has no rotary positions",
        ),
        (
            "small_path",
            RopeOptions(scaling=RopeScaling.NONE, freq_scale=0.5),
            "freq_scale",
            "RoPE scaling is “none”",
        ),
        (
            "small_path",
            RopeOptions(yarn_orig_ctx=4096),
            "yarn_orig_ctx",
            "RoPE scaling is not “yarn”",
        ),
        (
            "small_path",
            RopeOptions(yarn_ext_factor=0.0, yarn_beta_fast=9.0),
            "yarn_beta_fast",
            "RoPE scaling is not “yarn”",
        ),
        (
            "small_path",
            msgspec.structs.replace(YARN, yarn_attn_factor=3.0),
            "yarn_attn_factor",
            "with YaRN llama.cpp works it out by itself",
        ),
        *(
            (
                "small_path",
                rope,
                param,
                "without a stretch factor nothing is stretched",
            )
            for rope, param in (
                (RopeOptions(scaling=RopeScaling.YARN), "scaling"),
                (RopeOptions(scaling=RopeScaling.LINEAR, freq_scale=1.0), "scaling"),
                (RopeOptions(yarn_ext_factor=1.0), "yarn_ext_factor"),
                (RopeOptions(yarn_ext_factor=1.0, yarn_beta_slow=2.0), "yarn_beta_slow"),
            )
        ),
        (
            "small_path",
            RopeOptions(freq_scale=0.5, yarn_ext_factor=0.0),
            "yarn_ext_factor",
            "RoPE scaling is not “yarn”",
        ),
    ],
)
async def test_a_rope_option_that_llama_cpp_would_leave_aside_is_refused(
    model: str, rope: RopeOptions, param: str, why: str, request: pytest.FixtureRequest
) -> None:
    engine = LlamaEngine(request.getfixturevalue(model))
    with pytest.raises(InvalidRequest) as refused:
        await engine.load(options=LoadOptions(n_ctx=256, rope=rope))
    assert refused.value.param == f"rope.{param}"
    assert refused.value.message == f"{option_words(f'rope.{param}')} would have no effect: {why}"


async def test_a_fast_beta_below_the_slow_one_is_refused(small_path: Path) -> None:
    """Also where the other one is llama.cpp's."""
    for betas, words in (
        ({"yarn_beta_fast": 0.5}, "fast beta, 0.5, must not be below its slow beta, 1"),
        ({"yarn_beta_slow": 40.0}, "fast beta, 32, must not be below its slow beta, 40"),
    ):
        rope = msgspec.structs.replace(YARN, **betas)
        with pytest.raises(InvalidRequest, match=words) as refused:
            await LlamaEngine(small_path).load(options=LoadOptions(n_ctx=256, rope=rope))
        assert refused.value.param in {f"rope.{name}" for name in betas}


async def test_scaling_that_the_file_has_a_factor_for_needs_no_other(
    small_path: Path, tmp_path: Path
) -> None:
    """What stretches a model may stand in its file; the kind alone then makes a difference."""
    stretched = tmp_path / "stretched.gguf"
    write_with_factor(stretched, small_path, 2.0)
    texts = [
        await _text(stretched, RopeOptions(scaling=scaling))
        for scaling in (None, RopeScaling.YARN, RopeScaling.NONE)
    ]
    assert len(set(texts)) == 3
