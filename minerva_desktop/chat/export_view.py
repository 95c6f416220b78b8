"""What a readable export shows of a conversation, whatever it is written as. Values, no I/O.

The active branch, from its first message on, and what waits to be sent behind it. Times are shown
in this machine's time zone.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import msgspec

from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.chat.conversation import Conversation
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.parts import FilePart, ImagePart, ReasoningPart
from minerva_desktop.chat.waiting_message import WaitingMessage
from minerva_desktop.units import format_bytes

UNTITLED = "Untitled chat"
NOT_SENT = "This message waits to be sent."

_SPEAKERS = {
    Role.USER: "You",
    Role.ASSISTANT: "Assistant",
    Role.SYSTEM: "System",
    Role.TOOL: "Tool",
}
_ENDINGS = {
    MessageState.STREAMING: "This answer was still being written.",
    MessageState.STOPPED: "This answer was stopped.",
    MessageState.INTERRUPTED: "This answer was interrupted.",
    MessageState.FAILED: "This answer failed.",
}


class Entry(msgspec.Struct, frozen=True):
    """A message: who speaks, the model and the time of it, and what has to be
    said about how it ended, if anything."""

    message: Message
    speaker: str
    byline: str
    notes: tuple[str, ...]


def title_of(conversation: Conversation) -> str:
    """Its title on one line, or `UNTITLED`."""
    return " ".join(conversation.title.split()) or UNTITLED


def facts_of(conversation: Conversation) -> list[tuple[str, str]]:
    """What there is to tell of a conversation as a whole: pairs of a name and a value."""
    n_shown, n_all = len(conversation.active_branch()), len(conversation)
    count = f"{n_shown:,}"
    if n_all > n_shown:
        count += f" ({n_all - n_shown:,} more in other branches, which are not in this file)"
    facts = [
        ("Model", conversation.model or ""),
        ("Created", date_text(conversation.created_at)),
        ("Last change", date_text(conversation.updated_at)),
        ("Tags", ", ".join(conversation.tags)),
        ("Messages", count),
    ]
    return [(name, " ".join(value.split())) for name, value in facts if value.strip()]


def entries_of(conversation: Conversation) -> Iterator[Entry]:
    """The messages of the active branch, oldest first, then those that wait to be sent."""
    for message in conversation.active_branch():
        model = " ".join((message.model or "").split())
        byline = " · ".join(filter(None, (model, date_text(message.created_at))))
        yield Entry(message, _SPEAKERS[message.role], byline, tuple(_notes(conversation, message)))
    for waiting in conversation.waiting:
        yield Entry(_unsent(waiting), _SPEAKERS[Role.USER], "", (NOT_SENT,))


def _unsent(waiting: WaitingMessage) -> Message:
    return Message(
        id="",
        parent_id=None,
        role=Role.USER,
        text=waiting.text,
        state=MessageState.COMPLETE,
        created_at=0.0,
        parts=waiting.files,
    )


def date_text(seconds: float) -> str:
    """Unix time as ``2026-01-31 23:59``, empty where no calendar has it."""
    try:
        return f"{datetime.datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return ""


def reasoning_label(part: ReasoningPart) -> str:
    """What a fold over a train of thought is called."""
    return f"Thoughts ({part.milliseconds / 1000:.1f} s)" if part.milliseconds > 0 else "Thoughts"


def file_label(part: FilePart | ImagePart) -> str:
    """What came with a message: its name, and how large it is."""
    facts = [format_bytes(max(part.n_bytes, 0))]
    if isinstance(part, ImagePart) and part.width and part.height:
        facts.insert(0, f"{part.width} × {part.height}")
    return f"{' '.join(part.name.split()) or 'unnamed'} ({', '.join(facts)})"


def _notes(conversation: Conversation, message: Message) -> Iterator[str]:
    siblings = conversation.siblings(message.id)
    if len(siblings) > 1:
        yield f"Version {siblings.index(message.id) + 1} of {len(siblings)}."
    if message.edited_at is not None:
        yield "This answer was edited by hand."
    ending = _ENDINGS.get(message.state)
    if ending is not None:
        yield f"{ending} {message.error}" if message.error else ending
    elif message.completion and message.completion.finish_reason is FinishReason.LENGTH:
        full = message.completion.full_context
        limit = f"because a context of {full:,} tokens was full" if full else "at its length limit"
        yield f"This answer was cut off {limit}."
