"""The keywords that demand something only sometimes, in words that a grammar can be written of:
`not`, `if`, `dependentRequired`, `dependentSchemas`. Pure.

What they say becomes choices: of what is demanded with the condition and of what is without. The
negation of a schema may leave out values that it allows, and never allows one that it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

from minerva_desktop.engine.core.json_schema_values import (
    MAX_DEPTH,
    TYPE_KEYWORDS,
    Inexpressible,
    Schema,
    Unsatisfiable,
    is_type,
    keywords,
    pointer,
    refused,
)

CONDITIONS = ("not", "if", "dependentRequired", "dependentSchemas", "dependencies")
MAX_ALTERNATIVES = 50  # of one negation
MAX_NEGATED = 500  # schemas
_TYPES = ("object", "array", "string", "number", "boolean", "null")
# What demands the contrary, and of what type.
_CONTRARY = MappingProxyType(
    {
        "minimum": ("number", "exclusiveMaximum"),
        "exclusiveMinimum": ("number", "maximum"),
        "maximum": ("number", "exclusiveMinimum"),
        "exclusiveMaximum": ("number", "minimum"),
    }
)
_COUNTED = MappingProxyType(
    {
        "minLength": ("string", "maxLength", -1),
        "maxLength": ("string", "minLength", 1),
        "minItems": ("array", "maxItems", -1),
        "maxItems": ("array", "minItems", 1),
    }
)

Follow = Callable[[object, str], object]


class Never(Unsatisfiable):
    """What stands there forbids every value, as `not: {}` does."""


def conditions(schema: Schema) -> list[str]:
    """The keywords of ``schema`` that `rewritten` is for. Beside a list of values they are only
    compared with these."""
    if schema.keys() & {"const", "enum"}:
        return []
    return [key for key in CONDITIONS if key in schema and not (key == "not" and _is_list(schema))]


def _is_list(schema: Schema) -> bool:
    """Whether its `not` is a list of values that may not be."""
    said = schema["not"]
    return isinstance(said, dict) and keywords(said) == {"enum"} and isinstance(said["enum"], list)


def is_never(schema: object) -> bool:
    """Whether it plainly allows nothing."""
    if not isinstance(schema, dict) or keywords(schema) != {"not"}:
        return schema is False
    said = schema["not"]
    return said is True or (isinstance(said, dict) and not keywords(said))


def rewritten(
    schema: Schema, keyword: str, where: str, follow: Follow
) -> Iterator[tuple[str, object]]:
    """What its ``keyword`` demands as schemas with the place ``where`` that is, of all of which a
    value has to be. ``follow`` gives what the reference of a schema leads to. Raises
    InvalidRequest."""
    at = pointer(where, keyword)
    if keyword == "not":
        yield at, _any_of(_Negation(follow).of(schema["not"], at), at)
    elif keyword == "if":
        condition = schema["if"]
        both = {"allOf": [condition, schema.get("then", True)]}
        others = _Negation(follow).of(condition, at)
        otherwise = schema.get("else", True)
        yield at, _any_of([both, *({"allOf": [each, otherwise]} for each in others)], at)
    else:
        said = schema[keyword]
        if not isinstance(said, dict):
            raise refused(at, "there should be an object")
        for name, demanded in said.items():
            with_it: list[object] = [{"required": [name]}, _demand(demanded, keyword, at)]
            yield at, {"anyOf": [{"properties": {name: False}}, {"allOf": with_it}]}


def _demand(demanded: object, keyword: str, where: str) -> object:
    if keyword == "dependentSchemas" or not isinstance(demanded, list):
        if keyword == "dependentRequired" or not isinstance(demanded, bool | dict):
            raise refused(where, "there should be lists of names, or schemas")
        return demanded
    return {"required": demanded}


def _any_of(options: list[object], where: str) -> object:
    if not options:
        raise Never(where, "nothing satisfies it")
    return options[0] if len(options) == 1 else {"anyOf": options}


def without_values(whole: Schema, where: str) -> Schema:
    """``whole`` with its `not`, which is a list of values, in words that are written, as far as
    there are any. Raises `Unsatisfiable` where nothing is left."""
    if not {"not", "type"} <= whole.keys() or whole.keys() & {"const", "enum"}:
        return whole
    names = whole["type"] if isinstance(whole["type"], list) else [whole["type"]]
    values = [v for v in whole["not"]["enum"] if any(is_type(v, name) for name in names)]
    found = {key: value for key, value in whole.items() if key != "not"}
    if any(value is None for value in values):
        names = [name for name in names if name != "null"]
        values = [value for value in values if value is not None]
        found["type"] = names
    if not names:
        raise Unsatisfiable(where, "nothing satisfies all that is said here")
    if {*names} <= {"boolean", "null"} and values:
        lists: dict[str, list[bool | None]] = {"boolean": [True, False], "null": [None]}
        found["enum"] = [value for name in names for value in lists[name]]
    if "" in values and is_type(found.get("minLength", 0), "integer"):
        values = [value for value in values if value != ""]
        found["minLength"] = max(1, found.get("minLength", 0))
    return {**found, "not": {"enum": values}} if values else found


class _Negation:
    """Writes negations, each as schemas of which a value has to satisfy one."""

    def __init__(self, follow: Follow) -> None:
        self._follow = follow
        self._depth = self._n_met = 0
        self._methods: dict[str, Callable[[Any, str], list[object]]] = {
            "$ref": self._of_reference,
            "not": lambda said, _: [said],
            "const": lambda said, _: [{"not": {"enum": [said]}}],
            "enum": lambda said, at: [{"not": {"enum": _list(said, at)}}],
            "type": _other_types,
            "required": _without_one,
            "properties": self._of_properties,
            "allOf": self._of_all,
            "anyOf": lambda said, at: [{"allOf": [{"not": each} for each in _list(said, at)]}],
        }

    def of(self, schema: object, where: str) -> list[object]:
        """That of the ``schema`` that stands at ``where``; raises InvalidRequest."""
        if isinstance(schema, bool):
            return [] if schema else [True]
        if not isinstance(schema, dict):
            raise refused(where, "a schema should stand here")
        if self._depth == MAX_DEPTH:
            raise refused(where, f"schemas are nested more than {MAX_DEPTH} deep")
        self._depth += 1
        self._n_met += 1
        if self._n_met > MAX_NEGATED:
            raise Inexpressible(where, "there is too much not to satisfy")
        found: list[object] = []
        for keyword in sorted(keywords(schema)):
            found += self._of_keyword(keyword, schema[keyword], pointer(where, keyword))
            if len(found) > MAX_ALTERNATIVES:
                raise Inexpressible(where, "there are too many ways not to satisfy it")
        self._depth -= 1
        return found

    def _of_keyword(self, keyword: str, said: Any, at: str) -> list[object]:
        if method := self._methods.get(keyword):
            return method(said, at)
        if keyword in _CONTRARY:
            name, contrary = _CONTRARY[keyword]
            return [{"type": name, contrary: said}]
        if keyword in _COUNTED and is_type(said, "integer") and said >= 0:
            name, contrary, step = _COUNTED[keyword]
            return [{"type": name, contrary: said + step}] if said + step >= 0 else []
        raise Inexpressible(at, f"the contrary of “{keyword}” cannot be demanded")

    def _of_reference(self, said: Any, at: str) -> list[object]:
        return self.of(self._follow({"$ref": said}, at), str(said))

    def _of_all(self, said: Any, at: str) -> list[object]:
        parts = enumerate(_list(said, at))
        return [other for n, each in parts for other in self.of(each, pointer(at, n))]

    def _of_properties(self, properties: object, at: str) -> list[object]:
        if not isinstance(properties, dict):
            raise refused(at, "there should be an object of schemas")
        return [
            {"type": "object", "required": [name], "properties": {name: _not(schema)}}
            for name, schema in properties.items()
            if schema is not True and not (isinstance(schema, dict) and not keywords(schema))
        ]


def _not(schema: object) -> object:
    """Its negation in the words of JSON Schema."""
    if isinstance(schema, dict) and keywords(schema) == {"const"}:
        return {"not": {"enum": [schema["const"]]}}
    return True if schema is False else {"not": schema}


def _list(said: object, where: str) -> list[Any]:
    if not isinstance(said, list):
        raise refused(where, "there should be a list")
    return said


def _without_one(said: object, where: str) -> list[object]:
    without = [{name: False} for name in _list(said, where)]
    return [{"type": "object", "properties": each} for each in without]


def _other_types(said: object, where: str) -> list[object]:
    """Numbers are left out where they may not be integers: no grammar has those that are none."""
    names = said if isinstance(said, list) else [said]
    for name in names:
        if not isinstance(name, str) or name not in TYPE_KEYWORDS:
            raise refused(where, f"“{name}” is not a type")
    taken = {"number" if name == "integer" else name for name in names}
    others = [name for name in _TYPES if name not in taken]
    if not others and "number" not in names and "integer" in names:
        raise Inexpressible(where, "numbers that are no integers cannot be demanded")
    return [{"type": others}] if others else []
