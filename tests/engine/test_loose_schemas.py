"""What a schema that is not strict loses, and what it keeps."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minerva_desktop.engine.core.grammar import check_grammar
from minerva_desktop.engine.core.json_schema import inexpressible_keywords, schema_to_grammar
from minerva_desktop.errors import InvalidRequest
from tests.engine.grammar_texts import random_text
from tests.patience import cpu_seconds

SEEDS = range(20)
INTEGERS = {"type": "array", "items": {"type": "integer"}}
A = {"type": "object", "properties": {"a": {"type": "integer"}}}
# A schema, the same without what no grammar expresses, and what that is.
LOOSE: list[tuple[Any, Any, list[str]]] = [
    ({"type": "string", "maxLength": 5000}, {"type": "string"}, ["#/maxLength"]),
    ({**INTEGERS, "maxItems": 5000, "minItems": 1}, {**INTEGERS, "minItems": 1}, ["#/maxItems"]),
    ({**INTEGERS, "uniqueItems": True}, INTEGERS, ["#/uniqueItems"]),
    ({**INTEGERS, "contains": {"const": 1}}, INTEGERS, ["#/contains"]),
    (
        {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1, "contains": {"const": "a"}},
        {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1},
        ["#/contains"],
    ),
    (
        {"type": "array", "items": A, "minItems": 2, "unevaluatedItems": False},
        {"type": "array", "items": A, "minItems": 2},
        ["#/unevaluatedItems"],
    ),
    ({"type": "integer", "multipleOf": 7}, {"type": "integer"}, ["#/multipleOf"]),
    ({"type": "string", "pattern": r"^\p{L}+$"}, {"type": "string"}, ["#/pattern"]),
    (
        {"type": "string", "pattern": "^[a-z]+-[a-z]+$", "maxLength": 9},
        {"type": "string", "pattern": "^[a-z]+-[a-z]+$"},
        ["#/maxLength"],
    ),
    ({**A, "if": {"pattern": "a"}, "then": {}}, A, ["#/if"]),
    (
        {**A, "anyOf": [{"required": ["a"]}, {"not": {"pattern": "a"}}]},
        {"anyOf": [{**A, "required": ["a"]}, A]},
        ["#/anyOf/1/not"],
    ),
    ({**A, "propertyNames": {"pattern": "^a"}}, A, ["#/propertyNames"]),
    ({**A, "patternProperties": {"^x": {}}}, A, ["#/patternProperties"]),
    ({"type": "object", "minProperties": 2}, {"type": "object"}, ["#/minProperties"]),
    ({"not": {"pattern": "a"}}, {}, ["#/not"]),
    (
        {"oneOf": [{"type": "integer"}, {"type": "number"}]},
        {"anyOf": [{"type": "integer"}, {"type": "number"}]},
        ["#/oneOf"],
    ),
    ({"type": "number", "exclusiveMinimum": 1e12}, {"type": "number"}, ["#/exclusiveMinimum"]),
    (
        {"allOf": [A, {"properties": {"b": {}}, "not": {"format": "x"}}]},
        {"allOf": [A, {"properties": {"b": {}}}]},
        ["#/allOf/1/not"],
    ),
    (
        {
            "$ref": "#/$defs/a~1b",
            "$defs": {"a/b": {"properties": {"c": {"not": {"pattern": "a"}}}}},
        },
        {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"properties": {"c": {}}}}},
        ["#/$defs/a~1b/properties/c/not"],
    ),
]


@pytest.mark.parametrize(("schema", "rest", "left_out"), LOOSE, ids=str)
def test_what_no_grammar_expresses_is_left_out_and_named(
    schema: Any, rest: Any, left_out: list[str]
) -> None:
    loose = schema_to_grammar(schema, strict=False)
    assert loose == schema_to_grammar(rest)
    assert list(inexpressible_keywords(schema)) == left_out
    with pytest.raises(InvalidRequest) as caught:
        schema_to_grammar(schema)
    assert f"JSON schema, {left_out[0]}:" in caught.value.message


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"type": "strin"},
        {"type": "string", "minLength": 5, "maxLength": 4},
        {"enum": []},
        {"type": 5, "nullable": True},
        {"type": {"null": 1}, "nullable": True},
    ],
    ids=str,
)
def test_what_is_wrong_is_refused_all_the_same(schema: Any) -> None:
    with pytest.raises(InvalidRequest):
        schema_to_grammar(schema, strict=False)
    assert inexpressible_keywords(schema) == ()


@pytest.mark.parametrize(
    "part",
    [
        {"type": "integer", "multipleOf": 7, "minimum": 0, "maximum": 3490},
        {"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": 4.99},
        {"type": "integer", "multipleOf": 2},
        {"type": "string", "pattern": "^(" + "|".join(f"ab{n}" for n in range(9)) + ")$"},
    ],
    ids=str,
)
def test_what_is_left_out_is_found_in_a_moment(part: Any) -> None:
    """Such a schema fits in a body that the endpoint's loop reads itself."""
    texts: dict[str, Any] = {f"p{index}": part for index in range(390)}
    schema = {"type": "object", "properties": {**texts, "last": {"not": {"pattern": "a"}}}}
    assert inexpressible_keywords(schema) == ("#/properties/last/not",)
    assert cpu_seconds(lambda: inexpressible_keywords(schema)) < 0.5


def test_bounds_that_are_too_many_together_are_left_out_from_there_on() -> None:
    texts = {f"p{index}": {"type": "string", "maxLength": 2000} for index in range(7)}
    schema = {"type": "object", "properties": texts}
    check_grammar(schema_to_grammar(schema, strict=False))
    left_out = [f"#/properties/p{index}/maxLength" for index in (5, 6)]
    assert list(inexpressible_keywords(schema)) == left_out


def test_nullable_is_null_too_and_what_has_to_be_there_is() -> None:
    nullable = {"type": "string", "nullable": True, "format": "file-path"}
    texts = {random_text(schema_to_grammar(nullable), seed=seed)[:1] for seed in SEEDS}
    assert texts == {'"', "n"}
    both = {"enum": ["a", None], "nullable": True}
    assert schema_to_grammar(both) == schema_to_grammar({"enum": ["a", None]})
    required = schema_to_grammar({**A, "required": ["b"]})
    for seed in SEEDS:
        found = json.loads(random_text(required, seed=seed))
        assert "b" in found
        assert found.keys() <= {"a", "b"}
