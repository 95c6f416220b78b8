"""Messages to show."""

from __future__ import annotations

import itertools

import msgspec

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.message import Message, MessageState, Role

NUMBERS = itertools.count(1)
TIMINGS = Timings(first_token_ms=120.4, completion_tokens=318, decode_ms=7_529.7)
DONE = Completion(finish_reason=FinishReason.STOP, timings=TIMINGS, seed=1)


def question(text: str) -> Message:
    """What a person wrote."""
    return _message(Role.USER, text, MessageState.COMPLETE)


def answer(text: str, state: MessageState = MessageState.COMPLETE) -> Message:
    """What a model wrote."""
    return _message(Role.ASSISTANT, text, state, model="tiny-model.gguf")


def streaming() -> Message:
    """An answer without text yet."""
    return answer("", MessageState.STREAMING)


def ended(
    message: Message,
    text: str,
    state: MessageState = MessageState.COMPLETE,
    completion: Completion | None = DONE,
    error: str | None = None,
) -> Message:
    """``message`` at its end."""
    return msgspec.structs.replace(
        message, text=text, state=state, completion=completion, error=error
    )


def _message(role: Role, text: str, state: MessageState, model: str | None = None) -> Message:
    return Message(
        id=f"message-{next(NUMBERS)}",
        parent_id=None,
        role=role,
        text=text,
        state=state,
        created_at=0.0,
        model=model,
    )
