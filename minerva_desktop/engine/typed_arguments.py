"""Arguments that a model writes as plain text, as JSON of the type that the tool's schema names.

Pure. Families that write arguments between tags (Qwen3-Coder, GLM) leave strings unquoted, so only
the schema tells a text from a number.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any

_MAX_REFERENCES = 8
_MAX_PYTHON = 20_000  # characters
_LONGEST_NUMBER = 40  # characters of one in Python's spelling
_TYPES_BY_VALUE = {bool: "boolean", str: "string", int: "integer", float: "number"}
# Python's spelling, which models fall into.
_SPELLINGS = {"True": "true", "False": "false", "None": "null"}


def typed_argument(schema: Mapping[str, Any], name: str, text: str) -> str:
    """``text`` as JSON for the argument ``name`` of a tool with the parameters ``schema``.

    A text that is no JSON of a fitting type is a string, whatever the schema says; but what can
    only be a list or an object may be Python's.
    """
    return encodable(_typed(schema, name, text))


def encodable(text: str) -> str:
    """JSON text with each half of a surrogate pair as its escape: models write such escapes, and
    what reading made of them no encoder takes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _typed(schema: Mapping[str, Any], name: str, text: str) -> str:
    properties = schema.get("properties")
    declared = properties.get(name) if isinstance(properties, Mapping) else None
    types = argument_types(schema, declared)
    if types == {"string"}:
        return json.dumps(text, ensure_ascii=False)
    written = text.strip()
    written = _SPELLINGS.get(written, written)
    try:
        value = json.loads(written, parse_constant=_refuse)
    except (ValueError, RecursionError):
        is_container = bool(types) and types <= {"array", "object", "null"}
        found = _from_python(written) if is_container else None
        return json.dumps(text, ensure_ascii=False) if found is None else found
    if isinstance(value, str) or (types and not _fits(value, types) and "string" in types):
        return json.dumps(text if "string" in types else value, ensure_ascii=False)
    return written


def bare_value(text: str) -> str:
    """``text`` that stands without quotes as JSON: a constant or a number, in JSON's spelling or
    Python's, or else a string."""
    written = _SPELLINGS.get(text, text)
    try:
        json.loads(written, parse_constant=_refuse)
    except (ValueError, RecursionError):
        number = _python_number(written)
        return json.dumps(text, ensure_ascii=False) if number is None else number
    return written


def argument_types(root: Mapping[str, Any], schema: object) -> set[str]:
    """The JSON types that a schema within ``root`` allows, as far as it tells; empty: any."""
    for _ in range(_MAX_REFERENCES):
        if not isinstance(schema, Mapping) or "$ref" not in schema:
            break
        schema = _resolved(root, str(schema["$ref"]))
    if not isinstance(schema, Mapping):
        return set()
    named = schema.get("type")
    if isinstance(named, str):
        return {named}
    if isinstance(named, list):
        return {name for name in named if isinstance(name, str)}
    if "const" in schema or isinstance(schema.get("enum"), list):
        values = schema.get("enum", [schema.get("const")])
        return {_TYPES_BY_VALUE.get(type(value), "null") for value in values}
    for keyword in ("anyOf", "oneOf"):
        if isinstance(schema.get(keyword), list):
            found = [argument_types({}, part) for part in schema[keyword]]
            return set().union(*found) if all(found) else set()
    return set()


def _from_python(text: str) -> str | None:
    """A list or an object in Python's spelling as JSON: templates show models such ones."""
    if text[:1] not in ("[", "{") or len(text) > _MAX_PYTHON:
        return None
    try:
        return json.dumps(ast.literal_eval(text), ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _python_number(text: str) -> str | None:
    """What only Python takes for a number, as JSON."""
    if len(text) > _LONGEST_NUMBER:
        return None
    try:
        value = ast.literal_eval(text)
        return json.dumps(value, allow_nan=False) if type(value) in (int, float) else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _resolved(root: Mapping[str, Any], target: str) -> object:
    found: object = root
    for step in target.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _fits(value: object, types: set[str]) -> bool:
    kinds = {"boolean": bool, "integer": int, "number": int | float, "array": list, "object": dict}
    if value is None:
        return "null" in types
    if isinstance(value, bool):
        return "boolean" in types
    return any(isinstance(value, kinds[name]) for name in types if name in kinds)


def _refuse(word: str) -> object:
    raise ValueError(f"{word} is no JSON")
