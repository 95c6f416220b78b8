"""Prompts of families whose calls are no JSON, or whose template wants tools by another name."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.tools import ChatOptions, ToolCall
from minerva_desktop.engine.answer_format import AnswerFormat
from minerva_desktop.engine.call_syntax import SYNTAXES
from minerva_desktop.engine.core.call_text import call_text, tool_instruction
from tests.engine import templates
from tests.engine.answers import TOOLS, F, read
from tests.engine.test_tool_templates import ASKED, CALL, CALLED, RESULT, SYSTEM, render


def test_gemma_4_has_its_own_calls_and_always_begins_its_answer() -> None:
    text = render(templates.GEMMA4, [SYSTEM, ASKED, CALLED, RESULT])
    assert "<|tool>declaration:get_weather<tool|><|tool>declaration:now<tool|>" in text
    assert text.endswith(
        '<|turn>model\n<|tool_call>call:get_weather{city:<|"|>Paris<|"|>,days:1}<tool_call|>'
        '<|tool_response>response:get_weather{value:<|"|>20 degrees<|"|>}<tool_response|>'
    )
    both = ChatTurn(Role.ASSISTANT, "I look.", tool_calls=(CALL,))
    assert render(templates.GEMMA4, [ASKED, both, RESULT]).endswith(
        "<tool_response|>I look.<turn|>\n<|turn>model\n"
    )
    assert render(templates.GEMMA4, [ASKED]).endswith("<turn|>\n<|turn>model\n")


def test_lfm_gets_calls_as_it_writes_them_and_results_as_results() -> None:
    quoted = ToolCall("call_2", "get_weather", '{"city": "\\"L\'Aquila\\"", "tags": ["a", null]}')
    called = ChatTurn(Role.ASSISTANT, "Wait.", reasoning="I look.", tool_calls=(CALL, quoted))
    text = render(templates.LFM, [ASKED, called, RESULT])
    assert text.startswith('<|im_start|>user\nList of tools: [{"type": "function", ')
    assert "You can call functions" not in text
    assert text.endswith(
        "<|im_start|>assistant\n<think>I look.</think>Wait.\n"
        '<|tool_call_start|>[get_weather(city="Paris", days=1), '
        'get_weather(city="\\"L\'Aquila\\"", tags=["a", null])]<|tool_call_end|><|im_end|>\n'
        "<|im_start|>tool\n20 degrees<|im_end|>\n<|im_start|>assistant\n"
    )


def test_results_keep_their_place_where_only_the_calls_have_to_be_in_the_text() -> None:
    """As of Kimi's newer templates, which change a list while they write calls."""
    source = templates.KIMI.replace(
        "{%- if message.tool_calls %}", "{%- if message.tool_calls %}{% set _ = [].append(1) %}"
    ).replace("'Return of ' + message.tool_call_id", "'Return of ' + message.name")
    text = render(source, [ASKED, CALLED, RESULT])
    assert "functions.get_weather:0<|tool_call_argument_begin|>" in text
    assert "<|im_tool|>Return of get_weather\n20 degrees<|im_end|>" in text


def test_firefunction_is_told_of_functions_in_the_text_that_it_wants() -> None:
    text = render(templates.FIREFUNCTION, [ASKED, CALLED, RESULT])
    listed = text.split("to call.\n")[1].split("\nToday is ")[0]
    assert [each["name"] for each in json.loads(listed)] == ["get_weather", "now"]
    assert ' functools[{"name": "get_weather", "arguments": {"city": "Paris", "days": 1}}]' in text
    assert text.endswith("<tool>20 degrees<assistant>")
    plain = render(templates.FIREFUNCTION, [ASKED], ChatOptions())
    assert "to call.\n[]\nToday is " in plain
    assert plain.split("Today is ")[1].startswith(f"{datetime.now().astimezone():%b}")


@pytest.mark.parametrize("family", [F.GEMMA, F.LFM])
def test_calls_in_words_are_read_as_the_family_writes_them(family: F) -> None:
    syntax = SYNTAXES[family]
    given = [["get_weather", '{"city": "a \\"b\\" }],\\n", "tags": ["x", "y"]}'], ["now", "{}"]]
    text = call_text(syntax, [ToolCall("c", name, arguments) for name, arguments in given])
    assert read(text, AnswerFormat(family)).calls == given
    for arguments in ('{"city": "a <|\\"|> b"}', '{"city": {"at: noon": 1}}'):
        odd = [["get_weather", arguments]]
        text = call_text(syntax, [ToolCall("c", *each) for each in odd])
        assert read(text, AnswerFormat(family)).calls == odd
    assert "function_name" in tool_instruction(syntax, TOOLS)
    deep = f'{{"a": {"[" * 900}{"]" * 900}}}'
    assert deep in call_text(syntax, [ToolCall("c", "now", deep)]), "as it is"
