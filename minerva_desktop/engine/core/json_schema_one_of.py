"""What tells the schemas of a `oneOf` apart, so that no value satisfies two of them. Pure.

Schemas come with their references followed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence

from minerva_desktop.engine.core.json_schema_values import Schema, is_type

_TYPES = ("string", "number", "boolean", "null", "array", "object")


def tag_of(schema: Schema, found: list[object], follow: Callable[[object], object]) -> str:
    """The property whose constant tells the objects ``found`` apart, "" when there is none. A
    `discriminator` of ``schema`` names the one that counts."""
    properties = [each.get("properties") if isinstance(each, dict) else None for each in found]
    if not isinstance(properties[0], dict):
        return ""
    named = schema.get("discriminator")
    name = named.get("propertyName") if isinstance(named, dict) else None
    for key in properties[0] if name is None else [str(name)]:
        texts = [_constants(each, key, follow) for each in properties]
        if all(texts) and sum(map(len, texts)) == len(set().union(*texts)):
            return str(key)
    return ""


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


def _constants(properties: object, key: str, follow: Callable[[object], object]) -> set[str]:
    """Those that a property may be, where all are strings."""
    found = follow(properties.get(key)) if isinstance(properties, dict) else None
    if not isinstance(found, dict) or not found.keys() & {"const", "enum"}:
        return set()
    values = [found["const"]] if "const" in found else found["enum"]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        return set()
    return set(values)
