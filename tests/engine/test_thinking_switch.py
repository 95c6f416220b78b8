"""Whether a model thinks where the request says so, says not, and says nothing."""

from __future__ import annotations

import json

import pytest

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.tools import ChatOptions
from minerva_desktop.engine.core.chat_renderer import ChatRenderer
from minerva_desktop.engine.core.tool_calls import answer_format

SYSTEM = ChatTurn(Role.SYSTEM, "Be brief.")
ASKED = ChatTurn(Role.USER, "How hot is it?")

# Parts of templates, and what comes of them.
IF, IF_NOT, END = "{% if enable_thinking %}", "{% if not enable_thinking %}", "{% endif %}"
IF_SAID = "{% if enable_thinking is defined %}"
IF_UNSAID = "{% if enable_thinking is not defined %}"
IF_SAID_NO = "{% if enable_thinking is defined and enable_thinking is false %}"
DEFAULT_NO = f"{IF_UNSAID}{{% set enable_thinking = false %}}{END}"
OPEN, ENDED = "<A><think>", "<A><think></think>"


def render(template: str, turns: list[ChatTurn], chat: ChatOptions) -> str:
    found = answer_format(template, None)
    renderer = ChatRenderer(template, None, answer_format=found, bos="<s>", eos="</s>")
    return renderer.render(turns, chat)


def test_thinking_is_switched_by_either_name() -> None:
    source = "{{ messages[0].content }}{{ ' ' ~ (NAME if NAME is defined else 'as it is') }}"
    for name, other in (("enable_thinking", "thinking"), ("thinking", "enable_thinking")):
        template = source.replace("NAME", name)
        assert render(template, [ASKED], ChatOptions()).endswith(" as it is")
        for given, shown in (({name: True}, "True"), ({other: False}, "False")):
            chat = ChatOptions(variables=json.dumps(given))
            assert render(template, [ASKED], chat).endswith(f" {shown}")
        both = ChatOptions(variables=json.dumps({name: True, other: False}))
        assert render(template, [ASKED], both).endswith(" True")


@pytest.mark.parametrize(
    ("source", "unsaid", "told", "against"),
    [
        # Written for who always says it: QwQ's in llama.cpp's repository, then Command R7B's.
        (f"<A><think>{IF_NOT}</think>{END}", OPEN, OPEN, ENDED),
        (f"<A>{IF_NOT}<think></think>{END}", "<A>", "<A>", ENDED),
        # An author's own default: DeepSeek's, Gemma 4's, Qwen 3's, MiniCPM's.
        (f"{DEFAULT_NO}<A><think>{IF_NOT}</think>{END}", ENDED, OPEN, ENDED),
        (
            f"<A>{{% if not enable_thinking | default(false) %}}<think></think>{END}",
            *(ENDED, "<A>", ENDED),
        ),
        (f"<A>{IF_SAID_NO}<think></think>{END}", "<A>", "<A>", ENDED),
        (f"<A>{IF_SAID}<think>{IF_NOT}</think>{END}{END}", "<A>", OPEN, ENDED),
        # Thoughts that have to be asked for: Bielik's, Granite's.
        (f"<A>{IF}<think>{END}", "<A>", OPEN, "<A>"),
        (f"{{% if thinking %}}Think.{END}<A>", "<A>", "Think.<A>", "<A>"),
    ],
)
def test_a_thought_is_ended_only_for_who_wants_none(
    source: str, unsaid: str, told: str, against: str
) -> None:
    template = "{{ messages[-1].content }}" + source
    plain = render(template, [ASKED], ChatOptions())
    assert plain == ASKED.text + unsaid
    for value, expected in ((True, told), (False, against)):
        chat = ChatOptions(variables=json.dumps({"enable_thinking": value}))
        assert render(template, [ASKED], chat) == ASKED.text + expected
    other = ChatOptions(variables='{"reasoning_effort": "high"}')
    assert render(template, [ASKED], other) == plain


def test_a_template_that_takes_no_question_alone_is_left_as_it_is() -> None:
    template = (
        "{% if messages | length < 2 %}{{ raise_exception('more') }}{% endif %}"
        f"<A>{IF_NOT}</think>{END}"
    )
    assert render(template, [SYSTEM, ASKED], ChatOptions()) == "<A></think>"
