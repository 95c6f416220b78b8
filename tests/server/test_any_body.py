"""Whatever JSON comes as a body, the answer is no 5xx."""

from __future__ import annotations

import asyncio
import copy
import ssl
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.patience import SECONDS
from tests.server.fake_models import MODEL, serving

TOOL_SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
# One body for each path, with all that its schema has a place for.
RESPONSES: dict[str, Any] = {
    "model": MODEL.model_id,
    "instructions": "Be brief",
    "input": [
        {"role": "developer", "content": "d"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "s"}],
            "content": [{"type": "reasoning_text", "text": "t"}],
        },
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "2"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
    ],
    "tools": [{"type": "function", "name": "f", "parameters": TOOL_SCHEMA, "strict": True}],
    "tool_choice": {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "function", "name": "f"}],
    },
    "text": {"format": {"type": "json_schema", "name": "n", "schema": TOOL_SCHEMA}},
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["message.output_text.logprobs"],
    "metadata": {"a": "b"},
    "top_logprobs": 2,
    "max_output_tokens": 5,
    "temperature": 1.0,
    "logit_bias": {"5": 1},
    "truncation": "auto",
    "stream": True,
    "stream_options": {"include_obfuscation": False},
    "conversation": None,
}
MESSAGES: dict[str, Any] = {
    "model": MODEL.model_id,
    "max_tokens": 5,
    "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t", "signature": ""},
                {"type": "redacted_thinking", "data": "d"},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": [{"type": "text", "text": "r"}],
                    "is_error": True,
                }
            ],
        },
    ],
    "tools": [{"name": "f", "input_schema": TOOL_SCHEMA, "cache_control": None}],
    "tool_choice": {"type": "tool", "name": "f"},
    "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
    "output_config": {
        "effort": "low",
        "format": {"type": "json_schema", "schema": TOOL_SCHEMA},
    },
    "stop_sequences": ["x"],
    "stream": True,
    "metadata": {"user_id": "u"},
}

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8)
    | st.sampled_from(["function", "message", "text", "auto", "user", "<other>", "file:///etc"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "name", "text", "input", "zap"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all that is in ``value``."""
    if isinstance(value, dict):
        inner = [(key, each) for key, each in value.items()]
    elif isinstance(value, list):
        inner = list(enumerate(value))
    else:
        return [path]
    return [path, *(place for key, each in inner for place in _places(each, (*path, key)))]


@st.composite
def mutants(draw: st.DrawFn, body: dict[str, Any]) -> dict[str, Any]:
    """``body`` with something else in one place or a few, or without what was there."""
    mutant = copy.deepcopy(body)
    for _ in range(draw(st.integers(0, 3))):
        *path, last = draw(st.sampled_from(_places(mutant)[1:] or [("model",)]))
        at: Any = mutant
        for step in path:
            at = at[step]
        if draw(st.booleans()) and isinstance(at, dict):
            del at[last]
        else:
            at[last] = draw(values)
    return mutant


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", RESPONSES),
        ("/v1/responses/input_tokens", RESPONSES),
        ("/v1/messages", MESSAGES),
        ("/v1/messages/count_tokens", MESSAGES),
    ],
)
async def test_no_body_makes_the_endpoint_fail(path: str, body: dict[str, Any]) -> None:
    statuses: set[int] = set()

    async with serving() as served:

        @settings(
            max_examples=80,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        )
        @given(mutants(body))
        def ask(mutant: dict[str, Any]) -> None:
            answer = client.post(path, json=mutant)
            assert answer.status_code < 500, answer.text
            if answer.headers["content-type"] == "application/json":
                told = answer.json()
                assert answer.status_code == 200 or told["error"]["message"]
            statuses.add(answer.status_code)

        no_trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with httpx.Client(base_url=served.url, verify=no_trust, timeout=SECONDS) as client:
            await asyncio.to_thread(ask)
        untouched = await served.http.post(path, json=body)
    assert {200, 400} <= statuses
    assert untouched.status_code == 200, untouched.text


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/messages", "/v1/chat/completions"])
async def test_no_depth_of_a_body_makes_the_endpoint_fail(path: str) -> None:
    """What can just be read may be too deep to be written again."""
    name = "parameters" if path == "/v1/responses" else "input_schema"
    common = f'"model": "{MODEL.model_id}", "max_tokens": 9'
    common += ', "messages": [{"role": "user", "content": "Hi"}]'
    if path == "/v1/responses":
        common = f'"model": "{MODEL.model_id}", "input": "Hi"'
    statuses = set()
    async with serving() as served:
        for depth in (30, *range(780, 1000, 7)):
            deep = '{"a":' * depth + "1" + "}" * depth
            tool = f'{{"name": "f", "{name}": {deep}}}'
            if path == "/v1/chat/completions":
                tool = f'{{"type": "function", "function": {{"name": "f", "parameters": {deep}}}}}'
            elif path == "/v1/responses":
                tool = tool.replace("{", '{"type": "function", ', 1)
            answer = await served.http.post(
                path,
                content=f'{{{common}, "tools": [{tool}]}}',
                headers={"Content-Type": "application/json"},
            )
            statuses.add(answer.status_code)
    assert statuses == {200, 400}
