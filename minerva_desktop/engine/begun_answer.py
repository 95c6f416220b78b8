"""An answer that goes on: what of it was said, and whether it stands inside a train of thought.

Pure functions for both sides: the child writes the prompt with them, whoever reads the answer feeds
its parser with them first.
"""

from __future__ import annotations

from collections.abc import Sequence

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.engine.answer_format import ReasoningFormat
from minerva_desktop.engine.answer_parts import SPACE
from minerva_desktop.engine.call_syntax import HARMONY_THOUGHT, THOUGHTS, ThoughtMarks


def goes_on(turns: Sequence[ChatTurn]) -> bool:
    """Whether the answer continues the last turn."""
    return bool(turns) and turns[-1].role is Role.ASSISTANT and not turns[-1].tool_calls


def thought_marks(reasoning: ReasoningFormat) -> ThoughtMarks | None:
    """What stands around a train of thought; None where there is none."""
    if reasoning is ReasoningFormat.HARMONY:
        return HARMONY_THOUGHT
    return THOUGHTS.get(reasoning)


def open_thought(turn: ChatTurn, reasoning: ReasoningFormat) -> str | None:
    """The train of thought so far that ``turn`` breaks off in; None for any other turn.

    It is ``turn``'s reasoning where that says nothing yet, or its text where that begins with the
    opening mark and has no closing one.
    """
    marks = thought_marks(reasoning)
    if marks is None or turn.role is not Role.ASSISTANT or turn.tool_calls:
        return None
    if not turn.text.strip(SPACE):
        return turn.reasoning or None
    begun = turn.text.lstrip(SPACE)
    if not begun.startswith(marks.opening) or marks.closing in begun:
        return None
    return begun.removeprefix(marks.opening).lstrip(SPACE)


def begun_text(turn: ChatTurn, reasoning: ReasoningFormat) -> str:
    """What an `AnswerParser` is fed of the turn that an answer goes on with: its text as a model
    writes it. White space at its end is left out: the parser would give it to what comes."""
    marks, thought = thought_marks(reasoning), open_thought(turn, reasoning)
    if marks is None or thought is None:
        return turn.text.rstrip(SPACE)
    return f"{marks.opening}{marks.space}{thought}".rstrip(SPACE)
