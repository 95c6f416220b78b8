"""JSON schemas of strings as GBNF, and the refusals of what is wrong or cannot be expressed.

Called by json_schema.py on any thread; pure.
"""

from __future__ import annotations

import json
import math
from operator import itemgetter
from types import MappingProxyType
from typing import Any, TypeAlias

from minerva_desktop.engine.core.grammar_parser import MAX_REPETITION
from minerva_desktop.engine.core.json_schema_counts import UNREACHABLE, repeated
from minerva_desktop.engine.core.json_schema_formats import FORMATS, Format
from minerva_desktop.engine.core.json_schema_pattern import LengthError, Pattern, PatternError
from minerva_desktop.errors import InvalidRequest

Schema: TypeAlias = dict[str, Any]

MAX_CHOICES = 500  # of an enum, and properties of an object
MAX_KEY = 200  # characters
MAX_DEPTH = 32  # schemas within schemas

_NUMBER_KEYWORDS = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"}
)
# What is unevaluated is, without combinations of schemas, what is additional.
OBJECT_KEYWORDS = ("properties", "required", "additionalProperties", "unevaluatedProperties")
_MAP_KEYWORDS = ("minProperties", "maxProperties", "propertyNames", "patternProperties")
TYPE_KEYWORDS = {
    "object": frozenset({*OBJECT_KEYWORDS, *_MAP_KEYWORDS}),
    "array": frozenset(
        {"items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems"}
    ),
    "string": frozenset({"minLength", "maxLength", "pattern", "format"}),
    "integer": _NUMBER_KEYWORDS,
    "number": _NUMBER_KEYWORDS,
    "boolean": frozenset[str](),
    "null": frozenset[str](),
}
# The bounds of how long something is.
COUNTS = MappingProxyType(
    {
        "string": ("minLength", "maxLength"),
        "array": ("minItems", "maxItems"),
        "object": ("minProperties", "maxProperties"),
    }
)

_CLOSING = ("additionalProperties", "unevaluatedProperties")

# What says nothing about which values there may be.
_ANNOTATIONS = frozenset(
    {
        *("$defs", "definitions", "title", "description", "default", "examples", "example"),
        *("deprecated", "readOnly", "writeOnly", "$schema", "$id", "$comment"),
        *("contentMediaType", "contentEncoding", "contentSchema"),
        *("$anchor", "$dynamicAnchor", "$recursiveAnchor", "$vocabulary"),
        "id",  # what `$id` was called at first
        *("externalDocs", "xml"),  # OpenAPI's
        "discriminator",  # OpenAPI's, too; what it says of a `oneOf` is read there
        "propertyOrdering",  # Gemini's; properties come as they are declared
        *("enumNames", "enumDescriptions", "markdownDescription", "errorMessage"),  # of editors
    }
)


def keywords(schema: Schema) -> set[str]:
    """Those of a schema that have to be honoured. Tools' own annotations begin with ``x-``, zod
    says of the names of properties that they are strings, as all are, and Inspect closes every
    schema to other properties, also those of what has none."""
    return {
        key
        for key, value in schema.items()
        if key not in _ANNOTATIONS
        and not key.startswith("x-")
        and not (key == "propertyNames" and value in (True, {}, {"type": "string"}))
        and not (key == "nullable" and value is False)
        and key not in ("then", "else")  # what is said of them is said at their `if`
        and not (key in _CLOSING and value is False and not _takes_objects(schema))
    }


def _takes_objects(schema: Schema) -> bool:
    """Whether an object may satisfy it, or that is not plain to see."""
    choice = schema.get("anyOf", schema.get("oneOf"))
    branches = choice if isinstance(choice, list) and "type" not in schema else [schema]
    return any(not isinstance(each, dict) or _may_be_object(each) for each in branches)


def _may_be_object(schema: Schema) -> bool:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(values, list):
        return any(isinstance(value, dict) for value in values)
    types = schema.get("type")
    return not types or types == "object" or (isinstance(types, list) and "object" in types)


class SchemaError(InvalidRequest):
    """What the schema says at the JSON pointer ``where`` is refused: ``sentence`` tells why."""

    def __init__(self, where: str, sentence: str, detail: str = "") -> None:
        message = f"JSON schema, {where}: {sentence}"
        super().__init__(message, detail=detail, param="response_format")
        self.where = where
        self.sentence = sentence


class Inexpressible(SchemaError):
    """What the schema says there is not wrong, and no grammar holds to it: who demands no
    strictness can have it left out."""


class Unsatisfiable(SchemaError):
    """No value satisfies all that the schema says there."""


def refused(where: str, sentence: str, detail: str = "") -> SchemaError:
    """The refusal of a schema at the JSON pointer ``where``."""
    return SchemaError(where, sentence, detail)


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


def properties_of(schema: Schema, where: str) -> Schema:
    """The properties that the schema of an object declares."""
    properties = schema.get("properties", {})
    if not isinstance(properties, dict) or len(properties) > MAX_CHOICES:
        at = pointer(where, "properties")
        raise refused(at, f"there should be an object of at most {MAX_CHOICES} properties")
    for key in properties:
        if not isinstance(key, str) or len(key) > MAX_KEY:
            raise refused(where, f"a property's name is over {MAX_KEY} characters long")
    return properties


def required_of(schema: Schema, where: str) -> list[str]:
    """The names of the properties that an object has to have."""
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(key, str) for key in required):
        raise refused(pointer(where, "required"), "there should be a list of names")
    return required


def schema_list(schemas: object, where: str) -> list[object]:
    """The schemas of a choice."""
    if not isinstance(schemas, list) or not 0 < len(schemas) <= MAX_CHOICES:
        raise refused(where, f"there should be a list of 1 to {MAX_CHOICES} schemas")
    return schemas


def distinct(schemas: list[object], where: str) -> list[tuple[int, object]]:
    """The schemas of a choice with their numbers, each once: what is there twice could be read in
    two ways. False is none."""
    try:
        found = {
            json.dumps(each): (index, each)
            for index, each in reversed(list(enumerate(schemas)))
            if each is not False
        }
    except (RecursionError, ValueError, TypeError) as error:
        raise refused(where, "the schemas cannot be written as JSON") from error
    return sorted(found.values(), key=itemgetter(0))


def takes_null(schema: Schema) -> bool:
    """Whether a list of types or of values names null."""
    types, values = schema.get("type", "null"), schema.get("enum", [None])
    among = isinstance(values, list) and any(value is None for value in values)
    is_typed = types == "null" or (isinstance(types, list) and "null" in types)
    return bool(schema.keys() & {"type", "enum"}) and among and is_typed


def counts(
    schema: Schema, where: str, low: str, high: str, *, is_counted: bool = True
) -> tuple[int, int | None]:
    """The bounds of two keywords such as minLength and maxLength; None is no upper bound, or one
    that no answer could reach. ``is_counted``: a grammar has to count to them."""
    found: list[int | None] = []
    for keyword in (low, high):
        value = schema.get(keyword)
        if value is not None and (not is_type(value, "integer") or value < 0):
            raise refused(pointer(where, keyword), "there should be a whole number from 0 on")
        found.append(None if value is None else int(value))
    least, most = found[0] or 0, found[1]
    if most is not None and most < least:
        raise refused(pointer(where, high), f"{most} is less than the {least} of “{low}”")
    if most is not None and most > UNREACHABLE:
        most = None
    for keyword, bound in ((low, least), (high, most or 0)):
        if is_counted and bound > MAX_REPETITION:
            sentence = f"{bound} is over the {MAX_REPETITION:,} that can be counted"
            raise Inexpressible(pointer(where, keyword), sentence)
    return least, most


def string_expression(schema: Schema, where: str) -> str:
    """A string with its quotes. Of a pattern and a format the pattern is honoured: by the standard
    a format only tells what a text is, and zod gives both, of which the pattern says more."""
    found = None if "pattern" in schema else _format(schema, where)
    if "pattern" in schema:
        least, most = counts(schema, where, "minLength", "maxLength", is_counted=False)
        try:
            return f'"\\"" {Pattern(str(schema["pattern"])).gbnf(least, most)} "\\""'
        except LengthError as error:
            beside = min(schema.keys() & {"minLength", "maxLength"})
            raise Inexpressible(pointer(where, beside), f"of “pattern”, {error}") from error
        except PatternError as error:
            raise Inexpressible(pointer(where, "pattern"), str(error)) from error
    # The longest URI that is asked for is longer than what can be counted, and need not be.
    least, most = counts(schema, where, "minLength", "maxLength", is_counted=found is None)
    if found is not None:
        if least > found.shortest or (most is not None and most < (found.longest or math.inf)):
            span = f"{found.shortest} to {found.longest or 'any number of'} characters"
            raise Inexpressible(
                pointer(where, "format"), f"its texts have {span}, not what the limits demand"
            )
        return f'"\\"" {found.body} "\\""'
    if not schema.keys() & {"minLength", "maxLength"}:
        return "string"
    return f'"\\"" {repeated("char", least, most)} "\\""'


def _format(schema: Schema, where: str) -> Format | None:
    """None where any text will do: by the standard, a format that is not known here is only an
    annotation."""
    found = schema.get("format", "")
    if not isinstance(found, str):
        raise refused(pointer(where, "format"), "there should be a name")
    return FORMATS.get(found)
