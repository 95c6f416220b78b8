"""The messages of a chat completion, as turns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import MappingProxyType

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.tools import ToolCall
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.parameters.complaints import must_be_one_of
from minerva_desktop.server.parameters.parser import NeutralValues, ParameterParser
from minerva_desktop.server.parameters.parts import file_text, no_such_part
from minerva_desktop.server.schemas.chat import (
    ROLES,
    ChatMessage,
    ContentPart,
    FileContent,
    RequestToolCall,
)

_ROLES = MappingProxyType(
    {word: Role.SYSTEM if word == "developer" else Role(word) for word in ROLES}
)
_MESSAGE_FIELDS: NeutralValues = MappingProxyType(
    {
        "annotations": ([],),
        "audio": (),
        "function_call": (),
        "refusal": ("",),
    }
)
_PART_TYPES = frozenset({"text", "refusal", "file"})
_NOTHING: NeutralValues = MappingProxyType({})


def chat_turns(parser: ParameterParser, messages: Sequence[ChatMessage]) -> tuple[ChatTurn, ...]:
    """All messages as turns; the result of a call has to follow that."""
    turns = []
    called: set[str] = set()
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        turn = _chat_turn(parser, message, where)
        if turn.role is Role.TOOL and turn.tool_call_id not in called:
            raise InvalidRequest(
                f"{where}.tool_call_id is that of no call in tool_calls of a message before it",
                param=f"{where}.tool_call_id",
            )
        called.update(call.id for call in turn.tool_calls)
        turns.append(turn)
    return tuple(turns)


def _chat_turn(parser: ParameterParser, message: ChatMessage, where: str) -> ChatTurn:
    """One message as a turn; ``where`` it stands is for errors."""
    parser.judge(message, _MESSAGE_FIELDS, f"{where}.")
    role = _role(message, where)
    calls = _tool_calls(parser, message, role, where)
    if role is Role.TOOL and message.tool_call_id is None:
        raise InvalidRequest(
            f"{where}.tool_call_id is required: it says whose result this is",
            param=f"{where}.tool_call_id",
        )
    _check_only_with(role, Role.TOOL, message.tool_call_id, f"{where}.tool_call_id")
    reasoning = _reasoning(message, role, where)
    text = "" if message.content is None and calls else _text(parser, message, f"{where}.content")
    return ChatTurn(
        role,
        text,
        reasoning=reasoning,
        tool_calls=calls,
        tool_call_id=message.tool_call_id,
        name=message.name,
    )


def _role(message: ChatMessage, where: str) -> Role:
    role = _ROLES.get(message.role)
    if role is None:
        raise must_be_one_of(f"{where}.role", _ROLES, message.role)
    return role


def _reasoning(message: ChatMessage, role: Role, where: str) -> str:
    ours, theirs = message.reasoning_content, message.reasoning
    _check_only_with(role, Role.ASSISTANT, ours, f"{where}.reasoning_content")
    _check_only_with(role, Role.ASSISTANT, theirs, f"{where}.reasoning")
    if ours and theirs and ours != theirs:
        raise InvalidRequest(
            f"{where}.reasoning and {where}.reasoning_content differ", param=f"{where}.reasoning"
        )
    return ours or theirs or ""


def _check_only_with(role: Role, wanted: Role, value: str | None, where: str) -> None:
    if value and role is not wanted:
        raise InvalidRequest(
            f"{where} belongs to messages of the role {wanted.value!r}", param=where
        )


def _tool_calls(
    parser: ParameterParser, message: ChatMessage, role: Role, where: str
) -> tuple[ToolCall, ...]:
    given = message.tool_calls or []
    if given and role is not Role.ASSISTANT:
        raise InvalidRequest(
            f"{where}.tool_calls belong to messages of the role 'assistant'",
            param=f"{where}.tool_calls",
        )
    return tuple(
        _tool_call(parser, call, index, f"{where}.tool_calls[{index}]")
        for index, call in enumerate(given)
    )


def _tool_call(parser: ParameterParser, call: RequestToolCall, index: int, where: str) -> ToolCall:
    parser.judge(call, MappingProxyType({"index": (index,)}), f"{where}.")
    parser.judge(call.function, _NOTHING, f"{where}.function.")
    arguments = call.function.arguments
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return ToolCall(call.id or f"call_{index}", call.function.name, arguments)


def _text(parser: ParameterParser, message: ChatMessage, where: str) -> str:
    match message.content:
        case None:
            raise InvalidRequest(f"{where} is required", param=where)
        case str(text):
            return text
        case parts:
            # Joined as llama-server joins them for templates that take one text. What an assistant
            # said is one, however it was cut, and may have to go on.
            is_answer = message.role == Role.ASSISTANT and all(
                part.type == "text" for part in parts
            )
            return ("" if is_answer else "\n").join(
                _part(parser, part, f"{where}[{index}]") for index, part in enumerate(parts)
            )


def _part(parser: ParameterParser, part: ContentPart, where: str) -> str:
    if part.type not in _PART_TYPES:
        raise no_such_part(part.type, "text and file parts", where, where)
    if part.type == "file":
        parser.judge(part, _NOTHING, f"{where}.")
        return _file(parser, part.file, f"{where}.file")
    if part.file is not None:
        parser.ignore(f"{where}.file")
    text = part.text if part.type == "text" else part.refusal
    if text is None:
        raise InvalidRequest(f"{where}.{part.type} is required", param=f"{where}.{part.type}")
    parser.judge(part, _NOTHING, f"{where}.")
    return text


def _file(parser: ParameterParser, file: FileContent | None, where: str) -> str:
    if file is None:
        raise InvalidRequest(f"{where} is required", param=where)
    parser.judge(file, _NOTHING, f"{where}.")
    elsewhere = {f"{where}.file_id": file.file_id}
    return file_text(parser, f"{where}.file_data", file.file_data, file.filename, elsewhere)
