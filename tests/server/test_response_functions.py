"""The tools that clients of ``POST /v1/responses`` send without being asked: namespaces of
functions, and what OpenAI runs itself."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from openai.types.responses import Response, ResponseFunctionToolCall

from minerva_desktop.chat.message import Role
from minerva_desktop.engine.answer_parser import ToolCallDelta
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.parameters.parser import IGNORED_FIELDS_HEADER
from minerva_desktop.server.parameters.responses import ResponsesParameters, responses_parameters
from minerva_desktop.server.response_writer import ResponseWriter
from tests.server.answers import ended, said

AGENTS = {
    "type": "namespace",
    "name": "agents",
    "description": "Others that work for you.",
    "tools": [
        {"type": "function", "name": "spawn", "description": "Begin one.", "defer_loading": True},
        {"type": "function", "name": "wait"},
        {"type": "custom", "name": "patch"},
    ],
}
SHELL = {"type": "function", "name": "shell", "description": "Run it."}
SEARCH = {"type": "web_search", "external_web_access": False}


def asked(*tools: object, **more: object) -> ResponsesParameters:
    body: dict[str, Any] = {"model": "tiny", "input": "Hi", "tools": list(tools), **more}
    return responses_parameters(body, None)


def test_the_functions_of_a_namespace_are_the_models_and_what_others_run_is_left_out() -> None:
    parameters = asked(SHELL, {**AGENTS, "nmae": "x"}, SEARCH)
    assert [(tool.name, tool.description) for tool in parameters.chat.tools] == [
        ("shell", "Run it."),
        ("spawn", "Others that work for you.\nBegin one."),
        ("wait", "Others that work for you."),
    ]
    ignored = "tools[1].tools[2], tools[2], tools[1].nmae, tools[1].tools[0].defer_loading"
    assert parameters.headers == {IGNORED_FIELDS_HEADER: ignored}
    said = parameters.settings.tools[1:]
    assert said == [{**AGENTS, "nmae": "x"}, SEARCH], "as the request said"


def test_a_call_names_its_namespace_and_is_recognised_when_it_comes_back() -> None:
    files = {**AGENTS, "name": "files", "tools": [{"type": "function", "name": "wait"}]}
    parameters = asked(SHELL, AGENTS, files)
    names = [tool.name for tool in parameters.chat.tools]
    assert names == ["shell", "spawn", "agents__wait", "files__wait"]
    writer = ResponseWriter("tiny", parameters.settings, parameters.full_names)
    for index, name in enumerate(names):
        writer.feed(said(ToolCallDelta(index, f"call_{index}", name, "{}")))
    writer.feed(ended("tool_calls"))
    response = Response.model_validate_json(msgspec.json.encode(writer.response), strict=True)
    calls = [item for item in response.output if isinstance(item, ResponseFunctionToolCall)]
    assert [(call.namespace, call.name) for call in calls] == [
        (None, "shell"),
        ("agents", "spawn"),
        ("agents", "wait"),
        ("files", "wait"),
    ]
    history = [
        {"role": "user", "content": "Hi"},
        *(call.model_dump(exclude_none=True) for call in calls),
        *(
            {"type": "function_call_output", "call_id": call.call_id, "output": "ok"}
            for call in calls
        ),
    ]
    (turn,) = (
        turn
        for turn in asked(SHELL, AGENTS, files, input=history).turns
        if turn.role is Role.ASSISTANT
    )
    assert [call.name for call in turn.tool_calls] == names


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [SEARCH]}, "tools[0].type"),
        (
            {"tools": [{"type": "namespace", "name": "n", "tools": [SEARCH]}]},
            "tools[0].tools[0].type",
        ),
        ({"tools": [SHELL, {"type": "web_serach"}]}, "tools[1].type"),
        ({"tools": [SHELL, {**AGENTS, "name": None}]}, "tools[1].name"),
        ({"tools": [SHELL, {"type": "namespace"}]}, "tools[1].name"),
        ({"tools": [SHELL, {**AGENTS, "tools": [AGENTS]}]}, "tools[1].tools[0].type"),
        ({"tools": [SHELL, SHELL]}, "tools"),
        ({"tools": [SHELL, SEARCH], "tool_choice": {"type": "web_search"}}, "tool_choice.type"),
        ({"tools": [{**AGENTS, "tools": [SHELL] * 100}] * 2}, "tools"),
    ],
)
def test_what_is_asked_for_by_itself_or_is_no_kind_is_refused(
    fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        responses_parameters({"model": "tiny", "input": "Hi", **fields}, None)
    assert caught.value.param == param
