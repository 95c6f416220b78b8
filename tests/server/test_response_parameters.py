"""What ``POST /v1/responses`` makes of its body."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minerva_desktop.chat.limits import Overflow
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.tools import ToolCall, ToolMode
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.errors import UnsupportedParameter
from minerva_desktop.server.parameters.chat import JSON_OBJECT
from minerva_desktop.server.parameters.responses import ResponsesParameters, responses_parameters

LOGPROBS = "message.output_text.logprobs"


def parse(**fields: object) -> ResponsesParameters:
    return responses_parameters({"model": "tiny", "input": "Hi", **fields}, None)


def refusal(**fields: object) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse(**fields)
    return caught.value


def tool(name: str, **more: object) -> dict[str, object]:
    return {"type": "function", "name": name, **more}


def said(role: str, content: object) -> dict[str, object]:
    return {"type": "message", "role": role, "content": content}


CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "2"}
THOUGHT = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [],
    "content": [{"type": "reasoning_text", "text": "hm"}],
    "encrypted_content": None,
    "status": "completed",
}


def test_a_bare_request_takes_the_engines_defaults() -> None:
    parameters = parse()
    assert parameters.turns == (ChatTurn(Role.USER, "Hi"),)
    assert parameters.sampling == SamplingParameters()
    assert not parameters.stream
    assert parameters.headers == {}


def test_calls_of_tools_that_take_a_text_are_history() -> None:
    call = {"type": "custom_tool_call", "id": "ctc_1", "status": "completed", "call_id": "c2"}
    patch = '*** Begin Patch\n+"ä"\n*** End Patch'
    turns = parse(
        tools=[tool("f")],
        input=[
            said("user", "Hi"),
            CALL,
            {**call, "name": "apply_patch", "input": patch},
            RESULT,
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "Done"},
        ],
    ).turns
    assert turns[1].tool_calls[0] == ToolCall("c1", "f", '{"a":1}')
    assert turns[1].tool_calls[1].name == "apply_patch"
    assert json.loads(turns[1].tool_calls[1].arguments) == {"input": patch}
    assert turns[2:] == (
        ChatTurn(Role.TOOL, "2", tool_call_id="c1"),
        ChatTurn(Role.TOOL, "Done", tool_call_id="c2"),
    )
    lost = {"type": "custom_tool_call_output", "call_id": "c3", "output": "Done"}
    assert refusal(input=[lost]).param == "input[0].call_id"
    assert refusal(input=[{**call, "name": "apply_patch"}]).param == "input[0].input"
    assert refusal(tools=[{"type": "custom", "name": "apply_patch"}]).param == "tools[0].type"


def test_items_become_turns() -> None:
    image_free = [{"type": "input_text", "text": "one"}, {"type": "input_text", "text": "two"}]
    answer = [
        {"type": "output_text", "text": "It is", "annotations": [], "logprobs": []},
        {"type": "refusal", "refusal": "no more"},
    ]
    parameters = parse(
        instructions="i",
        input=[
            said("developer", "d"),
            {"role": "user", "content": image_free},
            THOUGHT,
            CALL | {"id": "fc_1", "status": "completed"},
            CALL | {"call_id": "c2", "name": "g", "arguments": "{}"},
            RESULT,
            RESULT
            | {"call_id": "c2", "name": "g", "output": [{"type": "input_text", "text": "3"}]},
            THOUGHT,
            said("assistant", answer) | {"id": "msg_1", "status": "completed"},
            said("system", "s"),
            said("user", "And?"),
            said("assistant", [{"type": "output_text", "text": each} for each in ("Yes", ".")]),
        ],
    )
    calls = (ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", "{}"))
    assert parameters.turns == (
        ChatTurn(Role.SYSTEM, "i\n\nd"),
        ChatTurn(Role.USER, "one\ntwo"),
        ChatTurn(Role.ASSISTANT, "", reasoning="hm", tool_calls=calls),
        ChatTurn(Role.TOOL, "2", tool_call_id="c1"),
        ChatTurn(Role.TOOL, "3", tool_call_id="c2", name="g"),
        ChatTurn(Role.ASSISTANT, "It is\nno more", reasoning="hm"),
        ChatTurn(Role.SYSTEM, "s"),
        ChatTurn(Role.USER, "And?"),
        ChatTurn(Role.ASSISTANT, "Yes."),
    )
    assert parameters.headers == {}


def test_what_an_assistant_says_after_it_called_is_another_turn() -> None:
    turns = parse(input=[said("assistant", "a"), CALL, said("assistant", "b")]).turns
    assert turns == (
        ChatTurn(Role.ASSISTANT, "a", tool_calls=(ToolCall("c1", "f", '{"a":1}'),)),
        ChatTurn(Role.ASSISTANT, "b"),
    )


def test_a_summary_stands_in_for_thoughts() -> None:
    summary = [{"type": "summary_text", "text": "in"}, {"type": "summary_text", "text": "short"}]
    item = {"type": "reasoning", "summary": summary, "encrypted_content": "gAAA"}
    parameters = parse(input=[item, said("assistant", "a")])
    assert parameters.turns == (ChatTurn(Role.ASSISTANT, "a", reasoning="in\nshort"),)
    assert parameters.headers == {"X-Minerva-Ignored-Fields": "input[0].encrypted_content"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": "m" * 513}, "model"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": ["Hi"]}, "input[0]"),
        ({"input": [5] * 100_000}, "input[0]"),
        ({"input": [{"type": 5}]}, "input[0].type"),
        ({"input": [{"type": None}]}, "input[0].type"),
        ({"input": [{}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [said("robot", "Hi")]}, "input[0].role"),
        ({"input": [said("user", [])]}, "input[0].content"),
        ({"input": [said("user", [{"type": "input_text"}])]}, "input[0].content[0].text"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        ({"input": [CALL | {"arguments": {}}]}, "input[0].arguments"),
        ({"input": [RESULT | {"output": None}]}, "input[0].output"),
        ({"input": [RESULT]}, "input[0].call_id"),
        ({"input": [{"type": "reasoning", "content": [5]}]}, "input[0].content[0]"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"temperature": "1"}, "temperature"),
        ({"top_p": 2}, "top_p"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"include": [LOGPROBS], "top_logprobs": 21}, "top_logprobs"),
        ({"include": ["everything"]}, "include[0]"),
        ({"truncation": "middle"}, "truncation"),
        ({"truncation": "auto", "overflow": "shift"}, "truncation"),
        ({"metadata": {"a": 5}}, "metadata.a"),
        ({"metadata": {"a": "x" * 513}}, "metadata.a"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_object"}}, "grammar": "x"}, "text.format"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [tool("a b")]}, "tools[0].name"),
        ({"tools": [tool("a"), tool("a")]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "f"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"tools": [tool("a")], "tool_choice": {"type": "function", "name": "b"}}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.tools"),
        (
            {"tool_choice": {"type": "allowed_tools", "tools": [tool("a")]}},
            "tool_choice.tools[0].name",
        ),
        ({"stream_options": {}}, "stream_options"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_a_wrong_value_is_refused_by_name(fields: dict[str, object], param: str) -> None:
    error = refusal(**fields)
    assert error.param == param
    assert error.message.startswith(param)
    assert len(error.message) < 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"n": 2}, "n"),
        ({"max_tokens": 5}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"return_progress": True}, "return_progress"),
        ({"timings_per_token": True}, "timings_per_token"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [tool("a", defer_loading=True)]}, "tools[0].defer_loading"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice.type"),
        ({"text": {"verbosity": "low"}}, "text.verbosity"),
        ({"reasoning": {"summary": "detailed"}}, "reasoning.summary"),
        ({"reasoning": {"generate_summary": "concise"}}, "reasoning.generate_summary"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
        ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, "input[0].type"),
        (
            {"input": [said("user", [{"type": "input_image", "image_url": "file:///etc"}])]},
            "input[0].content[0].type",
        ),
        (
            {"stream": True, "stream_options": {"include_obfuscation": True}},
            "stream_options.include_obfuscation",
        ),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(fields: dict[str, object], param: str) -> None:
    error = refusal(**fields)
    assert isinstance(error, UnsupportedParameter)
    assert error.param == param
    assert error.message.startswith(param)


def test_the_names_of_other_apis_are_refused_with_that_of_this_one() -> None:
    assert refusal(max_tokens=0).message.endswith("where it is called max_output_tokens")
    assert refusal(response_format={}).message.endswith("where it is called text.format")
    nothing = parse(max_tokens=None, logprobs=False, functions=[])
    assert nothing.sampling == SamplingParameters()


def test_a_reference_to_what_is_not_kept_says_what_to_send() -> None:
    error = refusal(input=[{"type": "item_reference", "id": "msg_1"}])
    assert error.message.endswith("not supported: no response is kept here; send the item itself")


def test_fields_that_ask_for_nothing_pass() -> None:
    parameters = parse(
        n=1,
        background=False,
        conversation=None,
        previous_response_id=None,
        store=False,
        include=["web_search_call.action.sources"],
        max_tool_calls=3,
        prompt=None,
        prompt_cache_retention="24h",
        reasoning={"summary": "none", "context": "auto"},
        service_tier="auto",
        text={"verbosity": "medium"},
        tools=[],
        tool_choice="auto",
        truncation="disabled",
        stream=True,
        stream_options={"include_obfuscation": False},
    )
    assert parameters.headers == {}
    assert parameters.run.limits.overflow is Overflow.STOP


def test_what_nothing_comes_of_is_named() -> None:
    parameters = parse(
        zap=1,
        include=[LOGPROBS, "reasoning.encrypted_content"],
        input=[said("assistant", "a") | {"phase": "commentary", "mood": "good"}],
        tools=[tool("f", output_schema={})],
    )
    (names,) = parameters.headers.values()
    assert set(names.split(", ")) == {
        "zap",
        "include[1]",
        "input[0].phase",
        "input[0].mood",
        "tools[0].output_schema",
    }


def test_answers_in_json() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    parameters = parse(text={"format": {"type": "json_object"}})
    assert parameters.sampling.json_schema == JSON_OBJECT
    assert parameters.settings.text["format"] == {"type": "json_object"}
    form = {"type": "json_schema", "name": "n", "schema": schema, "strict": True}
    parameters = parse(text={"format": form})
    assert parameters.sampling.json_schema is not None
    assert json.loads(parameters.sampling.json_schema) == schema
    assert parameters.settings.text["format"] == {"description": None, **form}


def test_tools_and_the_choice_among_them() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = [tool("weather", description="Tells it", parameters=schema), tool("time"), tool("sea")]
    chat = parse(tools=tools, parallel_tool_calls=False).chat
    assert (chat.mode, chat.parallel) == (ToolMode.AUTO, False)
    assert [each.name for each in chat.tools] == ["weather", "time", "sea"]
    assert json.loads(chat.tools[0].parameters) == schema
    only = parse(tools=tools, tool_choice={"type": "function", "name": "time"}).chat
    assert (only.mode, only.only_tool) == (ToolMode.REQUIRED, "time")
    allowed: dict[str, Any] = {
        "type": "allowed_tools",
        "mode": "required",
        "tools": [{"type": "function", "name": "sea"}, {"type": "function", "name": "time"}],
    }
    some = parse(tools=tools, tool_choice=allowed)
    assert (some.chat.mode, some.chat.only_tool) == (ToolMode.REQUIRED, None)
    assert [each.name for each in some.chat.tools] == ["time", "sea"]
    assert some.settings.tool_choice == allowed
    assert [each["name"] for each in some.settings.tools] == ["weather", "time", "sea"]


def test_what_the_template_is_told() -> None:
    assert parse(reasoning={"summary": "auto"}).chat.variables is None
    told = parse(reasoning={"effort": "none"}, chat_template_kwargs={"a": 1}).chat.variables
    assert told is not None
    assert json.loads(told) == {"reasoning_effort": "none", "enable_thinking": False, "a": 1}


def test_limits_and_truncation() -> None:
    parameters = responses_parameters(
        {"model": "m", "input": "Hi", "truncation": "auto", "max_output_tokens": 7}, 12.5
    )
    assert parameters.run.limits.overflow is Overflow.TRUNCATE_MIDDLE
    assert parameters.run.limits.total_seconds == 12.5
    assert parameters.sampling.max_tokens == 7
    assert parameters.settings.truncation == "auto"
    assert parse(include=[LOGPROBS]).sampling.top_logprobs == 0
    assert parse(include=[LOGPROBS], top_logprobs=4).sampling.top_logprobs == 4
