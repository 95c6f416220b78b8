"""Bodies for an operation, made of the JSON schema that the OpenAPI description has of them.

Most fit; in some, one place holds what does not. Numbers that no Python value writes (1e999, five
thousand digits) are put into the text.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from random import Random
from typing import Any

Schema = Mapping[str, Any]

MAX_OPTIONAL = 3
MAX_DEPTH = 6
_RAW = re.compile(r'"@raw ([^"]*)"')
# Nothing that JSON allows, or next to it: written as it is.
RAW = [
    *("1e999", "-1e999", "9" * 250 + "e99", "9" * 309 + ".0", "NaN", "Infinity", "-Infinity"),
    *("9" * 309, "-" + "9" * 400, "9" * 5000, "18446744073709551616", "-9223372036854775809"),
    *("1e308", "-1.7976931348623157e308", "1e-400", "-0", "-0.0", "1E5", "0.5", "2147483648"),
]
TEXTS = ["", "a", "user", "Hé 😀", "\0", "x" * 300, "{}", '{"a": 1e999}', "data:,a", "file:///etc"]
ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    3,
    [],
    {},
    [[]],
    [None],
    {"type": "text"},
    {"a": {"b": [1]}},
]


class BodyMaker:
    """Makes bodies for one operation. ``likely``: values that required fields have in most: what is
    wrong in a talk that is made up would hide all that is behind it."""

    def __init__(self, description: Schema, schema: Schema, likely: Schema) -> None:
        self._parts: Schema = description["components"]["schemas"]
        self._schema = self._resolved(schema)
        self._likely = likely

    def body(self, random: Random) -> str:
        """A JSON text."""
        fields: dict[str, Schema] = self._schema["properties"]
        required = self._schema.get("required", [])
        optional = sorted(set(fields) - set(required))
        chosen = random.sample(optional, random.randint(0, min(MAX_OPTIONAL, len(optional))))
        body = {name: self._value(random, fields[name], 1) for name in [*required, *chosen]}
        for name, value in self._likely.items():
            if name in fields and random.random() < 0.7:
                body[name] = copy.deepcopy(value)
        if random.random() < 0.5:
            _spoil(random, body)
        return _RAW.sub(r"\1", json.dumps(body))

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self._parts[schema["$ref"].rpartition("/")[2]]
        return schema

    def _value(self, random: Random, schema: Schema, depth: int) -> Any:
        schema = self._resolved(schema)
        while branches := schema.get("anyOf") or schema.get("oneOf"):
            schema = self._resolved(random.choice(branches))
        kind = schema.get("type")
        if "const" in schema or "enum" in schema:
            value = random.choice(schema.get("enum") or [schema["const"]])
        elif "default" in schema and random.random() < 0.3:
            value = schema["default"]
        elif kind == "array":
            value = self._list(random, schema, depth)
        elif kind == "object":
            value = self._object(random, schema, depth)
        else:
            value = _scalar(random, schema, kind)
        return value

    def _list(self, random: Random, schema: Schema, depth: int) -> list[Any]:
        if "prefixItems" in schema:
            return [self._value(random, each, depth + 1) for each in schema["prefixItems"]]
        fewest = schema.get("minItems", 0)
        n = fewest if depth > MAX_DEPTH else max(fewest, random.randint(0, 2))
        return [self._value(random, schema.get("items", {}), depth + 1) for _ in range(n)]

    def _object(self, random: Random, schema: Schema, depth: int) -> dict[str, Any]:
        fields: dict[str, Schema] = schema.get("properties", {})
        required = schema.get("required", [])
        chosen = {name for name in fields if name in required}
        if depth <= MAX_DEPTH:
            chosen |= {name for name in fields if random.random() < 0.3}
        value = {name: self._value(random, fields[name], depth + 1) for name in sorted(chosen)}
        more = schema.get("additionalProperties")
        if not fields and random.random() < 0.7:
            of = more if isinstance(more, Mapping) else {}
            value[random.choice(["1", "a", "type", "$ref"])] = self._value(random, of, depth + 1)
        return value


def _scalar(random: Random, schema: Schema, kind: str | None) -> Any:
    """A value of the type ``kind``; of any where it is none that is known."""
    low, high = schema.get("minimum", -3), schema.get("maximum", 5)
    number = random.choice([low, high, max(low, min(high, 1)), max(low, min(high, 2))])
    values: dict[str | None, list[Any]] = {
        "string": TEXTS,
        "integer": [int(number)],
        "number": [number],
        "boolean": [True, False],
        "null": [None],
    }
    return copy.deepcopy(random.choice(values.get(kind, [*ODD, *TEXTS])))


def _spoil(random: Random, body: dict[str, Any]) -> None:
    """Put something else into one place, or take away what is there."""
    places = list(_places(body))
    container, key = random.choice(places)
    if random.random() < 0.15:
        del container[key]
    elif random.random() < 0.6:
        container[key] = f"@raw {random.choice(RAW)}"
    else:
        container[key] = copy.deepcopy(random.choice([*ODD, *TEXTS]))


def _places(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        keys: list[Any] = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    else:
        return []
    here = [(value, key) for key in keys]
    return here + [place for key in keys for place in _places(value[key])]
