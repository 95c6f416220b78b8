"""The range of each sampling parameter, and what a person reads when one is outside it."""

from __future__ import annotations

import math

import msgspec
import pytest

from minerva_desktop.chat.sampling import MAX_SEED, MAX_STOP_STRINGS, SamplingParameters
from minerva_desktop.errors import InvalidRequest


def changed(**fields: object) -> SamplingParameters:
    return msgspec.structs.replace(SamplingParameters(), **fields)


def test_the_defaults_are_allowed() -> None:
    SamplingParameters().check()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0.0),
        ("temperature", 5.0),
        ("top_k", 0),
        ("top_p", 0.0),
        ("top_p", 1.0),
        ("min_p", 0.0),
        ("min_p", 1.0),
        ("repeat_penalty", 0.1),
        ("repeat_penalty", 10.0),
        ("repeat_last_n", 0),
        ("seed", None),
        ("seed", 0),
        ("seed", MAX_SEED),
        ("max_tokens", None),
        ("max_tokens", 1),
        ("stop", ("x",) * MAX_STOP_STRINGS),
    ],
)
def test_the_ends_of_a_range_are_allowed(name: str, value: object) -> None:
    changed(**{name: value}).check()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 5.1),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("top_k", -1),
        ("top_p", 1.01),
        ("top_p", math.nan),
        ("min_p", -0.01),
        ("repeat_penalty", 0.0),
        ("repeat_penalty", math.inf),
        ("repeat_last_n", -1),
        ("seed", -1),
        ("seed", MAX_SEED + 1),
        ("max_tokens", -1),
        ("max_tokens", 2**63),
        ("stop", ("x",) * (MAX_STOP_STRINGS + 1)),
        ("stop", ("x", "")),
    ],
)
def test_a_value_outside_its_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        changed(**{name: value}).check()

    assert caught.value.param == name
    assert name in caught.value.message


def test_the_sentence_has_the_numbers_in_it() -> None:
    with pytest.raises(InvalidRequest, match=r"top_p must be between 0\.0 and 1\.0, not 1\.5"):
        changed(top_p=1.5).check()


def test_the_largest_seed_is_not_the_one_that_means_random() -> None:
    assert MAX_SEED + 1 == 0xFFFF_FFFF


@pytest.mark.parametrize(
    ("fields", "is_greedy"),
    [
        ({}, False),
        ({"temperature": 0.0}, True),
        ({"temperature": 0.0, "mirostat": 2}, True),  # which gets the likeliest token alone
        ({"temperature": 0.0, "dynatemp_range": 0.5}, False),
        ({"temperature": 0.0, "samplers": ("top_k",)}, False),
        ({"temperature": 0.0, "samplers": ("temperature", "top_k")}, True),
    ],
)
def test_a_temperature_of_0_is_greedy_where_it_is_applied(
    fields: dict[str, object], is_greedy: bool
) -> None:
    assert changed(**fields).is_greedy is is_greedy
