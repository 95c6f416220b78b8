"""The tools that clients of ``POST /v1/responses`` send without being asked: namespaces of
functions, and what OpenAI runs itself."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from openai.types.responses import Response, ResponseFunctionToolCall

from minerva_desktop.chat.message import Role
from minerva_desktop.engine.answer_format import AnswerFormat, ToolFormat
from minerva_desktop.engine.answer_parser import ToolCallDelta
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.parameters.parser import IGNORED_FIELDS_HEADER
from minerva_desktop.server.parameters.responses import ResponsesParameters, responses_parameters
from minerva_desktop.server.response_writer import ResponseWriter
from tests.server.answers import ended, said
from tests.server.fake_models import MODEL, says, serving

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
FILES = {**AGENTS, "name": "files", "tools": [{"type": "function", "name": "wait"}]}
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
    parameters = asked(SHELL, AGENTS, FILES)
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
        for turn in asked(SHELL, AGENTS, FILES, input=history).turns
        if turn.role is Role.ASSISTANT
    )
    assert [call.name for call in turn.tool_calls] == names


@pytest.mark.parametrize("is_stream", [False, True])
async def test_over_http_a_call_names_its_namespace_and_goes_back_with_it(is_stream: bool) -> None:
    tools: Any = [SHELL, AGENTS, FILES, SEARCH]
    asked: dict[str, Any] = {"model": MODEL.model_id, "input": "Hi", "tools": tools}
    call = '<tool_call>{{"name": "{}", "arguments": {{"a": {}}}}}</tool_call>'
    text = "".join(call.format(name, n) for n, name in enumerate(("spawn", "files__wait", "shell")))
    async with serving(says("I look.\n", *text)) as served, served.openai() as client:
        served.engine.answer_format = AnswerFormat(ToolFormat.HERMES)
        if is_stream:
            async with client.responses.stream(**asked) as stream:
                events = [event async for event in stream]
                response = await stream.get_final_response()
            added = [e.item for e in events if e.type == "response.output_item.added"]
            begun = [each for each in added if isinstance(each, ResponseFunctionToolCall)]
            done = [e for e in events if e.type == "response.function_call_arguments.done"]
            assert [(each.namespace, each.name, each.arguments) for each in begun] == [
                ("agents", "spawn", ""),
                ("files", "wait", ""),
                (None, "shell", ""),
            ]
            assert [each.to_dict()["name"] for each in done] == ["spawn", "wait", "shell"]
        else:
            raw = await client.responses.with_raw_response.create(**asked)
            ignored = "tools[1].tools[2], tools[3], tools[1].tools[0].defer_loading"
            assert raw.headers[IGNORED_FIELDS_HEADER] == ignored
            response = raw.parse()
        calls = [item for item in response.output if isinstance(item, ResponseFunctionToolCall)]
        back: Any = [
            {"role": "user", "content": "Hi"},
            *response.output,
            *(
                {"type": "function_call_output", "call_id": each.call_id, "output": "ok"}
                for each in calls
            ),
        ]
        await client.responses.create(**{**asked, "input": back})
    assert [(each.namespace, each.name, each.arguments) for each in calls] == [
        ("agents", "spawn", '{"a": 0}'),
        ("files", "wait", '{"a": 1}'),
        (None, "shell", '{"a": 2}'),
    ]
    chat: Any = served.engine.asked_with[0]["chat"]
    names = [tool.name for tool in chat.tools]
    assert names == ["shell", "spawn", "agents__wait", "files__wait"]
    turn: Any = served.engine.prompts[1][1]
    assert [each.name for each in turn.tool_calls] == ["spawn", "files__wait", "shell"]


def test_no_two_functions_are_called_alike_and_none_by_too_long_a_name() -> None:
    def space(name: str, *functions: str) -> dict[str, object]:
        inner = [{"type": "function", "name": each} for each in functions]
        return {"type": "namespace", "name": name, "tools": inner}

    long = "f" * 128
    given = [space("n" * 128, long), space("m", long), space("a", "b__c"), space("a__b", "c", "d")]
    given += [space("x", "d", "b__c"), space("y", "c"), {"type": "function", "name": "x__d"}]
    parameters = asked(*given)
    parameters.chat.check()
    names = [tool.name for tool in parameters.chat.tools]
    assert len(names) == len(set(names)) == 9
    assert set(names) >= {"a__b__c", "a__b__d", "x__b__c", "y__c", "x__d"}
    assert {full: flat for flat, full in parameters.full_names.items()}.keys() == {
        *(("n" * 128, long), ("m", long), ("a", "b__c"), ("a__b", "c"), ("a__b", "d")),
        *(("x", "d"), ("x", "b__c"), ("y", "c")),
    }
    assert names == [tool.name for tool in asked(*given).chat.tools], "the same for the history"


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ({"name": "spawn"}, "spawn"),
        ({"name": "spawn", "namespace": "agents"}, "spawn"),
        ({"name": "wait", "namespace": "agents"}, "agents__wait"),
        ({"name": "wait", "namespace": "files"}, "files__wait"),
        ({"name": "shell"}, "shell"),
        ({"name": "wait"}, "tool_choice.namespace"),
        ({"name": "wait", "namespace": "nope"}, "tool_choice"),
        ({"name": "shell", "namespace": "agents"}, "tool_choice"),
    ],
)
def test_a_choice_says_which_of_those_that_are_called_alike(
    choice: dict[str, str], called: str
) -> None:
    one: dict[str, Any] = {"type": "function", **choice}
    some = {"type": "allowed_tools", "mode": "auto", "tools": [one]}
    if called.startswith("tool_choice"):
        with pytest.raises(InvalidRequest) as caught:
            asked(SHELL, AGENTS, FILES, tool_choice=one)
        assert caught.value.param == called
        with pytest.raises(InvalidRequest) as caught:
            asked(SHELL, AGENTS, FILES, tool_choice=some)
        field = "namespace" if called.endswith("namespace") else "name"
        assert caught.value.param == f"tool_choice.tools[0].{field}"
        return
    parameters = asked(SHELL, AGENTS, FILES, tool_choice=one)
    assert parameters.chat.only_tool == called
    assert IGNORED_FIELDS_HEADER in parameters.headers
    assert "tool_choice" not in parameters.headers[IGNORED_FIELDS_HEADER]
    parameters = asked(SHELL, AGENTS, FILES, tool_choice=some)
    assert [tool.name for tool in parameters.chat.tools] == [called]


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
