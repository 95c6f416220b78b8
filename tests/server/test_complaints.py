"""Every refusal is one sentence of ours that names the field, what it takes and what it got."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.api_operations import OPERATIONS
from minerva_desktop.server.parameters.chat import chat_parameters
from minerva_desktop.server.parameters.complaints import MAX_SHOWN, UNKNOWN, complaint, shown

WRONG: tuple[Any, ...] = (
    None, True, 5, -1, 1.5, 10**30, float("nan"), "", "x y", "z" * 600, [], [5], ["x"], [True],
    [[]], [["x"]], [{}], [{"type": "text"}], [{"type": 5}], {}, {"x": 5}, {"type": "x"},
    {"type": 5}, {"x" * 100: "x"}, {str(at): "x" for at in range(20)}, ["x"] * 20_000,
    [{"type": "function", "function": {"name": "a b"}}], [{"role": "user", "content": 5}],
    [{"role": 5, "content": "x"}], [{"name": "a b", "input_schema": {}}],
    [{"role": "assistant", "tool_calls": [{"function": {"name": "x", "arguments": 5}}]}],
    [{"type": "tool_use", "id": "", "name": "x", "input": []}], [{"id": -1, "scale": 1}],
    {"type": "json_schema", "json_schema": {"name": "x", "schema": 5}},
    {"type": "allowed_tools", "allowed_tools": {"mode": "x", "tools": []}},
)  # fmt: skip


def requests() -> Iterator[type[BaseModel]]:
    for operation in OPERATIONS:
        for schema in (operation.request, operation.query):
            if schema is not None:
                yield schema


def complaints(schema: type[BaseModel], body: dict[str, Any]) -> Iterator[InvalidRequest]:
    try:
        schema.model_validate(body)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            yield complaint(each)


def test_no_sentence_is_pydantics() -> None:
    found = set()
    for schema in requests():
        for name, field in schema.model_fields.items():
            for value in WRONG:
                for error in complaints(schema, {field.alias or name: value}):
                    assert error.param
                    assert error.param in error.message
                    assert re.search(r" (must (be|not be|have) |is required$)", error.message)
                    assert not re.search(
                        rf"Input|should|valid|\bdict\b|\[key\]|<|{UNKNOWN}|\n", error.message
                    ), error.message
                    assert len(error.message) < 250
                    found.add(error.message)
    assert len(found) > 300


MESSAGES = [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"temperature": "hot"}, 'temperature must be a number, not "hot"'),
        ({"temperature": 9}, "temperature must be between 0.0 and 5.0, not 9.0"),
        ({"seed": 1.5}, "seed must be a whole number, not 1.5"),
        ({"stream": 1}, "stream must be true or false, not 1"),
        ({"stop": ["a", 1]}, "stop[1] must be a string, not 1"),
        ({"stop": ["a"] * 17}, "stop takes at most 16 strings, not 17"),
        ({"stop": ["a", ""]}, "stop takes no empty strings"),
        ({"model": 5}, "model must be a string, not 5"),
        ({"messages": "Hi"}, 'messages must be a list, not "Hi"'),
        ({"messages": []}, "messages must not be empty"),
        (
            {"messages": [{"role": "boss", "content": ""}]},
            'messages[0].role must be one of system, developer, user, assistant, tool, not "boss"',
        ),
        (
            {"messages": ["Hi"]},
            'messages[0] must be an object such as {"role": "user", "content": "…"}, not "Hi"',
        ),
        (
            {"max_tokens": 0},
            "max_tokens must be at least 1, or -1 for no limit, not 0",
        ),
        (
            {"max_tokens": -(10**30)},
            f"max_tokens must be at least 1, or -1 for no limit, not -{10**30}",
        ),
        ({"seed": 2**63}, f"seed must be less than {2**63}, not {2**63}"),
        (
            {"response_format": "json"},
            'response_format must be an object such as {"type": "json_object"}, not "json"',
        ),
        (
            {"response_format": {"type": "xml"}},
            'response_format.type must be one of text, json_object, json_schema, not "xml"',
        ),
        (
            {"response_format": {"type": "json_schema"}},
            (
                "response_format.json_schema is required for the type json_schema, with the schema "
                "in response_format.json_schema.schema"
            ),
        ),
        (
            {"response_format": {"type": "text", "schema": {}}},
            "response_format.schema goes with the type json_schema or json_object, not with text",
        ),
        (
            {"tool_choice": "maybe"},
            (
                "tool_choice must be auto, none, required, or an object that names a function, not "
                '"maybe"'
            ),
        ),
        ({"logit_bias": {"x": 1}}, 'logit_bias takes token ids, as /tokenize gives them, not "x"'),
        (
            {"logit_bias": [[1]]},
            "logit_bias takes an object, or pairs of [token, bias], not [1]",
        ),
        ({"logit_bias": {"1": 900}}, "logit_bias takes numbers from -100 to 100, not 900"),
        (
            {"metadata": {"k" * 65: "v"}},
            f"a key of metadata.{'k' * 65} must have at most 64 characters, not 65",
        ),
    ],
)
def test_what_a_chat_is_told(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        chat_parameters({"model": "m", "messages": MESSAGES, **fields}, None)
    assert caught.value.message == message
    assert caught.value.param
    assert caught.value.message.removeprefix("a key of ").startswith(caught.value.param)


def test_no_limit_is_what_the_message_says() -> None:
    parameters = chat_parameters({"model": "m", "messages": MESSAGES, "max_tokens": -1}, None)
    assert parameters.sampling.max_tokens is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), (True, "true"), (1e300, "1e+300"), ('a"\n', '"a\\"\\n"'),
        ([1] * 999, "a list"), ([], "[]"), (["a", 1], '["a", 1]'), ([[]], "a list"),
        ({}, "{}"), ({"a": 1}, '{"a": 1}'), ({"a": {}}, "an object"), (["x" * 99], "a list"),
        (10**50, "1" + "0" * (MAX_SHOWN - 2) + "…"),
    ],
)  # fmt: skip
def test_a_value_is_shown_as_json_and_cut(value: object, text: str) -> None:
    assert shown(value) == text
    assert len(shown("x" * 10_000)) == MAX_SHOWN + 2
