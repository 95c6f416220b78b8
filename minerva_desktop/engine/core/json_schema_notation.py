"""How the values that a schema allows are spelled: as JSON, or as a family of models does. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import msgspec

from minerva_desktop.engine.core.json_schema_objects import ObjectRules
from minerva_desktop.engine.core.json_schema_values import Schema, string_expression


class Notation(msgspec.Struct, frozen=True):
    """One spelling. Numbers, constants but for texts, and brackets are those of JSON in all.

    ``any_value`` and ``any_object`` are names of rules; ``string`` gives the expression of a string
    by its schema and its JSON pointer, and raises InvalidRequest(param="response_format");
    ``constant`` gives a value's text, and raises ValueError where it has none; ``objects`` writes
    the rules of objects. ``rules`` are those which it needs beside `PRIMITIVES`;
    ``shortest_member`` is the length of the shortest object with a member, and what has to follow.
    """

    any_value: str
    any_object: str
    string: Callable[[Schema, str], str]
    constant: Callable[[object], str]
    objects: Callable[[Callable[[str], str]], ObjectRules]
    rules: tuple[str, ...] = ()
    shortest_member: int = len('{"a":0},')


JSON = Notation(
    "value",
    "object",
    string_expression,
    partial(json.dumps, ensure_ascii=False, allow_nan=False),
    ObjectRules,
)
