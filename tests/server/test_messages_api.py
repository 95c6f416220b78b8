"""``POST /v1/messages`` over HTTP, asked by the official client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anthropic
import httpx
import pytest
from anthropic.types import Message, ThreadUnsupportedRequestError
from pydantic import BaseModel

from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.tools import ToolCall, ToolMode
from minerva_desktop.engine.answer_format import AnswerFormat, ToolFormat
from minerva_desktop.errors import ContextLimitExceeded, EngineDied, ModelLoadError, QueueFull
from minerva_desktop.server.errors import LOADS_AGAIN, TOO_LONG
from tests.patience import SECONDS
from tests.server.answers import completion, named_events
from tests.server.fake_models import (
    MODEL,
    Served,
    chat_body,
    fails,
    says,
    says_and_goes_on,
    serving,
)

PATH = "/v1/messages"
WEATHER: Any = {
    "name": "weather",
    "description": "Tells it",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
HI: Any = [{"role": "user", "content": "Hi"}]


class City(BaseModel):
    name: str


def client_of(served: Served) -> anthropic.AsyncAnthropic:
    """The official client, to be closed."""
    return anthropic.AsyncAnthropic(base_url=served.url, api_key="none", max_retries=0)


async def ask(served: Served, **fields: object) -> httpx.Response:
    return await served.http.post(PATH, json=chat_body(max_tokens=100, **fields))


async def test_the_official_client_gets_a_whole_message() -> None:
    async with serving() as served, client_of(served) as client:
        answer = await client.messages.create(
            model=MODEL.model_id,
            max_tokens=9,
            system=[{"type": "text", "text": "Be", "cache_control": {"type": "ephemeral"}}],
            messages=HI,
            stop_sequences=["END"],
            extra_body={"seed": 3, "top_k": 5, "temperature": 0},
        )
    assert answer.id.startswith("msg_")
    assert (answer.type, answer.role, answer.model) == ("message", "assistant", MODEL.model_id)
    (block,) = answer.content
    assert block.type == "text"
    assert block.text == "Hello, world"
    assert (answer.stop_reason, answer.stop_sequence) == ("end_turn", None)
    assert answer.usage.input_tokens == 8
    assert answer.usage.cache_read_input_tokens == 4
    assert answer.usage.output_tokens == 3
    assert answer.model_dump()["timings"]["predicted_n"] == 3
    assert served.engine.prompts == [(ChatTurn(Role.SYSTEM, "Be"), ChatTurn(Role.USER, "Hi"))]
    sampling = served.engine.samplings[0]
    assert sampling is not None
    assert (sampling.temperature, sampling.max_tokens, sampling.stop) == (0.0, 9, ("END",))
    assert (sampling.seed, sampling.top_k) == (3, 5)
    assert served.pool.leases == 0


async def test_the_official_client_reads_a_stream() -> None:
    async with (
        serving(says("Hel", "lo")) as served,
        client_of(served) as client,
        client.messages.stream(model=MODEL.model_id, max_tokens=9, messages=HI) as stream,
    ):
        events = [event async for event in stream]
        final = await stream.get_final_message()
    assert [event.type for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "text",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    (block,) = final.content
    assert block.type == "text"
    assert block.text == "Hello"
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 3)
    assert (final.usage.input_tokens, final.usage.cache_read_input_tokens) == (8, 4)
    assert served.pool.leases == 0


async def test_streamed_and_not_a_message_is_the_same() -> None:
    async with serving() as served, client_of(served) as client:
        asked: dict[str, Any] = {"model": MODEL.model_id, "max_tokens": 9, "messages": HI}
        whole = await client.messages.create(**asked)
        async with client.messages.stream(**asked) as stream:
            final = await stream.get_final_message()
        raw = await ask(served)
    assert Message.model_validate_json(raw.text, strict=True).content == whole.content
    assert final.to_dict()["usage"] == whole.to_dict()["usage"]
    assert (final.stop_reason, final.stop_sequence) == (whole.stop_reason, whole.stop_sequence)


async def test_a_message_and_the_results_of_its_calls_can_be_sent_back() -> None:
    async with serving() as served, client_of(served) as client:
        first = await client.messages.create(model=MODEL.model_id, max_tokens=9, messages=HI)
        assistant: Any = first.to_param()
        assistant["content"] += [
            {"type": "thinking", "thinking": "hm", "signature": ""},
            {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Oslo"}},
        ]
        result: Any = {"type": "tool_result", "tool_use_id": "call_1", "content": "Rain"}
        raw = await client.messages.with_raw_response.create(
            model=MODEL.model_id,
            max_tokens=9,
            messages=[*HI, assistant, {"role": "user", "content": [result]}],
            tools=[WEATHER],
            tool_choice={"type": "any", "disable_parallel_tool_use": True},
        )
        asked = served.engine.asked_with[1]
    assert "x-minerva-ignored-fields" not in raw.headers
    call = ToolCall("call_1", "weather", '{"city": "Oslo"}')
    assert served.engine.prompts[1] == (
        ChatTurn(Role.USER, "Hi"),
        ChatTurn(Role.ASSISTANT, "Hello, world", reasoning="hm", tool_calls=(call,)),
        ChatTurn(Role.TOOL, "Rain", tool_call_id="call_1"),
    )
    chat: Any = asked["chat"]
    assert [tool.name for tool in chat.tools] == ["weather"]
    assert (chat.mode, chat.parallel) == (ToolMode.REQUIRED, False)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_official_tool_runner_sends_all_of_the_conversation(stream: bool) -> None:
    """It has Anthropic's API keep it, unless that is refused in the words that it knows."""

    @anthropic.beta_async_tool
    async def weather(city: str) -> str:
        return f"Rain in {city}"

    calls = says('<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>')
    async with serving(calls) as served, client_of(served) as client:
        served.engine.answer_format = AnswerFormat(ToolFormat.HERMES)
        runner: Any = client.beta.messages.tool_runner(
            model=MODEL.model_id, max_tokens=9, messages=HI, tools=[weather], stream=stream
        )
        turns = []
        async for turn in runner:
            turns.append(turn if not stream else await turn.get_final_message())
            served.engine.script = says("It rains")
    assert [turn.stop_reason for turn in turns] == ["tool_use", "end_turn"]
    first, second = served.engine.prompts
    assert first == (ChatTurn(Role.USER, "Hi"),)
    assert isinstance(second[1], ChatTurn)
    (call,) = second[1].tool_calls
    assert (second[0], call.arguments) == (first[0], '{"city": "Oslo"}')
    assert second[2:] == (ChatTurn(Role.TOOL, "Rain in Oslo", tool_call_id=call.id),)


async def test_a_conversation_that_was_to_be_kept_is_refused() -> None:
    async with serving() as served, client_of(served) as client:
        thread = client.beta.messages.thread(model=MODEL.model_id, max_tokens=9)
        with pytest.raises(ThreadUnsupportedRequestError, match="no conversation is kept"):
            await thread.send({"role": "user", "content": "Hi"})
        went_on = {"type": "continue", "previous_message_id": "msg_1"}
        answer = await ask(served, thread=went_on, messages=[])
        assert answer.status_code == 400
        details = answer.json()["error"]["details"]
        assert details == {"error_code": "thread_unsupported_request", "param": "thread"}
        assert (await ask(served, thread=None)).status_code == 200


async def test_an_answer_of_the_clients_own_type() -> None:
    async with serving(says('{"name": "Oslo"}')) as served, client_of(served) as client:
        answer = await client.messages.parse(
            model=MODEL.model_id, max_tokens=9, messages=HI, output_format=City
        )
    assert answer.parsed_output == City(name="Oslo")
    sampling = served.engine.samplings[0]
    assert sampling is not None
    assert sampling.json_schema is not None
    assert json.loads(sampling.json_schema)["required"] == ["name"]


async def test_thinking_is_told_to_the_template_and_its_budget_ignored() -> None:
    async with serving() as served, client_of(served) as client:
        raw = await client.messages.with_raw_response.create(
            model=MODEL.model_id,
            max_tokens=2048,
            messages=HI,
            thinking={"type": "enabled", "budget_tokens": 1024},
            extra_headers={"anthropic-beta": "interleaved-thinking-2025-05-14"},
        )
        chat: Any = served.engine.asked_with[0]["chat"]
    assert json.loads(chat.variables) == {"enable_thinking": True}
    assert raw.headers["x-minerva-ignored-fields"] == "anthropic-beta, thinking.budget_tokens"


@pytest.mark.parametrize("stream", [False, True])
async def test_the_stop_sequence_that_ended_a_message(stream: bool) -> None:
    script = says("x", completion=completion(FinishReason.STOP, stop_string="END"))
    async with serving(script) as served, client_of(served) as client:
        asked: dict[str, Any] = {"model": MODEL.model_id, "max_tokens": 9, "messages": HI}
        if stream:
            async with client.messages.stream(**asked, stop_sequences=["END"]) as events:
                answer: Message = await events.get_final_message()
        else:
            answer = await client.messages.create(**asked, stop_sequences=["END"])
    assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "END")


async def test_tokens_are_counted_without_an_answer() -> None:
    async with serving() as served, client_of(served) as client:
        counted = await client.messages.count_tokens(
            model=MODEL.model_id, system="Be", messages=HI, tools=[WEATHER]
        )
    assert counted.input_tokens == len("Be") + len("Hi")
    assert served.engine.prompts == []
    assert served.pool.leases == 0


async def test_an_event_leaves_when_its_tokens_come() -> None:
    async with serving(says_and_goes_on("One")) as served, client_of(served) as client:
        async with client.messages.stream(
            model=MODEL.model_id, max_tokens=9, messages=HI
        ) as stream:
            texts = aiter(stream.text_stream)
            assert await anext(texts) == "One"
            served.engine.streams[0].push_token("Two")
            assert await anext(texts) == "Two"
        await asyncio.wait_for(served.engine.cancelled.wait(), SECONDS)


async def test_pings_keep_a_stream_alive_while_its_model_loads() -> None:
    async with serving(keep_alive_s=0.01) as served:
        served.pool.may_load.clear()
        body = chat_body(max_tokens=9, stream=True)
        async with served.http.stream("POST", PATH, json=body) as answer:
            pieces = answer.aiter_text()
            text = await anext(pieces)
            served.pool.may_load.set()
            text += "".join([piece async for piece in pieces])
    types = [value["type"] for value in named_events(text)]
    assert types[0] == "ping"
    assert next(each for each in types if each != "ping") == "message_start"
    assert types[-1] == "message_stop"


async def test_a_load_that_fails_after_a_ping() -> None:
    async with serving(keep_alive_s=0.01) as served:
        served.pool.may_load.clear()
        served.pool.load_error = ModelLoadError("No such architecture")
        body = chat_body(max_tokens=9, stream=True)
        async with served.http.stream("POST", PATH, json=body) as answer:
            pieces = answer.aiter_text()
            text = await anext(pieces)
            served.pool.may_load.set()
            text += "".join([piece async for piece in pieces])
    error = named_events(text)[-1]
    assert error["error"]["type"] == "api_error"
    assert error["error"]["message"] == "No such architecture"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_before_the_first_token_has_its_status(stream: bool) -> None:
    async with serving(fails(ContextLimitExceeded.of(2048, 5000))) as served:
        answer = await ask(served, stream=stream)
        assert served.pool.leases == 0
    assert answer.status_code == 400
    assert answer.json() == {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "Context limit exceeded: max 2048, required 5000" + TOO_LONG,
            "details": {"error_code": "context_length_exceeded", "param": "messages"},
        },
        "request_id": answer.headers["x-request-id"],
    }


async def test_the_official_client_raises_what_breaks_a_stream() -> None:
    script = fails(EngineDied("It died", detail="/secret"), "Half an ans")
    async with serving(script) as served, client_of(served) as client:
        stream = await client.messages.create(
            model=MODEL.model_id, max_tokens=9, messages=HI, stream=True
        )
        events = aiter(stream)
        while (await anext(events)).type != "content_block_delta":
            pass
        with pytest.raises(anthropic.APIStatusError) as caught:
            await anext(events)
    assert (caught.value.type, caught.value.error_code) == ("api_error", "engine_died")
    assert caught.value.api_message == f"It died{LOADS_AGAIN}"
    assert "/secret" not in str(caught.value)


async def test_the_official_client_understands_refusals() -> None:
    async with serving() as served, client_of(served) as client:
        with pytest.raises(anthropic.NotFoundError) as unknown:
            await client.messages.create(model="claude", max_tokens=9, messages=HI)
        with pytest.raises(anthropic.BadRequestError, match="top_k must be") as wrong:
            await client.messages.create(
                model=MODEL.model_id, max_tokens=9, messages=HI, extra_body={"top_k": -2}
            )
        with pytest.raises(anthropic.BadRequestError, match="max_tokens is required"):
            await client.post(PATH, cast_to=object, body={"model": "m", "messages": HI})
    assert (unknown.value.type, unknown.value.error_code) == (
        "not_found_error",
        "model_not_found",
    )
    assert wrong.value.type == "invalid_request_error"
    assert served.engine.prompts == []


async def test_errors_of_every_kind_have_anthropics_shape_on_its_paths() -> None:
    async with serving(fails(QueueFull("64 wait"))) as served:
        full = await ask(served)
        got = await served.http.get(PATH)
        nowhere = await served.http.get(f"{PATH}/batches")
        foreign = await served.http.post(PATH, json={}, headers={"Host": "evil.example"})
        form = await served.http.post(f"{PATH}/count_tokens", content=b"a=b")
        huge = await served.http.post(
            PATH, content=b" " * (9 * 1024 * 1024), headers={"Content-Type": "application/json"}
        )
        chat = await served.http.post("/v1/chat/completions", json={})
    assert {
        answer.status_code: answer.json()["error"]["type"]
        for answer in (full, got, nowhere, foreign, form, huge)
    } == {
        503: "overloaded_error",
        405: "invalid_request_error",
        404: "not_found_error",
        403: "permission_error",
        415: "invalid_request_error",
        413: "request_too_large",
    }
    assert {answer.json()["type"] for answer in (full, got, nowhere, foreign)} == {"error"}
    assert int(full.headers["retry-after"]) > 0
    assert got.headers["allow"] == "POST"
    assert nowhere.json()["error"]["details"] == {"error_code": "not_found"}
    assert "type" not in chat.json()
    assert chat.json()["error"]["param"] == "messages"
