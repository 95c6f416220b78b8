"""A response and its events, from what a generation tells."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from minerva_desktop.chat.completion import FinishReason, TokenLogprob
from minerva_desktop.engine.answer_parser import ContentDelta, ReasoningDelta, ToolCallDelta
from minerva_desktop.errors import EngineDied
from minerva_desktop.server.errors import LOADS_AGAIN
from minerva_desktop.server.generation_events import GenerationEvent, PromptRead
from minerva_desktop.server.parameters.responses import responses_parameters
from minerva_desktop.server.response_writer import ResponseWriter
from minerva_desktop.server.sse import encode_named_events
from tests.server.answers import completion, ended, named_events, said

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def writer(**fields: object) -> ResponseWriter:
    body = {"model": "tiny", "input": "Hi", **fields}
    return ResponseWriter("tiny", responses_parameters(body, None).settings)


def written(writer: ResponseWriter, *events: GenerationEvent) -> list[dict[str, Any]]:
    """The stream's events, each of which the client's own types take."""
    values = named_events(b"".join(encode_named_events(writer.feed(each)) for each in events))
    for value in values:
        EVENT.validate_python(value)
    return values


def response(writer: ResponseWriter) -> Response:
    """The response, which the client's own type takes."""
    text = msgspec.json.encode(writer.response)
    return Response.model_validate_json(text, strict=True)


THOUGHT_AND_CALLED = (
    PromptRead(0, 8, 12, 4, 1),
    said(ReasoningDelta("Let me ")),
    said(ReasoningDelta("look."), ContentDelta("I ")),
    said(),
    said(ContentDelta("ask."), ToolCallDelta(0, "call_1", "weather", '{"city":')),
    said(ToolCallDelta(0, arguments='"Oslo"}')),
    said(ToolCallDelta(1, "call_2", "time")),
    said(ToolCallDelta(1, arguments="{}")),
    ended("tool_calls", n_reasoning=2),
)


def test_reasoning_text_and_calls_are_items_in_their_order() -> None:
    made = writer()
    values = written(made, *THOUGHT_AND_CALLED)
    assert [value["type"].removeprefix("response.") for value in values] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert [value["sequence_number"] for value in values] == list(range(len(values)))


def test_events_add_up_to_the_response() -> None:
    made = writer()
    values = written(made, *THOUGHT_AND_CALLED)
    done = [value["item"] for value in values if value["type"] == "response.output_item.done"]
    added = [value["item"] for value in values if value["type"] == "response.output_item.added"]
    whole = response(made)
    assert values[-1]["response"] == json.loads(msgspec.json.encode(made.response))
    assert values[-1]["response"]["output"] == done
    assert [item["id"] for item in added] == [item.id for item in whole.output]
    assert {item["status"] for item in added} == {"in_progress"}
    assert [item.get("content", item.get("arguments")) for item in added] == [[], [], "", ""]
    for index, item in enumerate(done):
        deltas = [v["delta"] for v in values if v.get("output_index") == index and "delta" in v]
        text = item["arguments"] if "arguments" in item else item["content"][0]["text"]
        assert "".join(deltas) == text
        told = {v["item_id"] for v in values if v.get("output_index") == index and "item_id" in v}
        assert told == {item["id"]}


def test_the_items_of_a_response() -> None:
    made = writer()
    written(made, *THOUGHT_AND_CALLED)
    whole = response(made)
    thought, message, first, second = whole.output
    assert thought.type == "reasoning"
    assert thought.content is not None
    assert [part.text for part in thought.content] == ["Let me look."]
    assert (thought.summary, thought.status) == ([], "completed")
    assert "encrypted_content" not in thought.model_fields_set  # Open Responses takes no null
    assert message.type == "message"
    assert whole.output_text == "I ask."
    assert first.type == "function_call"
    assert (first.call_id, first.name, first.arguments) == ("call_1", "weather", '{"city":"Oslo"}')
    assert second.type == "function_call"
    assert (second.call_id, second.name, second.arguments) == ("call_2", "time", "{}")
    assert whole.status == "completed"
    assert whole.incomplete_details is None
    assert whole.completed_at is not None
    assert whole.usage is not None
    assert whole.usage.input_tokens == 12
    assert whole.usage.input_tokens_details.cached_tokens == 4
    assert whole.usage.output_tokens_details.reasoning_tokens == 2
    assert whole.usage.total_tokens == 15


def test_an_answer_that_hit_its_limit_is_incomplete_and_so_is_its_last_item() -> None:
    made = writer(max_output_tokens=5)
    values = written(
        made,
        said(ContentDelta("I ask."), ToolCallDelta(0, "call_1", "weather", '{"ci')),
        ended("length", completion=completion(FinishReason.LENGTH)),
    )
    whole = response(made)
    assert values[-1]["type"] == "response.incomplete"
    assert whole.status == "incomplete"
    assert whole.incomplete_details is not None
    assert whole.incomplete_details.reason == "max_output_tokens"
    assert whole.completed_at is None
    assert [getattr(item, "status", None) for item in whole.output] == ["completed", "incomplete"]
    assert whole.max_output_tokens == 5


def test_an_empty_answer() -> None:
    made = writer()
    values = written(made, ended())
    assert [value["type"] for value in values] == [
        "response.created",
        "response.in_progress",
        "response.completed",
    ]
    assert response(made).output == []


@pytest.mark.parametrize("steps", [(), (said(ContentDelta("Half an ans")),)])
def test_a_stream_that_breaks_off(steps: tuple[GenerationEvent, ...]) -> None:
    made = writer()
    before = written(made, *steps)
    values = before + named_events(encode_named_events(made.failed(EngineDied("It died"))))
    assert values[0]["type"] == "response.created"
    assert [value["sequence_number"] for value in values] == list(range(len(values)))
    error, failed = values[-2:]
    assert error == {
        "type": "error",
        "sequence_number": len(values) - 2,
        "code": "engine_died",
        "message": f"It died{LOADS_AGAIN}",
        "param": None,
    }
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"] == {
        "code": "engine_died",
        "message": f"It died{LOADS_AGAIN}",
    }
    texts = [item["content"][0]["text"] for item in failed["response"]["output"]]
    assert texts == (["Half an ans"] if steps else [])
    assert {item["status"] for item in failed["response"]["output"]} <= {"incomplete"}


def test_log_probabilities_belong_to_the_text_only() -> None:
    names = ("<think>", "hm", "</think>", "H\xc3", "i", "<tool", "call")
    probs = {
        name: TokenLogprob(token=at, piece=name.encode("latin-1"), logprob=-float(at))
        for at, name in enumerate(names)
    }
    made = writer(include=["message.output_text.logprobs"])
    values = written(
        made,
        said(logprob=probs["<think>"]),
        said(ReasoningDelta("hm"), logprob=probs["hm"]),
        said(logprob=probs["</think>"]),
        said(ContentDelta(""), logprob=probs["H\xc3"]),
        said(ContentDelta("Hi"), logprob=probs["i"]),
        said(logprob=probs["<tool"]),
        said(ToolCallDelta(0, "call_1", "f", "{}"), logprob=probs["call"]),
        ended("tool_calls"),
    )
    (delta,) = [v for v in values if v["type"] == "response.output_text.delta"]
    (done,) = [v for v in values if v["type"] == "response.output_text.done"]
    assert [each["bytes"] for each in delta["logprobs"]] == [[72, 195], [105]]
    assert [each["logprob"] for each in delta["logprobs"]] == [-3.0, -4.0]
    assert done["logprobs"] == delta["logprobs"]
    message = response(made).output[1]
    assert message.type == "message"
    assert message.content[0].type == "output_text"
    assert message.content[0].logprobs is not None
    assert [each.token for each in message.content[0].logprobs] == ["H\ufffd", "i"]
