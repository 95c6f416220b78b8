"""Values with marks in place of quotes, and keys without any: how Gemma 4 writes arguments. Pure.

Between marks each character stands for itself, so that a text can hold all but the mark.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache, partial

from minerva_desktop.engine.core.json_schema_counts import repeated
from minerva_desktop.engine.core.json_schema_formats import FORMATS
from minerva_desktop.engine.core.json_schema_notation import Notation
from minerva_desktop.engine.core.json_schema_objects import ObjectRules
from minerva_desktop.engine.core.json_schema_text import literal
from minerva_desktop.engine.core.json_schema_values import (
    Inexpressible,
    Schema,
    counts,
    pointer,
    string_expression,
)
from minerva_desktop.engine.core.text_rules import text_until

_STRING, _VALUE, _OBJECT = "m-string", "m-value", "m-object"
_KEY = "[A-Za-z_] [A-Za-z0-9_.-]{0,63}"
# What ends a bare key, or is taken for something else.
_NO_KEY = re.compile(r"[:={}\[\]()\"'<,\s]")


def marked_value(value: object, quote: str) -> str:
    """A JSON value in this notation. Raises `ValueError` for a text that holds ``quote``, and for a
    name that cannot stand without."""
    if isinstance(value, str):
        if quote in value:
            raise ValueError(f"a text cannot hold {quote}")
        return f"{quote}{value}{quote}"
    if isinstance(value, dict):
        if any(not key or _NO_KEY.search(key) for key in value):
            raise ValueError("a name cannot stand without quotes")
        members = (f"{key}:{marked_value(each, quote)}" for key, each in value.items())
        return f"{{{','.join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(marked_value(each, quote) for each in value)}]"
    return json.dumps(value, allow_nan=False)


@lru_cache(maxsize=4)
def marked_notation(quote: str) -> Notation:
    """That whose texts stand between two of ``quote``."""
    start, text = text_until(quote, "m-text")
    member = f'm-key ":" ws {_VALUE}'
    rules = (
        f"{_STRING} ::= {literal(quote)} {start}",
        *text,
        f"m-key ::= {_KEY}",
        f"{_VALUE} ::= {_OBJECT} | m-array | {_STRING} | number | boolean | null",
        f'{_OBJECT} ::= "{{" ws ({member} ("," ws {member})* ws)? "}}"',
        f'm-array ::= "[" ws ({_VALUE} ("," ws {_VALUE})* ws)? "]"',
    )
    return Notation(
        _VALUE,
        _OBJECT,
        partial(_string, quote),
        partial(marked_value, quote=quote),
        _MarkedObjects,
        rules,
        len("{a:0},"),
    )


class _MarkedObjects(ObjectRules):
    """Objects whose keys have no quotes."""

    opening = ""

    def spelled(self, key: str) -> str:
        """``key``, where it can stand without quotes."""
        if not key or _NO_KEY.search(key):
            raise Inexpressible("#", f"the name {key!r} cannot be written without quotes")
        return key

    def extra(self, keys: list[str], value: str) -> str:
        """One more property; none beside others, of which it could repeat one."""
        return "" if keys else self.new_rule(f'{_KEY} ":" ws {value}')


def _string(quote: str, schema: Schema, where: str) -> str:
    if "pattern" in schema:
        at = pointer(where, "pattern")
        raise Inexpressible(at, f"a pattern cannot be kept between two {quote}")
    string_expression(schema, where)  # so that nothing in it is overlooked
    known = FORMATS.get(str(schema.get("format")))
    if known is not None:
        body = known.body
    elif schema.keys() & {"minLength", "maxLength"}:
        least, most = counts(schema, where, "minLength", "maxLength")
        body = repeated(f"[^{quote[0]}]", least, most)
    else:
        return _STRING
    return f"{literal(quote)} {body} {literal(quote)}"
