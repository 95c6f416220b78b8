"""Answers taken apart: each family's calls and thoughts, in any pieces, and what is none."""

from __future__ import annotations

import itertools
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minerva_desktop.chat.tools import ChatOptions, Tool, ToolMode
from minerva_desktop.engine.answer_format import AnswerFormat
from minerva_desktop.engine.answer_parser import AnswerParser, ContentDelta, new_call_id
from minerva_desktop.engine.call_syntax import HARMONY_MARKS, SYNTAXES, THOUGHTS
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


CUT = [
    (F.HERMES, '<tool_call>\n{"name": "get_wea'),
    (F.HERMES, "<tool_call>\n"),
    (F.HERMES, "<tool_call>"),
    (F.GENERIC, '<tool_call>\n{"name": "now", "argu'),
    (F.QWEN_XML, "<tool_call>\n<function=no"),
    (F.GLM, "<tool_call>get_w"),
    (F.MISTRAL, '[TOOL_CALLS][{"name'),
    (F.MISTRAL_ARGS, "[TOOL_CALLS]get_weather"),
    (F.GEMMA, "<|tool_call>ca"),
    (F.GEMMA, "<|tool_call>call:get_w"),
    (F.LFM, "<|tool_call_start|>[get_weather(cit"),
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
    ("tools", "text", "arguments", "rest"),
    [
        (F.GEMMA, "<|tool_call>call:now{a:1, and on", '{"a": 1, "and on', ""),
        (F.GEMMA, "<|tool_call>call:now{a:b<c} and on", '{"a": b', "<c} and on"),
        (F.GEMMA, '<|tool_call>call:now{a:<|"|>b', '{"a": "b', ""),
        (F.LFM, "<|tool_call_start|>[now(a=1, b c)] and on", '{"a": 1, "b c', ")] and on"),
        (F.LFM, "<|tool_call_start|>[now(a=f(1))] and on", '{"a": f', "(1))] and on"),
    ],
)
def test_of_arguments_that_break_off_nothing_is_lost(
    tools: F, text: str, arguments: str, rest: str
) -> None:
    answer = read(text, AnswerFormat(tools))
    assert (answer.calls, answer.content) == ([["now", arguments]], rest)


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


def test_members_are_not_looked_for_ever_deeper() -> None:
    text = '{"function": ' * 2000
    assert read(f"<tool_call>{text}", AnswerFormat(F.HERMES)).calls == []


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


_FRAGMENTS = sorted(
    {
        *(
            part
            for s in SYNTAXES.values()
            for pair in (s.section, s.call, *s.others)
            for part in pair
        ),
        *(syntax.quote for syntax in SYNTAXES.values()),
        *(mark for marks in THOUGHTS.values() for mark in (marks.opening, marks.closing)),
        *(part for syntax in SYNTAXES.values() for part in (*syntax.parameter, syntax.middle)),
        *HARMONY_MARKS,
        *(
            '{"name": "now", ',
            '"arguments": {',
            '"a": 1',
            "}",
            "}}",
            "]",
            "[",
            '"',
            "\\",
            "now",
            "get_",
        ),
        *(
            *("call:now{", "now(", "a=", "a:", "'", ")", '"""', "\\u00", "True"),
            " to=functions.now",
            "analysis",
            "final",
            "all\n",
            " ",
            "\n",
            "x",
            ", ",
            "city",
            "[CALL_ID]",
        ),
        *(sample[2] for sample in SAMPLES),
    }
    - {""}
)
_TEXTS = st.lists(st.sampled_from(_FRAGMENTS) | st.text(max_size=3), max_size=12).map("".join)


@given(text=_TEXTS, cuts=st.lists(st.integers(0, 400), max_size=30), tools=st.sampled_from(F))
def test_pieces_make_no_difference(text: str, cuts: list[int], tools: F) -> None:
    answer_format = AnswerFormat(tools, R.THINK)
    whole = read(text, answer_format)
    assert read(list(text), answer_format) == whole
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(edges)]
    assert read(pieces, answer_format) == whole
    plain = tools not in {F.HARMONY, F.FUNCTIONARY_V32}
    if plain and not whole.calls and not text.lstrip().startswith("<think>"):
        assert text.startswith(whole.content)
        dropped = text.removeprefix(whole.content)
        # What the end cut behind the mark of a call.
        trigger = SYNTAXES[tools].trigger if tools in SYNTAXES else ""
        assert not dropped or (trigger and dropped.lstrip().startswith(trigger))


_SIZE = 40_000  # characters
_OPEN = '<tool_call>{"name":"now","arguments":{"a":'


@pytest.mark.parametrize(
    ("tools", "unit", "start"),
    [
        (F.HERMES, "<", ""),
        (F.HERMES, "<tool_call>", ""),
        (F.HERMES, " ", "<tool_call>"),
        (F.HERMES, '"id":1,', "<tool_call>{"),
        (F.HERMES, "\\n", _OPEN + '"'),
        (F.HERMES, "[", _OPEN),
        (F.HERMES, "</thin", "<think>"),
        (F.HERMES, "<tool_call>", "<think>"),
        (F.HERMES, '<tool_call>{"name":"now","arguments":{}}', "<think>"),
        (F.HERMES, "```", "```"),
        (F.HERMES, '{"name":"now","arguments":{}}', ""),
        (F.QWEN_XML, "</paramete", "<function=get_weather>\n<parameter=city>"),
        (F.GLM, "<arg_key>a</arg_key><arg_value>1</arg_value>", "<tool_call>now"),
        (F.DEEPSEEK, DEEPSEEK_OPEN, ""),
        (F.GEMMA, 'a:<|"|><|"|>,', "<|tool_call>call:now{"),
        (F.LFM, "' ", "<|tool_call_start|>[now(a='"),
        (F.HARMONY, "<|channel|>", ""),
        (F.HARMONY, "<|channel|>final<|message|>x", ""),
    ],
)
def test_a_long_text_of_anything_takes_its_time_and_no_more(
    tools: F, unit: str, start: str
) -> None:
    text = start + unit * (_SIZE // len(unit))
    began = time.thread_time()
    read(text, AnswerFormat(tools, R.THINK))
    read([text[i : i + 64] for i in range(0, len(text), 64)], AnswerFormat(tools, R.THINK))
    # Most take 0.1 s, one takes 1; what grows with the square would take ten.
    assert time.thread_time() - began < 4.0
