"""Whatever is sent to the endpoints of texts and tokens, none of them fails at it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.server.fake_models import MODEL, OTHER_MODEL, serving

N_BODIES = 40  # in one example: to start the endpoint takes longer than to ask it
JSON = {"Content-Type": "application/json"}


def examples(n: int) -> settings:
    """So many, the same ones each time."""
    return settings(
        max_examples=n,
        deadline=None,
        derandomize=True,
        # A body that fails is told as it is: to make it smaller would take minutes.
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
INTEGERS = st.integers(-2, 300) | st.integers() | st.sampled_from([2**31, 2**63, 10**40])
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | INTEGERS | FLOATS | TEXT
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
TOKENS = st.lists(st.integers(0, 255), min_size=1, max_size=4)
INPUT = (
    TEXT
    | st.lists(TEXT, min_size=1, max_size=4)
    | TOKENS
    | st.lists(TOKENS, min_size=1, max_size=3)
)
MODELS = st.sampled_from([MODEL.model_id] * 6 + [OTHER_MODEL.model_id, "/etc/passwd", "a\0b"])
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant"]), "content": TEXT},
        optional={"name": TEXT},
    ),
    min_size=1,
    max_size=3,
)
TOOL = st.fixed_dictionaries({"name": st.sampled_from("abc")}, optional={"description": TEXT})
Fields = Mapping[str, st.SearchStrategy[Any]]
SAMPLING: Fields = {
    "temperature": st.floats(0, 5),
    "max_tokens": st.integers(1, 100) | st.just(-1),
    "seed": st.integers(-1, 2**32 - 2),
    "stop": st.text(min_size=1, max_size=3) | st.lists(st.just("x"), max_size=3),
    "logit_bias": st.dictionaries(st.sampled_from(["1", "20"]), st.integers(-100, 100)),
    "n": st.integers(1, 3),
    "top_k": st.integers(0, 100),
    "json_schema": st.dictionaries(TEXT, ANYTHING, max_size=2),
    "lora": st.lists(st.fixed_dictionaries({"id": st.integers(0, 5), "scale": FLOATS}), max_size=2),
    "overflow": st.sampled_from(["stop", "shift"]),
    "stream": st.booleans(),
    "return_progress": st.booleans(),
    "timings_per_token": st.booleans(),
}
REQUIRED: Fields = {
    "/v1/completions": st.fixed_dictionaries({"prompt": INPUT}),
    "/v1/embeddings": st.fixed_dictionaries({"input": INPUT}),
    "/tokenize": st.fixed_dictionaries({"content": TEXT}),
    "/detokenize": st.fixed_dictionaries({"tokens": TOKENS}),
    "/apply-template": st.fixed_dictionaries({"messages": MESSAGES}),
}
OPTIONAL: Mapping[str, Fields] = {
    "/v1/completions": {
        "suffix": TEXT,
        "echo": st.booleans(),
        "logprobs": st.integers(0, 5),
        "best_of": st.integers(1, 3),
        **SAMPLING,
    },
    "/v1/embeddings": {
        "encoding_format": st.sampled_from(["float", "base64"]),
        "dimensions": st.integers(1, 3),
        "embd_normalize": st.sampled_from([2, -1]),
    },
    "/tokenize": {
        "add_special": st.booleans(),
        "parse_special": st.booleans(),
        "with_pieces": st.booleans(),
    },
    "/detokenize": {},
    "/apply-template": {
        "tools": st.lists(
            st.fixed_dictionaries({"type": st.just("function"), "function": TOOL}), max_size=2
        ),
        "tool_choice": st.sampled_from(["none", "auto", "required"]),
        "chat_template_kwargs": st.dictionaries(TEXT, ANYTHING, max_size=2),
        "reasoning_effort": st.sampled_from(["none", "low", "high"]),
    },
}


@st.composite
def bodies(draw: st.DrawFn, path: str) -> dict[str, Any]:
    """Fields of the endpoint with values that mostly fit; now and then one of them is anything,
    or is missing, or is not known."""
    optional = OPTIONAL[path]
    names = draw(st.sets(st.sampled_from([*optional]), max_size=4)) if optional else set()
    body: dict[str, Any] = {"model": draw(MODELS), **draw(REQUIRED[path])}
    body |= {name: draw(optional[name]) for name in sorted(names)}
    match draw(st.integers(0, 5)):
        case 0:
            body[draw(st.sampled_from([*body, *optional]))] = draw(ANYTHING)
        case 1:
            body[draw(TEXT)] = draw(ANYTHING)
        case 2:
            del body[draw(st.sampled_from([*body]))]
    return body


@pytest.mark.parametrize("path", [*REQUIRED])
@examples(2)
@given(data=st.data())
async def test_random_bodies(path: str, data: st.DataObject) -> None:
    await none_fails(path, data)


@pytest.mark.slow
@pytest.mark.parametrize("path", [*REQUIRED])
@examples(25)
@given(data=st.data())
async def test_many_random_bodies(path: str, data: st.DataObject) -> None:
    await none_fails(path, data)


async def none_fails(path: str, data: st.DataObject) -> None:
    async with serving() as served:
        for body in data.draw(st.lists(bodies(path), min_size=N_BODIES, max_size=N_BODIES)):
            answer = await served.http.post(path, json=body)
            assert answer.status_code in (200, 400, 404), (body, answer.text)
            if answer.status_code != 200:
                error = answer.json()["error"]
                assert set(error) == {"message", "type", "param", "code"}, body
                assert error["message"], body
            elif body.get("stream"):
                assert answer.text.endswith("data: [DONE]\n\n"), body
        assert served.pool.leases == 0


@examples(4)
@given(values=st.lists(ANYTHING, min_size=10, max_size=10))
async def test_bodies_that_are_anything_at_all(values: list[Any]) -> None:
    async with serving() as served:
        for value in values:
            for path in REQUIRED:
                content = json.dumps(value).encode()
                answer = await served.http.post(path, content=content, headers=JSON)
                assert answer.status_code in (200, 400, 404), (path, value, answer.text)
