"""A message and its events, from what a generation tells."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.engine.answer_parser import ContentDelta, ReasoningDelta, ToolCallDelta
from minerva_desktop.errors import EngineDied, InferenceError, QueueFull
from minerva_desktop.server.errors import LOADS_AGAIN
from minerva_desktop.server.generation_events import Ended, GenerationEvent, PromptRead
from minerva_desktop.server.message_writer import MessageWriter
from minerva_desktop.server.sse import encode_named_events
from tests.server.answers import completion, ended, named_events, said

EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def writer(**fields: Any) -> MessageWriter:
    return MessageWriter("tiny", **{"max_tokens": 100, **fields})


def written(writer: MessageWriter, *events: GenerationEvent) -> list[dict[str, Any]]:
    """The stream's events, each of which the client's own types take."""
    values = named_events(b"".join(encode_named_events(writer.feed(each)) for each in events))
    for value in values:
        EVENT.validate_python(value)
    return values


def message(writer: MessageWriter) -> Message:
    """The message, which the client's own type takes."""
    return Message.model_validate_json(msgspec.json.encode(writer.message), strict=True)


THOUGHT_AND_CALLED = (
    PromptRead(0, 8, 12, 4, 1),
    said(ReasoningDelta("Let me ")),
    said(ReasoningDelta("look."), ContentDelta("I ")),
    said(ContentDelta("ask."), ToolCallDelta(0, "call_1", "weather", '{"city":')),
    said(ToolCallDelta(0, arguments='"Oslo"}')),
    said(ToolCallDelta(1, "call_2", "time")),
    ended("tool_calls", n_reasoning=2),
)


def test_the_blocks_of_a_message() -> None:
    made = writer()
    written(made, *THOUGHT_AND_CALLED)
    whole = message(made)
    thought, text, first, second = whole.content
    assert thought.type == "thinking"
    assert (thought.thinking, thought.signature) == ("Let me look.", "")
    assert text.type == "text"
    assert text.text == "I ask."
    assert "citations" not in text.model_fields_set  # Vercel's AI SDK takes no null
    assert first.type == "tool_use"
    assert (first.id, first.name, first.input) == ("call_1", "weather", {"city": "Oslo"})
    assert second.type == "tool_use"
    assert (second.id, second.name, second.input) == ("call_2", "time", {})
    assert (whole.stop_reason, whole.stop_sequence) == ("tool_use", None)
    assert (whole.role, whole.type, whole.model) == ("assistant", "message", "tiny")
    usage = whole.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (8, 4, 3)
    assert usage.cache_creation_input_tokens == 0
    assert usage.output_tokens_details is not None
    assert usage.output_tokens_details.thinking_tokens == 2


def test_the_events_of_a_message() -> None:
    made = writer()
    values = written(made, *THOUGHT_AND_CALLED)
    start, *middle, delta, stop = values
    assert start["message"]["content"] == []
    assert start["message"]["stop_reason"] is None
    assert start["message"]["usage"]["input_tokens"] == 8
    assert start["message"]["usage"]["cache_read_input_tokens"] == 4
    assert start["message"]["usage"]["output_tokens"] == 0
    assert [
        (value["index"], value.get("delta", value.get("content_block", value))["type"])
        for value in middle
    ] == [
        (0, "thinking"),
        (0, "thinking_delta"),
        (0, "thinking_delta"),
        (0, "signature_delta"),
        (0, "content_block_stop"),
        (1, "text"),
        (1, "text_delta"),
        (1, "text_delta"),
        (1, "content_block_stop"),
        (2, "tool_use"),
        (2, "input_json_delta"),
        (2, "input_json_delta"),
        (2, "content_block_stop"),
        (3, "tool_use"),
        (3, "content_block_stop"),
    ]
    begun = [value["content_block"] for value in middle if "content_block" in value]
    assert [each.get("text", each.get("thinking", each.get("input"))) for each in begun] == [
        "", "", {}, {}
    ]  # fmt: skip
    assert delta["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert delta["usage"] == json.loads(msgspec.json.encode(made.message.usage))
    assert stop == {"type": "message_stop"}


@pytest.mark.parametrize(
    ("end", "reason", "sequence"),
    [
        (ended(), "end_turn", None),
        (
            ended(completion=completion(FinishReason.STOP, stop_string="END")),
            "stop_sequence",
            "END",
        ),
        (ended("length", completion=completion(FinishReason.LENGTH)), "max_tokens", None),
    ],
)
def test_why_a_message_ended(end: Ended, reason: str, sequence: str | None) -> None:
    made = writer(max_tokens=3)
    values = written(made, said(ContentDelta("Hi")), end)
    assert (made.message.stop_reason, made.message.stop_sequence) == (reason, sequence)
    assert values[-2]["delta"] == {"stop_reason": reason, "stop_sequence": sequence}


@pytest.mark.parametrize("max_tokens", [4, None])
def test_the_end_of_the_context_is_not_the_requests_limit(max_tokens: int | None) -> None:
    made = writer(max_tokens=max_tokens)
    written(
        made,
        said(ContentDelta("Hi")),
        ended("length", completion=completion(FinishReason.LENGTH)),
    )
    assert message(made).stop_reason == "model_context_window_exceeded"


def test_thoughts_that_are_not_to_be_shown() -> None:
    made = writer(shows_thinking=False)
    values = written(made, said(ReasoningDelta("Secret")), said(ContentDelta("Hi")), ended())
    assert "Secret" not in json.dumps(values)
    thought, text = message(made).content
    assert thought.type == "thinking"
    assert thought.thinking == ""
    assert text.type == "text"
    assert text.text == "Hi"


def test_an_empty_message() -> None:
    made = writer()
    values = written(made, ended())
    assert [value["type"] for value in values] == ["message_start", "message_delta", "message_stop"]
    assert message(made).content == []


@pytest.mark.parametrize("text", ["", "{", '{"a":"b","c":"d', '{"a":1}'])
@pytest.mark.parametrize(
    ("end", "reason", "sequence"),
    [
        (ended("length", completion=completion(FinishReason.LENGTH)), "max_tokens", None),
        (
            ended("tool_calls", completion=completion(FinishReason.STOP, stop_string="x")),
            "stop_sequence",
            "x",
        ),
    ],
)
def test_half_a_call_is_no_part_of_the_message(
    end: Ended, reason: str, sequence: str | None, text: str
) -> None:
    made = writer(max_tokens=3)
    values = written(
        made,
        said(ContentDelta("I ask."), ToolCallDelta(0, "call_1", "f", '{"q":[]}')),
        said(ToolCallDelta(1, "call_2", "g", text)),
        end,
    )
    stop, *others = [value for value in values if value["type"] == "content_block_stop"][::-1]
    assert (stop["index"], len(others)) == (2, 2)  # its block is closed all the same
    whole = message(made)
    calls = {each.name: each.input for each in whole.content if each.type == "tool_use"}
    if text == '{"a":1}':  # whole but for the mark behind it
        assert calls == {"f": {"q": []}, "g": {"a": 1}}
        if end.finish_reason == "tool_calls":
            reason, sequence = "tool_use", None
    else:
        assert calls == {"f": {"q": []}}
    assert whole.content[0].type == "text"
    assert (whole.stop_reason, whole.stop_sequence) == (reason, sequence)
    assert values[-2]["delta"] == {"stop_reason": reason, "stop_sequence": sequence}


def test_half_a_surrogate_pair_in_an_input_is_a_character_that_can_be_sent() -> None:
    made = writer()
    text = r'{"a": "\ud800 \ud83d\ude00 \\ud800 \uDE00\u00e9"}'
    written(made, said(ToolCallDelta(0, "call_1", "f", text)), ended("tool_calls"))
    (call,) = message(made).content
    assert call.type == "tool_use"
    assert call.input == {"a": "\ufffd \U0001f600 \\ud800 \ufffdé"}


@pytest.mark.parametrize("text", ["{", "[1]", '"a"', "{x}", '{"a":1} b', '{"a": NaN}'])
def test_a_call_whose_input_is_no_object_is_no_answer(text: str) -> None:
    made = writer()
    made.feed(said(ToolCallDelta(0, "call_1", "f", text)))
    with pytest.raises(InferenceError, match="f with an input that is no JSON object"):
        made.feed(ended("tool_calls"))


def test_a_stream_that_breaks_off() -> None:
    made = writer(request_id="req-1")
    written(made, said(ContentDelta("Half an ans")))
    (died,) = named_events(encode_named_events(made.failed(EngineDied("It died"))))
    assert died == {
        "type": "error",
        "error": {
            "type": "api_error",
            "message": f"It died{LOADS_AGAIN}",
            "details": {"error_code": "engine_died"},
        },
        "request_id": "req-1",
    }
    (full,) = made.failed(QueueFull("64 wait"))
    assert full.error.type == "overloaded_error"
