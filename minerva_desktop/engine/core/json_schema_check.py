"""Whether a value that a schema lists satisfies what else it says. Pure.

A list of values may stand beside other keywords: those that do not satisfy them are left out when
the grammar is written, which needs no grammar of the keywords. Nothing is guessed: what cannot be
told raises `Inexpressible` with its place.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from minerva_desktop.engine.core.json_schema_pattern import PatternError
from minerva_desktop.engine.core.json_schema_search import PatternSearch
from minerva_desktop.engine.core.json_schema_values import (
    MAX_CHOICES,
    TYPE_KEYWORDS,
    Inexpressible,
    Schema,
    Unsatisfiable,
    is_type,
    keywords,
    pointer,
    refused,
)

MAX_CHECKS = 50_000  # of a schema for a value, and what each takes in comparisons
_COMPARED = 100  # characters, written and compared as quickly as that
MAX_LEVELS = 64

_LENGTHS: MappingProxyType[str, tuple[type[str | list[Any] | dict[str, Any]], bool]] = (
    MappingProxyType(
        {
            "minLength": (str, True),
            "maxLength": (str, False),
            "minItems": (list, True),
            "maxItems": (list, False),
            "minProperties": (dict, True),
            "maxProperties": (dict, False),
        }
    )
)
_BOUNDS: MappingProxyType[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        "minimum": lambda value, bound: bool(value >= bound),
        "exclusiveMinimum": lambda value, bound: bool(value > bound),
        "maximum": lambda value, bound: bool(value <= bound),
        "exclusiveMaximum": lambda value, bound: bool(value < bound),
        "multipleOf": lambda value, step: (Fraction(str(value)) / Fraction(str(step))) % 1 == 0,
    }
)
_ITEMS = frozenset({"items", "prefixItems", "additionalItems", "uniqueItems", "contains"})
_MEMBERS = frozenset({"properties", "required", "additionalProperties", "propertyNames"})
_DEPENDENT = frozenset({"dependentRequired", "dependentSchemas"})
_COMBINED = frozenset({"$ref", "allOf", "anyOf", "oneOf"})
# What says nothing alone, or by the standard only tells what a text is.
_SILENT = frozenset({"format", "minContains", "maxContains"})


class ValueCheck:
    """Checks values for one schema; methods raise InvalidRequest(param="response_format")."""

    def __init__(self, follow: Callable[[object, str], object]) -> None:
        """``follow`` gives what the reference of a schema at some place leads to."""
        self._follow = follow
        self._search = PatternSearch()
        self._n_checks = 0
        self._methods: dict[str, Callable[[Any, Schema, str, str], bool]] = {
            "$ref": self._reference,
            "pattern": self._pattern,
            "not": self._not,
            "if": self._if,
            **dict.fromkeys(("allOf", "anyOf", "oneOf"), self._combined),
            **dict.fromkeys(_LENGTHS, self._length),
            **dict.fromkeys(_BOUNDS, self._bound),
            **dict.fromkeys(_ITEMS, self._items),
            **dict.fromkeys(_MEMBERS, self._members),
            **dict.fromkeys(_DEPENDENT, self._dependent),
        }
        self._depth = 0

    def narrowed(self, schema: Schema, where: str, *, kept: frozenset[str] = _COMBINED) -> Schema:
        """``schema`` with those of its values that satisfy all else that it says, and without that,
        but for the keywords that are ``kept``. `Unsatisfiable` where no value is left."""
        keyword = "const" if "const" in schema else "enum"
        values = [schema["const"]] if keyword == "const" else schema["enum"]
        at = pointer(where, keyword)
        if not isinstance(values, list) or not 0 < len(values) <= MAX_CHOICES:
            raise refused(at, f"there should be a list of 1 to {MAX_CHOICES} values")
        rest = keywords(schema) - {keyword, *kept}
        for word in sorted(rest):
            values = [value for value in values if self.holds(value, schema, word, where)]
            if not values:
                raise Unsatisfiable(at, f"no value satisfies the “{word}” that stands beside it")
        found = {key: schema[key] for key in schema if key not in rest}
        return {**found, keyword: values[0] if keyword == "const" else values}

    def satisfies(self, value: Any, schema: object, where: str) -> bool:
        """Whether ``value`` is one of the ``schema`` that stands at the JSON pointer ``where``."""
        self._count(1, where)
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            raise refused(where, "a schema should stand here")
        if self._depth == MAX_LEVELS:
            raise refused(where, f"schemas are nested more than {MAX_LEVELS} deep")
        if value is None and schema.get("nullable") is True:
            return True
        self._depth += 1
        try:
            return all(self.holds(value, schema, key, where) for key in sorted(keywords(schema)))
        finally:
            self._depth -= 1

    def holds(self, value: Any, schema: Schema, keyword: str, where: str) -> bool:
        """Whether ``value`` satisfies what the ``keyword`` of ``schema`` says."""
        at = pointer(where, keyword)
        self._count(1, at)
        if keyword in ("nullable", *_SILENT):
            return True
        if keyword == "type":
            types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            for name in types:
                if not isinstance(name, str) or name not in TYPE_KEYWORDS:
                    raise refused(at, f"“{name}” is not a type")
            return any(is_type(value, name) for name in types)
        if keyword in ("const", "enum"):
            values = [schema["const"]] if keyword == "const" else schema["enum"]
            if not isinstance(values, list):
                raise refused(at, "there should be a list of values")
            return any(self._is_same(value, each, at) for each in values)
        if method := self._methods.get(keyword):
            return method(value, schema, keyword, at)
        raise Inexpressible(at, f"“{keyword}” is not supported here")

    def _count(self, amount: int, where: str) -> None:
        self._n_checks += amount
        if self._n_checks > MAX_CHECKS:
            raise Inexpressible(where, "there is too much to compare with a list of values")

    def _text(self, value: object, where: str) -> str:
        """One for all spellings of a value."""
        text = _written(value)
        self._count(1 + len(text) // _COMPARED, where)
        return text

    def _is_same(self, one: object, other: object, where: str) -> bool:
        """Whether two values are one in JSON: 1 and 1.0 are, 1 and true are not."""
        self._count(1, where)
        if isinstance(one, dict | list) and isinstance(other, dict | list):
            return self._text(one, where) == self._text(other, where)
        one, other = _plain(one), _plain(other)
        return type(one) is type(other) and one == other

    def _reference(self, value: Any, schema: Schema, keyword: str, at: str) -> bool:
        alone = {keyword: schema[keyword]}
        return self.satisfies(value, self._follow(alone, at), str(schema[keyword]))

    def _combined(self, value: Any, schema: Schema, keyword: str, at: str) -> bool:
        parts = schema[keyword]
        if not isinstance(parts, list) or not parts:
            raise refused(at, "there should be a list of schemas")
        found = [self.satisfies(value, each, pointer(at, n)) for n, each in enumerate(parts)]
        return {"allOf": all(found), "anyOf": any(found), "oneOf": sum(found) == 1}[keyword]

    def _not(self, value: Any, schema: Schema, keyword: str, at: str) -> bool:
        return not self.satisfies(value, schema[keyword], at)

    def _if(self, value: Any, schema: Schema, keyword: str, at: str) -> bool:
        branch = "then" if self.satisfies(value, schema[keyword], at) else "else"
        place = pointer(at.rpartition("/")[0], branch)
        return self.satisfies(value, schema.get(branch, True), place)

    def _length(self, value: Any, schema: Schema, keyword: str, at: str) -> bool:
        kind, is_least = _LENGTHS[keyword]
        bound = schema[keyword]
        if not is_type(bound, "integer") or bound < 0:
            raise refused(at, "there should be a whole number from 0 on")
        if not isinstance(value, kind):
            return True
        return bool(len(value) >= bound if is_least else len(value) <= bound)

    def _bound(self, value: Any, schema: Schema, keyword: str, at: str) -> bool:
        bound = schema[keyword]
        if not is_type(bound, "number") or (keyword == "multipleOf" and bound <= 0):
            raise refused(at, "there should be a number")
        try:
            return not is_type(value, "number") or _BOUNDS[keyword](value, bound)
        except (ValueError, OverflowError) as error:
            raise refused(at, "there should be a number") from error

    def _pattern(self, value: Any, schema: Schema, keyword: str, at: str) -> bool:
        try:
            return not isinstance(value, str) or self._search.finds(str(schema[keyword]), value)
        except PatternError as error:
            raise Inexpressible(at, str(error)) from error

    def _items(self, value: Any, schema: Schema, keyword: str, at: str) -> bool:
        """One of the keywords about items."""
        if not isinstance(value, list):
            return True
        where = at.rpartition("/")[0]
        said = schema[keyword]
        if keyword == "uniqueItems":
            return said is False or len({self._text(each, at) for each in value}) == len(value)
        if keyword == "contains":
            if schema.keys() & {"minContains", "maxContains"}:
                raise Inexpressible(at, "a count of what is contained is not supported here")
            return any(self.satisfies(each, said, at) for each in value)
        if isinstance(said, list):
            pairs = enumerate(zip(value, said, strict=False))
            return all(self.satisfies(each, part, pointer(at, n)) for n, (each, part) in pairs)
        is_old = isinstance(schema.get("items"), list)
        if keyword == "additionalItems" and not is_old:
            return True
        first = schema.get("items" if is_old else "prefixItems", [])
        if not isinstance(first, list):
            raise refused(where, "there should be a list of schemas")
        return all(self.satisfies(each, said, at) for each in value[len(first) :])

    def _dependent(self, value: Any, schema: Schema, keyword: str, at: str) -> bool:
        """What is demanded of an object that has some property."""
        said = schema[keyword]
        if not isinstance(said, dict):
            raise refused(at, "there should be an object")
        if not isinstance(value, dict):
            return True
        word = "required" if keyword == "dependentRequired" else "allOf"
        demands = {name: [each] if word == "allOf" else each for name, each in said.items()}
        return all(
            self.satisfies(value, {word: demands[name]}, pointer(at, name))
            for name in value
            if name in demands
        )

    def _members(self, value: Any, schema: Schema, keyword: str, at: str) -> bool:
        """One of the keywords about properties."""
        if not isinstance(value, dict):
            return True
        said, declared = schema[keyword], schema.get("properties", {})
        if keyword == "propertyNames":
            return all(self.satisfies(name, said, at) for name in value)
        if keyword == "required":
            if not isinstance(said, list):
                raise refused(at, "there should be a list of names")
            return all(name in value for name in said)
        if not isinstance(declared, dict):
            raise refused(at, "there should be an object of schemas")
        if keyword == "properties":
            known = [name for name in value if name in declared]
            return all(self.satisfies(value[n], declared[n], pointer(at, n)) for n in known)
        if "patternProperties" in schema:
            raise Inexpressible(at, "it is not supported beside “patternProperties”")
        return all(self.satisfies(value[n], said, at) for n in value if n not in declared)


def constant_texts(schema: Schema, where: str, written: Callable[[object], str]) -> list[str]:
    """The values of `const` or `enum` as ``written``, each once."""
    keyword = "const" if "const" in schema else "enum"
    values = [schema["const"]] if keyword == "const" else schema["enum"]
    try:
        # 1 and 1.0 are one number.
        plain = [int(v) if isinstance(v, float) and v.is_integer() else v for v in values]
        texts = [written(value) for value in plain]
    except (ValueError, TypeError, RecursionError) as error:
        raise refused(pointer(where, keyword), "a value cannot be written as JSON") from error
    return list(dict.fromkeys(texts))


def _written(value: object) -> str:
    try:
        return json.dumps(_plain(value), sort_keys=True)
    except (RecursionError, ValueError, TypeError) as error:
        raise refused("#", "a value cannot be written as JSON") from error


def _plain(value: object) -> object:
    """``value`` with whole numbers without a point, also within."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
