"""Rotary positions as arguments of commands, by llama-server's names."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

import msgspec

from minerva_desktop.commands.parser import AUTO, Spelled, count, number, or_automatic
from minerva_desktop.engine.load_options import LoadOptions, RopeOptions, RopeScaling
from minerva_desktop.load_limits import MAX_ROPE_SCALE, MIN_ROPE_SCALE

# LongRoPE is a matter of what a file brings.
_SCALINGS = (
    AUTO.value,
    *(each.value for each in (RopeScaling.NONE, RopeScaling.LINEAR, RopeScaling.YARN)),
)
_YARN = (
    ("ext_factor", "how much YaRN extrapolates, not interpolates, from 0 on (its own: 1)"),
    ("attn_factor", "scale of positions in attention; only without YaRN, which works out its own"),
    ("beta_fast", "rotations in the first context above which YaRN interpolates nothing"),
    ("beta_slow", "rotations in it below which YaRN interpolates all"),
)
_OF_YARN = frozenset(name for name in RopeOptions.__struct_fields__ if name.startswith("yarn_"))
# What was saved and does not go with the scaling that is given.
_UNDONE = {
    AUTO.value: _OF_YARN | {"scaling", "freq_scale"},
    RopeScaling.NONE.value: _OF_YARN | {"freq_scale"},
    RopeScaling.LINEAR.value: _OF_YARN,
    RopeScaling.YARN.value: frozenset({"yarn_attn_factor"}),
}


def add_rope_arguments(parser: argparse.ArgumentParser, *, of: str) -> None:
    """Let ``parser`` take how the models ``of`` which it speaks see positions."""
    group = parser.add_argument_group(
        f"positions {of}",
        "What is not given is as the settings say, else as the file says, or llama.cpp chooses.",
    )
    group.register("action", None, Spelled)
    add = group.add_argument
    add(
        "--rope-scaling",
        choices=_SCALINGS,
        help="how a longer context is made of a shorter one, with --rope-scale, unless the file has"
        " a factor (auto: as the file says)",
    )
    factor = group.add_mutually_exclusive_group()
    factor.add_argument(
        "--rope-scale",
        type=_factor,
        metavar="N",
        help="stretch factor: how many times as long a context --n-ctx may ask for",
    )
    factor.add_argument(
        "--rope-freq-scale", type=number, metavar="N", help="the same as 1/N: 0.25 for four times"
    )
    add(
        "--rope-freq-base",
        type=or_automatic(number),
        metavar="N",
        help="base frequency (auto: as the file says)",
    )
    add("--yarn-orig-ctx", type=count, metavar="N", help="for YaRN: tokens that it was trained for"
        " first")  # fmt: skip
    for name, what in _YARN:
        add(f"--yarn-{name.replace('_', '-')}", type=number, metavar="N", help=what)


def with_rope(options: LoadOptions, given: argparse.Namespace) -> LoadOptions:
    """``options`` with what was given, which wins, also over what does not go with it."""
    scaling = None if given.rope_scaling == AUTO.value else given.rope_scaling
    scale = given.rope_freq_scale if given.rope_scale is None else 1.0 / given.rope_scale
    wanted: dict[str, object] = {
        "scaling": None if scaling is None else RopeScaling(scaling),
        "freq_scale": scale,
        "freq_base": given.rope_freq_base,
        "yarn_orig_ctx": given.yarn_orig_ctx,
        **{f"yarn_{name}": getattr(given, f"yarn_{name}") for name, _ in _YARN},
    }
    named = {name: value for name, value in wanted.items() if value is not None}
    if named.get("freq_base") is AUTO:
        named["freq_base"] = None
    undone = dict.fromkeys(_undone(options.rope, given))
    rope: RopeOptions = msgspec.structs.replace(options.rope, **{**undone, **named})
    return msgspec.structs.replace(options, rope=rope)


def _undone(saved: RopeOptions, given: argparse.Namespace) -> Iterable[str]:
    if given.rope_scaling is not None:
        return _UNDONE[given.rope_scaling]
    is_factor = given.rope_scale is not None or given.rope_freq_scale is not None
    return {"scaling"} if is_factor and saved.scaling is RopeScaling.NONE else ()


def _factor(text: str) -> float:
    value = number(text)
    if not MIN_ROPE_SCALE <= value <= MAX_ROPE_SCALE:
        raise argparse.ArgumentTypeError(
            f"it must be between {MIN_ROPE_SCALE:g} and {MAX_ROPE_SCALE:,}, not {text}"
        )
    return value
