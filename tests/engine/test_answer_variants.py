"""Answers as models write them where they leave their template's form, in any pieces."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from minerva_desktop.chat.tools import ChatOptions, Tool
from minerva_desktop.engine.answer_format import AnswerFormat
from minerva_desktop.engine.answer_parser import AnswerParser, ReasoningDelta
from tests.engine.answer_variants import (
    AROUND,
    ESCAPED,
    INDENTED,
    TAGGED,
    UNUSUAL,
    VARIANTS,
    Calls,
)
from tests.engine.answers import TOOLS, F, R, read

DEEP = ChatOptions(tools=(Tool("deep"), *TOOLS))
TEXTS = {
    name: {"type": "string" if isinstance(value, str) else "object"}
    for name, value in UNUSUAL.items()
}
TYPED = ChatOptions(tools=(Tool("deep", "", json.dumps({"properties": TEXTS})),))


def pieces(text: str, size: int | None) -> list[str]:
    return [text] if size is None else [text[i : i + size] for i in range(0, len(text), size)]


@pytest.mark.parametrize("size", [None, 1, 7])
@pytest.mark.parametrize(("tools", "reasoning", "text", "expected"), VARIANTS)
def test_what_models_really_write(
    tools: F, reasoning: R, text: str, expected: tuple[str, str, Calls], size: int | None
) -> None:
    answer = read(pieces(text, size), AnswerFormat(tools, reasoning))
    calls = [(name, json.loads(arguments)) for name, arguments in answer.calls]
    assert (answer.content, answer.reasoning, calls) == expected


@pytest.mark.parametrize("size", [None, 1, 7])
@pytest.mark.parametrize(("tools", "before", "behind"), AROUND)
def test_unusual_arguments_come_back_as_they_are(
    tools: F, before: str, behind: str, size: int | None
) -> None:
    for arguments in (ESCAPED, INDENTED, "{}"):
        answer = read(pieces(before + arguments + behind, size), AnswerFormat(tools), DEEP)
        assert answer.calls == [["deep", arguments]]
        assert answer.content in {"", "So:"}


@pytest.mark.parametrize("size", [None, 1, 7])
@pytest.mark.parametrize(("tools", "before", "marks", "behind"), TAGGED)
def test_unusual_arguments_between_tags_come_back_as_they_are(
    tools: F, before: str, marks: tuple[str, str, str], behind: str, size: int | None
) -> None:
    for spell in (json.dumps, repr):  # templates show models Python's spelling
        text = before
        for name, value in UNUSUAL.items():
            written = value if isinstance(value, str) else spell(value)
            text += f"{marks[0]}{name}{marks[1]}{written}{marks[2]}"
        answer = read(pieces(text + behind, size), AnswerFormat(tools), TYPED)
        assert [(name, json.loads(found)) for name, found in answer.calls] == [("deep", UNUSUAL)]
        assert answer.content == ""


def marked(value: object) -> str:
    """As Gemma 4's template writes a value."""
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{marked(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(map(marked, value))}]"
    return f'<|"|>{value}<|"|>' if isinstance(value, str) else json.dumps(value)


def as_code(spell: Callable[[Any], str]) -> str:
    return ", ".join(f"{name}={spell(value)}" for name, value in UNUSUAL.items())


NATIVE = [
    (F.GEMMA, f"<|tool_call>call:deep{marked(UNUSUAL)}<tool_call|>"),
    (F.LFM, f"<|tool_call_start|>[deep({as_code(json.dumps)})]<|tool_call_end|>"),
    (F.LFM, f"<|tool_call_start|>[deep({as_code(repr)})]<|tool_call_end|>"),
]


@pytest.mark.parametrize("size", [None, 1, 7])
@pytest.mark.parametrize(("tools", "call"), NATIVE)
def test_unusual_arguments_that_are_no_json_come_back_as_they_are(
    tools: F, call: str, size: int | None
) -> None:
    answer = read(pieces(f"So:\n{call}{call} Done", size), AnswerFormat(tools), DEEP)
    found = [(name, json.loads(arguments)) for name, arguments in answer.calls]
    assert found == [("deep", UNUSUAL)] * 2
    assert answer.content == "So:Done"


@pytest.mark.parametrize(("tools", "call"), NATIVE[:2])
def test_arguments_that_are_no_json_come_as_they_are_written(tools: F, call: str) -> None:
    """What has come is the beginning of what will, wherever the text is cut."""
    ((_, whole),) = read(call, AnswerFormat(tools), DEEP).calls
    longest = 0
    for end in range(len(call)):
        answer = read(call[:end], AnswerFormat(tools), DEEP)
        assert len(answer.content) < len(call.partition(">")[0]) + 1, "of its mark, a part is text"
        for name, arguments in answer.calls:
            assert name == "deep"
            assert whole.startswith(arguments)
            assert len(arguments) >= longest - 1  # a quote may yet be a letter
            longest = len(arguments)
    assert longest >= len(whole) - 1


@pytest.mark.parametrize(
    ("tools", "text"),
    [
        (
            F.HERMES,
            r'<tool_call>{"name": "now", "arguments": "{\"city\": \"\ud800\"}"}</tool_call>',
        ),
        (F.GLM, "<tool_call>now<arg_key>city</arg_key><arg_value>%s</arg_value></tool_call>"),
    ],
)
def test_half_a_surrogate_pair_stays_an_escape(tools: F, text: str) -> None:
    """As itself it could not be sent."""
    for written in (r'"\ud800"', r"['\ud800']") if "%s" in text else ("",):
        schema = '{"type": "object", "properties": {"city": {"type": ["array", "null"]}}}'
        chat = ChatOptions(tools=(Tool("now", parameters=schema),))
        answer = read(text % written if written else text, AnswerFormat(tools), chat)
        ((name, arguments),) = answer.calls
        assert name == "now"
        assert arguments.isascii()
        assert "\\ud800" in arguments
        assert "\ud800" in json.loads(arguments)["city"]


@pytest.mark.parametrize(("tools", "before", "behind"), AROUND)
def test_what_looks_like_a_call_is_text_where_there_are_no_tools(
    tools: F, before: str, behind: str
) -> None:
    text = f"{before}{ESCAPED}{behind}"
    answer = read(list(text), AnswerFormat(tools), ChatOptions())
    assert answer.calls == []
    assert ESCAPED in answer.content
    assert tools is F.HARMONY or answer.content == text


def test_a_thought_that_speaks_of_calls_is_shown_as_it_comes() -> None:
    parser = AnswerParser(AnswerFormat(F.HERMES, R.THINK), ChatOptions(tools=TOOLS))
    arriving = ("<think>Is <tool_call>", " right", '? <tool_call>{"na', 'me": "no", ', "so", "?")
    fed = [parser.feed(piece) for piece in arriving]
    shown = ["".join(p.text for p in parts if isinstance(p, ReasoningDelta)) for parts in fed]
    assert shown == ["Is", " <tool_call> right", "?", ' <tool_call>{"name": "no",', " so", "?"]


def test_a_thought_of_nothing_but_marks_takes_its_time_and_no_more_with_large_tools() -> None:
    fields = {f"field_{n}": {"type": "string", "description": "x" * 50} for n in range(250)}
    schema = json.dumps({"type": "object", "properties": fields})
    chat = ChatOptions(tools=tuple(Tool(f"tool_{n}", "", schema) for n in range(128)))
    text = "<think>" + "<tool_call>" * 1000
    began = time.perf_counter()
    answer = read(pieces(text, 64), AnswerFormat(F.HERMES, R.THINK), chat)
    assert answer.reasoning == "<tool_call>" * 1000
    # A fourth of a second; 70 where the schemas are read for each mark.
    assert time.perf_counter() - began < 15.0
