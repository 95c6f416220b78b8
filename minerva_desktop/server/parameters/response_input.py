"""The input of ``POST /v1/responses``, as turns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.tools import ToolCall
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.errors import UnsupportedParameter
from minerva_desktop.server.parameters.complaints import must_be_one_of
from minerva_desktop.server.parameters.parser import MAX_FIELD_NAME, NeutralValues, ParameterParser
from minerva_desktop.server.parameters.parts import file_text, no_such_part
from minerva_desktop.server.parameters.response_functions import (
    FullName,
    flat_names,
    given_functions,
)
from minerva_desktop.server.parameters.turns import one_system_turn
from minerva_desktop.server.schemas.responses import (
    ROLES,
    CustomCallItem,
    CustomCallOutputItem,
    FunctionCallItem,
    FunctionCallOutputItem,
    InputItem,
    InputPart,
    MessageItem,
    OtherItem,
    ReasoningItem,
    ResponsesRequest,
)

_ROLES = MappingProxyType(
    {word: Role.SYSTEM if word == "developer" else Role(word) for word in ROLES}
)
_REFUSAL = "refusal"
_FILE = "input_file"
_OF_FILES = ("file_data", "filename", "file_id", "file_url")
_TEXT_TYPES = frozenset({"input_text", "output_text"})
_NOTHING: NeutralValues = MappingProxyType({})
_INSTEAD = MappingProxyType(
    {"item_reference": ": no response is kept here; send the item itself"}  # as with store: false
)
_DIRECT: NeutralValues = MappingProxyType({"async": (False,), "caller": ({"type": "direct"},)})
# Of items that come back as we or others sent them.
_ECHOED = frozenset({"id", "status", "namespace"})
_ECHOED_PART = frozenset({"annotations", "logprobs", "prompt_cache_breakpoint"})


def input_turns(parser: ParameterParser, request: ResponsesRequest) -> tuple[ChatTurn, ...]:
    """All that the model is given. A last message of the assistant is one that goes on, as in
    chat completions."""
    turns: list[ChatTurn] = []
    if request.instructions:
        turns.append(ChatTurn(Role.SYSTEM, request.instructions))
    if isinstance(request.input, str):
        turns.append(ChatTurn(Role.USER, request.input))
    else:
        items = _Items(parser, flat_names(given_functions(request.tools)))
        for index, item in enumerate(request.input):
            items.add(item, f"input[{index}]")
        turns += items.turns()
    return one_system_turn(turns)


class _Items:
    """Makes turns of items. What an assistant thought, said and called is an item each, and one
    turn."""

    def __init__(self, parser: ParameterParser, names: Mapping[FullName, str]) -> None:
        """``names``: what the model calls functions of namespaces."""
        self._parser = parser
        self._names = names
        self._turns: list[ChatTurn] = []
        self._reasoning = ""
        self._text: str | None = None
        self._calls: list[ToolCall] = []
        self._called: set[str] = set()

    def turns(self) -> list[ChatTurn]:
        """All of them."""
        self._end_turn()
        return self._turns

    def add(self, item: InputItem, where: str) -> None:
        """Take in the next item; ``where`` it stands is for errors."""
        match item:
            case MessageItem():
                self._add_message(item, where)
            case FunctionCallItem():
                self._add_call(item, item.arguments, where)
            case CustomCallItem():
                arguments = json.dumps({"input": item.input}, ensure_ascii=False)
                self._add_call(item, arguments, where)
            case FunctionCallOutputItem() | CustomCallOutputItem():
                self._parser.judge(item, _DIRECT, f"{where}.", _ECHOED)
                self._end_turn()
                self._check_called(item.call_id, f"{where}.call_id")
                text = self._text_of(item.output, f"{where}.output")
                self._turns.append(
                    ChatTurn(Role.TOOL, text, tool_call_id=item.call_id, name=item.name)
                )
            case ReasoningItem():
                self._add_reasoning(item, where)
            case OtherItem():
                instead = _INSTEAD.get(item.type, "")
                raise UnsupportedParameter(
                    f"{where}.type: items of the type {item.type[:MAX_FIELD_NAME]!r} are not "
                    f"supported{instead}",
                    param=f"{where}.type",
                )

    def _add_call(
        self, item: FunctionCallItem | CustomCallItem, arguments: str, where: str
    ) -> None:
        self._parser.judge(item, _DIRECT, f"{where}.", _ECHOED)
        self._called.add(item.call_id)
        name = self._names.get((item.namespace, item.name), item.name)
        self._calls.append(ToolCall(item.call_id, name, arguments))

    def _check_called(self, call_id: str, where: str) -> None:
        if call_id not in self._called:
            raise InvalidRequest(f"{where} is that of no call before it", param=where)

    def _add_message(self, item: MessageItem, where: str) -> None:
        self._parser.judge(item, _NOTHING, f"{where}.", _ECHOED)
        if item.phase is not None:
            self._parser.ignore(f"{where}.phase")
        role = _ROLES.get(item.role)
        if role is None:
            raise must_be_one_of(f"{where}.role", _ROLES, item.role)
        text = self._text_of(item.content, f"{where}.content", role)
        if role is not Role.ASSISTANT:
            self._end_turn()
            self._turns.append(ChatTurn(role, text))
            return
        if self._text is not None or self._calls:
            self._end_turn()
        self._text = text

    def _add_reasoning(self, item: ReasoningItem, where: str) -> None:
        self._parser.judge(item, _NOTHING, f"{where}.", _ECHOED)
        if item.encrypted_content:
            self._parser.ignore(f"{where}.encrypted_content")
        if self._text is not None or self._calls:
            self._end_turn()
        # The thoughts themselves tell more than their summary.
        field, parts = ("content", item.content) if item.content else ("summary", item.summary)
        for index, part in enumerate(parts or ()):
            self._parser.judge(part, _NOTHING, f"{where}.{field}[{index}].")
            self._reasoning += ("\n" if self._reasoning else "") + part.text

    def _end_turn(self) -> None:
        if self._reasoning or self._text is not None or self._calls:
            self._turns.append(
                ChatTurn(
                    Role.ASSISTANT,
                    self._text or "",
                    reasoning=self._reasoning,
                    tool_calls=tuple(self._calls),
                )
            )
        self._reasoning, self._text, self._calls = "", None, []

    def _text_of(self, content: str | list[InputPart], where: str, role: Role = Role.TOOL) -> str:
        if isinstance(content, str):
            return content
        # As chat completions join them.
        is_answer = role is Role.ASSISTANT and all(part.type in _TEXT_TYPES for part in content)
        return ("" if is_answer else "\n").join(
            self._part(part, f"{where}[{index}]") for index, part in enumerate(content)
        )

    def _part(self, part: InputPart, where: str) -> str:
        if part.type == _FILE:
            self._parser.judge(part, _NOTHING, f"{where}.", _ECHOED_PART)
            elsewhere = {f"{where}.file_id": part.file_id, f"{where}.file_url": part.file_url}
            data = f"{where}.file_data"
            return file_text(self._parser, data, part.file_data, part.filename, elsewhere)
        if part.type not in {*_TEXT_TYPES, _REFUSAL}:
            at = f"{where}.type"
            raise no_such_part(part.type, "text and file parts", at, at)
        for name in _OF_FILES:
            if getattr(part, name) is not None:
                self._parser.ignore(f"{where}.{name}")
        field = _REFUSAL if part.type == _REFUSAL else "text"
        text = part.refusal if part.type == _REFUSAL else part.text
        if text is None:
            raise InvalidRequest(f"{where}.{field} is required", param=f"{where}.{field}")
        self._parser.judge(part, _NOTHING, f"{where}.", _ECHOED_PART)
        return text
