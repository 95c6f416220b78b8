"""What a model is given of a conversation. Values without I/O, on any thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.chat.message import ChatTurn, Message, Role
from minerva_desktop.chat.parts import (
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    ToolCallPart,
    ToolResultPart,
    file_as_text,
)
from minerva_desktop.errors import InvalidRequest

SUMMARY_HEADING = "Summary of the conversation so far:"


def turns_of(
    branch: Sequence[Message], system_prompt: str, cut: ContextCut | None = None
) -> tuple[ChatTurn, ...]:
    """The turns that ``branch`` makes, from ``cut`` on, with the system prompt in front if any.

    Answers of which there is nothing yet (one that is about to start, one that failed at once) are
    left out. Two turns of one role that then follow each other become one, because many chat
    templates insist that the roles take turns.
    """
    turns: list[ChatTurn] = []
    for message in sent(branch, cut):
        for turn in _turns(message):
            if turns and turn.role is turns[-1].role and _is_mergeable(turns[-1], turn):
                text = "\n\n".join(filter(None, (turns[-1].text, turn.text)))
                turns[-1] = msgspec.structs.replace(turns[-1], text=text)
            else:
                turns.append(turn)
    system = system_prompt if system_prompt.strip() else ""
    if cut is not None and cut.summary.strip():
        system = "\n\n".join(filter(None, (system, SUMMARY_HEADING + "\n" + cut.summary)))
    if system:
        turns.insert(0, ChatTurn(Role.SYSTEM, system))
    return tuple(turns)


def sent(branch: Sequence[Message], cut: ContextCut | None) -> Sequence[Message]:
    """The messages of ``branch`` that a model is given: from ``cut`` on, if that is in it."""
    if cut is not None:
        for number, message in enumerate(branch):
            if message.id == cut.first_id:
                return branch[number:]
    return branch


def open_thought(message: Message) -> str:
    """The train of thought that an answer breaks off in, having said nothing; empty for others."""
    if message.role is not Role.ASSISTANT or message.text or not message.parts:
        return ""
    calls = any(isinstance(part, ToolCallPart) for part in message.parts)
    is_open = isinstance(message.parts[-1], ReasoningPart) and not calls
    return _thoughts(message) if is_open else ""


def turn_to_go_on(message: Message) -> ChatTurn | None:
    """The turn with which a model goes on inside of a thought that `turns_of` leaves out, for
    nothing is said yet."""
    thought = open_thought(message)
    return ChatTurn(Role.ASSISTANT, "", reasoning=thought) if thought else None


def _thoughts(message: Message) -> str:
    return "\n\n".join(part.text for part in message.parts if isinstance(part, ReasoningPart))


def _turns(message: Message) -> Iterable[ChatTurn]:
    if message.parts:
        return _turns_of_parts(message)
    # Nearly all are so, and a long chat has 10,000 of them.
    if message.role is Role.ASSISTANT and not message.text:
        return ()
    return (ChatTurn(message.role, message.text),)


def _turns_of_parts(message: Message) -> Iterable[ChatTurn]:
    results = [part for part in message.parts if isinstance(part, ToolResultPart)]
    for result in results:
        yield ChatTurn(
            Role.TOOL, result.text, tool_call_id=result.call_id, name=result.name or None
        )
    if message.role is Role.TOOL and results:
        return
    calls = tuple(part.call for part in message.parts if isinstance(part, ToolCallPart))
    text = question_text(message.text, message.parts)
    if message.role is Role.ASSISTANT and not text and not calls:
        return
    yield ChatTurn(message.role, text, reasoning=_thoughts(message), tool_calls=calls)


def question_text(text: str, parts: Iterable[Part]) -> str:
    """What a model is given of a message: the files that came with it, then the words ``text``."""
    return "\n\n".join(filter(None, (*_enclosed(parts), text)))


def require_content(text: str, parts: Iterable[Part]) -> None:
    """Raises `InvalidRequest` where a message says nothing and no file comes with it."""
    if not text.strip() and not any(isinstance(part, FilePart) for part in parts):
        raise InvalidRequest("The message is empty", param="text")


def question_of(message: Message) -> str:
    """The id of the question that ``message`` is, or answers. Raises `InvalidRequest` for an answer
    to none."""
    question_id = message.id if message.role is Role.USER else message.parent_id
    if question_id is None:
        raise InvalidRequest("There is no question to answer", param="message_id")
    return question_id


def _enclosed(parts: Iterable[Part]) -> Iterable[str]:
    """What came with a message, as text. No model here sees images: it is told of them."""
    for part in parts:
        match part:
            case FilePart():
                yield file_as_text(part)
            case ImagePart():
                yield f"[An image that cannot be seen here: {part.name}]"


def _is_mergeable(turn: ChatTurn, following: ChatTurn) -> bool:
    """Of two turns of one role."""
    is_plain = not turn.tool_calls and turn.role is not Role.TOOL
    return is_plain and not following.reasoning
