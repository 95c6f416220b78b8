"""The messages of the Anthropic API, as turns."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from types import MappingProxyType

import msgspec

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.tools import ToolCall
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.errors import UnsupportedParameter
from minerva_desktop.server.parameters.complaints import shown
from minerva_desktop.server.parameters.files import GivenFile
from minerva_desktop.server.parameters.parser import NeutralValues, ParameterParser
from minerva_desktop.server.parameters.parts import SEND_IT, file_name, file_text, no_such_part
from minerva_desktop.server.parameters.turns import one_system_turn
from minerva_desktop.server.schemas.anthropic import (
    DOCUMENT,
    REDACTED_THINKING,
    TEXT,
    THINKING,
    TOOL_RESULT,
    TOOL_USE,
    ContentBlock,
    DocumentBlock,
    DocumentSource,
    InputMessage,
    OtherBlock,
    PromptFields,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)

# The KV cache keeps every prompt anyway, whatever is marked.
CACHE_CONTROL = frozenset({"cache_control"})
ERROR_PREFIX = "Error: "
# Claude Code begins its system prompt with it, for Anthropic alone. It changes with each request,
# so that nothing behind it could be taken from the KV cache.
BILLING = "x-anthropic-billing-header"
_BILLING_LINE = re.compile(rf"{BILLING}:(\s*\w+=[^;\s]*;)+\s*")
_TEXT_ECHO = CACHE_CONTROL | {"citations", "parsed_output"}
_NOTHING: NeutralValues = MappingProxyType({})
_DIRECT: NeutralValues = MappingProxyType({"caller": ({"type": "direct"},), "toolset_name": ()})
_DOCUMENT: NeutralValues = MappingProxyType({"citations": ({}, {"enabled": False})})
_TEXT_SOURCE = "text"
_SOURCES = (_TEXT_SOURCE, "base64")
_OF_ROLE = MappingProxyType(
    {
        "user": (TEXT, DOCUMENT, TOOL_RESULT),
        "assistant": (TEXT, THINKING, REDACTED_THINKING, TOOL_USE),
        "system": (TEXT,),
    }
)


def prompt_turns(parser: ParameterParser, request: PromptFields) -> tuple[ChatTurn, ...]:
    """All that the model is given. Messages of one role in a row are one turn, and a last one of
    the assistant is one that goes on, as the API has it; the result of a call has to follow that.
    """
    turns: list[ChatTurn] = []
    called: set[str | None] = set()
    if request.system is not None:
        turns.append(ChatTurn(Role.SYSTEM, _text(parser, request.system, "system", "text blocks")))
    for index, message in enumerate(request.messages):
        parser.judge(message, _NOTHING, f"messages[{index}].")
        for turn in _turns(parser, message, f"messages[{index}]"):
            called.update(call.id for call in turn.tool_calls)
            if turn.role is Role.TOOL and turn.tool_call_id not in called:
                where = f"messages[{index}].content"
                raise InvalidRequest(
                    f"{where}: the tool_use_id {shown(turn.tool_call_id)} is that of no tool_use "
                    "before it",
                    param=where,
                )
            if turns and turn.role is turns[-1].role and turn.role in (Role.USER, Role.ASSISTANT):
                turns[-1] = _joined(turns[-1], turn)
            else:
                turns.append(turn)
    return _without_billing(parser, one_system_turn(turns))


def _without_billing(parser: ParameterParser, turns: tuple[ChatTurn, ...]) -> tuple[ChatTurn, ...]:
    first = turns[0]
    line = _BILLING_LINE.match(first.text) if first.role is Role.SYSTEM else None
    if line is None:
        return turns
    parser.ignore(BILLING)
    text = first.text[line.end() :]
    rest = turns[1:]
    return (msgspec.structs.replace(first, text=text), *rest) if text or not rest else rest


def _turns(parser: ParameterParser, message: InputMessage, where: str) -> list[ChatTurn]:
    role = Role(message.role)
    if isinstance(message.content, str):
        return [ChatTurn(role, message.content)]
    for index, block in enumerate(message.content):
        _check_type(block, message.role, f"{where}.content[{index}]")
    if role is Role.ASSISTANT:
        return [_assistant_turn(parser, message.content, f"{where}.content")]
    return _other_turns(parser, role, message.content, f"{where}.content")


def _check_type(block: ContentBlock, role: str, where: str) -> None:
    if isinstance(block, OtherBlock):
        raise no_such_part(block.type, "text, documents, thoughts and tools", where, where)
    if block.type not in _OF_ROLE[role]:
        raise InvalidRequest(
            f"{where}: blocks of the type {block.type!r} do not belong to messages of the role "
            f"{role!r}",
            param=where,
        )


def _assistant_turn(
    parser: ParameterParser, blocks: Sequence[ContentBlock], where: str
) -> ChatTurn:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    for index, block in enumerate(blocks):
        at = f"{where}[{index}]"
        match block:
            case TextBlock():
                parser.judge(block, _NOTHING, f"{at}.", _TEXT_ECHO)
                if index and isinstance(blocks[index - 1], TextBlock):
                    texts[-1] += block.text  # cut in two, as where one sentence has citations
                else:
                    texts.append(block.text)
            case ThinkingBlock():
                parser.judge(block, _NOTHING, f"{at}.")
                thoughts.append(block.thinking)
            case RedactedThinkingBlock():
                parser.ignore(at)
            case ToolUseBlock():
                parser.judge(block, _DIRECT, f"{at}.", CACHE_CONTROL)
                arguments = json.dumps(block.input, ensure_ascii=False)
                calls.append(ToolCall(block.id, block.name, arguments))
    return ChatTurn(
        Role.ASSISTANT,
        "\n".join(texts),
        reasoning="\n".join(thoughts),
        tool_calls=tuple(calls),
    )


def _other_turns(
    parser: ParameterParser, role: Role, blocks: Sequence[ContentBlock], where: str
) -> list[ChatTurn]:
    """A turn for each result, and one for each stretch of text."""
    turns: list[ChatTurn] = []
    for index, block in enumerate(blocks):
        at = f"{where}[{index}]"
        if isinstance(block, ToolResultBlock):
            turns.append(_result(parser, block, at))
        elif isinstance(block, TextBlock | DocumentBlock):
            turn = ChatTurn(role, _block_text(parser, block, at))
            if turns and turns[-1].role is role:
                turns[-1] = _joined(turns[-1], turn)
            else:
                turns.append(turn)
    # An empty list of blocks says nothing, as an empty string does.
    return turns or [ChatTurn(role, "")]


def _result(parser: ParameterParser, block: ToolResultBlock, where: str) -> ChatTurn:
    """Templates know no failed calls, so the text says that it is one."""
    parser.judge(block, _DIRECT, f"{where}.", CACHE_CONTROL)
    text = _text(parser, block.content or "", f"{where}.content", "text and documents")
    if block.is_error:
        text = f"{ERROR_PREFIX}{text}"
    return ChatTurn(Role.TOOL, text, tool_call_id=block.tool_use_id)


def _text(
    parser: ParameterParser,
    content: str | Sequence[TextBlock | DocumentBlock | OtherBlock],
    where: str,
    taken: str,
) -> str:
    if isinstance(content, str):
        return content
    texts = []
    for index, block in enumerate(content):
        at = f"{where}[{index}]"
        if isinstance(block, OtherBlock):
            raise no_such_part(block.type, taken, at, at)
        texts.append(_block_text(parser, block, at))
    return "\n".join(texts)


def _block_text(parser: ParameterParser, block: TextBlock | DocumentBlock, where: str) -> str:
    if isinstance(block, TextBlock):
        parser.judge(block, _NOTHING, f"{where}.", _TEXT_ECHO)
        return block.text
    parser.judge(block, _DOCUMENT, f"{where}.", CACHE_CONTROL)
    parser.judge(block.source, _NOTHING, f"{where}.source.")
    text = _document_text(parser, block.source, block.title, f"{where}.source")
    return f"{block.context}\n{text}" if block.context else text


def _document_text(
    parser: ParameterParser, source: DocumentSource, title: str | None, where: str
) -> str:
    """Of what kind a file is, its own bytes say; the ``media_type`` cannot make it another."""
    if source.type not in _SOURCES:
        raise UnsupportedParameter(
            f"{where}.type must be one of {', '.join(_SOURCES)}, not {shown(source.type)}: "
            f"{SEND_IT}",
            param=f"{where}.type",
        )
    at = f"{where}.data"
    if source.type == _TEXT_SOURCE and source.data is not None:
        file = GivenFile(where=at, name=file_name(title), data=source.data, is_text=True)
        return parser.files.text_of(file)
    return file_text(parser, at, source.data, title, {})


def _joined(first: ChatTurn, second: ChatTurn) -> ChatTurn:
    """Two turns of one role as one."""
    return msgspec.structs.replace(
        first,
        text="\n".join(text for text in (first.text, second.text) if text),
        reasoning="\n".join(text for text in (first.reasoning, second.reasoning) if text),
        tool_calls=first.tool_calls + second.tool_calls,
    )
