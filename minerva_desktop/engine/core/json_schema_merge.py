"""Schemas that have to hold together, written as one: an `allOf`, and what stands beside a `$ref`
or a choice. Called by json_schema.py on any thread; pure.

A value satisfies the one exactly where it satisfies all of the others. What they say of the same
property or item, and their second choice, is put into an `allOf` further down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import Any

import msgspec

from minerva_desktop.engine.core.json_schema_conditions import (
    CONDITIONS,
    conditions,
    is_never,
    rewritten,
    without_values,
)
from minerva_desktop.engine.core.json_schema_references import followed, resolved
from minerva_desktop.engine.core.json_schema_sameness import is_same, one_text
from minerva_desktop.engine.core.json_schema_values import (
    MAX_CHOICES,
    MAX_DEPTH,
    TYPE_KEYWORDS,
    Inexpressible,
    Schema,
    Unsatisfiable,
    is_type,
    keywords,
    pointer,
    properties_of,
    refused,
    required_of,
    schema_list,
)

CHOICES = ("anyOf", "oneOf")
_BOUNDS = MappingProxyType(
    {
        **dict.fromkeys(
            ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), max
        ),
        **dict.fromkeys(
            ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), min
        ),
    }
)
_UNEVALUATED, _OTHERS = "unevaluatedProperties", "additionalProperties"
_OBJECT = ("properties", "required", _OTHERS)
_PATTERNS = ("patternProperties",)  # of which an `additionalProperties` elsewhere knows nothing
_VALUES = ("const", "enum")
_ARRAY = ("items", "prefixItems", "additionalItems")
_OF_VALUES = {"type", "not", *_VALUES}
_KNOWN = {*_OF_VALUES, *CHOICES}.union(*TYPE_KEYWORDS.values())
MAX_CONDITIONS = 5  # that hold together
MAX_MULTIPLE = 10**18  # far beyond what is counted; unbounded, it could not even be written
_NOTHING = "nothing satisfies all that is said here"


class Given(msgspec.Struct, frozen=True):
    """What merging asks of the whole schema. Both callables raise InvalidRequest.

    References lead into ``root``; ``has_room`` tells whether conditions may still make many
    schemas of few; ``only`` gives a schema at some place without all but some
    keywords, or refuses it; ``narrowed`` one whose listed values satisfy what stands beside them,
    instead of that; it raises `Unsatisfiable` where none does.
    """

    root: object
    has_room: Callable[[], bool]
    only: Callable[[Schema, str, set[str]], Schema]
    narrowed: Callable[[Schema, str], Schema]


class _Room:
    """How many more choices may come of conditions; their number doubles with each."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self, found: Iterator[tuple[str, object]]) -> list[tuple[str, object]]:
        """All that is ``found``; raises `Inexpressible` where there is no room for it."""
        taken = list(islice(found, MAX_CONDITIONS + 1))
        n_choices = sum(isinstance(each, dict) and "anyOf" in each for _, each in taken)
        if taken and (len(taken) > MAX_CONDITIONS or max(n_choices, 1) > self._left):
            raise Inexpressible(taken[0][0], "too many conditions hold together")
        self._left -= n_choices
        return taken


def merged(
    given: Given, schema: Schema, where: str, beside: tuple[str, object] | None = None
) -> Schema:
    """``schema`` with its `allOf`, with what its `$ref` leads to, and with a schema ``beside`` it
    and its place. Raises InvalidRequest, `Unsatisfiable` where there can be no value."""
    whole: Schema = {}
    closing: object = True
    looks = schema.get(_UNEVALUATED, True) is not True
    room = _Room(0 if looks or not given.has_room() else MAX_CONDITIONS)
    more = _part(given.root, *beside, room=room) if beside else ()
    parts = [*_parts(given.root, schema, where, room=room), *more]
    for index, (at, part) in enumerate(parts):
        found = _known(given, part, at)
        found = {key: found[key] for key in found if key in keywords(found)}
        if not index:
            closing = found.pop(_UNEVALUATED, True)
        elif _UNEVALUATED in found:
            found.setdefault(_OTHERS, found.pop(_UNEVALUATED))
        _add(whole, found, at)
    if closing is not True and _OTHERS not in whole:
        # Each of a choice has properties of its own, which are not among those that it closes.
        whole[_UNEVALUATED if whole.keys() & {*CHOICES} else _OTHERS] = closing
    whole = _without_impossible(_with_never(given, _of_its_types(whole), where), where)
    whole = without_values(whole, where)
    if "enum" in whole:
        with suppress(Inexpressible):  # which is told where it is written
            return given.narrowed(whole, where)
    return whole


def _known(given: Given, part: Schema, where: str) -> Schema:
    """What ``part`` says in words that are merged."""
    if part.keys() & {*CONDITIONS} and part.keys() & {*_VALUES}:
        part = given.narrowed(part, where)
    allowed = _KNOWN - {"not"} if "not" in conditions(part) else _KNOWN
    return given.only(_with_null(part), where, allowed)


def possible(given: Given, whole: Schema, where: str) -> Schema:
    """``whole`` with False for what cannot be, where it is a choice; elsewhere `spread` does it."""
    word, *more = whole or [""]
    return whole if more or word not in CHOICES else {word: spread(given, whole, word, where)}


def spread(given: Given, schema: Schema, keyword: str, where: str) -> list[object]:
    """The schemas of the choice ``keyword``, each with all that stands beside it; False for one
    with which that cannot be. Arguments and errors as those of `merged`."""
    rest = {key: value for key, value in schema.items() if key != keyword}
    at = pointer(where, keyword)
    found: list[object] = []
    for index, each in enumerate(schema_list(schema[keyword], at)):
        place = pointer(at, index)
        try:
            both = merged(given, rest, where, (place, each))
            word = next((word for word in CHOICES if word in both), "")
            if word and both.keys() != {word} and not any(spread(given, both, word, where)):
                raise Unsatisfiable(place, _NOTHING)
        except Unsatisfiable as error:
            if keyword == "oneOf" and not _is_of_one_type(given, (rest, each), place):
                raise Inexpressible(at, "the schemas may overlap; use “anyOf”") from error
            found.append(False)
            continue
        found.append(each if says_no_more(given, both, each, where) else both)
    return found


def _is_of_one_type(given: Given, schemas: Sequence[object], where: str) -> bool:
    """Whether one of ``schemas``, which hold together, plainly has values of one type: if there
    are none of it, there are none. What is said of objects is nothing to all others."""
    for each in schemas:
        schema = followed(given.root, each, where)
        said: Schema = schema if isinstance(schema, dict) else {"type": "nothing"}
        types = said.get("type", [])
        if isinstance(types, str) or len(types) == 1 or said.keys() & {*_VALUES}:
            return True
    return False


def says_no_more(given: Given, whole: Schema, part: object, where: str) -> bool:
    """Whether ``whole`` is what the reference ``part`` leads to, which then has one rule wherever
    it is, and may lead back to itself."""
    if not isinstance(part, dict) or keywords(part) != {"$ref"}:
        return False
    return is_same(whole, merged(given, {"$ref": part["$ref"]}, where))


def _parts(
    root: object, schema: Schema, where: str, depth: int = 0, *, room: _Room
) -> Iterator[tuple[str, Schema]]:
    """What ``schema`` says itself, then what its conditions, for which there is ``room``, its
    `$ref` and its `allOf` do, each with its place."""
    if depth == MAX_DEPTH:
        raise refused(where, f"schemas are nested more than {MAX_DEPTH} deep")
    looks = schema.get(_UNEVALUATED, True) is not True
    if depth and looks and schema.keys() & {"$ref", "allOf", *CHOICES}:
        at = pointer(where, _UNEVALUATED)
        raise Inexpressible(at, "it is not supported in an “allOf”, beside what it looks at")
    room = _Room(0) if looks else room
    rest = {key: schema[key] for key in schema if key not in ("allOf", "$ref")}
    sometimes: list[tuple[str, object]] = []
    # Where something looks at what is unevaluated there is none: what a condition looks at counts
    # as evaluated, or not, by whether it holds.
    follow = partial(followed, root, alone=True)
    for keyword in conditions(schema):
        with suppress(Inexpressible):  # it stays, and is named as what is not supported
            sometimes += room.take(rewritten(schema, keyword, where, follow))
            del rest[keyword]
    yield where, rest
    for at, each in sometimes:
        yield from _part(root, at, each, depth, room=room)
    if "$ref" in schema:
        target = resolved(root, schema["$ref"], pointer(where, "$ref"))
        yield from _part(root, str(schema["$ref"]), target, depth, room=room)
    if "allOf" in schema:
        at = pointer(where, "allOf")
        for index, each in enumerate(schema_list(schema["allOf"], at)):
            yield from _part(root, pointer(at, index), each, depth, room=room)


def _part(
    root: object, where: str, part: object, depth: int = 0, *, room: _Room
) -> Iterator[tuple[str, Schema]]:
    if part is False:
        raise Unsatisfiable(where, _NOTHING)
    if part is not True:
        if not isinstance(part, dict):
            raise refused(where, "a schema should stand here")
        yield from _parts(root, part, where, depth + 1, room=room)


def _with_null(part: Schema) -> Schema:
    """``part`` with OpenAPI's `nullable` in the words of JSON Schema, where that is plain."""
    if part.get("nullable") is not True or "type" not in part or part.keys() & {"const", *CHOICES}:
        return part
    found = {key: value for key, value in part.items() if key != "nullable"}
    types = found["type"] if isinstance(found["type"], list) else [found["type"]]
    found["type"] = types if "null" in types else [*types, "null"]
    values = found.get("enum")
    if isinstance(values, list) and None not in values:
        found["enum"] = [*values, None]
    return found


def _add(whole: Schema, part: Schema, where: str) -> None:
    """Have ``whole`` say what ``part`` does, too."""
    _add_members(whole, part, where)
    _add_items(whole, part, where)
    _add_values(whole, part, where)
    for key, value in part.items():
        if key in _OBJECT or key in _ARRAY or key in _VALUES:
            continue
        if key not in whole:
            whole[key] = value
        elif not is_same(whole[key], value):
            whole[key] = _both(whole, key, value, where)


def _both(whole: Schema, key: str, value: Any, where: str) -> object:
    """What a keyword says that stands in ``whole``, too."""
    known, at = whole[key], pointer(where, key)
    if key == "type":
        return _types(known, value, at)
    if key in CHOICES:
        whole.setdefault("allOf", []).append({key: value})
        return known
    if key in ("uniqueItems", "not"):  # of the latter, both are lists of values
        return True if key == "uniqueItems" else {"enum": [*known["enum"], *value["enum"]]}
    if key == "propertyNames":
        return _all_of(known, value)
    if key in _BOUNDS or key == "multipleOf":
        if not is_type(known, "number") or not is_type(value, "number"):
            raise refused(at, "there should be a number")
        if key in _BOUNDS:
            return _BOUNDS[key](known, value)
        whole_numbers = is_type(known, "integer") and is_type(value, "integer") and known > 0
        if whole_numbers and (multiple := math.lcm(int(known), int(value))) <= MAX_MULTIPLE:
            return multiple
    raise Inexpressible(at, f"there is another “{key}”, with which it cannot be combined")


def _types(known: object, value: object, where: str) -> list[str]:
    one, other = (each if isinstance(each, list) else [each] for each in (known, value))
    if not all(isinstance(name, str) and name in TYPE_KEYWORDS for name in (*one, *other)):
        raise refused(where, "there should be a type or a list of types")
    found = [
        name
        for name in dict.fromkeys([*one, *other])
        if all(name in each or (name == "integer" and "number" in each) for each in (one, other))
    ]
    if not found:
        raise Unsatisfiable(where, _NOTHING)
    return found


def _add_members(whole: Schema, part: Schema, where: str) -> None:
    for one, other in ((whole, part), (part, whole)):
        if one.keys() & {*_PATTERNS} and other.keys() & {*_PATTERNS, _OTHERS}:
            at = pointer(where, next(key for key in (*_PATTERNS, _OTHERS) if key in part))
            raise Inexpressible(at, "it cannot be combined with what else is said of properties")
    if not part.keys() & {*_OBJECT}:
        return
    mine, theirs = properties_of(whole, where), properties_of(part, where)
    rest, more = whole.get(_OTHERS), part.get(_OTHERS)
    if not mine and rest is None:
        whole.update({key: part[key] for key in ("properties", _OTHERS) if key in part})
    elif theirs or more is not None:
        whole["properties"] = {
            key: _all_of(mine.get(key, rest), theirs.get(key, more)) for key in {**mine, **theirs}
        }
        if (others := _all_of(rest, more)) is not None:
            whole[_OTHERS] = others
    if "required" in part:
        whole["required"] = [*required_of(whole, where), *required_of(part, where)]


def _add_items(whole: Schema, part: Schema, where: str) -> None:
    mine, theirs = ({key: each[key] for key in _ARRAY if key in each} for each in (whole, part))
    if not mine or not theirs or is_same(mine, theirs):
        whole.update(theirs)
    elif mine.keys() | theirs.keys() == {"items"} and not isinstance(mine["items"], list):
        whole["items"] = _all_of(mine["items"], theirs["items"])
    else:
        at = pointer(where, next(iter(theirs)))
        raise Inexpressible(at, "it cannot be combined with what else is said of the items")


def _add_values(whole: Schema, part: Schema, where: str) -> None:
    for key in _VALUES:
        if key not in part:
            continue
        values = part[key] if key == "enum" else [part[key]]
        if not isinstance(values, list) or len(values) > MAX_CHOICES:
            at = pointer(where, key)
            raise refused(at, f"there should be a list of at most {MAX_CHOICES} values")
        if "enum" in whole:
            texts = {one_text(value) for value in values}
            values = [value for value in whole["enum"] if one_text(value) in texts]
        if not values:
            raise Unsatisfiable(pointer(where, key), _NOTHING)
        whole["enum"] = values


def _all_of(one: object, other: object) -> object:
    """The schema that demands both; None is one that is not there."""
    one, other = (False if is_never(each) else each for each in (one, other))
    if one is None or one is True or other is False:
        return one if other is None else other
    if other is None or other is True or one is False or is_same(one, other):
        return one
    if isinstance(one, dict) and one.keys() == {"allOf"} and isinstance(one["allOf"], list):
        return {"allOf": [*one["allOf"], other]}
    return {"allOf": [one, other]}


def _with_never(given: Given, whole: Schema, where: str) -> Schema:
    """``whole`` with False for each property of which lists and types plainly leave no value."""
    properties = properties_of(whole, where)
    never: Schema = {}
    for key, value in properties.items():
        if isinstance(value, dict) and value.keys() == {"allOf"}:
            at = pointer(where, "properties", key)
            try:
                if all(_is_of_values(followed(given.root, each, at)) for each in value["allOf"]):
                    merged(given, value, at)
            except Unsatisfiable:
                never[key] = False
            except Inexpressible:  # which is told where it is written
                continue
    return {**whole, "properties": {**properties, **never}} if never else whole


def _is_of_values(schema: object) -> bool:
    return isinstance(schema, dict) and keywords(schema) <= _OF_VALUES


def _without_impossible(whole: Schema, where: str) -> Schema:
    """``whole`` less the properties that may not be there, where no others may; raises
    `Unsatisfiable` where one of these has to be there."""
    is_closed = whole.get(_OTHERS) is False
    properties = properties_of(whole, where)
    never = {key for key, value in properties.items() if is_never(value)}
    for key in required_of(whole, where):
        if key in never or (is_closed and key not in properties):
            at = pointer(where, "required")
            raise Unsatisfiable(at, f"“{key}” is required but not among the properties")
    if never and is_closed:  # elsewhere it has to be remembered
        whole["properties"] = {key: properties[key] for key in properties if key not in never}
    return whole


def _of_its_types(whole: Schema) -> Schema:
    """``whole`` without what says nothing of values of its types."""
    types = whole.get("type")
    names = types if isinstance(types, list) else [types]
    known = [
        TYPE_KEYWORDS[name] for name in names if isinstance(name, str) and name in TYPE_KEYWORDS
    ]
    if not known or len(known) < len(names):
        return whole
    said = frozenset[str]().union(*known)
    others = frozenset[str]().union(*TYPE_KEYWORDS.values()) - said
    return {key: value for key, value in whole.items() if key not in others}
