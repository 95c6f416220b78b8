"""Rotary positions as arguments of commands, by llama-server's names."""

from __future__ import annotations

import argparse
import math

import msgspec

from minerva_desktop.commands.parser import count, number
from minerva_desktop.engine.load_options import LoadOptions, RopeOptions, RopeScaling

# LongRoPE is a matter of what a file brings.
_SCALINGS = tuple(each.value for each in (RopeScaling.NONE, RopeScaling.LINEAR, RopeScaling.YARN))
_YARN = (
    ("ext_factor", "how much is extrapolated instead of interpolated, from 0 on"),
    ("attn_factor", "scale of attention; YaRN has its own"),
    ("beta_fast", "rotations in the first context above which nothing is interpolated"),
    ("beta_slow", "rotations in it below which all is interpolated"),
)


def add_rope_arguments(
    parser: argparse.ArgumentParser, *, of: str, has_settings: bool = False
) -> None:
    """Let ``parser`` take how the models ``of`` which it speaks see positions. ``has_settings``:
    the settings have a say in it, too."""
    said = "as the settings say, else as the file says" if has_settings else "as the file says"
    group = parser.add_argument_group(
        f"positions {of}", f"What is not given is {said}, or llama.cpp chooses."
    )
    add = group.add_argument
    add("--rope-scaling", choices=_SCALINGS, help="how a longer context is made of a shorter one")
    factor = group.add_mutually_exclusive_group()
    factor.add_argument(
        "--rope-scale",
        type=_factor,
        metavar="N",
        help="how many times as long a context --n-ctx may ask for",
    )
    factor.add_argument(
        "--rope-freq-scale", type=number, metavar="N", help="the same as 1/N: 0.25 for four times"
    )
    add("--rope-freq-base", type=number, metavar="N", help="base frequency")
    add("--yarn-orig-ctx", type=count, metavar="N", help="tokens that it was trained for first")
    for name, what in _YARN:
        add(f"--yarn-{name.replace('_', '-')}", type=number, metavar="N", help=what)


def with_rope(options: LoadOptions, given: argparse.Namespace) -> LoadOptions:
    """``options`` with what was given, which wins."""
    scale = given.rope_freq_scale if given.rope_scale is None else 1.0 / given.rope_scale
    wanted = {
        "scaling": None if given.rope_scaling is None else RopeScaling(given.rope_scaling),
        "freq_scale": scale,
        "freq_base": given.rope_freq_base,
        "yarn_orig_ctx": given.yarn_orig_ctx,
        **{f"yarn_{name}": getattr(given, f"yarn_{name}") for name, _ in _YARN},
    }
    named = {name: value for name, value in wanted.items() if value is not None}
    rope: RopeOptions = msgspec.structs.replace(options.rope, **named)
    return msgspec.structs.replace(options, rope=rope)


def _factor(text: str) -> float:
    value = number(text)
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"“{text}” is no factor above 0")
    return value
