"""Answers of older versions, which kept what was thought in the text. Pure values.

They are taken apart when they are read, and stay as they are on disk until the message changes: so
a guess that is wrong costs nothing.
"""

from __future__ import annotations

from minerva_desktop.chat.completion import Completion, FinishReason
from minerva_desktop.chat.message import MessageState
from minerva_desktop.chat.parts import ReasoningPart

OPENING, CLOSING = "<think>", "</think>"


def taken_apart(
    text: str, state: MessageState, completion: Completion | None
) -> tuple[str, tuple[ReasoningPart, ...]] | None:
    """What an answer says and what was thought before; None for one without a thought.

    A thought is what the text begins with, up to its closing mark. Without that it is one only
    where the answer broke off: else somebody writes about the mark.
    """
    begun = text.lstrip()
    if not begun.startswith(OPENING):
        return None
    thought, mark, said = begun.removeprefix(OPENING).partition(CLOSING)
    is_cut = state is not MessageState.COMPLETE or (
        completion is not None and completion.finish_reason is FinishReason.LENGTH
    )
    if not mark and not is_cut:
        return None
    thought = thought.strip()
    return said.lstrip(), (ReasoningPart(thought),) if thought else ()
