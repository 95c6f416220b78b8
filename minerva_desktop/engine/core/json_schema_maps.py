"""JSON schemas of objects that say something of all their names, or how many there are. Pure.

The grammar has no memory of the names that were written, so that a free one may come twice: at most
one of these can be demanded. Those that are declared are counted in their order, before the others.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from minerva_desktop.engine.core.json_schema_counts import repeated
from minerva_desktop.engine.core.json_schema_text import one_of
from minerva_desktop.engine.core.json_schema_values import (
    Inexpressible,
    Schema,
    counts,
    keywords,
    pointer,
    properties_of,
    refused,
    required_of,
)

MAX_OTHERS = 100  # properties in all, where declared ones and others are counted together
MAX_COUNTED_NAMES = 24  # each with a rule for each number of them
_PATTERNS, _NAMES = "patternProperties", "propertyNames"


class NamePattern(msgspec.Struct, frozen=True):
    """What all names have to be and what is behind them, as schemas with their places."""

    name: Schema
    name_at: str
    value: object
    value_at: str


def with_names(schema: Schema, where: str, follow: Callable[[object], object]) -> Schema:
    """``schema`` with the names of which a list is given as its properties. ``follow`` gives what a
    schema refers to that says nothing else."""
    names = follow(schema.get(_NAMES))
    if not isinstance(names, dict) or not names.keys() & {"const", "enum"}:
        return schema
    values = [names["const"]] if "const" in names else names["enum"]
    types = names.get("type", "string")
    is_alone = keywords(names) - {"type"} in ({"const"}, {"enum"}) and not schema.get(_PATTERNS)
    if not is_alone or types not in ("string", ["string"]) or not isinstance(values, list):
        raise Inexpressible(pointer(where, _NAMES), "a list of names has to stand alone")
    declared = properties_of(schema, where)
    others = schema.get("additionalProperties", schema.get("unevaluatedProperties", True))
    properties = {
        name: declared.get(name, others)
        for name in [*declared, *values]
        if isinstance(name, str) and name in values
    }
    left_out = (_NAMES, "properties", "additionalProperties", "unevaluatedProperties")
    rest = {key: value for key, value in schema.items() if key not in left_out}
    possible = {name: value for name, value in properties.items() if value is not False}
    return {**rest, "properties": possible, "additionalProperties": False}


def name_pattern(schema: Schema, where: str, *, is_written: bool) -> NamePattern | None:
    """What holds for all names; ``is_written``: these are texts as all others. Raises
    InvalidRequest."""
    patterns = schema.get(_PATTERNS, {})
    if not isinstance(patterns, dict):
        raise refused(pointer(where, _PATTERNS), "there should be an object of schemas")
    keyword = _PATTERNS if patterns else _NAMES
    others = schema.get("additionalProperties", schema.get("unevaluatedProperties", True))
    if not patterns and (
        _NAMES not in schema or (others is False and not schema.get("properties"))
    ):
        return None
    at = pointer(where, keyword)
    if not is_written:
        raise Inexpressible(at, "names without quotes can be only as they are declared")
    if properties_of(schema, where) or required_of(schema, where):
        raise Inexpressible(at, "it is not supported beside “properties” or “required”")
    if not patterns:
        key = (
            "additionalProperties" if "additionalProperties" in schema else "unevaluatedProperties"
        )
        return NamePattern(_text(schema[_NAMES], at), at, others, pointer(where, key))
    if len(patterns) > 1 or _NAMES in schema:
        raise Inexpressible(at, "only one pattern for all names can be demanded")
    pattern, value = next(iter(patterns.items()))
    if value is False:
        raise Inexpressible(at, "that no name matches cannot be demanded")
    return NamePattern({"type": "string", "pattern": pattern}, at, value, pointer(at, pattern))


def _text(names: object, where: str) -> Schema:
    if names is True:
        return {"type": "string"}
    if not isinstance(names, dict):
        raise refused(where, "a schema that allows something should stand here")
    if names.keys() & {"$ref", "allOf", "anyOf", "oneOf"}:
        return {"allOf": [{"type": "string"}, names]}
    if names.get("type", "string") != "string":
        raise refused(where, "all names are strings")
    rest = {key: value for key, value in names.items() if key != "nullable"}  # no name is null
    return {**rest, "type": "string"}


def free_counts(schema: Schema, where: str) -> tuple[int, int | None]:
    """How many properties there are at least and at most, of those that may have any names."""
    least, most = counts(schema, where, "minProperties", "maxProperties")
    if least > 1:
        at = pointer(where, "minProperties")
        raise Inexpressible(at, "more than one can be demanded only of declared properties")
    return least, most


def declared_counts(
    schema: Schema, where: str, properties: Schema, required: set[str], others: object
) -> tuple[int, int | None, bool] | None:
    """The same of those that are declared, and whether ``others``, whose schema that is, may come
    behind them; None where any number may come of all."""
    least, most = counts(schema, where, "minProperties", "maxProperties")
    n = len(properties)
    if least <= len(required) and (most is None or (most >= n and others is False)):
        return None
    is_open = bool(schema.keys() & {"additionalProperties", "unevaluatedProperties"})
    is_open = is_open and others is not False
    if not is_open:
        most = n if most is None else min(most, n)
    low, high = pointer(where, "minProperties"), pointer(where, "maxProperties")
    if most is not None and len(required) > most:
        raise refused(high, f"it is less than the {len(required)} that are required")
    if least > n + is_open:
        raise Inexpressible(low, f"only up to {n + is_open} properties can be demanded here")
    if n > MAX_COUNTED_NAMES:
        at = low if least > len(required) else high
        raise Inexpressible(at, f"only up to {MAX_COUNTED_NAMES} declared properties are counted")
    if most is not None and most > MAX_OTHERS:
        raise Inexpressible(high, f"with others, only up to {MAX_OTHERS} properties are counted")
    return least, most, is_open


def counted_members(
    member: str, least: int, most: int | None, new_rule: Callable[[str], str]
) -> str:
    """The expression of an object with so many of ``member``."""
    if most == 0:
        return '"{" ws "}"'
    further = new_rule(f'"," ws {member}')
    more = repeated(further, max(least - 1, 0), None if most is None else most - 1)
    return new_rule(f'"{{" ws ({member} {more} ws){"" if least else "?"} "}}"')


class CountedMember(msgspec.Struct, frozen=True):
    """A spelled key, the expression of what is behind it, and whether it has to be there."""

    key: str
    entry: str
    is_required: bool


class CountedMembers:
    """The members of an object in their order, and behind them others, so many of all. A bound that
    is None is none."""

    def __init__(
        self, members: list[CountedMember], other: str, opening: str, new_rule: Callable[[str], str]
    ) -> None:
        """``opening`` stands before each key, ``other`` is another member behind that, or ""."""
        self._members = members
        self._other = other
        self._more_others = new_rule(f'"," ws {opening}{other}') if other else ""
        self._opening = opening
        self._new_rule = new_rule
        self._known: dict[tuple[int, int, int | None], str] = {}

    def expression(self, least: int, most: int | None) -> str:
        """That of an object. There have to be enough of them, and not too many required."""
        if most == 0:
            return '"{" ws "}"'
        least = max(least, self._n_required(0))
        some = self._some(0, least, most)
        return self._new_rule(f'"{{" ws ({some} ws){"" if least else "?"} "}}"')

    def _n_required(self, first: int) -> int:
        return sum(each.is_required for each in self._members[first:])

    def _some(self, first: int, least: int, most: int | None) -> str:
        """One member or more from number ``first`` on."""
        left = len(self._members) - first
        if not self._other:
            most = left if most is None else min(most, left)
        key = (first, least, most)
        if key not in self._known:
            options = self._options(first, least, most)
            found = one_of(options) if options else ""
            if self._other and least <= 1 and not self._n_required(first):
                other = f"{self._other} {self._others(0, _less(most))}"
                found = f"({found} | {other})" if found else other
            self._known[key] = self._new_rule(f"{self._opening}{found}")
        return self._known[key]

    def _options(self, first: int, least: int, most: int | None) -> list[tuple[str, str]]:
        """The declared members that may be the next one, and what is behind their keys."""
        options = []
        for index, each in enumerate(self._members[first:], first):
            needed = max(least - 1, self._n_required(index + 1))
            can_come = len(self._members) - index - 1 + bool(self._other)
            if needed <= (can_come if most is None else min(most - 1, can_come)):
                more = self._more(index + 1, needed, _less(most))
                options.append((each.key, f"{each.entry} {more}"))
            if each.is_required:
                break
        return options

    def _more(self, first: int, least: int, most: int | None) -> str:
        if most == 0:
            return ""
        if first == len(self._members):
            return self._others(least, most)
        return f'("," ws {self._some(first, least, most)}){"" if least else "?"}'

    def _others(self, least: int, most: int | None) -> str:
        return repeated(self._more_others, least, most) if self._other and most != 0 else ""


def _less(most: int | None) -> int | None:
    return None if most is None else most - 1
