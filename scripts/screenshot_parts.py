"""Pictures of what comes with answers besides their words: thoughts and tools. Used by
`screenshot_states`. Main thread."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from PySide6.QtWidgets import QApplication, QWidget

import screenshot_samples as samples
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.parts import Part, ReasoningPart, ToolCallPart, ToolResultPart
from minerva_desktop.chat.tools import ToolCall
from minerva_desktop.ui.chat_view.disclosure import Disclosure
from minerva_desktop.ui.main_window import MainWindow
from screenshot_messages import NARROW, HasWindow

THOUGHT = """\
The person asks why the sea is salty, most likely out of curiosity. I should name **the source** \
of the salt and why it stays.

1. Rain is slightly acidic, and dissolves rock: sodium, chloride.
2. Rivers bring the minerals to the sea; `NaCl` is most of it.

Evaporation takes the water only. So it adds up, to about 35 g per litre."""
QUESTION = "Why is the sea salty?"


def _with(message: Message, *parts: Part) -> Message:
    return msgspec.structs.replace(message, parts=parts)


def _show(window: MainWindow, *messages: Message) -> None:
    window.chat_view.set_messages(list(messages))
    while window.chat_view.is_working():
        QApplication.processEvents()


def _open(window: MainWindow, number: int) -> None:
    window.chat_view.findChildren(Disclosure)[number].click()
    while window.chat_view.is_working():
        QApplication.processEvents()


def thought(stage: HasWindow) -> list[QWidget]:
    """An answer that was thought about, and one for which nobody knows for how long."""
    part = ReasoningPart(THOUGHT, 12_400.0)
    _show(
        stage.window,
        samples.message(Role.USER, QUESTION),
        _with(samples.message(Role.ASSISTANT, samples.SALT), part),
        samples.message(Role.USER, "And lakes?"),
        _with(samples.message(Role.ASSISTANT, "Most have an outflow."), ReasoningPart("Hm")),
    )
    return []


def thought_open(stage: HasWindow) -> list[QWidget]:
    """The same, with the first thought shown, and the keyboard at the second."""
    thought(stage)
    _open(stage.window, 0)
    stage.window.chat_view.findChildren(Disclosure)[1].setFocus()
    return []


def narrow_thought_open(stage: HasWindow) -> list[QWidget]:
    """The same, 700 px wide, with the chats shown."""
    window = stage.window
    window.resize(NARROW, window.height())
    window.sidebar.toggle_action.setChecked(True)
    return thought_open(stage)


def _thinking(stage: HasWindow) -> str:
    window = stage.window
    window.chat_view.set_messages([samples.message(Role.USER, QUESTION)])
    answer = samples.message(Role.ASSISTANT, "", MessageState.STREAMING)
    window.chat_view.append_message(answer)
    so_far = _with(answer, ReasoningPart(THOUGHT[:260], 8_000.0))
    window.chat_view.catch_up(so_far)
    window.composer.set_generating(True)
    window.status.set_speed(43.2, None)
    return answer.id


def thinking(stage: HasWindow) -> list[QWidget]:
    """An answer is being thought about."""
    _thinking(stage)
    return []


def thinking_open(stage: HasWindow) -> list[QWidget]:
    """And the person looks at it."""
    answer_id = _thinking(stage)
    _open(stage.window, 0)
    stage.window.chat_view.append_thought(answer_id, "\n\n- and **so")
    return []


def thought_cut(stage: HasWindow) -> list[QWidget]:
    """Answers that broke off before a word was said."""
    stopped = samples.message(Role.ASSISTANT, "", MessageState.STOPPED)
    _show(
        stage.window,
        samples.message(Role.USER, QUESTION),
        _with(samples.message(Role.ASSISTANT, ""), ReasoningPart(THOUGHT, 75_000.0)),
        samples.message(Role.USER, "So?"),
        _with(stopped, ReasoningPart(THOUGHT[:80], 3_100.0)),
    )
    return []


def tools(stage: HasWindow) -> list[QWidget]:
    """Calls of tools, and what came of them."""
    window = stage.window
    code = '{"code": "import math\\n\\nfor n in range(3):\\n    print(math.sqrt(n))"}'
    find = '{"query": "salinity of the Baltic Sea", "limit": 3, "fields": ["title", "url"]}'
    name = "a_tool_with_a_name_that_is_much_longer_than_any_line_of_a_card_can_be_" * 2
    _show(
        window,
        samples.message(Role.USER, "How salty is the Baltic?"),
        _with(
            samples.message(Role.ASSISTANT, "I look it up."),
            ReasoningPart("I need numbers.", 1_400.0),
            ToolCallPart(ToolCall("a", "find", find)),
            ToolCallPart(ToolCall("b", "python", code)),
            ToolCallPart(ToolCall("c", name, "{}")),
        ),
        _with(samples.message(Role.TOOL, ""), ToolResultPart("a", '{"found": [7, 8]}', "find")),
        _with(samples.message(Role.TOOL, ""), ToolResultPart("b", "0.0\n1.0\n1.414", "python")),
        samples.message(Role.ASSISTANT, "About 7 to 8 grams in a litre."),
    )
    _open(window, 4)
    return []


STATES: dict[str, Callable[[HasWindow], list[QWidget]]] = {
    "thought": thought,
    "thought-open": thought_open,
    "narrow-thought-open": narrow_thought_open,
    "thinking": thinking,
    "thinking-open": thinking_open,
    "thought-cut": thought_cut,
    "tools": tools,
}
