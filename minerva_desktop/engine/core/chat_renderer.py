"""A conversation with its tools to the text of a prompt, whatever the model's template knows.

A template may list tools, write calls and take results, or do any part of that, or nothing; which
one it is, is found out by rendering a small conversation. What it does not do is done in words.
Runs on one desk thread.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.tools import ChatOptions, Tool, ToolCall
from minerva_desktop.engine.answer_format import AnswerFormat, ToolFormat
from minerva_desktop.engine.call_syntax import SYNTAXES
from minerva_desktop.engine.core.call_text import described_tool, tool_instruction
from minerva_desktop.engine.core.chat_template import ChatTemplate, TemplateTimeout, Unsaid
from minerva_desktop.engine.core.template_messages import (
    MessageStyle,
    template_messages,
    with_calls_apart,
    with_calls_as_text,
    with_later_systems_as_user,
    with_single_calls,
    with_system_text,
    without_system,
)
from minerva_desktop.errors import InferenceError, InvalidRequest, MinervaError, OutOfMemory

# Nine letters and digits, which is what Mistral's templates want.
_PROBE_CALL = ToolCall(id="probe0000", name="probe_called", arguments='{"probe_key": "value"}')
_PROBE_TOOL = Tool(
    "probe_listed",
    "probe",
    '{"type":"object","properties":{"a":{"type":"string","description":"b"}},"required":["a"]}',
)
_PROBE_RESULT = "probe_returned"
# Gemma 4's template begins no answer behind a result whose call's turn also said something: it
# writes that text last, as if it had been the answer.
_TURN_END, _TURN_START = "<turn|>\n", "<|turn>model\n"
_FUNCTIONS = "functions"  # a JSON text, without which Firefunction's template is broken
_THINKING = "enable_thinking"  # Qwen's name and that of most others
_SWITCHES = (_THINKING, "thinking")  # Granite's and DeepSeek's


class _Abilities(msgspec.Struct, frozen=True):
    """What a template does by itself, and how it wants a turn that only calls."""

    lists_tools: bool
    writes_calls: bool
    style: MessageStyle
    keeps_calls: bool = True  # of a turn that also says something
    takes_results: bool = False  # where it writes no calls


class ChatRenderer:
    """Renders with a model's template, and with the one that it has for tools."""

    def __init__(
        self,
        template: str | None,
        tool_template: str | None,
        *,
        answer_format: AnswerFormat,
        bos: str,
        eos: str,
        is_wanted: Callable[[], bool] | None = None,
    ) -> None:
        """``template`` None is ChatML; ``answer_format`` is that of these templates; ``is_wanted``
        as `ChatTemplate` has it."""
        self._template = ChatTemplate(template, bos=bos, eos=eos, is_wanted=is_wanted)
        self._tool_template = self._template
        if tool_template is not None:
            self._tool_template = ChatTemplate(tool_template, bos=bos, eos=eos)
        self._tools = answer_format.tools
        if self._tools is ToolFormat.NONE:
            self._tools = ToolFormat.GENERIC
        self._known: _Abilities | None = None
        self._defaults: dict[ChatTemplate, dict[str, Any]] = {}

    def render(
        self,
        turns: Sequence[ChatTurn],
        chat: ChatOptions,
        *,
        add_generation_prompt: bool = True,
    ) -> str:
        """The prompt. Raises what `ChatTemplate.render` does, and `InvalidRequest` for variables
        that cannot be."""
        variables = _with_all_switches(chat.template_variables())
        tools = chat.shown_tools
        has_calls = any(turn.tool_calls or turn.role is Role.TOOL for turn in turns)
        if not tools and not has_calls:
            style = MessageStyle(self._tools)
            return self._render(self._template, turns, style, variables, add_generation_prompt)
        able = self._abilities()
        if has_calls and not able.writes_calls:
            turns = with_calls_as_text(turns, self._tools, takes_results=able.takes_results)
        elif has_calls and SYNTAXES[self._tools].single:
            turns = with_single_calls(turns)
        if not able.keeps_calls:
            turns = with_calls_apart(turns)

        def render(turns: Sequence[ChatTurn], variables: dict[str, Any]) -> str:
            return self._render(
                self._tool_template, turns, able.style, variables, add_generation_prompt
            )

        def tell() -> str:
            words = tool_instruction(SYNTAXES[self._tools], tools)
            told = with_system_text(turns, words)
            text = render(told, variables)
            # Some templates leave a system's turn out.
            return text if words in text else render(without_system(told), variables)

        if not tools:
            return render(turns, variables)
        if not able.lists_tools:
            return tell()
        try:
            return render(turns, variables | _told(tools, self._tools))
        except (InvalidRequest, InferenceError) as error:
            if isinstance(error.__cause__, TemplateTimeout):
                raise  # once more would take as long
            try:
                return tell()  # it cannot write one of the schemas
            except (InvalidRequest, InferenceError):
                pass  # it was not the tools; the first refusal tells what it was
            raise

    def _render(
        self,
        template: ChatTemplate,
        turns: Sequence[ChatTurn],
        style: MessageStyle,
        variables: dict[str, Any],
        add_generation_prompt: bool,
    ) -> str:
        if style.tools is ToolFormat.FIREFUNCTION:
            variables = {_FUNCTIONS: "[]", **variables}
        if not any(name in variables for name in _SWITCHES):
            variables = {**self._default(template), **variables}

        def render(turns: Sequence[ChatTurn]) -> str:
            text = template.render(
                template_messages(turns, style),
                add_generation_prompt=add_generation_prompt,
                variables=variables,
            )
            is_ended = style.tools is ToolFormat.GEMMA and text.endswith(_TURN_END)
            return f"{text}{_TURN_START}" if is_ended and add_generation_prompt else text

        try:
            return _with_all_systems(render, turns)
        except InvalidRequest:
            if not any(turn.role is Role.SYSTEM for turn in turns):
                raise
            try:
                return render(without_system(turns))
            except InvalidRequest:
                pass  # it was not the system's turn; the first refusal tells what it was
            raise

    # -- what the template can do ----------------------------------------------------------

    def _default(self, template: ChatTemplate) -> dict[str, Any]:
        """What a request that says nothing of thinking says to ``template``.

        Some end a thought before it began unless they are told to think, and never ask whether
        anything was said: they are written for llama.cpp, which always says it (it has those of QwQ
        and of R1's distillates so). To them nothing said is a yes; all others have a default.
        """
        if template not in self._defaults:
            question = [ChatTurn(Role.USER, "probe")]
            style = MessageStyle(self._tools)
            yes = {_THINKING: Unsaid(name=_THINKING)}
            ends = template.speaks_of(_THINKING) and _goes_on(
                _tried(template, question, style, {}), _tried(template, question, style, yes)
            )
            self._defaults[template] = yes if ends else {}
        return self._defaults[template]

    def _abilities(self) -> _Abilities:
        if self._tools is ToolFormat.GENERIC:
            # It may know tools, but in a syntax that we do not: then all of it is said in words.
            return _Abilities(False, False, MessageStyle(self._tools))
        if self._known is None:
            user = ChatTurn(Role.USER, "probe")
            called = ChatTurn(Role.ASSISTANT, "", tool_calls=(_PROBE_CALL,))
            result = ChatTurn(Role.TOOL, _PROBE_RESULT, tool_call_id=_PROBE_CALL.id)
            plain = MessageStyle(self._tools)
            lists_tools = _PROBE_TOOL.name in self._probed([user], plain)
            writing = [
                style
                for style in (plain, MessageStyle(self._tools, empty=None))
                if _shows_call(self._probed([user, called, result], style))
            ]
            style = writing[0] if writing else plain
            said = [user, msgspec.structs.replace(called, text="probe_said"), result]
            loses = (
                bool(writing)
                and not _shows_call(self._probed(said, style))
                and _shows_call(self._probed(with_calls_apart(said), style))
            )
            # Any role does for many a template; one that lists tools knows that of their results.
            told = with_calls_as_text([user, called, result], self._tools, takes_results=True)
            takes_results = lists_tools and _shows_call(self._probed(told, plain))
            self._known = _Abilities(
                lists_tools,
                bool(writing),
                style,
                keeps_calls=not loses,
                takes_results=takes_results,
            )
        return self._known

    def _probed(self, turns: Sequence[ChatTurn], style: MessageStyle) -> str:
        """What comes of ``turns`` and a tool, as `_tried` has it."""
        return _tried(self._tool_template, turns, style, _told([_PROBE_TOOL], self._tools))


def _tried(
    template: ChatTemplate,
    turns: Sequence[ChatTurn],
    style: MessageStyle,
    variables: dict[str, Any],
) -> str:
    """What comes of ``turns``; "" where the template does not take them. Raises `OutOfMemory`."""
    try:
        return template.render(template_messages(turns, style), variables=variables)
    except OutOfMemory:
        raise  # which tells nothing about the template
    except MinervaError:
        return ""


def _with_all_systems(
    render: Callable[[Sequence[ChatTurn]], str], turns: Sequence[ChatTurn]
) -> str:
    """``turns`` rendered. Some templates take the system's first turn only, or its last: what they
    leave out is said by the user, where they take that."""
    text = render(turns)
    said = [turn.text.strip() for turn in turns if turn.role is Role.SYSTEM]
    has_later = any(turn.role is Role.SYSTEM for turn in turns[1:])
    if not has_later or all(words in text for words in said):
        return text
    try:
        other = render(with_later_systems_as_user(turns))
    except InvalidRequest:
        return text
    return other if all(words in other for words in said) else text


def _goes_on(unsaid: str, asked: str) -> bool:
    """Whether the prompt of a template that was told nothing goes on behind the one of which a
    thought is ``asked``: then what it adds is there against thinking."""
    return bool(asked) and unsaid != asked and unsaid.startswith(asked)


def _with_all_switches(variables: dict[str, Any]) -> dict[str, Any]:
    """Thinking switched by the one name that templates have for it is switched by the other, too:
    whoever asks need not know the template."""
    given = [variables[name] for name in _SWITCHES if name in variables]
    return dict.fromkeys(_SWITCHES, given[0]) | variables if given else variables


def _told(tools: Sequence[Tool], family: ToolFormat) -> dict[str, Any]:
    """The variables of a template that lists ``tools``."""
    described = [described_tool(tool) for tool in tools]
    if family is not ToolFormat.FIREFUNCTION:
        return {"tools": described}
    functions = [tool["function"] for tool in described]
    return {_FUNCTIONS: json.dumps(functions, ensure_ascii=False)}


def _shows_call(text: str) -> bool:
    return _PROBE_CALL.name in text and _PROBE_RESULT in text
