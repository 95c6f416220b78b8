from __future__ import annotations

from typing import Any

import pytest

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.errors import UnsupportedParameter
from minerva_desktop.server.parameters.chat import ChatParameters, chat_parameters
from tests.server.fake_models import chat_body


def parse(**fields: object) -> ChatParameters:
    return chat_parameters(chat_body(**fields), None)


def refusal(**fields: object) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse(**fields)
    return caught.value


def message(**fields: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": "Hi", **fields}]}


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
    }
    assert parse(**fields, stop="END").sampling == SamplingParameters(**fields, stop=("END",))


@pytest.mark.parametrize("value", [None, -1])
def test_no_seed_and_no_limit(value: int | None) -> None:
    sampling = parse(seed=value, max_tokens=value).sampling
    assert sampling.seed is None
    assert sampling.max_tokens is None


def test_the_new_name_of_the_token_limit() -> None:
    assert parse(max_completion_tokens=5).sampling.max_tokens == 5
    assert parse(max_completion_tokens=5, max_tokens=5).sampling.max_tokens == 5
    assert refusal(max_completion_tokens=5, max_tokens=6).param == "max_tokens"
    assert refusal(max_completion_tokens=0).param == "max_completion_tokens"


def test_stop_strings() -> None:
    assert parse(stop=["a", "b"]).sampling.stop == ("a", "b")
    assert parse(stop=None).sampling.stop == ()
    assert refusal(stop=["a", ""]).param == "stop"
    assert refusal(stop=["a"] * 17).param == "stop"


def test_roles_and_text_parts() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    turns = parse(
        messages=[
            {"role": "system", "content": "s"},
            {"role": "developer", "content": "d"},
            {"role": "assistant", "content": "a"},
            {"role": "user", "content": parts},
        ]
    ).turns
    assert turns == (
        ChatTurn(Role.SYSTEM, "s"),
        ChatTurn(Role.SYSTEM, "d"),
        ChatTurn(Role.ASSISTANT, "a"),
        ChatTurn(Role.USER, "one\ntwo"),
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
        ({"model": ""}, "model"),
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
        ({"top_k": -1}, "top_k"),
        ({"min_p": []}, "min_p"),
        ({"seed": -2}, "seed"),
        ({"seed": 10**400}, "seed"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 10**9}, "max_tokens"),
        ({"max_tokens": 2.0}, "max_tokens"),
        ({"stop": 5}, "stop"),
        ({"stop": [5]}, "stop[0]"),
        ({"stream": "true"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": []}, "stream_options"),
    ],
)
def test_a_wrong_value_is_refused_by_name(fields: dict[str, object], param: str) -> None:
    error = refusal(**fields)
    assert error.param == param
    assert error.message.startswith(param)
    assert len(error.message) < 200


def test_model_is_required() -> None:
    with pytest.raises(InvalidRequest, match="model is required"):
        ParameterParser({"messages": [{"role": "user", "content": "Hi"}]}).chat()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"logprobs": True}, "logprobs"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"grammar": 'root ::= "a"'}, "grammar"),
        ({"mirostat": 2}, "mirostat"),
        (message(role="tool"), "messages[0].role"),
        (message(tool_calls=[{"id": "1"}]), "messages[0].tool_calls"),
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
    assert parameters.ignored_fields == ()


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
