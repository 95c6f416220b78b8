"""Lists of values beside other keywords: those that satisfy these are what a text may be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minerva_desktop.engine.core import json_schema_check, json_schema_search
from minerva_desktop.engine.core.json_schema import inexpressible_keywords, schema_to_grammar
from minerva_desktop.errors import InvalidRequest
from tests.engine.grammar_matcher import allows

OBJECTS: list[Any] = [{}, {"a": 1}, {"a": "x"}, {"b": 1}, {"a": 1, "b": 2}, 5]
LISTS: list[Any] = [[], [1], [1, 1], [1, 1.0], [True, 1], ["x"], [1, 2, "x"], [[{"a": 2}]], "x"]
DEFINED = {
    "e": {"enum": ["a", "bb"]},
    "long": {"$ref": "#/$defs/text", "minLength": 2},
    "text": {"type": "string"},
}
# Values, what stands beside them, and those that are left.
LISTED: list[tuple[list[Any], dict[str, Any], list[Any]]] = [
    (["", "a", "bb", "ccc", 4], {"minLength": 1, "maxLength": 2}, ["a", "bb", 4]),
    (["a", "\N{GRINNING FACE}"], {"maxLength": 1}, ["a", "\N{GRINNING FACE}"]),
    (["abc", "bcd", "xa"], {"pattern": "a"}, ["abc", "xa"]),
    (["abc", "bcd", "xa", 1], {"pattern": "^a|d$"}, ["abc", "bcd", 1]),
    (["12", "123", 'a"1', "\\2"], {"pattern": r'^(\d{2}|.?["\\]\d)$'}, ["12", 'a"1', "\\2"]),
    (["a" * 60, "a" * 60 + "b"], {"pattern": "^(a+)+$"}, ["a" * 60]),
    ([1, 2.0, 2.5, -3, True, "4"], {"minimum": 2, "maximum": 2.5}, [2, 2.5, True, "4"]),
    ([1, 2, 3], {"exclusiveMinimum": 1, "exclusiveMaximum": 3}, [2]),
    ([0.3, 0.35, 3, 10**40], {"multipleOf": 0.1}, [0.3, 3, 10**40]),
    ([1, 1.0, 1.5, True, None], {"type": "integer"}, [1]),
    ([1, "a", None], {"type": ["string", "null"], "minLength": 1}, ["a", None]),
    (["2024-01-01", "soon"], {"type": "string", "format": "date"}, ["2024-01-01", "soon"]),
    (
        LISTS,
        {"type": "array", "minItems": 1, "maxItems": 2, "uniqueItems": True},
        [*LISTS[1:2], *LISTS[4:6], LISTS[7]],
    ),
    (LISTS, {"type": "array", "items": {"type": "number"}}, LISTS[:4]),
    (LISTS, {"prefixItems": [{"const": 1}], "items": {"const": 2}}, [[], [1], "x"]),
    (LISTS, {"type": "array", "contains": {"const": 1.0}}, [*LISTS[1:5], LISTS[6]]),
    (
        OBJECTS,
        {"required": ["a"], "properties": {"a": {"type": "integer"}}},
        [{"a": 1}, {"a": 1, "b": 2}, 5],
    ),
    (
        OBJECTS,
        {"type": "object", "properties": {"b": {}}, "additionalProperties": False},
        [{}, {"b": 1}],
    ),
    (OBJECTS, {"type": "object", "maxProperties": 1, "propertyNames": {"const": "a"}}, OBJECTS[:3]),
    (["a", "b", 1, None], {"not": {"enum": ["b", 1.0]}}, ["a", None]),
    (["a", "b", 1, None], {"not": {"type": "string"}}, [1, None]),
    (
        ["a", "bb", 1],
        {"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"minimum": 2}},
        ["bb"],
    ),
    (["a", "bb"], {"if": {"const": "a"}, "then": False}, ["bb"]),
    (["a", "bb", 3, 4], {"anyOf": [{"minLength": 2, "type": "string"}, {"const": 4}]}, ["bb", 4]),
    (["a", "bb", 3, 4], {"allOf": [{"minLength": 2}, {"minimum": 4}]}, ["bb", 4]),
]


@pytest.mark.parametrize("keyword", ["enum", "const"])
@pytest.mark.parametrize(("values", "beside", "left"), LISTED, ids=str)
def test_listed_values_are_those_that_satisfy_what_stands_beside_them(
    values: list[Any], beside: dict[str, Any], left: list[Any], keyword: str
) -> None:
    left_texts = {json.dumps(value) for value in left}
    assert left_texts
    if keyword == "enum":
        schemas: list[Any] = [{"enum": values, **beside}]
        if "contains" not in beside:
            schemas.append({"allOf": [{"enum": values}, beside]})
        for schema in schemas:
            grammar = schema_to_grammar(schema)
            texts = {json.dumps(value) for value in values}
            found = {text for text in texts if allows(grammar, _written(text))}
            assert {_written(text) for text in found} == {_written(text) for text in left_texts}
            assert inexpressible_keywords(schema) == ()
        return
    for value in values:
        schema = {"const": value, **beside}
        if _written(json.dumps(value)) in map(_written, left_texts):
            assert allows(schema_to_grammar(schema), _written(json.dumps(value)))
        else:
            with pytest.raises(InvalidRequest, match=r"no value satisfies|nothing satisfies"):
                schema_to_grammar(schema)


def _written(text: str) -> str:
    """As the grammar has it: whole numbers without a point, characters as they are."""
    value = json.loads(text)
    value = int(value) if isinstance(value, float) and value.is_integer() else value
    return json.dumps(value, ensure_ascii=False)


def test_a_schema_none_of_whose_values_is_left_is_refused_by_the_keyword() -> None:
    schema = {"properties": {"a": {"enum": ["x", "y"], "minLength": 2}}}
    for strict in (True, False):
        with pytest.raises(InvalidRequest) as caught:
            schema_to_grammar(schema, strict=strict)
        sentence = "no value satisfies the “minLength” that stands beside it"
        assert caught.value.message == f"JSON schema, #/properties/a/enum: {sentence}"


@pytest.mark.parametrize("word", ["allOf", "anyOf", "oneOf"])
def test_distinct_items_are_those_that_satisfy_what_their_list_is_combined_with(word: str) -> None:
    items = {"enum": ["a", "bb", "cc"], word: [{"minLength": 2}]}
    grammar = schema_to_grammar({"type": "array", "items": items, "uniqueItems": True})
    assert allows(grammar, '["bb","cc"]')
    assert not allows(grammar, '["a"]')
    assert not allows(grammar, '["bb","bb"]')


@pytest.mark.parametrize(
    "items",
    [
        {"enum": ["a", "b"], "nullable": True},
        {"type": "boolean", "not": {"const": True}},
        {"$ref": "#/$defs/e", "minLength": 2},
    ],
    ids=str,
)
def test_distinct_items_of_which_more_is_said_are_no_plain_list(items: Any) -> None:
    schema = {"type": "array", "items": items, "uniqueItems": True, "$defs": DEFINED}
    with pytest.raises(InvalidRequest, match="only of items that are one of up to"):
        schema_to_grammar(schema)


def test_what_stands_beside_a_reference_is_compared_with_values_too() -> None:
    for schema in (
        {"enum": ["a", "ccc"], "not": {"$ref": "#/$defs/long"}},
        {"type": "string", "not": {"$ref": "#/$defs/long"}},
    ):
        grammar = schema_to_grammar({**schema, "$defs": DEFINED})
        assert [text for text in ("a", "ccc") if allows(grammar, f'"{text}"')] == ["a"]
    distinct = {"type": "array", "uniqueItems": True}
    items = {"$ref": "#/$defs/e", "enum": ["a", "c"]}
    grammar = schema_to_grammar({**distinct, "items": items, "$defs": DEFINED})
    assert [text for text in ("a", "bb", "c") if allows(grammar, f'["{text}"]')] == ["a"]


def test_a_choice_none_of_whose_values_is_left_is_none() -> None:
    schema = {"anyOf": [{"enum": ["a", "b"]}, {"enum": ["ccc", "d"]}], "minLength": 2}
    grammar = schema_to_grammar(schema)
    assert [text for text in ("a", "b", "ccc", "d") if allows(grammar, f'"{text}"')] == ["ccc"]


@pytest.mark.parametrize(
    ("beside", "place"),
    [
        ({"pattern": "(?=a)b"}, "#/pattern"),
        ({"y-tag": 1}, "#/y-tag"),
        ({"minLength": "2"}, "#/minLength"),
        ({"minLength": -1}, "#/minLength"),
        ({"multipleOf": 0}, "#/multipleOf"),
        ({"type": "strin"}, "#/type"),
        ({"anyOf": 1}, "#/anyOf"),
        ({"not": {"properties": []}}, "#/not/properties"),
        ({"not": {"dependentRequired": []}}, "#/not/dependentRequired"),
        ({"not": {"dependencies": {}}}, "#/not/dependencies"),
        ({"unevaluatedItems": False}, "#/unevaluatedItems"),
    ],
    ids=str,
)
def test_what_cannot_be_told_of_a_value_is_refused(beside: dict[str, Any], place: str) -> None:
    values = ["a", 1, {}, []]
    with pytest.raises(InvalidRequest) as caught:
        schema_to_grammar({"enum": values, **beside})
    assert caught.value.message.startswith(f"JSON schema, {place}: ")


@pytest.mark.parametrize("text", ["a\tb", "a\u00a0b", "a\u2028b", "\x7f"])
def test_a_pattern_is_not_compared_with_characters_of_which_it_says_less_here(text: str) -> None:
    """`\\s` is only the blank where a grammar is written."""
    schema = {"enum": [text, "a b"], "pattern": r"\s"}
    with pytest.raises(InvalidRequest, match="not compared"):
        schema_to_grammar(schema)
    assert inexpressible_keywords(schema) == ("#/pattern",)


def test_values_are_not_compared_without_an_end() -> None:
    """Each has its limit, that of the work that was done and not of the time that it took."""
    long_list = ["a" * 2000 + str(number) for number in range(400)]
    schema = {"enum": long_list, "pattern": "^((a?){50}b?)*[0-9]$"}
    with pytest.raises(InvalidRequest, match="too much to compare"):
        schema_to_grammar(schema)
    with pytest.raises(InvalidRequest, match="too much to compare"):
        schema_to_grammar({"enum": ["a" * 1_000_000], "pattern": "b"})  # 4 s
    large = [{"pattern": "^z" + "(a|b|[e-g]|hh|ii)?" * 50 + str(number)} for number in range(500)]
    with pytest.raises(InvalidRequest, match="too much to compare"):
        schema_to_grammar({"enum": ["x"], "not": {"anyOf": large}})  # 11 s
    many = [[{"x": number}] * 100 for number in range(400)]
    with pytest.raises(InvalidRequest, match="too much to compare"):
        schema_to_grammar({"enum": many, "items": {"not": {"enum": many}}})
    assert max(json_schema_check.MAX_CHECKS, json_schema_search.MAX_STEPS) <= 100_000
    nested: Any = "a"
    for _ in range(100):
        nested = {"allOf": [nested if isinstance(nested, dict) else {}]}
    with pytest.raises(InvalidRequest, match="nested more than"):
        schema_to_grammar({"enum": ["a"], "not": nested})
