"""Fields of a chat request that do not go together, and the choice among some of the tools."""

from __future__ import annotations

from typing import Any

import pytest

from minerva_desktop.chat.tools import ToolMode
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.parameters.chat import ChatParameters, chat_parameters
from minerva_desktop.server.parameters.completions import completion_parameters
from tests.server.fake_models import chat_body

CHOICE = "tool_choice.allowed_tools"


def parse(**fields: object) -> ChatParameters:
    return chat_parameters(chat_body(**fields), None)


def named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


def allowed(*names: str, mode: str = "auto") -> dict[str, Any]:
    tools = [named(name) for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


TOOLS: dict[str, Any] = {"tools": [named("a")]}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({**TOOLS, "tool_choice": allowed("b")}, f"{CHOICE}.tools[0].function.name"),
        ({**TOOLS, "tool_choice": allowed()}, f"{CHOICE}.tools"),
        ({**TOOLS, "tool_choice": allowed("a", mode="none")}, f"{CHOICE}.mode"),
        ({**TOOLS, "tool_choice": {"type": "allowed_tools"}}, CHOICE),
        ({**TOOLS, "tool_choice": {**named("a"), **allowed("a")}}, "tool_choice.function"),
        ({**TOOLS, "tool_choice": {**allowed("a"), **named("a")}}, CHOICE),
        ({"user": 5}, "user"),
        ({"metadata": "a"}, "metadata"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"response_format": {"type": "text", "schema": {}}}, "response_format.schema"),
        (
            {"response_format": {"type": "json_object", "json_schema": {"schema": {}}}},
            "response_format.json_schema",
        ),
        ({"response_format": {"type": "text", "value": {}}}, "response_format.value"),
        (
            {"response_format": {"type": "json_object", "schema": {}, "value": {}}},
            "response_format.schema",
        ),
        ({"min_tokens": 3, "max_tokens": 2}, "min_tokens"),
        ({"json_schema": {}, "response_format": {"type": "json_object"}}, "response_format"),
        ({"json_schema": {}, "grammar": 'root ::= "a"'}, "grammar"),
    ],
)
def test_what_does_not_go_together_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(**fields)
    assert caught.value.param == param


def test_some_of_the_tools_may_be_allowed() -> None:
    tools = [named("a"), named("b"), named("c")]
    tools[1]["function"] = {"name": "b", "strict": True}
    chat = parse(tools=tools, tool_choice=allowed("c", "b", mode="required")).chat
    assert ([each.name for each in chat.tools], chat.mode) == (["b", "c"], ToolMode.REQUIRED)
    assert [each.strict for each in chat.tools] == [True, False]
    assert parse(tools=tools, tool_choice=allowed("c")).chat.mode is ToolMode.AUTO


def test_an_empty_schema_asks_for_any_json() -> None:
    assert parse(json_schema={}).sampling.json_schema == "{}"
    plain = completion_parameters({"model": "m", "prompt": "Hi", "json_schema": {}}, None)
    assert plain.sampling.json_schema == "{}"


def test_who_asks_and_notes_of_theirs_change_nothing() -> None:
    parameters = parse(user="a", metadata={"b": "c"})
    assert (parameters.sampling, parameters.headers) == (parse().sampling, {})
    with pytest.raises(InvalidRequest, match="user"):
        completion_parameters({"model": "m", "prompt": "a", "user": 1}, None)
