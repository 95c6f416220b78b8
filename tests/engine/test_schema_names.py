"""Schemas of objects whose names are not declared one by one, and of patterns with lengths."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from minerva_desktop.engine.core.grammar import check_grammar
from minerva_desktop.engine.core.json_schema import schema_to_grammar
from minerva_desktop.errors import InvalidRequest
from tests.engine.grammar_matcher import allows
from tests.engine.grammar_texts import random_text

SEEDS = range(40)
INTEGER = {"type": "integer"}
LISTED = ["a", "bb"]
ABC = {"type": "object", "properties": dict.fromkeys("abc", INTEGER)}
OPEN = {**ABC, "additionalProperties": INTEGER}
TWO = "^[a-z]{2}$"

# A schema, names that may be there together, each with the value 1, and names that may not.
NAMES: list[tuple[Any, list[str], list[str]]] = [
    ({"additionalProperties": INTEGER, "minProperties": 1}, ["a", "ab"], [""]),
    ({"type": "object", "maxProperties": 2}, ["", "a", "ab"], ["abc"]),
    ({"type": "object", "required": ["a"], "maxProperties": 1}, ["a"], ["", "b", "ab"]),
    ({**ABC, "minProperties": 1}, ["a", "c", "abc"], [""]),
    ({**ABC, "minProperties": 2, "maxProperties": 2}, ["ab", "ac", "bc"], ["", "a", "abc", "ad"]),
    ({**ABC, "required": ["b"], "maxProperties": 2}, ["b", "ab", "bc"], ["", "a", "ac", "abc"]),
    ({**ABC, "required": ["b"], "minProperties": 1}, ["b", "abc"], ["", "a"]),
    ({**OPEN, "maxProperties": 2}, ["", "a", "d", "bc", "cx", "xy"], ["abc", "abx", "xyz"]),
    ({**OPEN, "minProperties": 1}, ["a", "d", "abcxyz", "xy"], [""]),
    ({**OPEN, "minProperties": 2}, ["ab", "ax", "cxyz", "abc"], ["", "a", "d"]),
    ({**OPEN, "minProperties": 4, "maxProperties": 4}, ["abcx"], ["abc", "abcxy"]),
    ({**OPEN, "required": ["b"], "maxProperties": 2}, ["b", "ab", "bx"], ["a", "ax", "abx"]),
    ({**OPEN, "required": ["a"], "minProperties": 1}, ["a", "ad"], ["d"]),
    ({**ABC, "maxProperties": 0}, [""], ["a"]),
    ({"propertyNames": {"enum": ["a", "b"]}, "required": ["b"]}, ["b", "ab"], ["", "a", "bc"]),
    ({**ABC, "propertyNames": {"enum": ["a", "d"]}}, ["", "a", "ad"], ["b"]),
    ({**ABC, "additionalProperties": False, "propertyNames": {"const": "a"}}, ["", "a"], ["b"]),
    ({"propertyNames": {"pattern": "^[ab]$"}, "additionalProperties": INTEGER}, ["", "ab"], ["c"]),
    ({"propertyNames": {"$ref": "#/$defs/x"}, "$defs": {"x": {"pattern": "^a$"}}}, ["a"], ["b"]),
    ({"propertyNames": False, "additionalProperties": False}, [""], ["a"]),
    ({"patternProperties": {"^[ab]$": INTEGER}, "maxProperties": 1}, ["", "a"], ["c", "ab"]),
    ({"allOf": [ABC, {"minProperties": 1}, {"minProperties": 2}]}, ["ab"], ["a"]),
    (
        {"allOf": [{"propertyNames": {"minLength": 1}}, {"propertyNames": {"pattern": "^b*$"}}]},
        ["b"],
        ["a"],
    ),
    (
        {"propertyNames": {"$ref": "#/$defs/x", "maxLength": 1}, "$defs": {"x": {"enum": LISTED}}},
        ["", "a"],
        ["b"],
    ),
    (
        {
            "propertyNames": {"$ref": "#/$defs/y"},
            "$defs": {"x": {"enum": LISTED}, "y": {"$ref": "#/$defs/x", "maxLength": 1}},
        },
        ["", "a"],
        ["b"],
    ),
]


@pytest.mark.parametrize(
    "schema",
    [
        {"propertyNames": {"enum": LISTED}, "patternProperties": {"^c": {}}},
        {"propertyNames": {"enum": LISTED, "const": "c"}},
        {"propertyNames": {"enum": LISTED, "type": "integer"}},
    ],
    ids=str,
)
def test_nothing_beside_a_list_of_names_is_ignored(schema: Any) -> None:
    with pytest.raises(InvalidRequest, match="#/propertyNames"):
        schema_to_grammar(schema)


def test_no_name_is_null() -> None:
    grammar = schema_to_grammar({"propertyNames": {"minLength": 1, "nullable": True}})
    assert allows(grammar, '{"a":1}')
    assert not allows(grammar, "{null:1}")


@pytest.mark.parametrize(("schema", "good", "bad"), NAMES, ids=str)
def test_names_and_their_number_are_kept_to(schema: Any, good: list[str], bad: list[str]) -> None:
    grammar = check_grammar(schema_to_grammar(schema))

    def is_allowed(names: str) -> bool:
        return allows(grammar, json.dumps(dict.fromkeys(names, 1)))

    assert [names for names in good if not is_allowed(names)] == []
    assert [names for names in bad if is_allowed(names)] == []


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"type": "object", "minProperties": 2}, "#/minProperties"),
        ({**ABC, "additionalProperties": False, "minProperties": 4}, "#/minProperties"),
        ({"additionalProperties": False, "minProperties": 1}, "#/minProperties"),
        ({**ABC, "required": ["a", "b"], "maxProperties": 1}, "#/maxProperties"),
        (
            {"properties": {f"p{n}": {} for n in range(25)}, "minProperties": 1},
            "#/minProperties",
        ),
        ({**ABC, "additionalProperties": {}, "minProperties": 5}, "#/minProperties"),
        ({**ABC, "additionalProperties": {}, "maxProperties": 101}, "#/maxProperties"),
        ({**ABC, "propertyNames": {"pattern": "^a"}}, "#/propertyNames"),
        ({"propertyNames": {"enum": ["a"], "minLength": 1}}, "#/propertyNames"),
        ({"propertyNames": {"enum": ["a"]}, "required": ["b"]}, "#/required"),
        ({"propertyNames": False}, "#/propertyNames"),
        ({"propertyNames": INTEGER}, "#/propertyNames"),
        ({**ABC, "patternProperties": {"^x": {}}}, "#/patternProperties"),
        ({"patternProperties": {"^x": {}, "y$": {}}}, "#/patternProperties"),
        ({"patternProperties": {"^x": False}}, "#/patternProperties"),
        ({"patternProperties": []}, "#/patternProperties"),
        (
            {"allOf": [{"patternProperties": {"a": {}}}, {"additionalProperties": False}]},
            "#/allOf/1/additionalProperties",
        ),
    ],
    ids=str,
)
def test_what_of_names_cannot_be_kept_to_is_named(schema: Any, place: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        schema_to_grammar(schema)
    assert caught.value.message.startswith(f"JSON schema, {place}: ")


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Palette(BaseModel):
    amounts: dict[Colour, int]
    codes: dict[Annotated[str, Field(pattern=TWO)], int]
    notes: Annotated[dict[str, str], Field(min_length=1, max_length=2)]
    name: Annotated[str, Field(pattern="^[a-z]+$", min_length=3, max_length=8)]


def test_dictionaries_are_taken_as_pydantic_writes_them() -> None:
    grammar = schema_to_grammar(Palette.model_json_schema())
    found = [Palette.model_validate_json(random_text(grammar, seed=seed)) for seed in SEEDS]
    assert {len(each.amounts) for each in found} == {0, 1, 2}
    assert {len(each.notes) for each in found} == {1, 2}
    assert any(each.codes for each in found)


LIMITS: list[dict[str, int]] = [
    {},
    {"minLength": 2},
    {"maxLength": 4},
    {"minLength": 2, "maxLength": 3},
]


@pytest.mark.parametrize(
    "pattern",
    [
        "^[a-z]+$",
        "^[A-Z][a-z0-9_]*$",
        "^ab.*",
        "^ab",
        "ab$",
        "ab",
        "^[^\\n]{0,9}$",
        r"^a[\n\t]*$",
        r"^\u00e9\x41*$",
        "^(?:ab|cd)$",
        "^ab$|^cd$|ef$|^gh",
        "^a{0}bc$",
    ],
)
@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_texts_match_their_pattern_and_have_its_length(
    pattern: str, limits: dict[str, int]
) -> None:
    grammar = schema_to_grammar({"type": "string", "pattern": pattern, **limits})
    found = [json.loads(random_text(grammar, seed=seed)) for seed in SEEDS]
    assert all(re.search(pattern, text) for text in found)
    assert min(map(len, found)) >= limits.get("minLength", 0)
    assert max(map(len, found)) <= limits.get("maxLength", 10**9)


def test_white_space_of_all_alphabets_is_none_where_none_may_be() -> None:
    """As most patterns for an address of mail have it."""
    grammar = schema_to_grammar({"type": "string", "pattern": r"^[^\s@]+@[^\s@]+\.[^\s@]+$"})
    assert allows(grammar, '"a@b.c"')
    for blank in " \u00a0\u2003\u3000\ufeff":
        assert not allows(grammar, f'"a{blank}b@b.c"')
    line = schema_to_grammar({"type": "string", "pattern": "^.$"})
    assert [text for text in "a\u00a0\u2028\u2029" if not allows(line, f'"{text}"')] == [
        "\u2028",
        "\u2029",
    ]


def test_an_address_of_mail_is_taken_as_zod_writes_it() -> None:
    pattern = (
        r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@"
        r"([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"
    )
    grammar = schema_to_grammar({"type": "string", "format": "email", "pattern": pattern})
    for seed in SEEDS:
        assert re.fullmatch(pattern, json.loads(random_text(grammar, seed=seed)))
    for address in ("ada.l@example.org", "a@b.co", "o'neil+x-y@a-b.example.com"):
        assert allows(grammar, json.dumps(address))
    for address in (".a@b.co", "a..b@b.co", "a.@b.co"):
        assert not allows(grammar, json.dumps(address))


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"pattern": "^[a-z]+-[a-z]+$", "maxLength": 9}, "#/maxLength: of “pattern”, the texts"),
        ({"pattern": "^a{2}$", "minLength": 3}, "#/minLength: of “pattern”, no text"),
        ({"pattern": "^[a-z]{4,}$", "maxLength": 3}, "#/maxLength: of “pattern”, no text"),
        ({"pattern": "^[a-z]*$", "maxLength": 2001}, "#/maxLength: of “pattern”, no more than"),
        ({"pattern": "^a{3,1}$"}, "#/pattern: “{3,1}” allows nothing"),
        ({"pattern": r"^\ud800$"}, "#/pattern: "),
        ({"pattern": r"^\x4$"}, "#/pattern: "),
        ({"pattern": "^a$b"}, "#/pattern: “b” at 3"),
    ],
    ids=str,
)
def test_a_pattern_that_cannot_be_kept_to_is_told_why(schema: Any, place: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        schema_to_grammar({"type": "string", **schema})
    assert caught.value.message.startswith(f"JSON schema, {place}")
