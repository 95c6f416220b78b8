"""JSON schemas of strings and numbers as GBNF, and the refusal of what cannot be honoured.

Called by json_schema.py on any thread; pure.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from minerva_desktop.engine.core.grammar_parser import MAX_REPETITION
from minerva_desktop.engine.core.json_schema_pattern import Pattern, PatternError
from minerva_desktop.engine.core.json_schema_text import FORMATS, integers
from minerva_desktop.errors import InvalidRequest

MAX_INTEGER = 10**15  # of a bound; readers of JSON are exact up to 2^53

Schema: TypeAlias = dict[str, Any]


def refused(where: str, sentence: str) -> InvalidRequest:
    """The refusal of a schema at the JSON pointer ``where``."""
    return InvalidRequest(f"JSON schema, {where}: {sentence}", param="response_format")


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


def counts(schema: Schema, where: str, low: str, high: str) -> tuple[int, int | None]:
    """The bounds of two keywords such as minLength and maxLength; None is no upper bound."""
    found: list[int | None] = []
    for keyword in (low, high):
        value = schema.get(keyword)
        if value is not None and (not is_type(value, "integer") or value < 0):
            raise refused(pointer(where, keyword), "there should be a whole number from 0 on")
        if value is not None and value > MAX_REPETITION:
            raise refused(pointer(where, keyword), f"{value} is over {MAX_REPETITION:,}")
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
    """A string with its quotes."""
    special = [keyword for keyword in ("pattern", "format") if keyword in schema]
    lengths = schema.keys() & {"minLength", "maxLength"}
    if special and (lengths or len(special) > 1):
        raise refused(pointer(where, special[0]), "it cannot be combined with other limits")
    if "pattern" in schema:
        try:
            return f'"\\"" {Pattern(str(schema["pattern"])).gbnf()} "\\""'
        except PatternError as error:
            raise refused(pointer(where, "pattern"), str(error)) from error
    if "format" in schema:
        body = FORMATS.get(str(schema["format"]))
        if body is None:
            known = ", ".join(sorted(FORMATS))
            raise refused(pointer(where, "format"), f"“{schema['format']}” is not one of {known}")
        return f'"\\"" {body} "\\""'
    if not lengths:
        return "string"
    return f'"\\"" {repeated("char", *counts(schema, where, "minLength", "maxLength"))} "\\""'


def number_expression(name: str, schema: Schema, where: str) -> str:
    """An integer or a number within its bounds."""
    low = _bound(schema, where, "minimum", 0)
    high = _bound(schema, where, "maximum", 0)
    above = _bound(schema, where, "exclusiveMinimum", 1)
    below = _bound(schema, where, "exclusiveMaximum", -1)
    lows = [bound for bound in (low, above) if bound is not None]
    highs = [bound for bound in (high, below) if bound is not None]
    if not lows and not highs:
        return name
    least = max(lows, default=-MAX_INTEGER)
    most = min(highs, default=MAX_INTEGER)
    whole = integers(least, most)
    if not whole:
        raise refused(where, f"no {name} is from {least} to {most}")
    if name == "integer":
        return whole
    # A fraction takes a positive number up and a negative one down.
    parts = [whole]
    if (start := max(least, 0)) < most:
        parts.append(f'{integers(start, most - 1)} "." [0-9]{{1,15}}')
    if least < (end := min(most, 0)):
        parts.append(f'"-" {integers(-end, -least - 1)} "." [0-9]{{1,15}}')
    return f"({' | '.join(parts)})"


def _bound(schema: Schema, where: str, keyword: str, step: int) -> int | None:
    value = schema.get(keyword)
    if value is None:
        return None
    if not is_type(value, "integer") or abs(value) > MAX_INTEGER:
        raise refused(
            pointer(where, keyword), f"only whole numbers up to {MAX_INTEGER:,} can be bounds"
        )
    return int(value) + step
