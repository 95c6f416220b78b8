"""Answers taken apart: each family's calls and thoughts, in any pieces, and what is none."""

from __future__ import annotations

import json

import pytest

from minerva_desktop.chat.tools import ChatOptions, Tool, ToolMode
from minerva_desktop.engine.answer_format import AnswerFormat
from minerva_desktop.engine.answer_parser import (
    AnswerParser,
    ContentDelta,
    ToolCallDelta,
    new_call_id,
)
from tests.engine.answer_samples import CONTENT, DEEPSEEK_OPEN, NOW, SAMPLES
from tests.engine.answers import TOOLS, Answer, F, R, read


@pytest.mark.parametrize("size", [None, 1, 2, 5])
@pytest.mark.parametrize(("tools", "reasoning", "text", "expected"), SAMPLES)
def test_each_family_is_read_in_any_pieces(
    tools: F, reasoning: R, text: str, expected: tuple[str, str, list[list[str]]], size: int | None
) -> None:
    pieces = text if size is None else [text[i : i + size] for i in range(0, len(text), size)]
    answer = read(pieces, AnswerFormat(tools, reasoning))
    assert (answer.content, answer.reasoning, answer.calls) == expected
    assert answer.ids == [f"call_{n}" for n in range(len(answer.calls))]
    assert all(isinstance(json.loads(arguments), dict) for _, arguments in answer.calls)


@pytest.mark.parametrize("size", [None, 1, 3])
@pytest.mark.parametrize(("tools", "text"), CONTENT)
def test_what_is_no_call_is_given_back(tools: F, text: str, size: int | None) -> None:
    pieces = text if size is None else [text[i : i + size] for i in range(0, len(text), size)]
    assert read(pieces, AnswerFormat(tools)) == Answer(content=text)


def test_arguments_stream_and_nothing_of_a_mark_is_shown() -> None:
    parser = AnswerParser(AnswerFormat(F.HERMES), ChatOptions(tools=TOOLS), new_id=lambda: "x")
    pieces = [
        "Hi",
        " <",
        "tool_",
        "call>",
        '{"name": "now", "arg',
        'uments": {"a',
        '": 1',
        "}}",
    ]
    seen = [[str(part) for part in parser.feed(piece)] for piece in pieces]
    call = "ToolCallDelta(index=0, id='x', name='now', arguments='{\"a')"
    assert seen[:5] == [["ContentDelta(text='Hi')"], [], [], [], []]
    assert seen[5] == [call]
    assert [line[0].split("arguments=")[1] for line in seen[6:]] == ["'\": 1')", "'}')"]
    assert parser.finish() == []


def test_an_answer_that_is_cut_keeps_what_came() -> None:
    cut = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Pa'
    assert read(cut, AnswerFormat(F.HERMES)).calls == [["get_weather", '{"city": "Pa']]
    cut = "<tool_call>\n<function=get_weather>\n<parameter=city>\nPa"
    assert read(cut, AnswerFormat(F.QWEN_XML)).calls == [["get_weather", '{"city": "Pa"']]
    cut = "<tool_call>\n<function=get_weather>\n<parameter=ci"
    assert read(cut, AnswerFormat(F.QWEN_XML)).calls == [["get_weather", '{"ci']]
    assert read("<think>\na", AnswerFormat(F.HERMES, R.THINK)).reasoning == "a"


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


@pytest.mark.parametrize("size", [None, 1, 4])
@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([ROME, ROME, OSLO], ["Rome"]),
        ([ROME, OSLO, OSLO], ["Rome", "Oslo"]),
        ([ROME, OSLO, ROME], ["Rome", "Oslo"]),
        ([ROME, OSLO], ["Rome", "Oslo"]),
        ([NOW_CALL, NOW_CALL], ["{}"]),
        ([NOW_CALL, ROME], ["{}", "Rome"]),
    ],
)
@pytest.mark.parametrize("tools", [F.HERMES, F.MISTRAL])
def test_an_answer_that_must_call_is_over_when_it_repeats_a_call(
    tools: F, calls: list[str], expected: list[str], size: int | None
) -> None:
    if tools is F.MISTRAL:
        text = f"[TOOL_CALLS][{', '.join(calls)}]"
    else:
        text = "\n".join(f"<tool_call>\n{call}\n</tool_call>" for call in calls)
    pieces = [text] if size is None else [text[i : i + size] for i in range(0, len(text), size)]
    forced = ChatOptions(tools=TOOLS, mode=ToolMode.REQUIRED)
    answer = read(pieces, AnswerFormat(tools), forced)
    assert answer.content == ""
    assert [json.loads(text).get("city", text) for _, text in answer.calls] == expected
    parser = AnswerParser(AnswerFormat(tools), forced)
    for piece in pieces:
        parser.feed(piece)
    assert parser.is_over is (len(expected) < len(calls))
    assert parser.ends_in_calls
    # One that may call as it likes may also do so twice.
    free = read(pieces, AnswerFormat(tools))
    assert len(free.calls) == len(calls)


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


CUT = [
    (F.HERMES, '<tool_call>\n{"name": "get_wea'),
    (F.HERMES, "<tool_call>\n"),
    (F.HERMES, "<tool_call>"),
    (F.GENERIC, '<tool_call>\n{"name": "now", "argu'),
    (F.QWEN_XML, "<tool_call>\n<function=no"),
    (F.GLM, "<tool_call>get_w"),
    (F.MISTRAL, '[TOOL_CALLS][{"name'),
    (F.MISTRAL_ARGS, "[TOOL_CALLS]now"),
    (F.DEEPSEEK_V31, DEEPSEEK_OPEN),
    (F.HARMONY, "<|channel|>commentary to=functions.n"),
]
CUT_BARE = [
    (F.LLAMA, '{"name": "get_wea'),
    (F.HERMES, "<tool_c"),
    (F.FUNCTIONARY_V32, ">>>n"),
    (F.COMMAND_R, "Action:\n```json\n["),
]


@pytest.mark.parametrize("size", [None, 1])
@pytest.mark.parametrize(("tools", "text"), [*CUT, *CUT_BARE])
def test_a_cut_call_that_has_to_come_is_no_content(tools: F, text: str, size: int | None) -> None:
    pieces = text if size is None else list(text)
    forced = ChatOptions(tools=TOOLS, mode=ToolMode.REQUIRED)
    assert read(pieces, AnswerFormat(tools), forced) == Answer()
    if (tools, text) in CUT:
        assert read(["Well. \n", *pieces], AnswerFormat(tools)).content == "Well."
    else:
        assert read(pieces, AnswerFormat(tools)).content == text, "it may be text"


@pytest.mark.parametrize(
    ("tools", "text"),
    [
        (F.HERMES, '<tool_call>{"name": "now", "arguments": {"a": 1}'),
        (F.QWEN_XML, "<tool_call>\n<function=now>\n</"),
        (F.MISTRAL_ARGS, '[TOOL_CALLS]now[ARGS]{"a": 1}'),
        (F.HARMONY, '<|channel|>commentary to=functions.now <|message|>{"a": 1}'),
    ],
)
def test_it_ends_in_calls_when_the_last_is_whole(tools: F, text: str) -> None:
    parser = AnswerParser(AnswerFormat(tools), ChatOptions(tools=TOOLS))
    parser.feed(text[:-1])
    assert not parser.ends_in_calls
    parser.feed(text[-1:])
    parser.finish()
    assert parser.ends_in_calls


def test_arguments_that_break_off_end_the_call() -> None:
    text = '<tool_call>{"name": "now", "arguments": {"a": 1</tool_call> and on'
    answer = read(text, AnswerFormat(F.HERMES))
    assert answer.calls == [["now", '{"a": 1']]
    assert answer.content == "</tool_call> and on"


@pytest.mark.parametrize(
    ("written", "arguments"),
    [
        ('{"arguments": {"a": 1}, "name": "now"}', '{"a": 1}'),
        ('{"name": "now", "arguments": "{\\"a\\": 1}"}', '{"a": 1}'),
        ('{"name": "now", "arguments": null}', "{}"),
        ('{"name": "n\\u006fw", "arguments": {"b": "\\"}{"}, "id": [1]}', '{"b": "\\"}{"}'),
    ],
)
def test_other_ways_to_write_a_json_call(written: str, arguments: str) -> None:
    answer = read(f"<tool_call>{written}</tool_call>!", AnswerFormat(F.HERMES))
    assert (answer.calls, answer.content) == ([["now", arguments]], "!")


def test_values_between_tags_have_the_types_of_the_schema() -> None:
    schema = {
        "properties": {
            "s": {"type": "string"},
            "i": {"type": "integer"},
            "b": {"type": "boolean"},
            "o": {"$ref": "#/$defs/o"},
            "m": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "u": {},
        },
        "$defs": {"o": {"type": "object"}},
    }
    chat = ChatOptions(tools=(Tool("f", parameters=json.dumps(schema)),))
    values = [
        ("s", "5"), ("i", "5"), ("i", "five"), ("b", "True"), ("o", '{"a": [1]}'), ("m", "null"),
        ("m", "7"), ("u", "7"), ("u", "seven"), ("u", "NaN"), ("new", '"q"'),
    ]  # fmt: skip
    tags = "".join(f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in values)
    answer = read(f"<function=f>\n{tags}</function>", AnswerFormat(F.QWEN_XML), chat)
    pairs = json.loads(answer.calls[0][1], object_pairs_hook=list)
    found = [value for _, value in pairs]
    assert found[:4] == ["5", 5, "five", True]
    assert found[4:] == [[("a", [1])], None, "7", 7, "seven", "NaN", "q"]


def test_only_what_was_asked_for_is_a_call() -> None:
    two = '<tool_call>{"name": "now"}</tool_call>' * 2
    one = read(two, AnswerFormat(F.HERMES), ChatOptions(tools=TOOLS, parallel=False))
    assert one == Answer(calls=[NOW], ids=["call_0"])
    none = read(two, AnswerFormat(F.HERMES), ChatOptions(tools=TOOLS, mode=ToolMode.NONE))
    assert none == Answer(content=two)
    hello = read(">>>all\nHello", AnswerFormat(F.FUNCTIONARY_V32), ChatOptions())
    assert hello == Answer(content="Hello")


def test_a_continued_answer_begins_where_its_turn_ended() -> None:
    parser = AnswerParser(AnswerFormat(F.HERMES, R.THINK), ChatOptions())
    parser.feed("<think>\nFirst")
    assert [str(part) for part in parser.feed(", then</think>\n\nYes")] == [
        "ReasoningDelta(text=', then')",
        "ContentDelta(text='Yes')",
    ]


def test_without_marks_text_is_passed_on_as_it_comes() -> None:
    parser = AnswerParser(AnswerFormat(), ChatOptions())
    assert [parser.feed(text) for text in (" a\n", "", "<think>")] == [
        [ContentDelta(" a\n")],
        [],
        [ContentDelta("<think>")],
    ]
    parser = AnswerParser(AnswerFormat(F.HERMES, R.THINK), ChatOptions())
    assert parser.feed("Hi \n") == [ContentDelta("Hi \n")]


def test_ids_are_new_and_of_one_form() -> None:
    ids = {new_call_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(found.startswith("call_") and len(found) == 29 for found in ids)
