"""The ranges that the description shows are those that requests are held to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.api_description import REFERENCE, describe
from minerva_desktop.server.api_operations import OPERATIONS
from minerva_desktop.server.errors import UnsupportedParameter
from minerva_desktop.server.parameters.anthropic import messages_parameters
from minerva_desktop.server.parameters.chat import chat_parameters
from minerva_desktop.server.parameters.completions import completion_parameters
from minerva_desktop.server.parameters.responses import LOGPROBS, responses_parameters
from tests.server.fake_models import serving

MESSAGES = [{"role": "user", "content": "Hi"}]
# A body for each path that takes all numbers, and what reads it.
READERS: Mapping[str, tuple[dict[str, Any], Callable[[dict[str, Any]], Any]]] = {
    "/v1/chat/completions": (
        {"messages": MESSAGES, "logprobs": True},
        lambda body: chat_parameters(body, None),
    ),
    "/v1/completions": ({"prompt": "Hi"}, lambda body: completion_parameters(body, None)),
    "/v1/responses": (
        {"input": "Hi", "include": [LOGPROBS]},
        lambda body: responses_parameters(body, None),
    ),
    "/v1/messages": (
        {"messages": MESSAGES, "max_tokens": -1},
        lambda body: messages_parameters(body, None, has_betas=False),
    ),
}
OPENAIS_OWN = {"temperature", "top_p", "frequency_penalty", "presence_penalty"}


def numbers(path: str) -> Iterator[tuple[str, float, float]]:
    """Each number of a body that has a largest value, with its least and its largest."""
    api = describe(OPERATIONS)
    content = api["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    name = content["schema"]["$ref"].removeprefix(REFERENCE)
    for field, schema in api["components"]["schemas"][name]["properties"].items():
        for branch in schema.get("anyOf", [schema]):
            if "maximum" in branch:
                assert "exclusiveMaximum" not in branch
                yield field, branch["minimum"], branch["maximum"]


@pytest.mark.parametrize("path", READERS)
def test_no_number_outside_its_range_is_taken(path: str) -> None:
    body, read = READERS[path]
    found = list(numbers(path))
    assert {name for name, _, _ in found} >= OPENAIS_OWN | {"top_k", "min_p", "n"}
    for name, low, high in found:
        for outside in (low - 1, high + 1):
            with pytest.raises(InvalidRequest) as caught:
                read(body | {name: outside})
            assert caught.value.param == name
            assert not caught.value.message.endswith("characters")


@pytest.mark.parametrize("path", READERS)
def test_the_ends_of_a_range_are_taken(path: str) -> None:
    body, read = READERS[path]
    for name, low, high in numbers(path):
        limit = {"max_tokens": -1} if name == "min_tokens" and "prompt" in body else {}
        for end in (low, high):
            try:
                read(body | limit | {name: end})
            except UnsupportedParameter:
                assert name == "n"  # some dialects have one answer only


async def test_whether_an_answer_may_have_no_tokens_is_each_dialects_rule_and_described() -> None:
    rules = {
        "/v1/chat/completions": ("ChatCompletionRequest", "max_tokens", "at least 1"),
        "/v1/completions": ("CompletionRequest", "max_tokens", "0: no answer"),
        "/v1/responses": ("ResponsesRequest", "max_output_tokens", "at least 1"),
        "/v1/messages": ("MessagesRequest", "max_tokens", "0: only have the prompt read"),
    }
    async with serving() as served:
        schemas = (await served.http.get("/openapi.json")).json()["components"]["schemas"]
    for path, (schema, field, rule) in rules.items():
        assert rule in schemas[schema]["properties"][field]["description"], path
        body, read = READERS[path]
        if rule == "at least 1":
            with pytest.raises(InvalidRequest, match=f"^{field} must be at least 1, "):
                read(body | {field: 0})
        else:
            assert read(body | {field: 0}).sampling.max_tokens == 0


async def test_defaults_are_described_and_the_page_shows_both() -> None:
    async with serving() as served:
        schemas = (await served.http.get("/openapi.json")).json()["components"]["schemas"]
        page = (await served.http.get("/docs")).text
    fields = schemas["ChatCompletionRequest"]["properties"]
    assert fields["temperature"]["default"] == 0.8
    assert fields["top_k"]["default"] == 40
    assert fields["n"]["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 128}
    assert fields["stop"]["anyOf"][0]["oneOf"][1]["maxItems"] == 16
    assert "0.0 to 5.0, default <code>0.8</code>" in page
