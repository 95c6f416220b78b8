"""JSON schemas of strings as GBNF, and the refusal of what cannot be honoured.

Called by json_schema.py on any thread; pure.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from minerva_desktop.engine.core.grammar_parser import MAX_REPETITION
from minerva_desktop.engine.core.json_schema_formats import ANY_TEXTS, FORMATS, Format
from minerva_desktop.engine.core.json_schema_pattern import Pattern, PatternError
from minerva_desktop.errors import InvalidRequest

_LONGEST_FORMAT = 1_000_000  # of a limit beside a format

Schema: TypeAlias = dict[str, Any]

# What says nothing about which values there may be.
_ANNOTATIONS = frozenset(
    {
        *("$defs", "definitions", "title", "description", "default", "examples", "example"),
        *("deprecated", "readOnly", "writeOnly", "$schema", "$id", "$comment"),
        *("contentMediaType", "contentEncoding", "contentSchema"),
        "discriminator",  # OpenAPI's; what it says of a `oneOf` is read there
    }
)


def keywords(schema: Schema) -> set[str]:
    """Those of a schema that have to be honoured. Tools' own annotations begin with ``x-``, and
    zod says of the names of properties that they are strings, as all are."""
    return {
        key
        for key, value in schema.items()
        if key not in _ANNOTATIONS
        and not key.startswith("x-")
        and not (key == "propertyNames" and value in (True, {}, {"type": "string"}))
    }


def refused(where: str, sentence: str, detail: str = "") -> InvalidRequest:
    """The refusal of a schema at the JSON pointer ``where``."""
    message = f"JSON schema, {where}: {sentence}"
    return InvalidRequest(message, detail=detail, param="response_format")


def pointer(where: str, *parts: object) -> str:
    """``where``, and further down."""
    steps = [str(part).replace("~", "~0").replace("/", "~1") for part in parts]
    return "/".join([where, *steps])


def is_type(value: object, name: str) -> bool:
    """Whether a JSON value is of the JSON schema type ``name``."""
    if isinstance(value, bool):
        return name == "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return name in {"integer", "number"}
    kinds = {"object": dict, "array": list, "string": str, "number": float, "null": type(None)}
    return isinstance(value, kinds.get(name, ()))


def counts(
    schema: Schema, where: str, low: str, high: str, limit: int = MAX_REPETITION
) -> tuple[int, int | None]:
    """The bounds of two keywords such as minLength and maxLength, which go up to ``limit``; None
    is no upper bound."""
    found: list[int | None] = []
    for keyword in (low, high):
        value = schema.get(keyword)
        if value is not None and (not is_type(value, "integer") or value < 0):
            raise refused(pointer(where, keyword), "there should be a whole number from 0 on")
        if value is not None and value > limit:
            raise refused(pointer(where, keyword), f"{value} is over {limit:,}")
        found.append(None if value is None else int(value))
    least, most = found[0] or 0, found[1]
    if most is not None and most < least:
        raise refused(pointer(where, high), f"{most} is less than the {least} of “{low}”")
    return least, most


def repeated(expression: str, least: int, most: int | None) -> str:
    """``expression`` from ``least`` to ``most`` times."""
    if most == 0:
        return '""'
    return f"({expression}){{{least},{'' if most is None else most}}}"


def string_expression(schema: Schema, where: str) -> str:
    """A string with its quotes. Of a pattern and a format the pattern is honoured: by the standard
    a format only tells what a text is, and zod gives both, of which the pattern says more."""
    found = None if "pattern" in schema else _format(schema, where)
    # The longest URI that is asked for is longer than what can be repeated.
    limit = MAX_REPETITION if found is None else _LONGEST_FORMAT
    least, most = counts(schema, where, "minLength", "maxLength", limit)
    if "pattern" in schema:
        if schema.keys() & {"minLength", "maxLength"}:
            raise refused(pointer(where, "pattern"), "it cannot be combined with other limits")
        try:
            return f'"\\"" {Pattern(str(schema["pattern"])).gbnf()} "\\""'
        except PatternError as error:
            raise refused(pointer(where, "pattern"), str(error)) from error
    if found is not None:
        if least > found.shortest or (most is not None and most < (found.longest or math.inf)):
            span = f"{found.shortest} to {found.longest or 'any number of'} characters"
            raise refused(
                pointer(where, "format"), f"its texts have {span}, not what the limits demand"
            )
        return f'"\\"" {found.body} "\\""'
    if not schema.keys() & {"minLength", "maxLength"}:
        return "string"
    return f'"\\"" {repeated("char", least, most)} "\\""'


def _format(schema: Schema, where: str) -> Format | None:
    """None where any text will do."""
    if str(schema.get("format", "binary")) in ANY_TEXTS:
        return None
    found = FORMATS.get(str(schema["format"]))
    if found is None:
        known = ", ".join(sorted(FORMATS))
        raise refused(pointer(where, "format"), f"“{schema['format']}” is not one of {known}")
    return found
