"""Answers that are over before their text is, and calls that begin like a text."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minerva_desktop.chat.tools import ChatOptions, ToolMode
from minerva_desktop.engine.answer_format import AnswerFormat
from minerva_desktop.engine.answer_parser import AnswerParser, ContentDelta, ToolCallDelta
from minerva_desktop.engine.answer_parts import MAX_ALIKE, MAX_ALIKE_FORCED
from tests.engine.answer_samples import NOW
from tests.engine.answers import TOOLS, Answer, F, read

HARMONY_CALL = "<|channel|>commentary to=functions.now <|constrain|>json<|message|>{}"


@pytest.mark.parametrize("size", [None, 1, 3])
@pytest.mark.parametrize(
    ("tools", "text"),
    [
        (F.LLAMA, '{"name": "now", "parameters": {}}; {"name": "now", "parameters": {}}'),
        (F.LLAMA, '{"name": "now", "parameters": {}}\n\nIt is late.'),
        (F.COMMAND_R, 'Action: ```json\n[{"tool_name": "now", "parameters": {}}, {"tool_n'),
        (F.FUNCTIONARY_V32, ">>>now\n{}>>>now\n{}>>>all\nIt is late."),
        (F.HARMONY, f"{HARMONY_CALL}<|call|><|start|>assistant{HARMONY_CALL}"),
        (F.HERMES, '<tool_call>{"name": "now"}</tool_call>\n<tool_call>'),
    ],
)
def test_an_answer_that_may_make_one_call_is_over_when_it_goes_on_behind_it(
    tools: F, text: str, size: int | None
) -> None:
    pieces = [text] if size is None else [text[i : i + size] for i in range(0, len(text), size)]
    chat = ChatOptions(tools=TOOLS, parallel=False)
    assert read(pieces, AnswerFormat(tools), chat) == Answer(calls=[NOW], ids=["call_0"])
    parser = AnswerParser(AnswerFormat(tools), chat)
    for piece in pieces:
        parser.feed(piece)
    parser.finish()
    assert parser.is_over
    assert parser.ends_in_calls


@pytest.mark.parametrize("tools", [F.LLAMA, F.HERMES, F.GENERIC])
def test_arguments_of_a_call_that_begins_like_text_are_never_shown(tools: F) -> None:
    """Each delta as it comes: nothing of a call may be shown before it is known to be one."""
    texts = [
        '{"name": "get_weather", "parameters": {"city": "Paris"}}',
        'I look.\n\n{"name": "get_weather", "parameters": {"city": "Paris"}}\n',
        '{"type": "function", "function": "get_weather", "parameters": {"city": "Paris"}}',
        '{"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Paris"}}}',
        'I look.\n```json\n{"name": "get_weather", "parameters": {"city": "Paris"}}\n```',
    ]
    for text in texts:
        parser = AnswerParser(AnswerFormat(tools), ChatOptions(tools=TOOLS))
        shown, arguments = "", ""
        for character in text:
            for part in parser.feed(character):
                if isinstance(part, ContentDelta):
                    shown += part.text
                elif isinstance(part, ToolCallDelta):
                    arguments += part.arguments
        parser.finish()
        assert shown == ("I look." if text.startswith("I") else "")
        assert arguments == '{"city": "Paris"}'
        assert parser.ends_in_calls


ROME, OSLO, NOW_CALL = (
    '{"name": "get_weather", "arguments": {"city": "Rome"}}',
    '{"name": "get_weather", "arguments": {"city": "Oslo"}}',
    '{"name": "now", "arguments": {}}',
)
FORCED, FREE = ToolMode.REQUIRED, ToolMode.AUTO


@pytest.mark.parametrize("size", [None, 1, 4])
@pytest.mark.parametrize(
    ("mode", "calls", "expected"),
    [
        (FORCED, [ROME, OSLO, NOW_CALL], ["Rome", "Oslo", "{}"]),
        (FORCED, [ROME, ROME, OSLO], ["Rome"]),
        (FORCED, [ROME, OSLO, ROME, NOW_CALL], ["Rome", "Oslo"]),
        (FORCED, [NOW_CALL, NOW_CALL], ["{}"]),
        (FREE, [ROME, OSLO, ROME], ["Rome", "Oslo", "Rome"]),
        (FREE, [NOW_CALL] * 5, ["{}"] * 5),
        (FREE, [*[ROME] * 16, OSLO], [*["Rome"] * 16, "Oslo"]),
        (FREE, [*[ROME] * 17, OSLO], ["Rome"] * 16),
    ],
)
@pytest.mark.parametrize("tools", [F.HERMES, F.MISTRAL])
def test_an_answer_may_repeat_a_call_15_times_but_not_where_it_has_to_call(
    mode: ToolMode, tools: F, calls: list[str], expected: list[str], size: int | None
) -> None:
    if tools is F.MISTRAL:
        text = f"[TOOL_CALLS][{', '.join(calls)}]"
    else:
        text = "\n".join(f"<tool_call>\n{call}\n</tool_call>" for call in calls)
    pieces = [text] if size is None else [text[i : i + size] for i in range(0, len(text), size)]
    chat = ChatOptions(tools=TOOLS, mode=mode)
    answer = read(pieces, AnswerFormat(tools), chat)
    assert answer.content == ""
    assert [json.loads(text).get("city", text) for _, text in answer.calls] == expected
    parser = AnswerParser(AnswerFormat(tools), chat)
    for piece in pieces:
        parser.feed(piece)
    assert parser.is_over is (len(expected) < len(calls))
    assert parser.ends_in_calls
    assert len(set(answer.ids)) == len(expected)


def test_what_may_become_a_repeat_is_held_back_until_it_is_none() -> None:
    forced = ChatOptions(tools=TOOLS, mode=ToolMode.REQUIRED)
    parser = AnswerParser(AnswerFormat(F.HERMES), forced, new_id=lambda: "x")
    parser.feed(f"<tool_call>{ROME}</tool_call>")
    begun = '<tool_call>{"name": "get_weather", "arguments": {"city": "R'
    assert parser.feed(begun) == []
    (call,) = parser.feed("iga")
    assert str(call) == (
        """ToolCallDelta(index=1, id='x', name='get_weather', arguments='{"city": "Riga')"""
    )
    parser.feed('"}}</tool_call>')
    assert parser.ends_in_calls
    assert not parser.is_over
    # Cut inside of what may be one, it is none.
    assert parser.feed(begun) == []
    assert parser.finish() == []
    assert not parser.ends_in_calls


def test_thousands_of_calls_that_differ_take_no_longer_each() -> None:
    calls = "".join(f"now(a={number})," for number in range(10_000))
    began = time.thread_time()
    answer = read(f"<|tool_call_start|>[{calls}", AnswerFormat(F.LFM))
    assert time.thread_time() - began < 2.5  # 0.7 s; 5 s where each is compared with all before
    assert len(answer.calls) == 10_000


_TOOL_CALLS = [f"<tool_call>{call}</tool_call>" for call in (ROME, OSLO)]
_MARKS = ["[TOOL_CALLS][", ", ", "]", ">>>now\n{}", "{", '{"name": ', "```json\n", "```", "\n", " "]
_HARMONY = [HARMONY_CALL, "<|call|><|start|>assistant"]
_FRAGMENTS = [*_TOOL_CALLS, *_MARKS, *_HARMONY, ROME, NOW_CALL, "Hi"]
_TEXTS = st.lists(st.sampled_from(_FRAGMENTS), max_size=8).map("".join)


@given(
    text=_TEXTS,
    size=st.integers(1, 9),
    tools=st.sampled_from(F),
    mode=st.sampled_from([ToolMode.AUTO, ToolMode.REQUIRED]),
    parallel=st.booleans(),
)
def test_no_pieces_make_more_calls_than_there_may_be(
    text: str, size: int, tools: F, mode: ToolMode, parallel: bool
) -> None:
    chat = ChatOptions(tools=TOOLS, mode=mode, parallel=parallel)
    whole = read(text, AnswerFormat(tools), chat)
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert read(pieces, AnswerFormat(tools), chat) == whole
    assert parallel or len(whole.calls) <= 1
    most = MAX_ALIKE_FORCED if mode is FORCED else MAX_ALIKE
    assert max(Counter(map(tuple, whole.calls)).values(), default=0) <= most
