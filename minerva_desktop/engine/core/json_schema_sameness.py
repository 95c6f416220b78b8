"""Whether two values, or schemas, are one. Pure."""

from __future__ import annotations

import json

from minerva_desktop.engine.core.json_schema_values import Schema, keywords, refused


def size(schema: Schema) -> int:
    """How many characters there are to what ``schema`` says."""
    return len(one_text({key: schema[key] for key in keywords(schema)}))


def is_same(one: object, other: object) -> bool:
    """Whether they are written alike; raises InvalidRequest where they cannot be."""
    if one is other:
        return True
    try:
        if one != other:  # which a small one tells of a large one at once
            return False
    except RecursionError as error:
        raise refused("#", "the schemas are nested too deep") from error
    return one_text(one) == one_text(other)


def one_text(value: object) -> str:
    """One for all spellings of a value; raises InvalidRequest where it has none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        return json.dumps(value, sort_keys=True)
    except (RecursionError, ValueError, TypeError) as error:
        raise refused("#", "the schemas cannot be written as JSON") from error
