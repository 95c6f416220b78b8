"""What ``POST /v1/messages`` makes of its body."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.tools import ToolCall, ToolMode
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.errors import UnsupportedParameter
from minerva_desktop.server.parameters.anthropic import (
    MessagesParameters,
    count_parameters,
    messages_parameters,
)
from minerva_desktop.server.parameters.parser import IGNORED_FIELDS_HEADER

CACHE = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def body(**fields: object) -> dict[str, object]:
    messages = [{"role": "user", "content": "Hi"}]
    return {"model": "tiny", "max_tokens": 9, "messages": messages, **fields}


def parse(**fields: object) -> MessagesParameters:
    return messages_parameters(body(**fields), None, has_betas=False)


def refusal(**fields: object) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse(**fields)
    return caught.value


def user(*blocks: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def text(words: str, **more: object) -> dict[str, object]:
    return {"type": "text", "text": words, **more}


def tool(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "input_schema": {"type": "object"}, **more}


def test_a_bare_request_takes_the_engines_defaults() -> None:
    parameters = parse()
    assert parameters.turns == (ChatTurn(Role.USER, "Hi"),)
    assert parameters.sampling == SamplingParameters(max_tokens=9)
    assert (parameters.stream, parameters.shows_thinking) == (False, True)
    assert parameters.chat.variables is None
    assert parameters.headers == {}


def test_blocks_become_turns() -> None:
    result: dict[str, object] = {"type": "tool_result", "tool_use_id": "t1"}
    thinking = {"type": "thinking", "thinking": "hm", "signature": "EqQB"}
    call = {"type": "tool_use", "id": "t1", "name": "f", "input": {"ä": 1}, **CACHE}
    other = {"type": "tool_use", "id": "t2", "name": "g", "input": {}}
    parameters = parse(
        system=[text("s1", **CACHE), text("s2")],
        messages=[
            {"role": "system", "content": "s3"},
            {"role": "user", "content": [text("one", **CACHE), text("two", citations=None)]},
            {"role": "user", "content": "three"},
            {"role": "assistant", "content": [thinking, text("I call"), call, other]},
            {
                "role": "user",
                "content": [
                    result | {"content": [text("r1"), text("r2")], **CACHE},
                    result | {"tool_use_id": "t2", "content": "no", "is_error": True},
                    text("and?"),
                ],
            },
            {"role": "assistant", "content": [text("The answer", citations=None), text(" is")]},
        ],
    )
    assert parameters.turns == (
        ChatTurn(Role.SYSTEM, "s1\ns2\n\ns3"),
        ChatTurn(Role.USER, "one\ntwo\nthree"),
        ChatTurn(
            Role.ASSISTANT,
            "I call",
            reasoning="hm",
            tool_calls=(ToolCall("t1", "f", '{"ä": 1}'), ToolCall("t2", "g", "{}")),
        ),
        ChatTurn(Role.TOOL, "r1\nr2", tool_call_id="t1"),
        ChatTurn(Role.TOOL, "Error: no", tool_call_id="t2"),
        ChatTurn(Role.USER, "and?"),
        ChatTurn(Role.ASSISTANT, "The answer is"),
    )
    assert parameters.headers == {}


def test_what_claude_code_says_to_anthropic_alone_is_no_part_of_the_prompt() -> None:
    billing = "x-anthropic-billing-header: cc_version=2.1.37.0d9; cc_entrypoint=cli; cch={};"
    system = [
        [text(billing.format("fa690")), text("Be brief; cch=1;", **CACHE)],
        f"{billing.format('defa0')}\nBe brief; cch=1;",
    ]
    for each in system:
        parameters = parse(system=each)
        assert parameters.turns == (ChatTurn(Role.SYSTEM, "Be brief; cch=1;"), *parse().turns)
        assert parameters.headers == {IGNORED_FIELDS_HEADER: "x-anthropic-billing-header"}
    assert parse(system=billing.format("00000")).turns == parse().turns
    said = [{"role": "user", "content": billing.format("00000")}]
    assert parse(messages=said).turns == (ChatTurn(Role.USER, billing.format("00000")),)


def test_messages_of_one_role_in_a_row_are_one_turn() -> None:
    call = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
    turns = parse(
        messages=[
            {"role": "assistant", "content": "a"},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1"}]},
            {"role": "user", "content": []},
        ]
    ).turns
    assert turns == (
        ChatTurn(Role.ASSISTANT, "a", tool_calls=(ToolCall("t1", "f", "{}"),)),
        ChatTurn(Role.TOOL, "", tool_call_id="t1"),
        ChatTurn(Role.USER, ""),
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": "m" * 513}, "model"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": -2}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [5]}, "messages[0]"),
        ({"messages": [{"content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        (user("Hi"), "messages[0].content[0]"),
        (user({"text": "Hi"}), "messages[0].content[0].type"),
        (user({"type": "text"}), "messages[0].content[0].text"),
        (user({"type": "tool_use", "id": "a", "name": "f", "input": {}}), "messages[0].content[0]"),
        (user({"type": "tool_result", "content": "x"}), "messages[0].content[0].tool_use_id"),
        (user({"type": "tool_result", "tool_use_id": "a"}), "messages[0].content"),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a"}]}]},
            "messages[0].content[0].name",
        ),
        (
            {"messages": [{"role": "system", "content": [{"type": "thinking", "thinking": "h"}]}]},
            "messages[0].content[0]",
        ),
        (
            {
                "messages": [
                    {
                        "role": "assistant",
                        "content": [{"type": "tool_use", "id": "a", "name": "f", "input": "{}"}],
                    }
                ]
            },
            "messages[0].content[0].input",
        ),
        ({"system": 5}, "system"),
        ({"system": [{"type": "text"}]}, "system[0].text"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 2}, "top_p"),
        ({"top_k": 1.5}, "top_k"),
        ({"stop_sequences": [""]}, "stop_sequences"),
        ({"stop_sequences": ["a"] * 17}, "stop_sequences"),
        ({"stop_sequences": [5]}, "stop_sequences[0]"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tools": [tool("a b")]}, "tools[0].name"),
        ({"tools": [tool("a"), tool("a")]}, "tools"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "auto", "name": "f"}}, "tool_choice.name"),
        ({"tools": [tool("a")], "tool_choice": {"type": "tool", "name": "b"}}, "tool_choice"),
        ({"thinking": {}}, "thinking.type"),
        ({"thinking": {"type": "enabled", "display": "all"}}, "thinking.display"),
        ({"output_config": {"effort": "none"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {}}}, "grammar": "x"},
            "output_config.format",
        ),
        (
            {
                "output_config": {"format": {"type": "json_schema", "schema": {}}},
                "output_format": {"type": "json_schema", "schema": {}},
            },
            "output_format",
        ),
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
        (user({"type": "image", "source": {"type": "url"}}), "messages[0].content[0]"),
        (
            user({"type": "document", "source": {"type": "url", "url": "https://a.b/c.pdf"}}),
            "messages[0].content[0].source.type",
        ),
        (
            user({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "image"}]}),
            "messages[0].content[0].content[0]",
        ),
        ({"system": [{"type": "image"}]}, "system[0]"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"tools": [tool("f", defer_loading=True)]}, "tools[0].defer_loading"),
        ({"thinking": {"type": "between_tools"}}, "thinking.type"),
        ({"service_tier": "priority"}, "service_tier"),
        ({"speed": "fast"}, "speed"),
        ({"container": "c"}, "container"),
        ({"mcp_servers": [{"url": "http://a"}]}, "mcp_servers"),
        ({"stop": "x"}, "stop"),
        ({"n": 2}, "n"),
        ({"max_completion_tokens": 5}, "max_completion_tokens"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"return_progress": True}, "return_progress"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(fields: dict[str, object], param: str) -> None:
    error = refusal(**fields)
    assert isinstance(error, UnsupportedParameter)
    assert error.param == param
    assert error.message.startswith(param)


def test_fields_that_ask_for_nothing_pass() -> None:
    parameters = parse(
        **CACHE,
        container=None,
        diagnostics={"previous_message_id": None},
        mcp_servers=[],
        metadata={"user_id": "me"},
        service_tier="auto",
        speed="standard",
        tools=[tool("f", type="custom", eager_input_streaming=True, **CACHE)],
        tool_choice={"type": "auto", "disable_parallel_tool_use": False},
    )
    assert parameters.headers == {}
    assert (parameters.chat.mode, parameters.chat.parallel) == (ToolMode.AUTO, True)


def test_what_nothing_comes_of_is_named() -> None:
    parameters = messages_parameters(
        body(
            zap=1,
            context_management={"edits": []},
            tools=[tool("f", input_examples=[])],
            thinking={"type": "adaptive", "budget_tokens": 5},
            messages=[
                {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}]}
            ],
        ),
        None,
        has_betas=True,
    )
    (names,) = parameters.headers.values()
    assert set(names.split(", ")) == {
        "anthropic-beta",
        "zap",
        "context_management",
        "tools[0].input_examples",
        "thinking.budget_tokens",
        "messages[0].content[0]",
    }


def test_sampling_and_limits() -> None:
    parameters = messages_parameters(
        body(temperature=0.5, top_p=0.5, top_k=3, stop_sequences=["a"], seed=4, cache_prompt=False),
        12.5,
        has_betas=False,
    )
    assert parameters.sampling == SamplingParameters(
        temperature=0.5, top_p=0.5, top_k=3, stop=("a",), seed=4, max_tokens=9
    )
    assert parameters.run.limits.total_seconds == 12.5
    assert not parameters.run.cache_prompt


def test_tools_and_the_choice_among_them() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = [tool("weather", description="Tells it", input_schema=schema), tool("x" * 128)]
    chat = parse(tools=tools).chat
    assert [each.name for each in chat.tools] == ["weather", "x" * 128]
    assert json.loads(chat.tools[0].parameters) == schema
    only = parse(
        tools=tools,
        tool_choice={"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
    ).chat
    assert (only.mode, only.only_tool, only.parallel) == (ToolMode.REQUIRED, "weather", False)
    assert parse(tools=tools, tool_choice={"type": "any"}).chat.mode is ToolMode.REQUIRED
    assert parse(tools=tools, tool_choice={"type": "none"}).chat.mode is ToolMode.NONE


@pytest.mark.parametrize("field", ["output_format", "output_config"])
def test_answers_in_json(field: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    form: Any = {"type": "json_schema", "schema": schema}
    given = form if field == "output_format" else {"format": form}
    found = parse(**{field: given}).sampling.json_schema
    assert found is not None
    assert json.loads(found) == schema


@pytest.mark.parametrize(
    ("fields", "variables"),
    [
        ({"thinking": {"type": "disabled"}}, {"enable_thinking": False}),
        ({"thinking": {"type": "adaptive"}}, {"enable_thinking": True}),
        ({"output_config": {"effort": "max"}}, {"reasoning_effort": "max"}),
        (
            {"thinking": {"type": "disabled"}, "chat_template_kwargs": {"a": 1}},
            {"enable_thinking": False, "a": 1},
        ),
    ],
)
def test_what_the_template_is_told(fields: dict[str, object], variables: object) -> None:
    told = parse(**fields).chat.variables
    assert told is not None
    assert json.loads(told) == variables


def test_thoughts_can_be_left_out() -> None:
    assert not parse(thinking={"type": "adaptive", "display": "omitted"}).shows_thinking
    assert parse(thinking={"type": "adaptive", "display": "summarized"}).shows_thinking


def test_to_count_takes_a_prompt_and_no_more() -> None:
    given = body(system="s", tools=[tool("f")])
    del given["max_tokens"]
    parameters = count_parameters(given, has_betas=False)
    assert parameters.turns == (ChatTurn(Role.SYSTEM, "s"), ChatTurn(Role.USER, "Hi"))
    assert [each.name for each in parameters.chat.tools] == ["f"]
    assert parameters.headers == {}
    told = count_parameters(body(temperature=0), has_betas=True).headers
    assert told == {"X-Minerva-Ignored-Fields": "anthropic-beta, max_tokens, temperature"}
