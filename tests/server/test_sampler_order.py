"""llama.cpp's samplers in an order that a request gives them."""

from __future__ import annotations

from typing import Any

import pytest

from minerva_desktop.chat.sampling import SAMPLERS, SamplingParameters
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.parameters.chat import chat_parameters
from tests.server.fake_models import chat_body


def _parsed(**fields: Any) -> SamplingParameters:
    return chat_parameters(chat_body(**fields), None).sampling


def test_samplers_are_known_by_all_their_names() -> None:
    names = ["Top-K", "temp", "typical_p", "NUCLEUS", "minP"]
    assert _parsed(samplers=names).samplers == ("top_k", "temperature", "typ_p", "top_p", "min_p")
    assert _parsed(samplers=[*SAMPLERS]).samplers == SAMPLERS
    assert _parsed(samplers=[]).samplers == ()
    assert _parsed(samplers=None).samplers == SAMPLERS


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"samplers": ["tfs_z"]}, "samplers takes penalties, dry, top_n_sigma, .*, not 'tfs_z'"),
        ({"samplers": ["top_k", "top-k"]}, "samplers names top_k twice"),
        ({"samplers": "kt"}, "samplers must be a list"),
        ({"samplers": ["top_k", 5]}, r"samplers\[1\] must be a string"),
        ({"samplers": ["top_k"], "mirostat": 2}, "samplers has no effect together with mirostat"),
    ],
)
def test_samplers_that_are_not_there_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        _parsed(**fields)
    assert (caught.value.param or "").startswith("samplers")
