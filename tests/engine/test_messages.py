"""The wire: what goes in comes out, and broken frames do no harm."""

from __future__ import annotations

import io

import msgspec
import pytest

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.tools import ChatOptions, Tool, ToolCall, ToolMode
from minerva_desktop.engine.frames import (
    HEADER,
    MAX_FRAME_BYTES,
    EventFrames,
    decode_request,
    encode_frame,
    frame_length,
    read_frame,
)
from minerva_desktop.engine.messages import ErrorInfo, Generate, SequenceOutput, StepOutputs
from minerva_desktop.errors import ContextLimitExceeded


def test_a_request_survives_the_wire() -> None:
    request = Generate(
        request_id=7,
        sampling=SamplingParameters(temperature=0.0, stop=("x",), seed=3),
        messages=(
            ChatTurn(Role.USER, "h☃"),
            ChatTurn(Role.ASSISTANT, "", "why", (ToolCall("c", "f", "{}"),)),
            ChatTurn(Role.TOOL, "r", tool_call_id="c", name="f"),
        ),
        chat=ChatOptions(tools=(Tool("f", "d"),), mode=ToolMode.REQUIRED, variables='{"a": 1}'),
    )
    stream = io.BytesIO(encode_frame(request) * 2)
    bodies = [read_frame(stream), read_frame(stream)]
    assert [decode_request(body) for body in bodies if body] == [request, request]
    assert read_frame(stream) is None


def test_an_event_survives_the_wire() -> None:
    end = Completion(finish_reason=FinishReason.LENGTH, timings=Timings(prefill_ms=1.5), seed=9)
    event = StepOutputs((SequenceOutput(request_id=1, delta="a", n_tokens=1, completion=end),))
    assert EventFrames().feed(encode_frame(event)) == [event]


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_events_arrive_whole_however_the_pipe_cuts_them(size: int) -> None:
    events = [
        StepOutputs((SequenceOutput(request_id=n, delta="x" * n, n_tokens=1),)) for n in range(9)
    ]
    wire = b"".join(encode_frame(event) for event in events)
    frames = EventFrames()
    pieces = [wire[at : at + size] for at in range(0, len(wire), size)]
    assert [event for piece in pieces for event in frames.feed(piece)] == events


def test_an_error_keeps_its_class_and_numbers() -> None:
    error = ErrorInfo.of(ContextLimitExceeded.of(2048, 3000)).to_error()
    assert type(error) is ContextLimitExceeded
    assert error.message == "Context limit exceeded: max 2048, required 3000"  # for programs
    assert (error.told, error.required) == (
        "Context limit exceeded: max 2,048, required 3,000",
        3000,
    )
    assert (error.code, error.http_status) == ("context_length_exceeded", 400)


def test_a_cut_frame_is_an_end_and_a_huge_one_is_refused() -> None:
    frame = encode_frame(Generate(request_id=1, sampling=SamplingParameters(), text="x" * 100))
    assert read_frame(io.BytesIO(frame[:-1])) is None
    assert read_frame(io.BytesIO(frame[:3])) is None
    with pytest.raises(ValueError, match="over the limit"):
        frame_length(HEADER.pack(MAX_FRAME_BYTES + 1))
    with pytest.raises(msgspec.DecodeError):
        decode_request(b"\xc1")
    with pytest.raises(ValueError, match="over the limit"):
        EventFrames().feed(HEADER.pack(MAX_FRAME_BYTES + 1))
    with pytest.raises(msgspec.DecodeError):
        EventFrames().feed(HEADER.pack(1) + b"\xc1")
