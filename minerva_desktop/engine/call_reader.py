"""Reads tool calls of every family but harmony out of an answer's text, as they arrive.

A call counts from the moment when its name is one of the request's tools and its arguments begin;
before that, everything can be given back as content. Part of `answer_parser`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from minerva_desktop.engine.answer_parts import AnswerParts
from minerva_desktop.engine.answer_text import AnswerText, Reading
from minerva_desktop.engine.call_syntax import CallSyntax, Shape
from minerva_desktop.engine.tag_reader import TagReader
from minerva_desktop.engine.typed_arguments import encodable
from minerva_desktop.engine.value_reader import ValueReader

_NAME_KEYS = frozenset({"name", "tool_name"})
_ARGUMENTS_KEYS = frozenset({"arguments", "parameters"})
_OTHER_KEYS = frozenset({"id", "tool_call_id", "type"})
# Some models write a name there, others an object of name and arguments, as OpenAI's API does.
_FUNCTION_KEY = "function"
_LONGEST_KEY = 256  # characters
_ESCAPED = 6  # characters that JSON may need for one
# A closing is read mark by mark: models leave some out, or put white space between them.
_FIRST_MARK = re.compile(r"^(<[^>]+>)(.*)$", re.DOTALL)
_CLOSING_MARKS = re.compile(r"```|<[^>]+>|[^\s<`]+")


@dataclass(slots=True)
class _Draft:
    """What is known of a JSON call so far. ``early``: arguments that came before the name;
    ``is_wrapped``: what is read stands in a member of its own."""

    name: str | None = None
    early: str | None = None
    is_call: bool = False
    is_wrapped: bool = False


class CallReader:
    """Reads calls from where an opening was found."""

    def __init__(
        self,
        syntax: CallSyntax,
        tools: Mapping[str, Mapping[str, Any]],
        *,
        is_forced: bool,
        text: AnswerText,
        parts: AnswerParts,
        new_id: Callable[[], str],
    ) -> None:
        """``tools``: names with their JSON schemas; ``is_forced``: the answer has to consist of
        calls."""
        self._syntax = syntax
        self._tools = tools
        self._is_forced = is_forced
        self._text = text
        self._parts = parts
        self._new_id = new_id
        self._values = ValueReader(text, syntax.quote)
        longest = max(map(len, (*tools, syntax.content_name)))
        self._longest_name = len(syntax.name_prefix) + longest + 1
        self._trigger = syntax.trigger
        self._sections = tuple(filter(None, (syntax.section[0], *syntax.sections_alike)))
        self._pairs = [pair for pair in (syntax.call, *syntax.others) if pair[0]]
        self._tags = TagReader(text, syntax.parameter) if syntax.shape is Shape.TAGGED else None

    def openings(self) -> Iterable[str]:
        """What a call can begin with, up to the first white space."""
        yield from self._sections
        for opening, _ in self._pairs:
            yield opening.split()[0]

    def marks(self) -> tuple[str, ...]:
        """Those of them that no text holds by chance."""
        return tuple(each for each in self.openings() if each[0] in "<[")

    @property
    def may_read(self) -> bool:
        """Whether an opening can be one: another call is allowed, or it may open content."""
        return bool(self._syntax.content_name) or self._may_call

    @property
    def _may_call(self) -> bool:
        return bool(self._tools) and self._parts.may_call

    def read(self, opening: str, before: str) -> Reading[None]:
        """Read the calls behind ``opening``, which is read already ("" for a bare one).

        What is none becomes content again, with ``before`` in front. Stops behind the last call.
        A call that had begun for sure, and that the text's end cut, is no content: it is dropped.
        """
        self._text.keep(before + opening)
        self._text.is_cut = False
        start, closing = self._pair(opening)
        more = start.split()[1:]
        if opening in self._sections:
            # Models leave out the mark of the first call.
            mark, rest = _FIRST_MARK.findall(start)[0]
            yield from self._text.spaced([mark])
            more = rest.split()
        if (yield from self._text.spaced(more)):
            yield from self._body(closing, bare=not opening or opening.startswith("`"))
        if self._text.is_cut and (self._is_forced or (opening and opening == self._trigger)):
            yield from self._text.rest(lambda _: None)
            self._text.kept()
            return
        self._parts.say(self._text.kept())

    def _pair(self, opening: str) -> tuple[str, str]:
        for pair in self._pairs:
            if pair[0].split()[0] == opening:
                return pair
        return self._syntax.call if opening else ("", "")

    def _body(self, closing: str, *, bare: bool) -> Reading[None]:
        shape = self._syntax.shape
        if self._syntax.also is not None:
            yield from self._text.space()
            shape = Shape.JSON if (yield from self._text.peek()) in {"{", "["} else Shape.NAMED
        if shape in {Shape.JSON, Shape.CODE}:
            is_over = yield from self._listed(bare=bare)
        elif shape is Shape.NAMED:
            is_over = yield from self._named()
        elif shape is Shape.MARKED:
            is_over = yield from self._marked()
        else:
            assert self._tags is not None
            is_over = yield from self._tagged(self._tags)
        for part in _CLOSING_MARKS.findall(closing + self._syntax.section[1]):
            if is_over and (yield from self._text.spaced([part])):
                self._text.kept()
                self._text.keep()

    # -- the beginning and the end of a call -----------------------------------------------

    def _begin(self, name: str, arguments: str = "") -> None:
        """It is a call: what was kept is no content, and nothing more needs to be kept."""
        self._text.kept()
        self._parts.begin_call(self._new_id(), name)
        self._parts.add_arguments(arguments)

    def _end(self) -> None:
        """The call is over. What follows may be content."""
        self._parts.end_call()
        self._parts.drop_space()
        self._text.keep()

    # -- calls that may stand in a list ----------------------------------------------------

    def _listed(self, *, bare: bool) -> Reading[bool]:
        text = self._text
        yield from text.space()
        is_list = yield from text.literal("[")
        while self._may_call and (yield from self._one(bare=bare)):
            yield from text.space()
            if is_list and (yield from text.literal("]")):
                text.kept()
                text.keep()
                return True
            has_more = (yield from text.literal(",")) or (yield from text.literal(";"))
            yield from text.space()
            if is_list and not has_more:
                return False
            if not is_list and (yield from text.peek()) != "{":
                return True
        return False

    def _one(self, *, bare: bool) -> Reading[bool]:
        """Read one call; False when it is none, or breaks off."""
        yield from self._text.space()
        if self._syntax.shape is Shape.CODE and (yield from self._text.peek()) != "{":
            return (yield from self._code())
        return (yield from self._object(bare=bare))

    # -- JSON objects ----------------------------------------------------------------------

    def _object(self, *, bare: bool) -> Reading[bool]:
        if not (yield from self._text.literal("{")):
            return False
        draft = _Draft()
        if not (yield from self._members(draft, bare=bare)):
            return False
        if draft.name is None:
            return False
        if not draft.is_call:
            self._begin(draft.name, draft.early or "{}")
        self._end()
        return True

    def _members(self, draft: _Draft, *, bare: bool) -> Reading[bool]:
        """All members of an object whose bracket is read, and the closing one."""
        text = self._text
        is_first = True
        while True:
            yield from text.space()
            if (yield from text.literal("}")):
                return True
            if not is_first and not (yield from text.literal(",")):
                return False
            is_first = False
            yield from text.space()
            key = yield from text.json_string(_LONGEST_KEY)
            if key is None or not (yield from self._text.spaced([":"])):
                return False
            yield from text.space()
            if not (yield from self._member(draft, key, bare=bare)):
                return False

    def _member(self, draft: _Draft, key: str, *, bare: bool) -> Reading[bool]:
        if key == _FUNCTION_KEY and draft.name is None and not draft.is_wrapped:
            if (yield from self._text.literal("{")):
                draft.is_wrapped = True
                return (yield from self._members(draft, bare=bare))
            key = "name"
        if key in _NAME_KEYS and draft.name is None:
            draft.name = yield from self._text.json_string(self._longest_name * _ESCAPED)
            return draft.name in self._tools
        if key in _ARGUMENTS_KEYS and not draft.is_call and draft.early is None:
            return (yield from self._arguments(draft))
        if bare and key not in _OTHER_KEYS and not draft.is_call:
            return False
        return (yield from self._text.json_value(lambda _: None))

    def _arguments(self, draft: _Draft) -> Reading[bool]:
        text = self._text
        if draft.name is not None and (yield from text.peek()) == "{":
            self._begin(draft.name)
            draft.is_call = True
            is_whole = yield from text.json_value(self._parts.add_arguments)
            if is_whole:
                self._parts.end_call()
            return is_whole
        pieces: list[str] = []
        if not (yield from text.json_value(pieces.append)):
            return False
        draft.early = _object_text("".join(pieces))
        return draft.early is not None

    # -- a name, then its arguments --------------------------------------------------------

    def _named(self) -> Reading[bool]:
        text, syntax = self._text, self._syntax
        name = yield from self._name()
        if name and name == syntax.content_name:
            if (yield from text.peek()) in {"", "\n"}:
                text.kept()
                self._parts.drop_space()
            return False
        if name not in self._tools:
            name = name.removeprefix(syntax.name_prefix)
        if name not in self._tools or not self._may_call:
            return False
        if syntax.is_numbered and (yield from text.literal(":")):
            yield from text.word(_LONGEST_KEY)
        if syntax.id_between and (yield from text.literal(syntax.id_between)):
            yield from text.word(_LONGEST_KEY)
        # Mistral's models leave the mark out at times.
        if not (yield from text.spaced(syntax.middle.split())) and syntax.also is None:
            return False
        yield from text.space()
        if (yield from text.peek()) != "{":
            return (yield from self._without_arguments(name))
        self._begin(name)
        if not (yield from text.json_value(self._parts.add_arguments)):
            return False
        self._end()
        return True

    def _without_arguments(self, name: str) -> Reading[bool]:
        """Those of a call that needs none can be left out: Mistral's models do that."""
        text, opening = self._text, self._syntax.call[0]
        if self._syntax.also is None or self._tools[name].get("required"):
            return False
        if (yield from text.literal(opening)):
            text.give_back(opening)
        elif (yield from text.peek()):
            return False
        text.is_cut = False
        self._begin(name, "{}")
        self._end()
        return True

    def _marked(self) -> Reading[bool]:
        text, prefix = self._text, self._syntax.name_prefix
        yield from text.space()
        if not (yield from text.literal(prefix)) and text.is_cut:
            return False
        yield from text.space()
        name = yield from self._name()
        if name not in self._tools or not self._may_call:
            return False
        yield from text.space()
        if (yield from text.peek()) != "{":
            return False
        self._begin(name)
        if not (yield from self._values.value(self._parts.add_arguments)):
            return False
        self._end()
        return True

    def _name(self) -> Reading[str]:
        """A word that may be a tool's name; one that cannot become it is not cut, but none."""
        word = yield from self._text.word(self._longest_name)
        names = [*self._tools, *(f"{self._syntax.name_prefix}{name}" for name in self._tools)]
        if self._text.is_cut and not any(name.startswith(word) for name in names):
            self._text.is_cut = False
        return word

    # -- a name, then arguments in parentheses ---------------------------------------------

    def _code(self) -> Reading[bool]:
        text, values = self._text, self._values
        name = yield from self._name()
        if name not in self._tools or not (yield from text.literal("(")):
            return False
        yield from text.space()
        if (yield from text.literal(")")):
            self._begin(name, "{}")
            self._end()
            return True
        first = ["{"]
        if not (yield from values.key("=", first.append)):
            return False
        self._begin(name, "".join(first))
        hand = self._parts.add_arguments
        while (yield from values.value(hand)):
            yield from text.space()
            has_more = yield from text.literal(",")
            yield from text.space()
            if (yield from text.literal(")")):
                hand("}")
                self._end()
                return True
            hand(", " if has_more else "")
            if not has_more or not (yield from values.key("=", hand)):
                return False
        return False

    # -- a name, then arguments between tags -----------------------------------------------

    def _tagged(self, tags: TagReader) -> Reading[bool]:
        text = self._text
        yield from text.space()
        name = yield from self._name()
        if name not in self._tools or not self._may_call:
            return False
        if not (yield from self._text.spaced(self._syntax.middle.split())):
            return False
        yield from text.space()
        self._begin(name)
        if not (yield from tags.arguments(self._tools[name], self._parts.add_arguments)):
            return False
        self._end()
        return True


def _object_text(value: str) -> str | None:
    """Arguments that are a JSON value as the text of an object; models also write them as a string
    that holds it. None when there is none."""
    if value.startswith('"'):
        try:
            value = encodable(str(json.loads(value, strict=False))).strip() or "{}"
        except ValueError:
            return None
    if value == "null":
        return "{}"
    return value if value.startswith("{") else None
