"""Answers in any pieces, and of any length: the same comes of them, and soon."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minerva_desktop.engine.answer_format import AnswerFormat
from minerva_desktop.engine.call_syntax import HARMONY_MARKS, SYNTAXES, THOUGHTS
from tests.engine.answer_samples import DEEPSEEK_OPEN, SAMPLES
from tests.engine.answers import F, R, read

_FRAGMENTS = sorted(
    {
        *(
            part
            for s in SYNTAXES.values()
            for pair in (s.section, s.call, *s.others)
            for part in pair
        ),
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
        assert whole.content == text


_SIZE = 250_000  # characters
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
        (F.HERMES, '{"name":"now","arguments":{}}', ""),
        (F.QWEN_XML, "</paramete", "<function=get_weather>\n<parameter=city>"),
        (F.GLM, "<arg_key>a</arg_key><arg_value>1</arg_value>", "<tool_call>now"),
        (F.DEEPSEEK, DEEPSEEK_OPEN, ""),
        (F.HARMONY, "<|channel|>", ""),
        (F.HARMONY, "<|channel|>final<|message|>x", ""),
    ],
)
def test_a_long_text_of_anything_takes_its_time_and_no_more(
    tools: F, unit: str, start: str
) -> None:
    text = start + unit * (_SIZE // len(unit))
    began = time.perf_counter()
    read(text, AnswerFormat(tools, R.THINK))
    read([text[i : i + 64] for i in range(0, len(text), 64)], AnswerFormat(tools, R.THINK))
    # Under a second; anything that grows with the square would take minutes.
    assert time.perf_counter() - began < 15.0
