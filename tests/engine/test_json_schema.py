"""What a JSON schema becomes, and what is refused. Real sampling: test_grammar_real.py."""

from __future__ import annotations

from typing import Any

import pytest

from minerva_desktop.engine.core.grammar import check_grammar
from minerva_desktop.engine.core.json_schema import schema_to_grammar
from minerva_desktop.errors import InvalidRequest
from tests.engine.grammar_matcher import allows

PERSON = {
    "type": "object",
    "title": "A person",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 40},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "mail": {"type": ["string", "null"]},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}
TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "label": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["label"],
        }
    },
}
ACCEPTED: list[Any] = [
    True,
    {},
    PERSON,
    TREE,
    {"type": "object"},
    {"type": "object", "properties": {"a": {}, "ab": {}}, "additionalProperties": True},
    {"type": "object", "additionalProperties": {"type": "integer"}},
    {"type": "object", "properties": {f"p{i}": {"type": "number"} for i in range(30)}},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 5},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "null"}], "minItems": 1},
    {"enum": ["red", "reddish", 1, 12, None, {"a": [1]}]},
    {"const": 'a "quoted" \\ text'},
    {"anyOf": [{"type": "string"}, PERSON]},
    {"oneOf": [{"type": "string"}, {"type": "integer"}]},
    {"allOf": [{"properties": {"a": {"type": "null"}}}, {"properties": {"b": {}}}]},
    {"type": "string", "pattern": r"^[A-Z]{2}-\d{3,5}(?:\.x|y)?$"},
    {"type": "string", "format": "date-time"},
    {"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": {}},
    {"type": "object", "required": ["x"]},
    {"type": "object", "patternProperties": {}},
    {"type": "integer", "format": "uint32"},
    {"type": "string", "format": "phone", "maxLength": 2000},
    {"type": "string", "maxLength": 10**11},
    {"type": "string", "minLength": 1, "maxLength": 2000},
    {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2000},
    {"type": "string", "contentEncoding": "base64", "readOnly": True, "deprecated": True},
    {"properties": {"a": {}}, "unevaluatedProperties": False},
    {"allOf": [{"properties": {"a": {}}}], "properties": {}, "unevaluatedProperties": False},
    {"type": "integer", "minimum": -17, "maximum": 2050},
    {"type": "integer", "exclusiveMinimum": 0},
    {"type": "number", "minimum": -2, "maximum": 3},
    {"type": "array", "items": {"type": "string", "maxLength": 999}, "maxItems": 19},
    {"properties": {f"p{n}": {"pattern": f"^[a-z]+-{n}$"} for n in range(30)}},
]
REFUSED: list[tuple[Any, str]] = [
    (False, "#"),
    ([], "#"),
    ({"not": {}}, "#/not"),
    ({"if": {"pattern": "a"}, "then": {}}, "#/if"),
    ({"type": "object", "dependentRequired": []}, "#/dependentRequired"),
    ({"type": "object", "required": ["x"], "additionalProperties": False}, "#/required"),
    ({"type": "integer", "multipleOf": 7}, "#/multipleOf"),
    ({"type": "number", "multipleOf": 0}, "#/multipleOf"),
    ({"type": "array", "uniqueItems": True}, "#/uniqueItems"),
    ({"type": "array", "uniqueItems": True, "items": {"type": "integer"}}, "#/uniqueItems"),
    ({"type": "array", "uniqueItems": True, "items": {"enum": [1]}, "minItems": 2}, "#/minItems"),
    ({"type": "array", "contains": {}}, "#/contains"),
    ({"type": "number", "minimum": 0.5, "exclusiveMaximum": 0.5}, "#"),
    ({"type": "number", "exclusiveMinimum": 1e12}, "#"),
    ({"type": "number", "minimum": True}, "#/minimum"),
    ({"type": "number", "format": []}, "#/format"),
    ({"type": "string", "format": {}}, "#/format"),
    ({"type": "number", "minimum": 10**400}, "#/minimum"),
    ({"type": "integer", "minimum": 2**53}, "#/minimum"),
    ({"type": "integer", "maximum": -(2**53)}, "#/maximum"),
    ({"type": "number", "multipleOf": 1e-30}, "#/multipleOf"),
    ({"oneOf": [[]], "discriminator": {"propertyName": []}}, "#/oneOf"),
    ({"type": "string", "format": "email", "maxLength": 20}, "#/format"),
    ({"type": "integer", "minimum": 5, "maximum": 4}, "#"),
    ({"type": "string", "pattern": "(?=a)b"}, "#/pattern"),
    ({"type": "string", "pattern": r"(a)\1"}, "#/pattern"),
    ({"type": "string", "pattern": "a(b"}, "#/pattern"),
    ({"type": "string", "maxLength": 5000}, "#/maxLength"),
    ({"type": "string", "minLength": 5, "maxLength": 4}, "#/maxLength"),
    ({"type": "strin"}, "#/type"),
    ({"type": "string", "minimum": 3}, "#/minimum"),
    ({"type": "string", "additionalProperties": {}}, "#/additionalProperties"),
    ({"$ref": "#", "additionalProperties": False}, "#: schemas are nested more than"),
    ({"$ref": "https://example.com/schema"}, "#/$ref"),
    ({"$ref": "#/$defs/none"}, "#/$ref"),
    ({"prefixItems": [{"$ref": "#/prefixItems/1"}]}, "#/prefixItems/0/$ref"),
    ({"prefixItems": [{"$ref": "#/prefixItems/²"}]}, "#/prefixItems/0/$ref"),
    ({"y-tag": 1}, "#/y-tag"),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "#/oneOf"),
    ({"enum": []}, "#/enum"),
    ({"enum": [1], "type": "string"}, "#/enum"),
    (
        {"properties": {"a/b": {"type": "array", "items": {"not": {"pattern": ""}}}}},
        "#/properties/a~1b/items",
    ),
]


@pytest.mark.parametrize("schema", ACCEPTED, ids=str)
def test_a_schema_becomes_a_safe_grammar(schema: Any) -> None:
    check_grammar(schema_to_grammar(schema))


@pytest.mark.parametrize(("schema", "where"), REFUSED, ids=str)
def test_what_cannot_be_honoured_is_named(schema: Any, where: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        schema_to_grammar(schema)
    assert caught.value.param == "response_format"
    assert f"JSON schema, {where}" in caught.value.message


ENDLESS = "leads back to itself without an end"
LONG_WAY = (
    "a text can be read as “%s” in too many ways; leave out the repetition of what is repeated"
)
COSTLY = ["^a$", "^b+$", "^c", "^d(-?d+)*$"]
LONG_TEXTS = {"anyOf": [{"type": "string", "maxLength": 1900 + n} for n in range(11)]}
SUM = "the grammar expands to more than 20,000 rules"
# Each alternative is plain, and eight of them in a list are not.
NESTED = "nested repetitions make %s rules of one item; 2,000 are allowed"


def alike(schema: Any, count: int) -> list[Any]:
    """Schemas of the same values, each with another title."""
    return [{**schema, "title": str(number)} for number in range(count)]


ALIKE = {"type": "array", "items": {"anyOf": alike({"type": "string"}, 8)}}


@pytest.mark.parametrize(
    ("schema", "place", "why"),
    [
        ({"$ref": "#"}, "#/$ref", f"“#” {ENDLESS}"),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
            "#/$ref",
            f"“#/$defs/a” {ENDLESS}",
        ),
        (
            {"properties": {"a": {"$ref": "#"}}, "required": ["a"]},
            "#/properties/a/$ref",
            f"“#” {ENDLESS}",
        ),
        (
            {"properties": {"a": {"pattern": "^a+$"}, "pattern": {"pattern": "^(a+)+$"}}},
            "#/properties/pattern/pattern",
            LONG_WAY % "^(a+)+$",
        ),
        (
            {"properties": {k: {"pattern": p} for k, p in zip("abcd", COSTLY, strict=True)}},
            "#/properties/d/pattern",
            LONG_WAY % COSTLY[3],
        ),
        (
            {"anyOf": [{"type": "null"}, {"type": "string", "pattern": "(a?)*"}]},
            "#/anyOf/1/pattern",
            "“(a?)*” repeats what may be empty",
        ),
        (
            {"type": "string", "pattern": "^([a-z]{1,100}-){1,1900}$"},
            "#/pattern",
            f"“^([a-z]{{1,100}}-){{1,1900}}$” is too large: {NESTED % '190,000'}",
        ),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": LONG_TEXTS}},
            "#/$ref",
            f"“#/$defs/a” is too large: {SUM}",
        ),
        (LONG_TEXTS, "#", f"it is too large: {SUM}"),
        (
            {**ALIKE, "$defs": {"unused": {"pattern": "(?=a)", "$ref": "#/no"}}},
            "#",
            "it makes a grammar that cannot be followed safely",
        ),
    ],
    ids=str,
)
def test_a_schema_whose_grammar_is_not_safe_is_refused_by_its_place(
    schema: Any, place: str, why: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        schema_to_grammar(schema)
    assert caught.value.message.startswith(f"JSON schema, {place}: {why}")
    assert caught.value.param == "response_format"
    assert caught.value.detail.startswith("Grammar, line ")


def test_a_schema_that_writes_too_much_is_told_so() -> None:
    texts = [{"enum": [f"{i}{k}{'x' * 190}" for i in range(500)]} for k in "abc"]
    with pytest.raises(InvalidRequest) as caught:
        schema_to_grammar({"anyOf": texts})
    assert caught.value.message.startswith("JSON schema, #: it is too large: the grammar has 3")


def test_names_that_write_too_much_are_refused_before_all_is_written() -> None:
    """It would be 29 million characters, and 16 s of a processor."""
    long_names: dict[str, Any] = {f"{number:03}" * 60: {} for number in range(500)}
    with pytest.raises(InvalidRequest, match="more than 200,000 characters"):
        schema_to_grammar({"properties": long_names, "additionalProperties": True})


def test_a_list_of_items_is_what_older_schemas_call_prefix_items() -> None:
    parts: list[Any] = [{"const": 1}, {"type": "string"}]
    for rest in (True, False, {"type": "null"}):
        old = {"type": "array", "items": parts, "additionalItems": rest}
        new = {"type": "array", "prefixItems": parts, "items": rest}
        assert schema_to_grammar(old) == schema_to_grammar(new)
    assert schema_to_grammar({"items": parts}) == schema_to_grammar({"prefixItems": parts})
    with pytest.raises(InvalidRequest, match="#/items/1/type"):
        schema_to_grammar({"items": [{}, {"type": "strin"}]})


def test_what_has_no_properties_may_be_closed_to_them() -> None:
    """As Inspect does with every schema within one."""

    def schema(closed: dict[str, Any]) -> dict[str, Any]:
        values: dict[str, dict[str, Any]] = {
            "a": {"type": "string", "maxLength": 3},
            "b": {"type": ["integer", "null"]},
            "c": {"anyOf": [{"type": "boolean", **closed}, {"const": 1, **closed}]},
            "d": {"enum": ["x", None]},
            "e": {"type": "array", "items": {"type": "number", **closed}},
        }
        properties = {name: {**value, **closed} for name, value in values.items()}
        return {"type": "object", "properties": properties, "additionalProperties": False}

    closed = schema({"additionalProperties": False, "unevaluatedProperties": False})
    assert schema_to_grammar(closed) == schema_to_grammar(schema({}))


def test_a_reference_may_be_written_as_an_address_is() -> None:
    names = {"a b": {"type": "null"}, "c%20d": {"type": "boolean"}}
    schema = {"$defs": names, "prefixItems": [{"$ref": "#/$defs/a%20b"}, {"$ref": "#/$defs/c%20d"}]}
    plain = {"prefixItems": [{"type": "null"}, {"type": "boolean"}]}
    for grammar in (schema_to_grammar(schema), schema_to_grammar(plain)):
        assert allows(grammar, "[null,true]")
        assert not allows(grammar, "[true]")


@pytest.mark.parametrize(
    "choice",
    [
        alike({"type": "string"}, 8),
        alike({"type": "integer"}, 3),
        alike({"properties": {"a": {"type": "null"}}}, 4),
        alike({"properties": {"a": {"anyOf": alike({}, 5)}}, "required": ["a"]}, 9),
        alike({"type": "string", "pattern": "^a+$"}, 8),
        alike({"properties": {"a": {}}, "required": ["a"], "type": "object", "nullable": True}, 25),
    ],
    ids=str,
)
def test_choices_that_begin_alike_too_often_in_a_few_characters_are_refused(choice: Any) -> None:
    with pytest.raises(InvalidRequest, match="cannot be followed safely"):
        schema_to_grammar({"type": "array", "items": {"anyOf": choice}})


def test_a_choice_that_is_named_twice_is_one() -> None:
    def of(*options: Any) -> Any:
        return {"$defs": {"a": PERSON}, "anyOf": list(options)}

    number, null, ref = {"type": "number"}, {"type": "null"}, {"$ref": "#/$defs/a"}
    once, twice = of(ref, null, number), of(ref, null, number, null, ref, *[number] * 50)
    assert schema_to_grammar(twice) == schema_to_grammar(once)
    # Python takes these for equal.
    assert allows(schema_to_grammar(of({"const": 1}, {"const": True})), "true")


def test_depth_is_bounded() -> None:
    schema: dict[str, Any] = {"type": "null"}
    for _ in range(500):
        schema = {"type": "array", "items": schema}
    with pytest.raises(InvalidRequest, match="nested more than 32 deep"):
        schema_to_grammar(schema)
