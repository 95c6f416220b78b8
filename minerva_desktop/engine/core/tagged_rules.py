"""Grammar rules of a call whose arguments stand between tags, strings without quotes. Pure."""

from __future__ import annotations

import json
import re

from minerva_desktop.engine.call_syntax import CallSyntax
from minerva_desktop.engine.core.json_schema_counts import repeated
from minerva_desktop.engine.core.json_schema_formats import FORMATS
from minerva_desktop.engine.core.json_schema_text import literal, one_of
from minerva_desktop.engine.core.json_schema_values import Inexpressible, counts, pointer
from minerva_desktop.engine.core.text_rules import text_until
from minerva_desktop.engine.core.tool_schema import ToolSchema
from minerva_desktop.engine.typed_arguments import argument_types

_LIMITS = frozenset({"pattern", "format", "minLength", "maxLength"})
_NO_KEY = re.compile(r"[<>\n]")


def tagged_call(syntax: CallSyntax, schema: ToolSchema, *, is_free: bool) -> str:
    """The expression of all that follows a tool's name; its rules are added to ``schema.rules``.

    ``is_free`` takes any arguments. Raises InvalidRequest(param="response_format").
    """
    return _TaggedRules(syntax, schema).call(is_free=is_free)


class _TaggedRules:
    def __init__(self, syntax: CallSyntax, schema: ToolSchema) -> None:
        self._schema = schema
        self._middle, self._closing = literal(syntax.middle), literal(syntax.call[1])
        self._before, self._between, self._behind = syntax.parameter
        # A text ends at the tag behind it, whatever white space is around that.
        self._mark = self._behind.strip()
        self._tail = self._behind[self._behind.index(self._mark) + len(self._mark) :]

    def call(self, *, is_free: bool) -> str:
        if is_free:
            key = f"[A-Za-z0-9_.-]{{1,64}} {literal(self._between)}"
            free = self._new("free", f"{literal(self._before)} {key} {self._any_text()}")
            return f"{self._middle} {free}* {self._closing}"
        return f"{self._middle} {self._members()}"

    def _new(self, name: str, body: str) -> str:
        name = f"{self._schema.prefix}{name}"
        rule = f"{name} ::= {body}"
        if rule not in self._schema.rules:
            self._schema.rules.append(rule)
        return name

    def _members(self) -> str:
        """All arguments in their order, and the end of the call."""
        properties, required = self._schema.declared()
        # From the last one to the first: what may come from there on.
        rest = self._closing
        options: list[tuple[str, str]] = []
        may_end = True
        for index, (key, value) in reversed(list(enumerate(properties.items()))):
            where = pointer("#", "properties", key)
            if _NO_KEY.search(key):
                raise Inexpressible(
                    where, "a name between tags can hold neither < nor > nor a newline"
                )
            entry = self._new(f"p{index}", f"{self._value(value, where)} {rest}")
            if key in required:
                options, may_end = [], False
            options.append((key + self._between, entry))
            more = f"{literal(self._before)} {one_of(options)}"
            rest = self._new(f"from{index}", f"{more} | {self._closing}" if may_end else more)
        return rest

    def _value(self, value: object, where: str) -> str:
        """A value and the tag behind it."""
        found = self._schema.resolved(value)
        types = argument_types({}, found)
        if "string" not in types or not isinstance(found, dict):
            return f"{self._schema.visit(value, where)} {literal(self._behind)}"
        if "enum" in found or "const" in found:
            return f"{self._constants(found.get('enum', [found.get('const')]), where)}"
        limits = found.keys() & _LIMITS
        if str(found.get("format")) not in FORMATS:
            limits -= {"format"}
        self._schema.visit(found, where)  # so that nothing in it is overlooked
        limits -= {limit for limit in limits if pointer(where, limit) in self._schema.left_out}
        is_kept = len(types) == 1 and "pattern" not in limits
        if limits and not is_kept and self._schema.strict:
            raise Inexpressible(where, "this limit of a text cannot be kept between tags")
        if not limits or not is_kept:
            return self._any_text()
        if "format" in limits:
            return f"{FORMATS[found['format']].body} {literal(self._behind)}"
        kept = {limit: found[limit] for limit in limits}
        least, most = counts(kept, where, "minLength", "maxLength")
        body = repeated(r"[^<\n]", least, most)
        return f"{body} {literal(self._behind)}"

    def _constants(self, values: object, where: str) -> str:
        self._schema.visit({"enum": values}, where)
        texts = {
            value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            for value in (values if isinstance(values, list) else [])
        }
        if any(self._mark in text for text in texts):
            raise Inexpressible(where, f"a value cannot hold {self._mark}")
        return f"{one_of([(text, '') for text in texts])} {literal(self._behind)}"

    def _any_text(self) -> str:
        start, rules = text_until(self._mark, f"{self._schema.prefix}text")
        self._schema.rules += [rule for rule in rules if rule not in self._schema.rules]
        return f"{start} {literal(self._tail)}" if self._tail else start
