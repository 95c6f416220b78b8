"""``POST /v1/responses`` over HTTP, asked by the official client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import Response
from pydantic import BaseModel

from minerva_desktop.chat.completion import FinishReason, TokenLogprob
from minerva_desktop.chat.limits import Overflow, RequestLimits
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.tools import ToolMode
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.errors import ContextLimitExceeded, EngineDied, InvalidRequest, ModelLoadError
from minerva_desktop.server.errors import LOADS_AGAIN
from tests.patience import SECONDS
from tests.server.answers import completion, named_events
from tests.server.fake_models import (
    COMPLETION,
    MODEL,
    FakeEngine,
    Served,
    fails,
    says,
    says_and_goes_on,
    serving,
)

PATH = "/v1/responses"
WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "description": "Tells it",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": True,
}
NOTHING: Any = {"type": "function", "name": "nothing"}
# What the Open Responses specification demands of every response.
REQUIRED = (
    *("id", "object", "created_at", "completed_at", "status", "incomplete_details", "model"),
    *("previous_response_id", "instructions", "output", "error", "tools", "tool_choice"),
    *("truncation", "parallel_tool_calls", "text", "top_p", "presence_penalty"),
    *("frequency_penalty", "top_logprobs", "temperature", "reasoning", "user", "usage"),
    *("max_output_tokens", "max_tool_calls", "store", "background", "service_tier", "metadata"),
    *("safety_identifier", "prompt_cache_key"),
)


class City(BaseModel):
    name: str


async def ask(served: Served, **fields: object) -> httpx.Response:
    return await served.http.post(PATH, json={"model": MODEL.model_id, "input": "Hi", **fields})


async def test_a_template_that_refuses_the_input_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def count_tokens(engine: FakeEngine, turns: object, *, chat: object = None) -> int:
        raise InvalidRequest("The template refuses these messages", param="messages")

    monkeypatch.setattr(FakeEngine, "count_tokens", count_tokens)
    async with serving() as served:
        answer = await served.http.post(f"{PATH}/input_tokens", json={"input": "Hi"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input")


async def test_the_tokens_of_an_input_are_counted_without_an_answer() -> None:
    async with serving() as served, served.openai() as client:
        counted = await client.responses.input_tokens.count(
            model=MODEL.model_id, instructions="Be", input="Hi", tools=[WEATHER]
        )
        wrong = await served.http.post(f"{PATH}/input_tokens", json={"input": 5})
    assert counted.object == "response.input_tokens"
    assert counted.input_tokens == len("Be") + len("Hi")
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "input")
    assert served.engine.prompts == []
    assert served.pool.leases == 0


@pytest.mark.parametrize(("fields", "n_written"), [({}, 8), ({"cache_prompt": False}, 0)])
async def test_what_is_not_kept_was_not_written_to_the_cache(
    fields: dict[str, bool], n_written: int
) -> None:
    async with serving() as served:
        answer = await ask(served, **fields)
    details = answer.json()["usage"]["input_tokens_details"]
    assert details == {"cached_tokens": 4, "cache_write_tokens": n_written}


async def test_the_official_client_gets_a_whole_response() -> None:
    async with serving() as served, served.openai() as client:
        answer = await client.responses.create(
            model=MODEL.model_id,
            instructions="Be brief.",
            input=[{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
            temperature=0,
            max_output_tokens=9,
            metadata={"a": "b"},
            user="me",
            extra_body={"seed": 3, "top_k": 5},
        )
    assert answer.id.startswith("resp_")
    assert (answer.object, answer.status, answer.model) == ("response", "completed", MODEL.model_id)
    assert answer.output_text == "Hello, world"
    assert (answer.error, answer.incomplete_details) == (None, None)
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (12, 3)
    assert (answer.instructions, answer.max_output_tokens) == ("Be brief.", 9)
    assert (answer.temperature, answer.top_p, answer.metadata) == (0.0, 0.95, {"a": "b"})
    assert answer.parallel_tool_calls is True
    assert answer.model_dump()["store"] is False
    assert answer.model_dump()["timings"]["predicted_n"] == 3
    assert served.engine.prompts == [
        (ChatTurn(Role.SYSTEM, "Be brief."), ChatTurn(Role.USER, "Hi"))
    ]
    sampling = served.engine.samplings[0]
    assert sampling is not None
    assert (sampling.temperature, sampling.max_tokens) == (0.0, 9)
    assert (sampling.seed, sampling.top_k) == (3, 5)
    assert served.pool.leases == 0


async def test_what_a_response_says_of_its_request_is_what_clients_expect() -> None:
    async with serving() as served:
        form = {"type": "json_schema", "name": "city", "schema": {"type": "object"}}
        answer = await ask(
            served,
            tools=[WEATHER, NOTHING],
            tool_choice={"type": "function", "name": "weather"},
            presence_penalty=0.5,
            max_tool_calls=3,
            text={"format": form, "verbosity": "medium"},
            reasoning={"effort": "low", "summary": "auto"},
            truncation="auto",
            parallel_tool_calls=False,
        )
        (asked,) = served.engine.asked_with
    whole = Response.model_validate_json(answer.text, strict=True)
    bare = {"description": None, "parameters": None, "strict": False}
    assert [tool.to_dict() for tool in whole.tools] == [WEATHER, {**bare, **NOTHING}]
    assert whole.model_dump()["tool_choice"] == {"type": "function", "name": "weather"}
    assert whole.text is not None
    whole_form = {**form, "description": None, "strict": False}
    assert whole.text.to_dict() == {"format": whole_form, "verbosity": "medium"}
    assert whole.reasoning is not None
    assert (whole.reasoning.effort, whole.reasoning.summary) == ("low", None)
    assert (whole.truncation, whole.parallel_tool_calls) == ("auto", False)
    assert whole.max_tool_calls == 3
    assert answer.json()["presence_penalty"] == 0.5
    assert answer.json().keys() >= {*REQUIRED}
    chat: Any = asked["chat"]
    assert (chat.mode, chat.only_tool, chat.parallel) == (ToolMode.REQUIRED, "weather", False)
    assert json.loads(chat.variables) == {"reasoning_effort": "low", "enable_thinking": True}
    assert asked["limits"] == RequestLimits(overflow=Overflow.TRUNCATE_MIDDLE)


async def test_the_official_client_reads_a_stream() -> None:
    async with (
        serving(says("Hel", "lo")) as served,
        served.openai() as client,
        client.responses.stream(model=MODEL.model_id, input="Hi") as stream,
    ):
        events = [event async for event in stream]
        final = await stream.get_final_response()
    assert events[0].type == "response.created"
    assert events[0].response.status == "in_progress"
    assert [each.delta for each in events if each.type == "response.output_text.delta"] == ["Hello"]
    assert events[-1].type == "response.completed"
    assert final.output_text == "Hello"
    assert final.usage is not None
    assert final.usage.total_tokens == 15
    assert served.pool.leases == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_the_official_client_parses_an_answer_of_its_own_type(stream: bool) -> None:
    async with serving(says('{"name": ', '"Oslo"}')) as served, served.openai() as client:
        asked: dict[str, Any] = {"model": MODEL.model_id, "input": "Hi", "text_format": City}
        if stream:
            async with client.responses.stream(**asked) as events:
                parsed = (await events.get_final_response()).output_parsed
        else:
            parsed = (await client.responses.parse(**asked)).output_parsed
    assert parsed == City(name="Oslo")
    sampling = served.engine.samplings[0]
    assert sampling is not None
    assert sampling.json_schema is not None
    assert json.loads(sampling.json_schema)["required"] == ["name"]


async def test_a_response_can_be_sent_back() -> None:
    async with serving() as served, served.openai() as client:
        first = await client.responses.create(model=MODEL.model_id, input="Hi")
        history: Any = [{"role": "user", "content": "Hi"}, *first.output]
        history.append({"role": "user", "content": "And?"})
        raw = await client.responses.with_raw_response.create(model=MODEL.model_id, input=history)
    assert "x-minerva-ignored-fields" not in raw.headers
    assert served.engine.prompts[1] == (
        ChatTurn(Role.USER, "Hi"),
        ChatTurn(Role.ASSISTANT, "Hello, world"),
        ChatTurn(Role.USER, "And?"),
    )


async def test_a_stream_on_the_wire() -> None:
    async with serving(says("Hi")) as served:
        answer = await ask(served, stream=True, zap=1)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-minerva-ignored-fields"] == "zap"
    values = named_events(answer.text)
    assert [value["sequence_number"] for value in values] == list(range(9))
    assert values[-1]["type"] == "response.completed"
    assert "[DONE]" not in answer.text


async def test_an_event_leaves_when_its_tokens_come() -> None:
    async with serving(says_and_goes_on("One")) as served, served.openai() as client:
        stream = await client.responses.create(model=MODEL.model_id, input="Hi", stream=True)
        deltas = (event.delta async for event in stream if event.type.endswith("text.delta"))  # type: ignore[union-attr]
        assert await anext(deltas) == "One"
        served.engine.streams[0].push_token("Two")
        assert await anext(deltas) == "Two"
        await stream.close()
        await asyncio.wait_for(served.engine.cancelled.wait(), SECONDS)


async def test_an_answer_that_hit_its_limit() -> None:
    script = says("x", completion=completion(FinishReason.LENGTH))
    async with serving(script) as served, served.openai() as client:
        answer = await client.responses.create(model=MODEL.model_id, input="Hi")
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert answer.output_text == "x"


async def test_log_probabilities() -> None:
    def script(stream: TokenStream) -> None:
        top = TokenLogprob(token=2, piece=b"Ho", logprob=-2.0)
        stream.push_token("Hi", TokenLogprob(token=1, piece=b"Hi", logprob=-0.5, top=(top,)))
        stream.finish(COMPLETION)

    async with serving(script) as served, served.openai() as client:
        answer = await client.responses.create(
            model=MODEL.model_id,
            input="Hi",
            include=["message.output_text.logprobs"],
            top_logprobs=1,
        )
    part: Any = answer.output[0].content[0]  # type: ignore[union-attr, index]
    assert [(each.token, each.logprob, each.bytes) for each in part.logprobs] == [
        ("Hi", -0.5, [72, 105])
    ]
    assert part.logprobs[0].top_logprobs[0].token == "Ho"
    assert answer.model_dump()["top_logprobs"] == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_before_the_first_token_has_its_status(stream: bool) -> None:
    async with serving(fails(ContextLimitExceeded.of(2048, 5000))) as served:
        answer = await ask(served, stream=stream)
        assert served.pool.leases == 0
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("context_length_exceeded", "input")


async def test_an_error_in_a_running_stream() -> None:
    async with (
        serving(fails(EngineDied("It died", detail="/secret"), "Half an ans")) as served,
        served.openai() as client,
    ):
        stream = await client.responses.create(model=MODEL.model_id, input="Hi", stream=True)
        events = [event async for event in stream]
        raw = await ask(served, stream=True)
    error, failed = events[-2:]
    assert error.type == "error"
    assert (error.code, error.message) == ("engine_died", f"It died{LOADS_AGAIN}")
    assert failed.type == "response.failed"
    assert failed.response.status == "failed"
    assert failed.response.error is not None
    assert failed.response.error.message == f"It died{LOADS_AGAIN}"
    assert failed.response.output_text == "Half an ans"
    assert "/secret" not in raw.text


async def test_a_load_that_fails_after_a_keep_alive_still_begins_with_the_response() -> None:
    async with serving(keep_alive_s=0.01) as served:
        served.pool.may_load.clear()
        served.pool.load_error = ModelLoadError("No such architecture")
        async with served.http.stream(
            "POST", PATH, json={"model": MODEL.model_id, "input": "Hi", "stream": True}
        ) as answer:
            pieces = answer.aiter_text()
            text = await anext(pieces)
            assert text.startswith(": keep-alive\n\n")
            served.pool.may_load.set()
            text += "".join([piece async for piece in pieces])
    values = named_events(text)
    assert [value["type"] for value in values] == [
        "response.created",
        "response.in_progress",
        "error",
        "response.failed",
    ]
    assert values[-1]["response"]["error"]["code"] == "model_load_failed"


async def test_an_endpoint_that_stops_ends_its_streams_in_their_own_words() -> None:
    async with serving(says_and_goes_on("One")) as served, served.openai() as client:
        stream = aiter(await client.responses.create(model=MODEL.model_id, input="Hi", stream=True))
        while (await anext(stream)).type != "response.output_text.delta":
            pass
        await served.endpoint.stop()
        _, failed = [event async for event in stream]
    assert failed.type == "response.failed"
    assert failed.response.error is not None
    assert failed.response.error.to_dict()["code"] == "endpoint_stopped"


async def test_unknown_models_and_refused_parameters() -> None:
    async with serving() as served, served.openai() as client:
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.responses.create(model="../../etc/passwd", input="Hi")
        with pytest.raises(openai.BadRequestError, match="no response is kept") as refused:
            await client.responses.create(
                model=MODEL.model_id, input="Hi", previous_response_id="resp_1"
            )
    assert unknown.value.code == "model_not_found"
    assert (refused.value.code, refused.value.param) == (
        "unsupported_parameter",
        "previous_response_id",
    )
    assert served.engine.prompts == []


async def test_nothing_is_kept() -> None:
    async with serving() as served, served.openai() as client:
        with pytest.raises(openai.NotFoundError) as caught:
            await client.responses.retrieve("resp_1")
        other = await served.http.get(PATH)
    assert caught.value.code == "not_found"
    assert other.status_code == 405
    assert other.json()["error"]["code"] == "method_not_allowed"
