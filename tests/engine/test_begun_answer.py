"""An answer that broke off inside a train of thought goes on inside of it, whatever the template
would make of such a turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.tools import ToolCall
from minerva_desktop.engine.begun_answer import begun_text, goes_on, open_thought
from minerva_desktop.engine.engine import LlamaEngine
from tests.engine import templates
from tests.engine.answers import R

HELLO = ChatTurn(Role.USER, "Hello")
# Qwen 3 writes the last answer so: its thought, closed, and what is said.
QWEN = (
    "{% for m in messages %}<{{ m.role }}>"
    "{% if loop.last and m.role == 'assistant' %}{{ '<think>\\n' + (m.reasoning_content or '') "
    "+ '\\n</think>\\n\\n' }}{% endif %}{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
PLAIN = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
HARMONY_ANALYSIS = templates.HARMONY + "{# <|channel|>analysis #}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(small_path: Path) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine(small_path)
    await engine.load(512)
    yield engine
    await engine.unload()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("template", "begun", "end"),
    [
        (QWEN, ChatTurn(Role.ASSISTANT, "", "It is"), "<user>Hello<assistant><think>\nIt is"),
        # As clients of the endpoint write it.
        (QWEN, ChatTurn(Role.ASSISTANT, "<think>It is"), "<user>Hello<assistant><think>\nIt is"),
        (QWEN, ChatTurn(Role.ASSISTANT, "Yes", "It is"), "<think>\nIt is\n</think>\n\nYes"),
        (
            templates.DEEPSEEK_R1,  # opens the thought itself, and leaves past ones out
            ChatTurn(Role.ASSISTANT, "", "It is"),
            "<user>Hello<A><think>\nIt is",
        ),
        (
            HARMONY_ANALYSIS,
            ChatTurn(Role.ASSISTANT, "", "It is"),
            "Hello<|end|><|start|>assistant<|channel|>analysis<|message|>It is",
        ),
        (PLAIN, ChatTurn(Role.ASSISTANT, "", "It is"), "<user>Hello<assistant>"),
    ],
)
async def test_the_prompt_ends_where_the_answer_broke_off(
    engine: LlamaEngine, template: str, begun: ChatTurn, end: str
) -> None:
    assert (await engine.apply_template([HELLO, begun], template=template)).endswith(end)


def test_a_thought_is_open_only_where_nothing_is_said_behind_it() -> None:
    thinks = ChatTurn(Role.ASSISTANT, "", "It is ")
    assert open_thought(thinks, R.THINK) == "It is "
    assert open_thought(ChatTurn(Role.ASSISTANT, "\n<think>\nIt is"), R.THINK) == "It is"
    assert open_thought(ChatTurn(Role.ASSISTANT, "[THINK]It is"), R.THINK_BRACKETS) == "It is"
    call = ToolCall("c", "now", "{}")
    for turn in (
        ChatTurn(Role.ASSISTANT, "Yes", "It is"),
        ChatTurn(Role.ASSISTANT, "<think>It is</think>"),
        ChatTurn(Role.ASSISTANT, "The mark <think> opens it"),
        ChatTurn(Role.ASSISTANT, "", "It is", tool_calls=(call,)),
        ChatTurn(Role.USER, "<think>It is"),
        ChatTurn(Role.ASSISTANT, ""),
    ):
        assert open_thought(turn, R.THINK) is None
    assert open_thought(thinks, R.NONE) is None
    assert goes_on([HELLO, thinks])
    assert not goes_on([HELLO, ChatTurn(Role.ASSISTANT, "", tool_calls=(call,))])


def test_a_parser_is_fed_what_the_model_wrote() -> None:
    assert begun_text(ChatTurn(Role.ASSISTANT, "", "It is "), R.THINK) == "<think>\nIt is"
    harmony = begun_text(ChatTurn(Role.ASSISTANT, "", "It is"), R.HARMONY)
    assert harmony == "<|channel|>analysis<|message|>It is"
    assert begun_text(ChatTurn(Role.ASSISTANT, "Yes \n", "It is"), R.THINK) == "Yes"
