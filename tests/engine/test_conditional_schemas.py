"""What a schema demands only sometimes, or forbids: `not`, `if`, `dependentRequired`, …."""

from __future__ import annotations

from typing import Any

import pytest

from minerva_desktop.engine.core.json_schema import inexpressible_keywords, schema_to_grammar
from minerva_desktop.errors import InvalidRequest
from tests.engine.grammar_matcher import allows

NULL = {"type": "null"}
OBJECT: dict[str, Any] = {
    "type": "object",
    "properties": {"kind": {"enum": ["a", "b"]}, "x": NULL, "y": NULL},
}
KIND = {**OBJECT, "required": ["kind"]}
IS_A = {"properties": {"kind": {"const": "a"}}}
X, Y = {"required": ["x"]}, {"required": ["y"]}
FLAG = {"type": "object", "properties": {"flag": {"type": "boolean"}, "x": NULL}}
ONE_OR_OTHER = [
    {"type": "object", "properties": {"x": NULL, "y": {"not": {}}}, "required": ["x"]},
    {"type": "object", "properties": {"y": NULL, "x": {"not": {}}}, "required": ["y"]},
]


def of(members: str) -> str:
    """An object: of `a` the kind is "a", of `b` it is "b", of `t` and `f` the flag says so."""
    words = {"a": '"kind":"a"', "b": '"kind":"b"', "t": '"flag":true', "f": '"flag":false'}
    return "{" + ",".join(words.get(each, f'"{each}":null') for each in members) + "}"


# A schema, members of objects that it allows, and of some that it does not.
OBJECTS: list[tuple[Any, list[str], list[str]]] = [
    ({**KIND, "if": IS_A, "then": X, "else": Y}, ["ax", "axy", "by"], ["a", "ay", "b", "bx"]),
    ({**KIND, "if": IS_A, "then": X}, ["ax", "axy", "b", "by"], ["a", "ay"]),
    ({**KIND, "if": IS_A, "else": X}, ["a", "bx"], ["b", "by"]),
    ({**KIND, "if": IS_A, "then": False}, ["b", "bxy"], ["a", "ax"]),
    ({**OBJECT, "if": {**IS_A, "required": ["kind"]}, "then": X}, ["", "b", "ax"], ["a", "ay"]),
    ({**OBJECT, "if": IS_A, "then": X}, ["x", "b", "ax"], ["", "y", "a"]),
    ({**OBJECT, "if": X, "then": Y, "additionalProperties": False}, ["", "y", "xy"], ["x", "ax"]),
    ({**KIND, "then": X, "else": Y}, ["a", "b"], [""]),
    (
        {
            **KIND,
            "allOf": [
                {"if": {"properties": {"kind": {"const": kind}}}, "then": {"required": [name]}}
                for kind, name in (("a", "x"), ("b", "y"))
            ],
        },
        ["ax", "axy", "by"],
        ["a", "ay", "b", "bx"],
    ),
    (
        {**FLAG, "if": {"properties": {"flag": {"const": True}}, "required": ["flag"]}, "then": X},
        ["tx", "f", "fx", ""],
        ["t"],
    ),
    ({**KIND, "dependentRequired": {"x": ["y"]}}, ["a", "ay", "axy"], ["ax"]),
    ({**KIND, "dependentRequired": {"x": [], "z": ["y"]}}, ["ax"], ["axz"]),
    ({**OBJECT, "dependencies": {"x": ["y"], "y": X}}, ["", "a", "xy"], ["x", "ay"]),
    ({**KIND, "dependentSchemas": {"x": {**IS_A, **Y}}}, ["a", "by", "axy"], ["ax", "bxy"]),
    ({**KIND, "not": {"required": ["x", "y"]}}, ["a", "ax", "by"], ["axy"]),
    ({**KIND, "not": {"anyOf": [X, Y]}}, ["a", "b"], ["ax", "by"]),
    ({**KIND, "not": {"allOf": [X, IS_A]}}, ["a", "ay", "bx"], ["ax"]),
    ({**KIND, "not": IS_A}, ["b"], ["a", "ax"]),
    ({**KIND, "not": {"not": X}}, ["ax"], ["a"]),
    ({**KIND, "not": {"$ref": "#/$defs/x"}, "$defs": {"x": X}}, ["a", "ay"], ["ax"]),
    ({"anyOf": ONE_OR_OTHER}, ["x", "y"], ["", "xy"]),
    ({**OBJECT, "allOf": [{"not": X}, {"dependentRequired": {"y": ["x"]}}]}, ["", "a"], ["x", "y"]),
    ({"properties": {"x": NULL, "y": False}}, ["", "x"], ["y", "xy"]),
    ({"properties": {"x": NULL}, "additionalProperties": {"not": {}}}, ["", "x"], ["y"]),
]


@pytest.mark.parametrize(("schema", "good", "bad"), OBJECTS, ids=str)
def test_objects_are_as_their_conditions_demand(
    schema: Any, good: list[str], bad: list[str]
) -> None:
    grammar = schema_to_grammar(schema)
    assert [each for each in good if not allows(grammar, of(each))] == []
    assert [each for each in bad if allows(grammar, of(each))] == []
    assert inexpressible_keywords(schema) == ()


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": ["string", "null"], "not": NULL}, ['"a"'], ["null"]),
        ({"not": {"type": ["string", "object"]}}, ["1.5", "[]", "null", "true"], ['""', "{}"]),
        ({"type": ["string", "null"], "not": {"const": None}}, ['""'], ["null"]),
        ({"type": "string", "not": {"const": ""}}, ['"a"'], ['""']),
        ({"type": "string", "not": {"enum": ["", 1]}, "maxLength": 1}, ['"a"'], ['""', '"aa"']),
        ({"type": "string", "not": {"enum": [1, None]}}, ['""', '"a"'], ["1"]),
        ({"type": "boolean", "not": {"const": True}}, ["false"], ["true"]),
        ({"type": "string", "not": {"minLength": 2}}, ['""', '"a"'], ['"aa"']),
        ({"type": "integer", "not": {"minimum": 5}}, ["4", "-7"], ["5"]),
        ({"type": "array", "items": {"not": {}}}, ["[]"], ["[1]"]),
        ({"anyOf": [{"not": True}, NULL]}, ["null"], ["1"]),
        (
            # What is impossible is so for objects, and there are none.
            {
                "type": "array",
                "items": NULL,
                "if": {"properties": {"a": {"const": 1}}, "required": ["a"]},
                "then": {"properties": {"a": {"type": "string"}}},
            },
            ["[]", "[null]"],
            ["[1]", "null"],
        ),
        (
            {"if": {"type": "string"}, "then": {"maxLength": 1}, "else": {"type": "null"}},
            ['"a"', "null"],
            ['"aa"', "1"],
        ),
    ],
    ids=str,
)
def test_values_that_are_forbidden_are_not_written(
    schema: Any, good: list[str], bad: list[str]
) -> None:
    grammar = schema_to_grammar(schema)
    assert [text for text in good if not allows(grammar, text)] == []
    assert [text for text in bad if allows(grammar, text)] == []


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"not": {}}, "#/not: nothing satisfies"),
        ({"properties": {"a": {"not": {}}}, "required": ["a"]}, "#/required: “a” may not be there"),
        ({**KIND, "not": {"pattern": "a"}}, "#/not: “not” is not supported"),
        ({"type": "string", "not": {"const": "a"}}, "#/not: “not” is not supported"),
        ({**OBJECT, "properties": {"kind": {"type": "string"}}, "if": IS_A, "then": X}, "#/if: "),
        ({**KIND, "if": {"minProperties": 2}, "then": X}, "#/if: "),
        ({"properties": {"a": False}, "additionalProperties": True}, "#/properties/a: "),
        ({**KIND, "not": 1}, "#/not: a schema should stand here"),
        ({**KIND, "dependentRequired": {"x": 1}}, "#/dependentRequired: there should be"),
        ({**KIND, "dependentRequired": {n: ["y"] for n in "abcdef"}}, "#/dependentRequired: "),
        (
            {**OBJECT, "unevaluatedProperties": False, "not": {"properties": {"k": NULL}}},
            "#/not: “not” is not supported",
        ),
        (
            {
                "allOf": [{"not": {"properties": {"k": NULL}}}],
                **OBJECT,
                "unevaluatedProperties": False,
            },
            "#/allOf/0/not: “not” is not supported",
        ),
        # A value that is no object satisfies the first of these, whatever it says of objects.
        (
            {"oneOf": [{"required": ["a"], "properties": {"a": False}}, {"const": 2}]},
            "#/oneOf: ",
        ),
        (
            {
                "minimum": 0,
                "oneOf": [{"required": ["a"], "properties": {"a": False}}, {"const": 2}],
            },
            "#/oneOf: the schemas may overlap",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_demanded_is_named(schema: Any, place: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        schema_to_grammar(schema)
    assert caught.value.message.startswith(f"JSON schema, {place}")


def test_a_property_that_may_not_be_there_is_not_an_undeclared_one_either() -> None:
    """What is demanded in one step was forgotten in the next."""
    parts = [{"anyOf": [{"properties": {"b": False}}, NULL]}, {"required": ["b"]}]
    schema = {"type": "object", "properties": {"a": NULL}, "allOf": parts}
    with pytest.raises(InvalidRequest):
        schema_to_grammar(schema)


def test_conditions_that_are_too_many_are_named_where_a_schema_is_not_strict() -> None:
    kinds = [f"k{number}" for number in range(7)]
    conditions = [{"if": {"properties": {"kind": {"const": k}}}, "then": X} for k in kinds]
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": kinds}, "x": NULL},
        "required": ["kind"],
        "allOf": conditions,
    }
    assert inexpressible_keywords(schema) == ("#/allOf/5/if", "#/allOf/6/if")
    grammar = schema_to_grammar(schema, strict=False)
    assert allows(grammar, '{"kind":"k5"}')
    assert not allows(grammar, '{"kind":"k4"}')


def test_a_condition_that_cannot_be_expressed_leaves_the_rest_as_it_is() -> None:
    """Also what other schemas refer to, which was met on the way."""
    named = {"type": "object", "properties": {"z": {"$ref": "#/$defs/text"}}, "required": ["z"]}
    schema = {
        "$defs": {"named": named, "text": {"type": "string", "maxLength": 2}},
        "properties": {
            "a": {
                "$ref": "#/$defs/named",
                "if": {"required": ["z"]},
                "then": {"not": {"const": 1}},
            },
            "b": {"$ref": "#/$defs/named"},
        },
    }
    grammar = schema_to_grammar(schema, strict=False)
    assert inexpressible_keywords(schema) in ((), ("#/properties/a/if",))
    assert allows(grammar, '{"a":{"z":"xx"},"b":{"z":"yy"}}')
    assert not allows(grammar, '{"b":{"z":"yyy"}}')
