"""What llama.cpp would leave aside of the options for rotary positions. Engine child, main thread.

As its ``llama_context`` and ggml's ``rope_yarn`` have it (0.3.36): “none” drops the factor; without
a factor linear scaling and YaRN compute what they would without; YaRN works out its own attention
factor; and where no number of the file's says another, its betas are 32 and 1.
"""

from __future__ import annotations

from minerva_desktop.engine.core.llama import LlamaModel
from minerva_desktop.engine.load_options import RopeOptions, RopeScaling, check_betas
from minerva_desktop.engine.option_words import UNSTRETCHED, option_words
from minerva_desktop.errors import InvalidRequest

_ONLY_WITH_YARN = ("yarn_beta_fast", "yarn_beta_slow", "yarn_orig_ctx")
_BETA_FAST, _BETA_SLOW = 32.0, 1.0  # llama_hparams


def check_rope(model: LlamaModel, rope: RopeOptions) -> None:
    """Raise `InvalidRequest`, naming the field, for what would have no effect on ``model``, or none
    that makes sense."""
    given = {name for name in rope.__struct_fields__ if getattr(rope, name) is not None}
    if not given:
        return
    if not model.has_rope:
        raise _without_effect(min(given), "this model has no rotary positions")
    own = _text(model, "scaling.type")
    scaling = rope.scaling or own
    if scaling == RopeScaling.NONE and "freq_scale" in given:
        raise _without_effect("freq_scale", "RoPE scaling is “none”")
    is_scaled = scaling != RopeScaling.NONE and _scale(model, rope) != 1.0
    is_new = rope.scaling in (RopeScaling.LINEAR, RopeScaling.YARN) and rope.scaling != own
    if is_new and not is_scaled:
        raise _without_effect("scaling", UNSTRETCHED)
    _check_yarn(model, rope, scaling == RopeScaling.YARN, is_scaled=is_scaled)


def _check_yarn(model: LlamaModel, rope: RopeOptions, is_yarn: bool, *, is_scaled: bool) -> None:
    strength = rope.yarn_ext_factor
    if strength is None:
        strength = _number(model, "scaling.yarn_ext_factor", float(is_yarn))
    has_yarn = strength > 0.0
    if has_yarn and rope.yarn_attn_factor is not None:
        raise _without_effect("yarn_attn_factor", "with YaRN llama.cpp works it out by itself")
    for name in _ONLY_WITH_YARN:
        if getattr(rope, name) is None:
            continue
        if not has_yarn:
            raise _without_effect(name, "RoPE scaling is not “yarn”")
        if not is_scaled:
            raise _without_effect(name, UNSTRETCHED)
    if rope.yarn_ext_factor is not None:
        if not (has_yarn or is_yarn):
            raise _without_effect("yarn_ext_factor", "RoPE scaling is not “yarn”")
        if not is_scaled:
            raise _without_effect("yarn_ext_factor", UNSTRETCHED)
    if rope.yarn_beta_fast is not None or rope.yarn_beta_slow is not None:
        fast, slow = rope.yarn_beta_fast, rope.yarn_beta_slow
        check_betas(
            _number(model, "scaling.yarn_beta_fast", _BETA_FAST) if fast is None else fast,
            _number(model, "scaling.yarn_beta_slow", _BETA_SLOW) if slow is None else slow,
            param="rope.yarn_beta_slow" if fast is None else "rope.yarn_beta_fast",
        )


def _scale(model: LlamaModel, rope: RopeOptions) -> float:
    """1 / factor."""
    if rope.freq_scale is not None:
        return rope.freq_scale
    factor = _number(model, "scaling.factor", 0.0) or _number(model, "scale_linear", 0.0)
    return 1.0 / factor if factor else 1.0


def _text(model: LlamaModel, key: str) -> str:
    return model.metadata(f"{model.metadata('general.architecture')}.rope.{key}")


def _number(model: LlamaModel, key: str, default: float) -> float:
    """What the file says; llama.cpp hands numbers out as texts."""
    try:
        return float(_text(model, key))
    except ValueError:
        return default


def _without_effect(name: str, why: str) -> InvalidRequest:
    name = f"rope.{name}"
    return InvalidRequest(f"{option_words(name)} would have no effect: {why}", param=name)
