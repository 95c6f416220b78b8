from __future__ import annotations

import json
import math
from typing import Any

import pytest

from minerva_desktop.chat.limits import Overflow, RequestLimits
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import MAX_SEED, SamplingParameters
from minerva_desktop.chat.tools import ANY_OBJECT, ToolCall, ToolMode
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.errors import UnsupportedParameter
from minerva_desktop.server.parameters.chat import JSON_OBJECT, ChatParameters, chat_parameters
from minerva_desktop.server.parameters.sampling import RunParameters
from tests.server.fake_models import chat_body


def parse(**fields: object) -> ChatParameters:
    return chat_parameters(chat_body(**fields), None)


def refusal(**fields: object) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse(**fields)
    return caught.value


def message(**fields: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": "Hi", **fields}]}


def tool(name: str, **function: object) -> dict[str, object]:
    return {"type": "function", "function": {"name": name, **function}}


def named(name: str) -> dict[str, object]:
    return {"type": "function", "function": {"name": name}}


def test_a_bare_request_takes_the_engines_defaults() -> None:
    parameters = parse()
    assert parameters.turns == (ChatTurn(Role.USER, "Hi"),)
    assert parameters.sampling == SamplingParameters()
    assert not parameters.stream
    assert parameters.headers == {}


def test_every_sampling_field_reaches_the_engine() -> None:
    fields: dict[str, Any] = {
        "temperature": 1,
        "top_p": 0.5,
        "top_k": 3,
        "min_p": 0.1,
        "repeat_penalty": 1.1,
        "repeat_last_n": 32,
        "seed": 42,
        "max_tokens": 9,
        "min_tokens": 2,
        "frequency_penalty": 0.5,
        "presence_penalty": -0.5,
        "dynatemp_range": 0.2,
        "dynatemp_exponent": 1.5,
        "typical_p": 0.9,
        "top_n_sigma": 1.5,
        "xtc_probability": 0.3,
        "xtc_threshold": 0.2,
        "dry_multiplier": 0.8,
        "dry_base": 1.6,
        "dry_allowed_length": 3,
        "dry_penalty_last_n": 99,
        "ignore_eos": True,
        "grammar": 'root ::= "a"',
    }
    assert parse(**fields, stop="END").sampling == SamplingParameters(**fields, stop=("END",))


def test_no_top_k_in_the_words_of_others() -> None:
    assert parse(top_k=-1).sampling.top_k == parse(top_k=0).sampling.top_k == 0


def test_seeds_have_sixty_four_bits() -> None:
    seeds = [0, 7, MAX_SEED, MAX_SEED + 1, 2**63 - 1, -2, -(2**63)]
    found = [parse(seed=seed).sampling.seed for seed in seeds]
    assert found[:4] == [0, 7, MAX_SEED, 0]
    assert found[4:] == [(2**63 - 1) % (MAX_SEED + 1), MAX_SEED - 1, -(2**63) % (MAX_SEED + 1)]


@pytest.mark.parametrize("value", [None, -1])
def test_no_seed_and_no_limit(value: int | None) -> None:
    sampling = parse(seed=value, max_tokens=value).sampling
    assert sampling.seed is None
    assert sampling.max_tokens is None


def test_the_new_name_of_the_token_limit() -> None:
    assert parse(max_completion_tokens=5).sampling.max_tokens == 5
    assert parse(max_completion_tokens=5, max_tokens=5).sampling.max_tokens == 5
    assert refusal(max_completion_tokens=5, max_tokens=6).param == "max_completion_tokens"
    assert refusal(max_completion_tokens=0).param == "max_completion_tokens"


def test_stop_strings() -> None:
    assert parse(stop=["a", "b"]).sampling.stop == ("a", "b")
    assert parse(stop=None).sampling.stop == ()
    assert refusal(stop=["a", ""]).param == "stop"
    assert refusal(stop=["a"] * 17).param == "stop"


def test_roles_and_text_parts() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    refusal = {"type": "refusal", "refusal": "no"}
    turns = parse(
        messages=[
            {"role": "system", "content": "s"},
            {"role": "developer", "content": "d"},
            {"role": "assistant", "content": "a"},
            {"role": "assistant", "content": [*parts, refusal]},
            {"role": "user", "content": parts},
            {"role": "assistant", "content": parts},
        ]
    ).turns
    assert turns == (
        ChatTurn(Role.SYSTEM, "s"),
        ChatTurn(Role.SYSTEM, "d"),
        ChatTurn(Role.ASSISTANT, "a"),
        ChatTurn(Role.ASSISTANT, "one\ntwo\nno"),
        ChatTurn(Role.USER, "one\ntwo"),
        ChatTurn(Role.ASSISTANT, "onetwo"),
    )


def test_an_answer_of_ours_can_be_sent_back() -> None:
    # What the openai client dumps of a message, nulls and all.
    turns = parse(
        messages=[
            {
                "role": "assistant",
                "content": "a",
                "refusal": None,
                "annotations": [],
                "audio": None,
                "function_call": None,
                "tool_calls": None,
            }
        ]
    ).turns
    assert turns == (ChatTurn(Role.ASSISTANT, "a"),)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": 5}, "model"),
        ({"model": "m" * 513}, "model"),
        ({"model": "m" * 1000}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [{"content": "Hi"}]}, "messages[0].role"),
        (message(role="robot"), "messages[0].role"),
        (message(content=None), "messages[0].content"),
        (message(content=5), "messages[0].content"),
        (message(content=[]), "messages[0].content"),
        (message(content=["Hi"]), "messages[0].content[0]"),
        (message(content=[{"text": "Hi"}]), "messages[0].content[0].type"),
        (message(content=[{"type": "text"}]), "messages[0].content[0].text"),
        (message(content=[{"type": "text", "text": 5}]), "messages[0].content[0].text"),
        ({"temperature": "0.7"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 10**400}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"top_k": 1.5}, "top_k"),
        ({"top_k": -2}, "top_k"),
        ({"min_p": []}, "min_p"),
        ({"seed": 2**63}, "seed"),
        ({"seed": 10**400}, "seed"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"truncate_prompt_tokens": 6}, "truncate_prompt_tokens"),
        ({"max_tokens": 2.0}, "max_tokens"),
        ({"stop": 5}, "stop"),
        ({"stop": [5]}, "stop[0]"),
        ({"stream": "true"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": []}, "stream_options"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": 1}, "top_logprobs"),
        ({"logit_bias": {"the": 1}}, "logit_bias"),
        ({"logit_bias": {"5": 101}}, "logit_bias"),
        ({"logit_bias": [[5]]}, "logit_bias"),
        ({"logit_bias": {"5": True}}, "logit_bias"),
        ({"mirostat": 3}, "mirostat"),
        ({"mirostat": 2, "top_p": 0.5}, "top_p"),
        ({"repeat_penalty": 1.1, "repetition_penalty": 1.2}, "repetition_penalty"),
        ({"overflow": "forget"}, "overflow"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
            "response_format.json_schema.schema",
        ),
        ({"response_format": {"type": "json_object"}, "grammar": "x"}, "response_format"),
        ({"json_schema": {"type": "object"}, "grammar": "x"}, "grammar"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"reasoning_format": "deepseek-legacy"}, "reasoning_format"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [tool("a b")]}, "tools[0].function.name"),
        ({"tools": [tool("a"), tool("a")]}, "tools"),
        ({"tools": [tool("a")], "tool_choice": "a"}, "tool_choice"),
        ({"tools": [tool("a")], "tool_choice": named("b")}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"continue_final_message": True}, "continue_final_message"),
        ({"add_generation_prompt": False}, "add_generation_prompt"),
        (message(role="tool"), "messages[0].tool_call_id"),
        (message(role="tool", tool_call_id="c9"), "messages[0].tool_call_id"),
        (message(tool_call_id="1"), "messages[0].tool_call_id"),
        (message(reasoning_content="hm"), "messages[0].reasoning_content"),
        (message(tool_calls=[{"id": "1"}]), "messages[0].tool_calls[0].function"),
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
        ({"n_probs": 3}, "n_probs"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"best_of": True}, "best_of"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        (
            message(content=[{"type": "text", "text": "?"}, {"type": "image_url"}]),
            "messages[0].content[1]",
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


def test_fields_that_ask_for_nothing_pass() -> None:
    parameters = parse(
        n=1,
        tools=[],
        tool_choice="auto",
        logprobs=False,
        top_logprobs=None,
        frequency_penalty=0.0,
        presence_penalty=0,
        logit_bias={},
        response_format={"type": "text"},
        store=False,
        user="me",
        metadata={"a": "b"},
        typical_p=1.0,
        mirostat=0,
        mirostat_tau=5.0,
    )
    assert parameters.headers == {}


def test_unknown_fields_are_named() -> None:
    parameters = parse(zap=1, stream=True, stream_options={"zip": 1}, **message(user="x"))
    assert parameters.headers == {
        "X-Minerva-Ignored-Fields": "zap, messages[0].user, stream_options.zip"
    }


def test_an_unknown_field_cannot_forge_headers() -> None:
    names = ["a\r\nSet-Cookie: b", "é", "x" * 1000, *(f"f{number}" for number in range(100))]
    (value,) = parse(**dict.fromkeys(names)).headers.values()
    assert value.startswith("a%0D%0ASet-Cookie%3A%20b, %C3%A9, xxx")
    assert value.endswith("f28, and 71 more")
    assert len(value) < 500


def test_two_million_wrong_items_are_refused_at_the_first() -> None:
    assert refusal(**message(content=[5] * 2_000_000)).param == "messages[0].content[0]"
    assert refusal(stop=[5] * 2_000_000).param == "stop[0]"
    assert refusal(messages=[5] * 100_000).param == "messages[0]"


def test_biases_in_both_notations() -> None:
    ban = -math.inf
    assert parse(logit_bias={"5": -100, "7": 2}).sampling.logit_bias == {5: ban, 7: 2.0}
    assert parse(logit_bias=[[5, False], [7, 2.5]]).sampling.logit_bias == {5: ban, 7: 2.5}


def test_answers_in_json() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert parse(response_format={"type": "json_object"}).sampling.json_schema == JSON_OBJECT
    for form in (
        {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}},
        {"type": "json_object", "schema": schema},
        {"type": "json_object", "value": schema},
        {"type": "json_schema", "value": {"name": "n", "schema": schema, "strict": True}},
    ):
        text = parse(response_format=form).sampling.json_schema
        assert text is not None
        assert json.loads(text) == schema
    assert parse(response_format=form).sampling.strict_schema is True
    text = parse(json_schema=schema).sampling.json_schema
    assert text is not None
    assert json.loads(text) == schema


def test_how_a_request_is_run() -> None:
    run = parse(
        n=3,
        cache_prompt=False,
        lora=[{"id": 1, "scale": 0.5}],
        timings_per_token=True,
        return_progress=True,
        overflow="truncate_middle",
    ).run
    assert run == RunParameters(
        n=3,
        cache_prompt=False,
        lora=(0.0, 0.5),
        timings_per_token=True,
        return_progress=True,
        limits=RequestLimits(overflow=Overflow.TRUNCATE_MIDDLE),
    )
    timed = chat_parameters(chat_body(), 12.5).run
    assert timed.limits.total_seconds == 12.5


def test_log_probabilities() -> None:
    assert parse(logprobs=True).sampling.top_logprobs == 0
    assert parse(logprobs=True, top_logprobs=20).sampling.top_logprobs == 20
    assert parse(logprobs=False).sampling.top_logprobs is None


def test_tools_and_the_choice_among_them() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = [tool("weather", description="Tells it", parameters=schema, strict=True), tool("time")]
    chat = parse(tools=tools).chat
    assert chat.mode is ToolMode.AUTO
    assert [each.name for each in chat.tools] == ["weather", "time"]
    assert chat.tools[0].description == "Tells it"
    assert json.loads(chat.tools[0].parameters) == schema
    assert chat.tools[1].parameters == ANY_OBJECT
    assert chat.parallel
    only = parse(tools=tools, tool_choice=named("time"), parallel_tool_calls=False).chat
    assert (only.mode, only.only_tool, only.parallel) == (ToolMode.REQUIRED, "time", False)
    assert parse(tools=tools, tool_choice="none").chat.mode is ToolMode.NONE


def test_what_the_template_is_told() -> None:
    assert parse().chat.variables is None
    told = parse(reasoning_effort="none", chat_template_kwargs={"a": [1]}).chat.variables
    assert told is not None
    assert json.loads(told) == {"reasoning_effort": "none", "enable_thinking": False, "a": [1]}


def test_calls_and_their_results_in_the_prompt() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    turns = parse(
        messages=[
            {"role": "user", "content": "Hi", "name": "Ann"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "name": "f", "content": "2"},
            {"role": "assistant", "content": "It is 2", "reasoning_content": "hm"},
        ]
    ).turns
    assert turns == (
        ChatTurn(Role.USER, "Hi", name="Ann"),
        ChatTurn(Role.ASSISTANT, "", tool_calls=(ToolCall("c1", "f", '{"a": 1}'),)),
        ChatTurn(Role.TOOL, "2", tool_call_id="c1", name="f"),
        ChatTurn(Role.ASSISTANT, "It is 2", reasoning="hm"),
    )


def test_an_answer_that_goes_on_may_be_called_so() -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    said = parse(messages=messages, continue_final_message=True, add_generation_prompt=False)
    assert said.turns[-1] == ChatTurn(Role.ASSISTANT, "b")
    assert refusal(messages=messages, continue_final_message=False).param == (
        "continue_final_message"
    )
    assert refusal(messages=messages, add_generation_prompt=True).param == "add_generation_prompt"
