"""The `$ref` keyword: where a reference leads to within its schema. Pure."""

from __future__ import annotations

from urllib.parse import unquote

from minerva_desktop.engine.core.json_schema_values import SchemaError, keywords, refused

MAX_REFERENCE = 4_000  # characters; chains of longer ones would take a while
MAX_FOLLOWED = 32  # references that lead to references


def resolved(root: object, target: object, where: str) -> object:
    """What stands in ``root`` at the JSON pointer ``target``, which is referred to at ``where``;
    raises InvalidRequest(param="response_format")."""
    text = str(target)
    if len(text) > MAX_REFERENCE:
        raise refused(where, f"a reference is over {MAX_REFERENCE:,} characters long")
    start, *steps = text.split("/")
    if start != "#":
        raise refused(where, f"“{target}” is not in this schema (#/…)")
    if _is_elsewhere(root, where):
        raise refused(
            where, "it stands in a schema with an “$id” of its own, and starts from there"
        )
    found = root
    for step in steps:
        key = step.replace("~1", "/").replace("~0", "~")
        if not (isinstance(found, dict) and key in found):  # many write it as it stands
            key = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdecimal() and len(key) < 10 and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            raise refused(where, f"“{target}” does not exist")
    return found


def placed(root: object, error: SchemaError) -> SchemaError:
    """``error`` at a place that there is in ``root``. Schemas that hold together are written anew,
    and within these pointers lead to what nobody wrote: then it is the last place before that."""
    found, place = root, "#"
    for step in error.where.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif (
            isinstance(found, list) and key.isdecimal() and len(key) < 10 and int(key) < len(found)
        ):
            found = found[int(key)]
        elif unquote(step) != step:
            return error  # a reference's own spelling
        else:
            return SchemaError(place, error.sentence, error.detail)
        place = f"{place}/{step}"
    return error


def _is_elsewhere(root: object, where: str) -> bool:
    """Whether what stands at the JSON pointer ``where`` is part of a schema within ``root`` that
    has an address, from which references start."""
    found = root
    for step in where.split("/")[1:-1]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list):
            is_place = key.isdecimal() and len(key) < 10 and int(key) < len(found)
            found = found[int(key)] if is_place else None
        else:
            found = found.get(key) if isinstance(found, dict) else None
        address = found.get("$id") if isinstance(found, dict) else None
        if isinstance(address, str) and not address.startswith("#"):
            return True
    return False


def followed(root: object, schema: object, where: str, *, alone: bool = False) -> object:
    """``schema``, or what its reference leads to; ``alone``: only one that has nothing beside it.
    Raises as `resolved`."""
    for _ in range(MAX_FOLLOWED):
        if not isinstance(schema, dict) or (alone and keywords(schema) != {"$ref"}):
            break
        if "$ref" in schema:
            schema = resolved(root, schema["$ref"], where)
    return schema
