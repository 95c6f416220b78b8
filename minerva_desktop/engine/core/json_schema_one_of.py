"""What tells the schemas of a `oneOf` apart, so that no value satisfies two of them. Pure.

Schemas come with their references followed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence

from minerva_desktop.engine.core.json_schema_values import MAX_CHOICES, Schema, is_type, refused

_TYPES = ("string", "number", "boolean", "null", "array", "object")
MAX_COMPARED = 1_000_000  # constants, in all choices of a schema: about 0.1 s
_FOLLOWING = 50  # as many comparisons take no longer than to follow a reference


class Tags:
    """Finds the property that tells the objects of a choice apart, for all choices of one schema:
    a small body can have hundreds of these, of objects with hundreds of long lists."""

    def __init__(self, follow: Callable[[object, str], object]) -> None:
        """``follow`` gives a schema, or what its reference at some place leads to."""
        self._follow = follow
        self._work = 0  # about, in values compared
        # By the identity of a property's schema, which is kept with them.
        self._known: dict[int, tuple[object, frozenset[str]]] = {}

    def tag_of(self, schema: Schema, found: list[object], where: str) -> str:
        """The property whose constant tells the objects ``found`` apart, "" when there is none. A
        `discriminator` of ``schema`` names the one that counts. Raises InvalidRequest where that
        would take too long."""
        properties = [each.get("properties") if isinstance(each, dict) else None for each in found]
        if not isinstance(properties[0], dict):
            return ""
        named = schema.get("discriminator")
        name = named.get("propertyName") if isinstance(named, dict) else None
        for key in properties[0] if name is None else [str(name)]:
            if self._tells_apart(key, properties, where):
                return str(key)
        return ""

    def _tells_apart(self, key: str, properties: list[object], where: str) -> bool:
        seen: set[str] = set()
        for each in properties:
            values = self._constants(each, key, where)
            self._work += 1 + len(values)
            if self._work > MAX_COMPARED:
                sentence = "finding what tells the schemas apart takes too long; use “anyOf”"
                raise refused(where, sentence)
            if not values or not seen.isdisjoint(values):
                return False
            seen |= values
        return True

    def _constants(self, properties: object, key: str, where: str) -> frozenset[str]:
        """Those that a property may be, where all are strings."""
        schema = properties.get(key) if isinstance(properties, dict) else None
        if not isinstance(schema, dict):
            return frozenset()
        if id(schema) not in self._known:
            self._work += _FOLLOWING
            self._known[id(schema)] = (schema, _texts(self._follow(schema, where)))
        return self._known[id(schema)][1]


def _texts(found: object) -> frozenset[str]:
    """The constants of a schema, where all are strings."""
    if not isinstance(found, dict) or not found.keys() & {"const", "enum"}:
        return frozenset()
    values = [found["const"]] if "const" in found else found["enum"]
    if not isinstance(values, list):
        return frozenset()
    values = values[: MAX_CHOICES + 1]  # a longer list is refused where it is written
    return frozenset(values) if all(isinstance(each, str) for each in values) else frozenset()


def with_tag(schema: object, tag: str) -> object:
    """The schema of an object that has to have the property ``tag``."""
    if not isinstance(schema, dict):
        return schema
    required = schema.get("required", [])
    if not isinstance(required, list) or tag in required:
        return schema
    return {**schema, "required": [*required, tag]}


def constant_kinds(schema: Schema) -> frozenset[str]:
    """The type and the text of each value of `const` or `enum`; none of what is wrong."""
    values = [schema["const"]] if "const" in schema else schema["enum"]
    try:
        return frozenset(map(_kind, values)) if isinstance(values, list) else frozenset()
    except (RecursionError, ValueError, TypeError):
        return frozenset()


def are_apart(schemas: Sequence[Collection[str]]) -> bool:
    """Whether no two have a type or a value in common."""
    types: set[str] = set()
    values: set[str] = set()
    of_values: set[str] = set()  # the types of these
    for kinds in schemas:
        new_types = {kind for kind in kinds if " " not in kind}
        new_values = {*kinds} - new_types
        of_new = {kind.partition(" ")[0] for kind in new_values}
        if new_types & (types | of_values) or of_new & types or new_values & values:
            return False
        types |= new_types
        values |= new_values
        of_values |= of_new
    return True


def _kind(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    name = next(each for each in _TYPES if is_type(value, each))
    return f"{name} {json.dumps(value, sort_keys=True)}"
