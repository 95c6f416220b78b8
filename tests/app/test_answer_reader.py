"""What the window is given of an answer: thoughts and words, as the model's family writes them."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from minerva_desktop.app.answer_reader import AnswerReader, ContentDelta, ReasoningDelta
from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.engine.answer_format import AnswerFormat, ReasoningFormat, ToolFormat
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.errors import EngineDied, MinervaError

HELLO = ChatTurn(Role.USER, "Hello")
DONE = Completion(finish_reason=FinishReason.STOP, timings=Timings(), seed=1)
THINKS = AnswerFormat(ToolFormat.HERMES, ReasoningFormat.THINK)
HARMONY = AnswerFormat(ToolFormat.HARMONY, ReasoningFormat.HARMONY)
PLAIN = AnswerFormat(ToolFormat.GENERIC)


async def _read(
    answer_format: AnswerFormat,
    *tokens: str,
    begun: ChatTurn | None = None,
    error: MinervaError | None = None,
) -> tuple[str, str, int]:
    """What is thought, what is said, and the number of tokens."""
    stream = TokenStream()
    reader = AnswerReader(answer_format, [HELLO] if begun is None else [HELLO, begun])
    for token in tokens:
        stream.push_token(token)
    stream.finish(DONE) if error is None else stream.fail(error)
    thought, said, n_read = "", "", 0
    with nullcontext() if error is None else pytest.raises(type(error)):
        async for n_tokens, parts in reader.read(stream):
            n_read += n_tokens
            thought += "".join(part.text for part in parts if isinstance(part, ReasoningDelta))
            said += "".join(part.text for part in parts if isinstance(part, ContentDelta))
    return thought, said, n_read


@pytest.mark.parametrize(
    ("answer_format", "tokens", "expected"),
    [
        (THINKS, ("<think>", "\n", "Hm", "\n</th", "ink>", "\n\nYes"), ("Hm", "Yes", 6)),
        (THINKS, ("<think>\n", "Hm", " so"), ("Hm so", "", 3)),
        (THINKS, ("Write `<think>` before", "</think>"), ("", "Write `<think>` before</think>", 2)),
        (PLAIN, ("<think>", "Hm", "</think>"), ("", "<think>Hm</think>", 3)),
        (
            HARMONY,
            (
                "<|channel|>",
                "analysis<|message|>Hm",
                "<|end|><|start|>assistant",
                "<|channel|>final<|message|>",
                "Yes",
            ),
            ("Hm", "Yes", 5),
        ),
        # The window gives no tools: what looks like a call is said.
        (THINKS, ('<tool_call>{"name": "a"}',), ("", '<tool_call>{"name": "a"}', 1)),
    ],
)
async def test_each_family_is_taken_apart(
    answer_format: AnswerFormat, tokens: tuple[str, ...], expected: tuple[str, str, int]
) -> None:
    assert await _read(answer_format, *tokens) == expected


@pytest.mark.parametrize("answer_format", [THINKS, HARMONY])
async def test_an_answer_goes_on_where_it_broke_off(answer_format: AnswerFormat) -> None:
    thinks = ChatTurn(Role.ASSISTANT, "", "It is ")
    assert (await _read(answer_format, " so", begun=thinks))[:2] == (" so", "")
    says = ChatTurn(Role.ASSISTANT, "It is ", "Hm")
    assert (await _read(answer_format, "so", begun=says))[:2] == ("", "so")


async def test_what_was_held_back_comes_before_the_error() -> None:
    died = EngineDied("gone")
    assert await _read(THINKS, "<think>", "Hm </thi", error=died) == ("Hm </thi", "", 2)
