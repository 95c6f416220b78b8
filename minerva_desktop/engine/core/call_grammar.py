"""Grammars of tool calls: those that an answer must consist of, and those of a call that began;
and what stands before an answer that has to follow another grammar.

Pure Python, called on a desk thread. What the grammar demands is in the family's own syntax, so
that `answer_parser` reads it as it reads a call that the model made by itself. llama.cpp's grammar
sampler sees a control token as the text that it is written with (0.3.36: its pieces are made with
``special``), so that marks which are control tokens can be demanded as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from minerva_desktop.chat.tools import ChatOptions, Tool, schema_field, tool_schema
from minerva_desktop.engine.answer_format import AnswerFormat, ToolFormat
from minerva_desktop.engine.call_syntax import SYNTAXES, THOUGHTS, CallSyntax, Shape
from minerva_desktop.engine.core.code_rules import code_call
from minerva_desktop.engine.core.grammar import check_grammar, check_structure
from minerva_desktop.engine.core.json_schema_notation import JSON
from minerva_desktop.engine.core.json_schema_text import PRIMITIVES, literal, one_of
from minerva_desktop.engine.core.json_schema_values import Inexpressible
from minerva_desktop.engine.core.marked_notation import marked_notation
from minerva_desktop.engine.core.tagged_rules import tagged_call
from minerva_desktop.engine.core.text_rules import text_until
from minerva_desktop.engine.core.tool_schema import ToolSchema
from minerva_desktop.errors import InvalidRequest

# Whose ambiguity has to be counted, which takes up to three seconds each.
MAX_COSTLY_TOOLS = 8

_HARMONY_THOUGHT = "<|channel|>analysis<|message|>"
_HARMONY_MORE = "<|end|><|start|>assistant"
# Small models that must call repeat themselves, and would up to the end of the context.
_FURTHER = "{0,15}"
_HARMONY_FINAL = "<|channel|>final"
_HARMONY_JSON = '" <|constrain|>json"'
# Of a grammar: a name of a rule (group 1), or what can hold letters that are none.
_GRAMMAR_PIECE = re.compile(
    r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|\{[^}]*\}|#[^\n]*|([A-Za-z0-9_-]+)'
)
_BREAK = r'("\n" "\n"?)?'  # behind a train of thought


class StartedCall(msgspec.Struct, frozen=True):
    """What has to follow once a model wrote ``trigger``. ``is_last``: the answer ends with it."""

    trigger: str
    grammar: str
    is_last: bool


@lru_cache(maxsize=32)
def forced_calls(chat: ChatOptions, answer_format: AnswerFormat, opening: str) -> str:
    """The grammar of an answer that calls tools, with a train of thought before it where the
    model has one; ``opening`` is what its prompt has opened (`Prompt.opening`).

    Raises `InvalidRequest` for a schema that cannot be honoured.
    """
    rules = _Rules(SYNTAXES[answer_format.tools])
    tools = [
        rules.tool(tool, index)
        for index, tool in enumerate(chat.tools)
        if chat.only_tool in {None, tool.name}
    ]
    is_one = not chat.parallel or chat.only_tool is not None
    body = rules.all_calls(tools, is_one=is_one, opened=opening)
    return rules.grammar(rules.after_thought(body, answer_format, opening))


@lru_cache(maxsize=32)
def started_call(chat: ChatOptions, answer_format: AnswerFormat) -> StartedCall | None:
    """What has to follow when a model begins a call by itself; None where the family's calls begin
    like any other text. A schema that cannot be honoured leaves that tool's arguments free: they
    are some object then, which is still more than was promised; of a strict tool it raises
    `InvalidRequest`."""
    syntax = SYNTAXES[answer_format.tools]
    for index, tool in enumerate(chat.tools):
        if tool.strict:
            _Rules(syntax).tool(tool, index)
    trigger = syntax.trigger
    if not trigger:
        return None
    is_last = not chat.parallel
    for is_free in (False, True):
        rules = _Rules(syntax)
        tools = [rules.any_tool(tool, n, is_free=is_free) for n, tool in enumerate(chat.tools)]
        body = rules.one_section(tools, is_one=is_last, written=trigger)
        try:
            return StartedCall(trigger, rules.grammar(body), is_last)
        except InvalidRequest:
            if any(tool.strict for tool in chat.tools):
                raise
            continue  # they are too many, or too large
    return None


@lru_cache(maxsize=32)
def grammar_after_thought(grammar: str, answer_format: AnswerFormat, opening: str) -> str:
    """``grammar``, which `check_grammar` has passed, for an answer to messages: behind a train of
    thought where the model has one, and with what else its family writes before a text for the
    user. Nothing that is asked of the answer can be asked of the thought.

    Raises `InvalidRequest` for a grammar that this makes too large.
    """
    syntax = SYNTAXES.get(answer_format.tools, SYNTAXES[ToolFormat.GENERIC])
    rules = _Rules(syntax)
    root = rules.after_thought(_said(syntax, opening), answer_format, opening)
    if root == "a-root":
        return grammar
    text = rules.above(root, _renamed(grammar))
    try:
        check_structure(text)
    except InvalidRequest as error:
        raise InvalidRequest(
            "The grammar cannot be followed behind a train of thought",
            detail=error.message,
            param="grammar",
        ) from error
    return text


@lru_cache(maxsize=32)
def calls_or_text(
    chat: ChatOptions, grammar: str, answer_format: AnswerFormat, opening: str
) -> str:
    """The grammar of an answer that calls tools, or else follows ``grammar``, which `check_grammar`
    has passed: an answer in a form that was asked for is for when there is nothing to call.

    A schema of a tool that cannot be honoured is treated as in `started_call`. Raises
    `InvalidRequest` for one of a strict tool, and where all of it is too large.
    """
    try:
        return _calls_or_text(chat, grammar, answer_format, opening, is_free=False)
    except InvalidRequest:
        if any(tool.strict for tool in chat.tools):
            raise
    return _calls_or_text(chat, grammar, answer_format, opening, is_free=True)


def _calls_or_text(
    chat: ChatOptions, grammar: str, answer_format: AnswerFormat, opening: str, *, is_free: bool
) -> str:
    syntax = SYNTAXES[answer_format.tools]
    rules = _Rules(syntax)
    tools = [rules.any_tool(tool, n, is_free=is_free) for n, tool in enumerate(chat.tools)]
    calls = rules.all_calls(tools, is_one=not chat.parallel, opened=opening)
    body = f"({calls} | {_said(syntax, opening)})"
    root = rules.after_thought(body, answer_format, opening)
    try:
        return rules.grammar(root, _renamed(grammar))
    except InvalidRequest as error:
        rules.grammar(calls)  # raises where the tools alone are at fault
        raise InvalidRequest(
            "The schema of the answer makes a grammar that cannot be followed safely beside tools",
            detail=error.detail,
            param="response_format",
        ) from error


def _renamed(grammar: str) -> str:
    """``grammar`` with names of its own, whatever it calls its rules."""
    return _GRAMMAR_PIECE.sub(
        lambda piece: piece[0] if piece[1] is None else f"a-{piece[0]}", grammar
    )


def _said(syntax: CallSyntax, opening: str) -> str:
    """A text for the user that follows a `_renamed` grammar, as the family begins such a text."""
    if syntax.content_name:
        start = f"{syntax.call[0]}{syntax.content_name}{syntax.middle}".removeprefix(opening)
        return f"{literal(start)} a-root"
    if syntax.shape is Shape.HARMONY:
        return f"{literal(_HARMONY_FINAL)} {_HARMONY_JSON}? {literal('<|message|>')} a-root"
    return "a-root"


class _Rules:
    """Collects the rules of one grammar."""

    def __init__(self, syntax: CallSyntax) -> None:
        self._syntax = syntax
        self._notation = marked_notation(syntax.quote) if syntax.quote else JSON
        self._rules: list[str] = []
        self._n_checked = 0

    def grammar(self, root: str, others: str = "") -> str:
        """The whole grammar, with ``others``, which need none of its rules; raises `InvalidRequest`
        where llama.cpp would not survive it.

        That it is not ambiguous was seen tool by tool, for their names tell them apart: a text
        cannot be read in more ways than with the tool alone that it calls. Seen all at once, ten
        tools would be over the bounds.
        """
        text = self._text(root, self._rules) + others
        try:
            check_structure(text)
        except InvalidRequest as error:
            raise InvalidRequest(
                "The tools make a grammar that cannot be followed safely",
                detail=error.message,
                param="tools",
            ) from error
        return text

    def above(self, root: str, others: str) -> str:
        """The rules so far and ``others``, which need none of the primitives."""
        return "\n".join([f"root ::= {root}", *self._rules, others])

    def _text(self, root: str, rules: Sequence[str]) -> str:
        notation = self._notation.rules
        return "\n".join([f"root ::= {root}", *rules, *notation, PRIMITIVES.strip(), ""])

    def _new(self, name: str, body: str) -> str:
        self._rules.append(f"{name} ::= {body}")
        return name

    # -- one tool --------------------------------------------------------------------------

    def any_tool(self, tool: Tool, index: int, *, is_free: bool) -> tuple[str, str]:
        """Like `tool`, but with free arguments where the schema cannot be honoured."""
        if tool.strict:
            return self.tool(tool, index)
        if not is_free:
            try:
                return self.tool(tool, index)
            except InvalidRequest:
                pass  # nothing was promised that needs it
        schema = ToolSchema({}, f"t{index}-")
        body = self._arguments(schema, is_free=True)
        self._rules += schema.rules
        return self._named(tool, index, body)

    def tool(self, tool: Tool, index: int) -> tuple[str, str]:
        """A tool's name as it stands in a call, and the expression of all that follows it."""
        try:
            schema, body = self._written(tool, index)
            if not schema.is_plain:
                self._check_ambiguity(self._text(body, schema.rules))
        except InvalidRequest as error:
            raise InvalidRequest(
                f"A call of “{tool.name}” cannot be forced. {error.message}",
                param=schema_field(index),
            ) from error
        self._rules += schema.rules
        return self._named(tool, index, body)

    def _written(self, tool: Tool, index: int) -> tuple[ToolSchema, str]:
        """The schema of a tool with the expression of its arguments: any of them, where it is not
        strict and the family's way to write them leaves no room for what it says."""
        given = tool_schema(tool, index)
        schema = ToolSchema(given, f"t{index}-", notation=self._notation, strict=tool.strict)
        try:
            return schema, self._arguments(schema)
        except Inexpressible:
            if tool.strict:
                raise
        free = ToolSchema({}, schema.prefix)
        return free, self._arguments(free, is_free=True)

    def _arguments(self, schema: ToolSchema, *, is_free: bool = False) -> str:
        if self._syntax.shape is Shape.TAGGED:
            return tagged_call(self._syntax, schema, is_free=is_free)
        if self._syntax.shape is Shape.CODE:
            return code_call(schema, is_free=is_free)
        return self._notation.any_object if is_free else schema.arguments()

    def _check_ambiguity(self, text: str) -> None:
        self._n_checked += 1
        if self._n_checked > MAX_COSTLY_TOOLS:
            raise InvalidRequest(
                f"More than {MAX_COSTLY_TOOLS} tools have patterns, or choices that begin alike"
            )
        check_grammar(text)

    def _named(self, tool: Tool, index: int, body: str) -> tuple[str, str]:
        syntax = self._syntax
        if syntax.shape in {Shape.TAGGED, Shape.CODE}:
            return tool.name, self._new(f"t{index}", body)
        if syntax.shape is Shape.JSON:
            key = literal(json.dumps(syntax.arguments_key))
            number = f'(ws "," ws {literal(json.dumps(syntax.id_after))} ":" ws "\\"" id "\\"")?'
            after = f' {number} ws "}}"' if syntax.id_after else ' ws "}"'
            rest = f'ws "," ws {key} ":" ws {body}{after}'
            return f"{json.dumps(tool.name)[1:]}", self._new(f"t{index}", rest)
        if syntax.shape is Shape.HARMONY:
            rest = f"{literal(' <|constrain|>json<|message|>')} {body}"
            return tool.name, self._new(f"t{index}", rest)
        closing = f" {literal(syntax.call[1])}" if syntax.call[1] else ""
        number = '":" [0-9]{1,2} ' if syntax.is_numbered else ""
        rest = f"{number}{literal(syntax.middle)} {body}{closing}"
        return f"{syntax.name_prefix}{tool.name}", self._new(f"t{index}", rest)

    # -- calls -----------------------------------------------------------------------------

    def all_calls(self, tools: Sequence[tuple[str, str]], *, is_one: bool, opened: str) -> str:
        """All that an answer has to hold. ``opened``: what the prompt ends with."""
        syntax = self._syntax
        is_one = is_one or syntax.single
        written = opened if opened and syntax.call[0] == opened else ""
        first = self.one_section(tools, is_one=is_one, written=written)
        if is_one or syntax.listed or syntax.section[0]:
            return first
        more = self.one_section(tools, is_one=True, written="")
        between = f"{literal(syntax.separator)} " if syntax.separator else ""
        return f"{first} ({between}{more}){_FURTHER}"

    def one_section(self, tools: Sequence[tuple[str, str]], *, is_one: bool, written: str) -> str:
        """One call, or the section or the list of them, less what is ``written`` already."""
        syntax = self._syntax
        call = self._one_call(tools)
        opening, closing = syntax.call
        if syntax.section[0]:
            start = literal(syntax.section[0].removeprefix(written))
            separator = f"{literal(syntax.separator)} " if syntax.separator else ""
            more = "" if is_one else f" ({separator}{literal(opening)} {call}){_FURTHER}"
            return f"{start} {literal(opening)} {call}{more} {literal(syntax.section[1])}"
        start = f"{literal(opening.removeprefix(written))} " if opening != written else ""
        if syntax.shape not in {Shape.JSON, Shape.CODE}:
            return f"{start}{call}"
        end = f" {literal(closing)}" if closing else ""
        if syntax.listed:
            more = "" if is_one else f' (ws "," ws {call}){_FURTHER}'
            return f'{start}"[" ws {call}{more} ws "]"{end}'
        return f"{start}{call}{end}"

    def _one_call(self, tools: Sequence[tuple[str, str]]) -> str:
        """A call from its name, or from its JSON object, on."""
        if any(rule.startswith("call ::=") for rule in self._rules):
            return "call"
        syntax, named = self._syntax, one_of(list(tools))
        if syntax.shape is Shape.HARMONY:
            return self._new("call", f"{literal('<|channel|>commentary to=functions.')} {named}")
        if syntax.shape is not Shape.JSON:
            return self._new("call", named)
        if syntax.id_after:
            self._new("id", "[a-zA-Z0-9]{9}")
        number = literal(json.dumps(syntax.id_before))
        before = f'{number} ":" ws "\\"" [0-9]{{1,2}} "\\"" "," ws ' if syntax.id_before else ""
        key = literal(json.dumps(syntax.name_key))
        return self._new("call", f'"{{" ws {before}{key} ":" ws "\\"" {named}')

    # -- a train of thought ----------------------------------------------------------------

    def after_thought(self, body: str, answer_format: AnswerFormat, opening: str) -> str:
        """``body`` behind a train of thought, which may come first, or has begun."""
        if answer_format.tools is ToolFormat.HARMONY:
            thought = f"{literal(_HARMONY_THOUGHT)} {self._until(_HARMONY_MORE)}"
            return f"({thought})? {body}"
        marks = THOUGHTS.get(answer_format.reasoning)
        if marks is None or self._syntax.content_name:  # there, all that is said has a recipient
            return body
        thought = f"{self._until(marks.closing)} {_BREAK}"
        if opening.startswith(marks.opening):
            return f"{thought} {body}"
        return f"({literal(marks.opening)} {thought})? {body}"

    def _until(self, mark: str) -> str:
        start, rules = text_until(mark, "thought")
        self._rules += rules
        return start
