"""Tools and trains of thought over HTTP, as each dialect's official client reads them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import openai
import pytest

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.tools import ChatOptions, ToolCall, ToolMode
from minerva_desktop.engine.answer_format import AnswerFormat, ReasoningFormat, ToolFormat
from minerva_desktop.errors import InvalidRequest
from tests.server.fake_models import MODEL, Script, Served, fails, says, serving

HERMES = AnswerFormat(ToolFormat.HERMES, ReasoningFormat.THINK)
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
ASKED: Any = [{"role": "user", "content": "Is it warm in Rome and in Oslo?"}]
ANSWER = (
    "<think>", "Two ", "cities", "</think>", "\n\n", "Let me ", "look.", "\n<tool", "_call>\n",
    '{"name": "weather", "arg', 'uments": {"city": "Ro', 'me"}}', "\n</tool_call>\n<tool_call>",
    '{"name": "weather", "arguments": {"city": "Oslo"}}', "</tool_call>",
)  # fmt: skip


@asynccontextmanager
async def calling(script: Script | None = None) -> AsyncIterator[Served]:
    async with serving(script or says(*ANSWER)) as served:
        served.engine.answer_format = HERMES
        yield served


async def test_a_whole_answer_with_thought_text_and_calls() -> None:
    async with calling() as served, served.openai() as client:
        answer = await client.chat.completions.create(
            model=MODEL.model_id, messages=ASKED, tools=[TOOL]
        )
    (choice,) = answer.choices
    message = choice.message
    assert choice.finish_reason == "tool_calls"
    assert message.content == "Let me look."
    assert message.model_dump()["reasoning_content"] == "Two cities"
    assert message.tool_calls is not None
    assert [json.loads(call.function.arguments) for call in message.tool_calls] == [  # type: ignore[union-attr]
        {"city": "Rome"},
        {"city": "Oslo"},
    ]
    assert len({call.id for call in message.tool_calls}) == 2
    assert answer.usage is not None
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens == 4  # with its end
    (asked,) = served.engine.asked_with
    chat = asked["chat"]
    assert isinstance(chat, ChatOptions)
    assert (chat.mode, chat.tools[0].name) == (ToolMode.AUTO, "weather")


async def test_deltas_of_calls_add_up() -> None:
    content, thought, finish = "", "", None
    calls: dict[int, dict[str, str]] = {}
    async with calling() as served, served.openai() as client:
        async for chunk in await client.chat.completions.create(
            model=MODEL.model_id, messages=ASKED, tools=[TOOL], stream=True
        ):
            (choice,) = chunk.choices
            content += choice.delta.content or ""
            thought += choice.delta.model_dump().get("reasoning_content") or ""
            finish = choice.finish_reason or finish
            for call in choice.delta.tool_calls or []:
                whole = calls.setdefault(call.index, {"id": "", "name": "", "arguments": ""})
                assert call.function is not None
                whole["id"] += call.id or ""
                whole["name"] += call.function.name or ""
                whole["arguments"] += call.function.arguments or ""
    assert (content, thought, finish) == ("Let me look.", "Two cities", "tool_calls")
    assert [call["name"] for call in calls.values()] == ["weather", "weather"]
    assert [json.loads(call["arguments"])["city"] for call in calls.values()] == ["Rome", "Oslo"]
    assert all(call["id"].startswith("call_") for call in calls.values())


async def test_a_thought_is_left_in_the_content_for_those_who_want_it() -> None:
    async with calling(says("<think>", "Hm", "</think>", "Yes")) as served:
        body = {"model": MODEL.model_id, "messages": ASKED, "reasoning_format": "none"}
        answer = (await served.http.post("/v1/chat/completions", json=body)).json()
    assert answer["choices"][0]["message"]["content"] == "<think>Hm</think>Yes"


@pytest.mark.parametrize(
    "begun", [{"content": "<think>It is"}, {"content": "", "reasoning_content": "It is"}]
)
async def test_an_answer_that_goes_on_inside_a_thought(begun: dict[str, str]) -> None:
    begun_chat: Any = [*ASKED, {"role": "assistant", **begun}]
    async with calling(says(" June", "</think>", "Yes")) as served, served.openai() as client:
        answer = await client.chat.completions.create(model=MODEL.model_id, messages=begun_chat)
    message = answer.choices[0].message
    assert message.model_dump()["reasoning_content"] == " June"
    assert message.content == "Yes"


async def test_without_tools_nothing_is_a_call() -> None:
    text = '<tool_call>{"name": "weather", "arguments": {}}</tool_call>'
    async with calling(says(text)) as served, served.openai() as client:
        answer = await client.chat.completions.create(model=MODEL.model_id, messages=ASKED)
    assert answer.choices[0].message.content == text
    assert answer.choices[0].finish_reason == "stop"


async def test_calls_and_results_go_back_to_the_model() -> None:
    async with calling() as served, served.openai() as client:
        first = await client.chat.completions.create(
            model=MODEL.model_id, messages=ASKED, tools=[TOOL]
        )
        message = first.choices[0].message
        assert message.tool_calls is not None
        results: Any = [
            {"role": "tool", "tool_call_id": call.id, "content": "21 °C"}
            for call in message.tool_calls
        ]
        again: Any = [*ASKED, message.model_dump(exclude_none=True), *results]
        await client.chat.completions.create(model=MODEL.model_id, messages=again, tools=[TOOL])
    turns = served.engine.prompts[-1]
    last = turns[-1]
    called = turns[1]
    assert isinstance(called, ChatTurn)
    assert isinstance(last, ChatTurn)
    assert called.reasoning == "Two cities"
    assert called.tool_calls[0] == ToolCall(message.tool_calls[0].id, "weather", '{"city": "Rome"}')
    assert (last.role, last.text, last.tool_call_id) == (
        Role.TOOL, "21 °C", message.tool_calls[1].id,
    )  # fmt: skip


async def test_the_messages_api_has_blocks_for_all_three() -> None:
    async with calling() as served:
        client = anthropic.AsyncAnthropic(base_url=served.url, api_key="none", max_retries=0)
        tools: Any = [{"name": "weather", "input_schema": SCHEMA}]
        async with (
            client,
            client.messages.stream(
                model=MODEL.model_id, messages=ASKED, tools=tools, max_tokens=100
            ) as stream,
        ):
            message = await stream.get_final_message()
    assert [block.type for block in message.content] == [
        "thinking", "text", "tool_use", "tool_use",
    ]  # fmt: skip
    assert message.stop_reason == "tool_use"
    inputs = [block.input for block in message.content if block.type == "tool_use"]
    assert inputs == [{"city": "Rome"}, {"city": "Oslo"}]


async def test_the_responses_api_has_items_for_all_three() -> None:
    async with calling() as served, served.openai() as client:
        tools: Any = [{"type": "function", "name": "weather", "parameters": SCHEMA}]
        async with client.responses.stream(
            model=MODEL.model_id, input=ASKED, tools=tools
        ) as stream:
            response = await stream.get_final_response()
    assert [item.type for item in response.output] == [
        "reasoning", "message", "function_call", "function_call",
    ]  # fmt: skip
    assert response.output_text == "Let me look."


@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "weather"}}]
)
async def test_what_has_to_be_called_is_told_to_the_engine(choice: Any) -> None:
    async with calling() as served, served.openai() as client:
        await client.chat.completions.create(
            model=MODEL.model_id, messages=ASKED, tools=[TOOL], tool_choice=choice
        )
    chat = served.engine.asked_with[0]["chat"]
    assert isinstance(chat, ChatOptions)
    assert chat.mode is ToolMode.REQUIRED
    assert chat.only_tool == (None if choice == "required" else "weather")


async def test_a_choice_that_names_no_tool_is_refused() -> None:
    async with calling() as served, served.openai() as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(
                model=MODEL.model_id,
                messages=ASKED,
                tools=[TOOL],
                tool_choice={"type": "function", "function": {"name": "time"}},
            )
    assert caught.value.param == "tool_choice"


async def test_a_call_that_is_not_whole_does_not_end_the_answer() -> None:
    cut = says('<tool_call>\n{"name": "weather", "arguments": {"city": "Ro')
    async with calling(cut) as served, served.openai() as client:
        answer = await client.chat.completions.create(
            model=MODEL.model_id, messages=ASKED, tools=[TOOL]
        )
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.tool_calls is not None
    (call,) = answer.choices[0].message.tool_calls
    assert call.function.arguments == '{"city": "Ro'  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("path", "fields", "names"),
    [
        (
            "/v1/chat/completions",
            {"messages": ASKED, "tools": [TOOL], "response_format": {"type": "json_object"}},
            ("response_format.schema", "tools[0].function.parameters"),
        ),
        (
            "/v1/completions",
            {"prompt": "Hi", "json_schema": {"type": "string"}},
            ("json_schema", "tools[0].function.parameters"),
        ),
        (
            "/v1/responses",
            {
                "input": "Hi",
                "tools": [{"type": "function", "name": "weather"}],
                "text": {"format": {"type": "json_schema", "name": "a", "schema": {}}},
            },
            ("text.format.schema", "tools[0].parameters"),
        ),
        (
            "/v1/messages",
            {
                "messages": ASKED,
                "max_tokens": 5,
                "tools": [{"name": "weather", "input_schema": {"type": "object"}}],
                "output_config": {"format": {"type": "json_schema", "schema": {}}},
            },
            ("output_config.format.schema", "tools[0].input_schema"),
        ),
    ],
)
async def test_what_is_wrong_with_a_schema_is_said_of_the_requests_own_field(
    path: str, fields: dict[str, Any], names: tuple[str, str]
) -> None:
    found = []
    for param in ("response_format", "tools[0].function.parameters"):
        refused = InvalidRequest("JSON schema, #/properties/a/not: no", param=param)
        async with calling(fails(refused)) as served:
            answer = await served.http.post(path, json={"model": MODEL.model_id, **fields})
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert "#/properties/a/not" in error["message"]
        found.append(error.get("param") or error["details"]["param"])
    assert tuple(found) == names


async def test_a_limit_to_one_call_is_called_as_in_the_request() -> None:
    refused = InvalidRequest("No", param="parallel_tool_calls")
    body = {"model": MODEL.model_id, "max_tokens": 5, "messages": ASKED}
    async with calling(fails(refused)) as served:
        chat = (await served.http.post("/v1/chat/completions", json=body)).json()["error"]
        messages = (await served.http.post("/v1/messages", json=body)).json()["error"]
    assert chat["param"] == "parallel_tool_calls"
    assert messages["details"]["param"] == "tool_choice.disable_parallel_tool_use"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_required_call_that_comes_again_ends_the_answer(stream: bool) -> None:
    """Small models repeat themselves up to the end of the context; LangChain's tests want one."""
    names = ("Rome", "Oslo", "Rome", "Bern")
    calls = [
        f'<tool_call>{{"name": "weather", "arguments": {{"city": "{name}"}}}}</tool_call>'
        for name in names
    ]
    async with calling(says(*calls)) as served, served.openai() as client:
        answer: Any = await client.chat.completions.create(
            model=MODEL.model_id,
            messages=ASKED,
            tools=[TOOL],
            tool_choice="required",
            stream=stream,
        )
        if stream:
            choices = [chunk.choices[0] async for chunk in answer if chunk.choices]
            made = [each for choice in choices for each in choice.delta.tool_calls or ()]
            reason = choices[-1].finish_reason
        else:
            made, reason = answer.choices[0].message.tool_calls, answer.choices[0].finish_reason
    assert reason == "tool_calls"
    assert [json.loads(e.function.arguments) for e in made] == [{"city": "Rome"}, {"city": "Oslo"}]
    assert len({each.id for each in made}) == 2


async def test_what_is_said_around_calls_stays_apart() -> None:
    call = '<tool_call>{"name": "weather", "arguments": {}}</tool_call>'
    script = says("I ", "look. ", call, call, "\n", "So", " it is.", call)
    async with calling(script) as served, served.openai() as client:
        asked: dict[str, Any] = {"model": MODEL.model_id, "messages": ASKED, "tools": [TOOL]}
        message = (await client.chat.completions.create(**asked)).choices[0].message
        assert message.content == "I look.\n\nSo it is."
        assert len(message.tool_calls or ()) == 3
        chunks = await client.chat.completions.create(**asked, stream=True)
        said = [each.choices[0].delta.content or "" async for each in chunks if each.choices]
    assert "".join(said) == message.content


@pytest.mark.parametrize("pieces", ["whole", "characters"])
@pytest.mark.parametrize(
    ("tools", "reasoning", "text", "kept"),
    [
        (
            ToolFormat.HARMONY,
            ReasoningFormat.HARMONY,
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hi",
            "<|channel|>analysis<|message|>Hm.<|end|>Hi",
        ),
        (
            ToolFormat.COMMAND_R7B,
            ReasoningFormat.START_THINKING,
            "<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>Hi<|END_RESPONSE|>",
            "<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>Hi",
        ),
        (ToolFormat.FUNCTIONARY_V32, ReasoningFormat.NONE, ">>>all\nHi", "Hi"),
    ],
)
async def test_the_marks_of_a_family_are_no_content_without_tools_either(
    tools: ToolFormat, reasoning: ReasoningFormat, text: str, kept: str, pieces: str
) -> None:
    script = says(*([text] if pieces == "whole" else text))
    async with serving(script) as served, served.openai() as client:
        served.engine.answer_format = AnswerFormat(tools, reasoning)
        asked: dict[str, Any] = {"model": MODEL.model_id, "messages": ASKED}
        message: Any = (await client.chat.completions.create(**asked)).choices[0].message
        assert message.content == "Hi"
        thought = None if reasoning is ReasoningFormat.NONE else "Hm."
        assert getattr(message, "reasoning_content", None) == thought
        whole = {"reasoning_format": "none"}
        message = (await client.chat.completions.create(**asked, extra_body=whole)).choices[0]
        assert message.message.content == kept
