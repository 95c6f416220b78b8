"""Turns of a conversation in the form in which chat templates take messages. Pure Python.

That is OpenAI's, with two differences that templates expect: a call's arguments are an object, and
a message that only calls has an empty text. Where a template knows no calls they become text, so
that roles still alternate.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.tools import ToolCall, is_deep
from minerva_desktop.engine.answer_format import ToolFormat
from minerva_desktop.engine.call_syntax import SYNTAXES
from minerva_desktop.engine.core.call_text import call_text, result_text
from minerva_desktop.engine.core.template_sandbox import JsonObject

_MISTRAL = frozenset({ToolFormat.MISTRAL, ToolFormat.MISTRAL_ARGS})
_MISTRAL_ID = re.compile(r"[A-Za-z0-9]{9}")
_BREAK = "\n\n"


class MessageStyle(msgspec.Struct, frozen=True):
    """What a template wants. ``empty`` is the text of a turn that only calls: most templates add
    texts, for which None would be an error; some tell such a turn by None."""

    tools: ToolFormat
    empty: str | None = ""


def template_messages(turns: Sequence[ChatTurn], style: MessageStyle) -> list[dict[str, Any]]:
    """Messages for a template that knows tool calls, or for turns without any."""
    names: dict[str, str] = {}
    ids: dict[str, str] = {}
    messages = []
    n_calls = 0
    for turn in turns:
        # Turn by turn, for ids may come again: some clients count anew in each.
        names |= _call_names(turn)
        ids |= _template_ids(turn, style, n_calls)
        n_calls += len(turn.tool_calls)
        messages.append(_message(turn, style, names, ids))
    return messages


def with_calls_as_text(
    turns: Sequence[ChatTurn], tools: ToolFormat, *, takes_results: bool = False
) -> list[ChatTurn]:
    """The same conversation for a template that knows no calls: what the assistant called is in
    its text, what came of it is in turns of the user, unless the template ``takes_results``."""
    syntax = SYNTAXES[tools]
    names: dict[str, str] = {}
    found: list[ChatTurn] = []
    previous: Role | None = None
    for turn in turns:
        names |= _call_names(turn)
        if turn.role is Role.TOOL:
            name = turn.name or names.get(turn.tool_call_id or "", "")
            if takes_results:
                plain = msgspec.structs.replace(turn, name=name or None)
            else:
                plain = ChatTurn(Role.USER, result_text(name, turn.text))
        elif turn.tool_calls:
            text = "\n".join(filter(None, (turn.text, call_text(syntax, turn.tool_calls))))
            plain = msgspec.structs.replace(turn, text=text, tool_calls=())
        else:
            plain = turn
        if previous is Role.TOOL and plain.role is found[-1].role is Role.USER:
            found[-1] = ChatTurn(Role.USER, f"{found[-1].text}{_BREAK}{plain.text}")
        else:
            found.append(plain)
        previous = turn.role
    return found


def with_single_calls(turns: Sequence[ChatTurn]) -> list[ChatTurn]:
    """The same conversation for a template that takes one call in a turn: each call has a turn of
    its own, with what came of it behind it."""
    found: list[ChatTurn] = []
    at = 0
    while at < len(turns):
        turn, at = turns[at], at + 1
        if len(turn.tool_calls) < 2:
            found.append(turn)
            continue
        results: list[ChatTurn] = []
        while at < len(turns) and turns[at].role is Role.TOOL:
            results.append(turns[at])
            at += 1
        for call in turn.tool_calls:
            found.append(msgspec.structs.replace(turn, tool_calls=(call,)))
            turn = msgspec.structs.replace(turn, text="", reasoning="")
            found += [result for result in results if result.tool_call_id == call.id]
            results = [result for result in results if result.tool_call_id != call.id]
        found += results
    return found


def with_calls_apart(turns: Sequence[ChatTurn]) -> list[ChatTurn]:
    """The same conversation for a template that leaves out the calls of a turn that also says
    something: what it says has a turn of its own, before the one that calls."""
    found: list[ChatTurn] = []
    for turn in turns:
        if turn.tool_calls and turn.text:
            found.append(msgspec.structs.replace(turn, tool_calls=()))
            found.append(msgspec.structs.replace(turn, text="", reasoning=""))
        else:
            found.append(turn)
    return found


def with_system_text(turns: Sequence[ChatTurn], text: str) -> list[ChatTurn]:
    """``text`` added to the system's turn, or as one."""
    if turns and turns[0].role is Role.SYSTEM:
        return [ChatTurn(Role.SYSTEM, f"{turns[0].text}{_BREAK}{text}"), *turns[1:]]
    return [ChatTurn(Role.SYSTEM, text), *turns]


def with_later_systems_as_user(turns: Sequence[ChatTurn]) -> list[ChatTurn]:
    """What the system says behind the first turn, said by the user; roles still alternate."""
    found: list[ChatTurn] = list(turns[:1])
    was_moved = False
    for turn in turns[1:]:
        is_moved = turn.role is Role.SYSTEM
        plain = ChatTurn(Role.USER, turn.text) if is_moved else turn
        if (is_moved or was_moved) and plain.role is Role.USER is found[-1].role:
            found[-1] = ChatTurn(Role.USER, f"{found[-1].text}{_BREAK}{plain.text}")
        else:
            found.append(plain)
        was_moved = is_moved
    return found


def without_system(turns: Sequence[ChatTurn]) -> list[ChatTurn]:
    """What the system says, moved into the first turn of the user; for templates that refuse a
    system's turn."""
    said = [turn.text for turn in turns if turn.role is Role.SYSTEM]
    rest = [turn for turn in turns if turn.role is not Role.SYSTEM]
    at = next((index for index, turn in enumerate(rest) if turn.role is Role.USER), None)
    if at is None:
        return [ChatTurn(Role.USER, _BREAK.join(said)), *rest]
    rest[at] = ChatTurn(Role.USER, _BREAK.join([*said, rest[at].text]))
    return rest


def _message(
    turn: ChatTurn, style: MessageStyle, names: dict[str, str], ids: dict[str, str]
) -> dict[str, Any]:
    message: dict[str, Any] = {"role": turn.role.value, "content": turn.text}
    if turn.reasoning:
        message["reasoning_content"] = turn.reasoning
        # These have another name for it; gpt-oss refuses both a text and a thought before a call.
        refuses = style.tools is ToolFormat.HARMONY and turn.tool_calls and turn.text
        if style.tools in {ToolFormat.HARMONY, ToolFormat.LFM} and not refuses:
            message["thinking"] = turn.reasoning
    if turn.tool_calls:
        message["content"] = turn.text or style.empty
        message["tool_calls"] = [_call(call, ids) for call in turn.tool_calls]
    if turn.tool_call_id is not None:
        message["tool_call_id"] = ids.get(turn.tool_call_id, turn.tool_call_id)
    name = turn.name or (names.get(turn.tool_call_id or "") if turn.role is Role.TOOL else None)
    if name:
        message["name"] = name
    return message


def _call(call: ToolCall, ids: dict[str, str]) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(call.arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        found = None
    is_plain = isinstance(found, dict) and not is_deep(found)
    arguments = JsonObject(found) if is_plain else call.arguments
    function = {"name": call.name, "arguments": arguments}
    return {"id": ids.get(call.id, call.id), "type": "function", "function": function}


def _template_ids(turn: ChatTurn, style: MessageStyle, n_before: int) -> dict[str, str]:
    """What calls are called for the template, where that is not their id: Mistral's templates
    refuse all but nine letters and digits, Kimi's write the id instead of the name, with the number
    of the call. ``n_before``: calls in the turns before."""
    if style.tools is ToolFormat.KIMI:
        calls = enumerate(turn.tool_calls, n_before)
        return {call.id: f"functions.{call.name}:{number}" for number, call in calls}
    if style.tools not in _MISTRAL:
        return {}
    given = [call.id for call in turn.tool_calls]
    given += [] if turn.tool_call_id is None else [turn.tool_call_id]
    return {
        each: hashlib.sha256(each.encode("utf-8", "replace")).hexdigest()[:9]
        for each in given
        if not _MISTRAL_ID.fullmatch(each)
    }


def _call_names(turn: ChatTurn) -> dict[str, str]:
    return {call.id: call.name for call in turn.tool_calls}
