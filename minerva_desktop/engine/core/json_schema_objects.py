"""JSON schemas of objects as GBNF. Called by json_schema.py on any thread; pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from minerva_desktop.engine.core.json_schema_conditions import is_never
from minerva_desktop.engine.core.json_schema_maps import (
    CountedMember,
    CountedMembers,
    counted_members,
)
from minerva_desktop.engine.core.json_schema_text import one_of, other_key
from minerva_desktop.engine.core.json_schema_values import (
    OBJECT_KEYWORDS,
    Inexpressible,
    Schema,
    Unsatisfiable,
    pointer,
    properties_of,
    refused,
    required_of,
)

_CLOSING = OBJECT_KEYWORDS[2:]


def members(schema: Schema, where: str) -> tuple[Schema, set[str]]:
    """The properties, and which of them are required. One that is required without being declared
    is an additional one, and comes last. Raises InvalidRequest(param="response_format")."""
    properties = properties_of(schema, where)
    required = required_of(schema, where)
    missing = dict.fromkeys(key for key in required if key not in properties)
    others = schema.get("additionalProperties", schema.get("unevaluatedProperties", True))
    if missing and others is False:
        at = pointer(where, "required")
        raise refused(at, f"“{next(iter(missing))}” is required but not among the properties")
    declared = {**properties, **dict.fromkeys(missing, others)}
    return properties_of({"properties": declared}, where), set(required)


def without_never(schema: Schema, where: str) -> Schema:
    """``schema`` less the properties that may not be there. Raises `Inexpressible` where others
    may, which could have their names."""
    found = {
        key: False if key in _CLOSING and is_never(schema[key]) else schema[key] for key in schema
    }
    properties = properties_of(schema, where)
    never = [key for key, value in properties.items() if is_never(value)]
    if not never:
        return found
    if missing := [key for key in never if key in required_of(schema, where)]:
        raise Unsatisfiable(pointer(where, "required"), f"“{missing[0]}” may not be there")
    keyword, others = additional(found)
    if others is not False or (not keyword and len(never) == len(properties)):
        sentence = "that it is not there can be demanded only where all properties are declared"
        raise Inexpressible(pointer(where, "properties", never[0]), sentence)
    left = {key: value for key, value in properties.items() if key not in never}
    return {**found, "properties": left}


def additional(schema: Schema) -> tuple[str, object]:
    """The keyword that decides about further properties, and the schema that these have."""
    keyword = next((key for key in _CLOSING if key in schema), "")
    allowed = schema[keyword] if keyword else "properties" not in schema
    return keyword or "additionalProperties", allowed


class ObjectRules:
    """Writes the rules of objects whose members have theirs already. ``opening``: the expression of
    what stands before a key."""

    opening = '"\\"" '

    def __init__(self, new_rule: Callable[[str], str]) -> None:
        self.new_rule = new_rule

    def expression(self, values: Mapping[str, str], required: set[str], other: str) -> str:
        """That of an object with properties of these ``values``, one or more, in their order, and
        behind them with any others whose value is ``other``, "" where there may be none."""
        keys = [self.spelled(key) for key in values]
        extra = self.extra(keys, other) if other else ""
        more = self.new_rule(f'("," ws {self.opening}{extra})*') if extra else ""
        # From the last property to the first: what may come after it, and the keys to choose from.
        options: list[tuple[str, str]] = []
        optional = True
        tail, head = more, ""
        for index, (key, value) in reversed(list(enumerate(values.items()))):
            entry = self.new_rule(f'":" ws {value} {tail}')
            if key in required:
                options, optional = [], False
            options.append((keys[index], entry))
            extras = f"{extra} {more}" if optional and extra else ""
            head = self._next_member(options, extras)
            tail = self.new_rule(f'("," ws {head}){"?" if optional else ""}') if index else ""
        return self.new_rule(f'"{{" ws ({head} ws){"?" if optional else ""} "}}"')

    def map(self, name: str, value: str, least: int, most: int | None) -> str:
        """That of an object with ``least`` to ``most`` properties of this ``value``, whose names
        are strings of the expression ``name``; any where that is empty."""
        member = f'{name} ":" ws {value}' if name else f"{self.opening}{self.extra([], value)}"
        return counted_members(member, least, most, self.new_rule)

    def counted(
        self,
        values: Mapping[str, str],
        required: set[str],
        other: str,
        least: int,
        most: int | None,
    ) -> str:
        """`expression`, with ``least`` to ``most`` properties."""
        found = [
            CountedMember(self.spelled(key), self.new_rule(f'":" ws {value}'), key in required)
            for key, value in values.items()
        ]
        extra = self.extra([each.key for each in found], other) if other else ""
        members = CountedMembers(found, extra, self.opening, self.new_rule)
        return members.expression(least, most)

    def spelled(self, key: str) -> str:
        """``key`` behind its opening."""
        return json.dumps(key, ensure_ascii=False)[1:]

    def extra(self, keys: list[str], value: str) -> str:
        """The name of the rule of one more property behind its opening, which is none of the
        spelled ``keys``; "" where there is none."""
        key = other_key(keys, self.new_rule) if keys else 'char* "\\""'
        return self.new_rule(f'{key} ":" ws {value}')

    def _next_member(self, options: list[tuple[str, str]], extras: str) -> str:
        found = one_of(options)
        return f"{self.opening}({found} | {extras})" if extras else f"{self.opening}{found}"
