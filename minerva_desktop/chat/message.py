"""One message of a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from minerva_desktop.chat.completion import Completion
from minerva_desktop.chat.failure import Failure
from minerva_desktop.chat.parts import Part
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.tools import ToolCall


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class MessageState(StrEnum):
    """How far a message got. ``stopped``: by its person. ``streaming`` on disk at start-up means
    the app died: it becomes ``interrupted``, as one does whose chat is closed."""

    COMPLETE = "complete"
    STREAMING = "streaming"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A node of the message tree. Change one with `msgspec.structs.replace`.

    Not known to the garbage collector, for nothing in it can lead back to it: to look at 10,000 of
    them took 7 ms of the window's thread again and again.

    ``text`` is what is said, ``parts`` what comes with it: of a question its files and images, of
    an answer its thoughts and the tools that it calls. ``created_at`` is Unix time in seconds.
    ``model`` is the answering model's file name, ``sampling`` what it was asked with and
    ``completion`` its numbers; ``error`` is the sentence shown when the answer failed, and
    ``failure`` what kind of error that was, where it is known.
    ``edited_at``: when a person changed what an answer says, Unix time in seconds. What a model
    said behind that since then has the ``completion``.
    """

    id: str
    parent_id: str | None
    role: Role
    text: str
    state: MessageState
    created_at: float
    parts: tuple[Part, ...] = ()
    model: str | None = None
    sampling: SamplingParameters | None = None
    completion: Completion | None = None
    error: str | None = None
    failure: Failure | None = None
    edited_at: float | None = None


class ChatTurn(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a model is given of a message: role and text.

    Of an assistant's turn also its train of thought (``reasoning``) and its ``tool_calls``; a
    tool's turn is the result of the call ``tool_call_id``, and ``name`` is the tool's.
    """

    role: Role
    text: str
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None


def without_oldest(turns: Sequence[ChatTurn], n: int) -> tuple[ChatTurn, ...]:
    """``turns`` less the ``n`` oldest ones; a system message at their beginning stays."""
    n_system = 1 if turns and turns[0].role is Role.SYSTEM else 0
    return (*turns[:n_system], *turns[n_system + n :])
