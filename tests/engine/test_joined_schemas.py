"""Schemas that hold together: `allOf`, what stands beside a reference or a choice, and choices of
which only one may fit."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from minerva_desktop.engine.core.json_schema import inexpressible_keywords, schema_to_grammar
from minerva_desktop.engine.core.json_schema_text import PRIMITIVES
from minerva_desktop.engine.core.tool_schema import ToolSchema
from minerva_desktop.errors import InvalidRequest
from tests.engine.grammar_matcher import allows
from tests.engine.grammar_texts import random_text

STRING, INTEGER, NULL = {"type": "string"}, {"type": "integer"}, {"type": "null"}


def closed(**properties: Any) -> dict[str, Any]:
    return {"properties": properties, "required": [*properties], "additionalProperties": False}


# A schema, texts that it allows, and texts that it does not.
JOINED: list[tuple[Any, list[str], list[str]]] = [
    ({"allOf": [{}, STRING, {"minLength": 2}, {"maxLength": 3}]}, ['"ab"'], ['"a"', '"abcd"', "1"]),
    ({"type": "number", "allOf": [INTEGER, {"minimum": 2}, {"minimum": 1}]}, ["2"], ["1", "2.5"]),
    (
        {"allOf": [{"multipleOf": 4}, {"multipleOf": 6, "minimum": 0, "maximum": 30}]},
        ["24"],
        ["4", "6", "18"],
    ),
    ({"allOf": [{"enum": ["a", "b", 1]}, {"enum": ["b", 1.0]}, STRING]}, ['"b"'], ['"a"', "1"]),
    ({"allOf": [{"type": ["null", "string"]}, {"const": None}]}, ["null"], ['""']),
    (
        {"allOf": [closed(a=INTEGER), {"properties": {"a": {"minimum": 5}}}]},
        ['{"a":5}'],
        ['{"a":4}', "{}"],
    ),
    (
        {"allOf": [{"properties": {"a": NULL}}, {"allOf": [closed(b=NULL, a={})]}]},
        ['{"a":null,"b":null}'],
        ['{"a":1,"b":null}', '{"a":null}'],
    ),
    (
        {"allOf": [{"properties": {"a": NULL, "c": NULL}}, closed(a={})]},
        ['{"a":null}'],
        ['{"a":null,"c":null}'],
    ),
    (
        {"allOf": [{"properties": {"a": {"minimum": 3}}}, {"additionalProperties": INTEGER}]},
        ['{"a":3,"b":1}', "{}"],
        ['{"a":2}', '{"a":3.5}', '{"b":null}'],
    ),
    (
        {"allOf": [{"items": INTEGER}, {"items": {"minimum": 3}, "minItems": 1}]},
        ["[3,4]"],
        ["[]", "[2]"],
    ),
    (
        {"$ref": "#/$defs/a", "minLength": 2, "$defs": {"a": {"type": "string"}}},
        ['"ab"'],
        ['"a"', "1"],
    ),
    (
        {"$ref": "#/$defs/a", "nullable": True, "type": "string", "$defs": {"a": {"enum": ["x"]}}},
        ['"x"', "null"],
        ['"y"'],
    ),
    (
        {"allOf": [{"type": "string", "nullable": True}, {"enum": ["x", None]}]},
        ['"x"', "null"],
        ['"y"'],
    ),
    ({"type": "string", "anyOf": [INTEGER, {"minLength": 1}]}, ['"a"'], ["1", '""']),
    (
        {"properties": {"a": NULL, "b": NULL}, "anyOf": [{"required": [key]} for key in "ab"]},
        ['{"a":null}', '{"b":null}', '{"a":null,"b":null}'],
        ["{}", '{"a":1}'],
    ),
    (
        {
            "type": "object",
            "properties": {"a": NULL},
            "anyOf": [{"properties": {"b": NULL}, "required": ["b"]}, {"required": ["a"]}],
            "unevaluatedProperties": False,
        },
        ['{"a":null}', '{"a":null,"b":null}', '{"b":null}'],
        ["{}", '{"c":null}'],
    ),
    (
        {**closed(a=NULL), "anyOf": [{"properties": {"b": NULL}, "required": ["b"]}, {}]},
        ['{"a":null}'],
        ['{"a":null,"b":null}'],
    ),
    (
        {"anyOf": [STRING, INTEGER], "oneOf": [INTEGER, NULL], "minimum": 3},
        ["3"],
        ["2", '""', "null"],
    ),
    ({"allOf": [{"anyOf": [STRING, INTEGER]}, {"anyOf": [INTEGER, NULL]}]}, ["3"], ["null", '""']),
    ({"anyOf": [{}, NULL], "additionalProperties": False}, ["null", "{}"], ['{"a":1}']),
    ({"anyOf": [False, INTEGER]}, ["1"], ['""']),
    ({"oneOf": [{"const": 1, "title": "One"}, {"const": 2.0}, NULL]}, ["1", "2", "null"], ["3"]),
    ({"oneOf": [{"enum": ["a", 5]}, {"enum": [[], False]}]}, ['"a"', "5", "[]", "false"], ['"b"']),
    (
        {
            "$defs": {"A": {"properties": {"k": {"const": "a"}, "n": INTEGER}}},
            "oneOf": [
                {"$ref": "#/$defs/A", "required": ["n"]},
                {"properties": {"k": {"const": "b"}}},
            ],
        },
        ['{"k":"a","n":1}', '{"k":"b"}'],
        ['{"k":"a"}', "{}"],
    ),
]


@pytest.mark.parametrize(("schema", "good", "bad"), JOINED, ids=str)
def test_what_holds_together_is_all_demanded(schema: Any, good: list[str], bad: list[str]) -> None:
    grammar = schema_to_grammar(schema)
    assert [text for text in good if not allows(grammar, text)] == []
    assert [text for text in bad if allows(grammar, text)] == []


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"oneOf": [{"const": "a"}, STRING]}, "#/oneOf"),
        ({"oneOf": [{"enum": [1, 2]}, {"const": 2}]}, "#/oneOf"),
        ({"oneOf": [NULL, {**STRING, "nullable": True}]}, "#/oneOf"),
        ({"allOf": [STRING, INTEGER]}, "#/allOf/1/type"),
        ({"allOf": [STRING, False]}, "#/allOf/1"),
        ({"allOf": [{"const": 1}, {"const": 2}]}, "#/allOf/1/const"),
        ({"allOf": [closed(a={}), closed(b={})]}, "#"),
        ({"required": ["b"], "allOf": [closed(a={})]}, "#/required"),
        ({"items": {"allOf": [{"required": ["a"]}, {"properties": {"a": False}}]}}, "#/items"),
        ({"allOf": [{"pattern": "a"}, {"pattern": "b"}]}, "#/allOf/1/pattern"),
        # Pointers into schemas that were written anew lead to nothing in this one.
        (
            {"allOf": [{"properties": {"a/b": {"pattern": key}}} for key in "xy"]},
            "#",
        ),
        (
            {
                "properties": {"a/b": {"pattern": "x"}},
                "allOf": [{"properties": {"a/b": {"pattern": "y"}}}],
            },
            "#/properties/a~1b",
        ),
        ({"allOf": [{"minimum": 1}, {"minimum": "2"}]}, "#/allOf/1/minimum"),
        ({"allOf": [{"items": {}}, {"prefixItems": [{}]}]}, "#/allOf/1/prefixItems"),
        ({"allOf": [{"not": {}}, {}]}, "#/allOf/0/not"),
        ({"allOf": [STRING, {"$ref": "#/$defs/none"}]}, "#/allOf/1/$ref"),
        ({"allOf": [{"$ref": "#"}]}, "#/allOf/0/$ref"),
        ({"allOf": [{"$ref": "#"}, {}]}, "#"),
        ({"type": "string", "anyOf": [NULL, INTEGER]}, "#/anyOf"),
        ({"anyOf": [False]}, "#/anyOf"),
        (
            {"properties": {"a": NULL}, "allOf": [{"additionalProperties": INTEGER}]},
            "#/properties/a",
        ),
        ({"allOf": {}}, "#/allOf"),
        ({"allOf": [1, 2]}, "#/allOf/0"),
    ],
    ids=str,
)
def test_what_cannot_hold_together_is_named(schema: Any, place: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        schema_to_grammar(schema)
    assert caught.value.message.startswith(f"JSON schema, {place}: ")
    assert caught.value.param == "response_format"


def test_a_reference_within_a_schema_with_an_address_starts_from_there() -> None:
    inner = {
        "$id": "https://example.com/inner",
        "$defs": {"a": STRING},
        "items": {"$ref": "#/$defs/a"},
    }
    schema = {"properties": {"inner": inner}, "$defs": {"a": INTEGER}}
    with pytest.raises(
        InvalidRequest, match=r"#/properties/inner/items/\$ref: it stands in a schema"
    ):
        schema_to_grammar(schema)
    inner["$id"] = "#inner"
    assert allows(schema_to_grammar(schema), '{"inner":[1]}')


def test_arguments_of_a_tool_are_objects_of_one_kind_or_another() -> None:
    either = [{"required": [key]} for key in "ab"]
    schema = {"type": "object", "properties": {"a": NULL, "b": NULL}}
    for choice in ("anyOf", "oneOf"):
        found = {**schema, choice: either[:1]}
        rules = ToolSchema(found)
        arguments = rules.arguments()
        grammar = "\n".join([f"root ::= {arguments}", *rules.rules])
        assert allows(f"{grammar}\n{PRIMITIVES}", '{"a":null}')
        assert not allows(f"{grammar}\n{PRIMITIVES}", '{"b":null}')
    for none in ({"type": ["object", "null"], "properties": {}}, {"anyOf": [schema, NULL]}):
        with pytest.raises(InvalidRequest, match="only objects can be arguments"):
            ToolSchema(none).arguments()


class Number(BaseModel):
    kind: Literal["number"] = "number"
    value: int


class Sum(BaseModel):
    kind: Literal["sum"] = "sum"
    left: Term
    right: Term


Term = Annotated[Number | Sum, Field(discriminator="kind")]
Sum.model_rebuild()


def test_a_union_that_holds_itself_is_taken_as_pydantic_writes_it() -> None:
    terms = TypeAdapter[Any](Term)
    grammar = schema_to_grammar(terms.json_schema())
    found = [terms.validate_json(random_text(grammar, seed=seed)) for seed in range(40)]
    assert any(isinstance(each, Sum) and isinstance(each.left, Sum) for each in found)
    one = '{"kind":"number","value":1}'
    assert allows(grammar, f'{{"kind":"sum","left":{one},"right":{one}}}')
    assert not allows(grammar, '{"value":1}')  # nobody could say which it is


def test_a_reference_with_a_tag_is_not_another_whose_name_ends_alike() -> None:
    def of(key: str) -> dict[str, Any]:
        return {"properties": {"k": {"const": key}}}

    references = [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]
    schema = {
        "$defs": {"a": of("a"), "b": of("b"), "a k": INTEGER},
        "prefixItems": [{"oneOf": references}, {"$ref": "#/$defs/a k"}],
    }
    grammar = schema_to_grammar(schema)
    assert allows(grammar, '[{"k":"a"},1]')
    assert not allows(grammar, '[{"k":"a"},{"k":"a"}]')


def test_what_is_left_out_of_schemas_that_hold_together_is_named_by_its_place() -> None:
    patterns = {"allOf": [STRING, {"pattern": "^a$"}, {"pattern": "^b$", "not": {"pattern": "c"}}]}
    assert inexpressible_keywords({"items": patterns}) == ("#/items/allOf/2/not", "#/items/allOf")
    assert allows(schema_to_grammar({"items": patterns}, strict=False), '[1,"c"]')
    choice = {"type": "array", "anyOf": [{"minItems": 1}, {"contains": {}}]}
    assert inexpressible_keywords(choice) == ("#/anyOf/1/contains",)
    assert allows(schema_to_grammar(choice, strict=False), "[]")


def test_schemas_that_double_at_each_reference_are_refused_in_a_moment() -> None:
    names = [f"d{number}" for number in range(14)]
    doubled = {
        name: {"allOf": [{"$ref": f"#/$defs/{below}"}] * 2} for name, below in pairwise(names)
    }
    schema = {"$ref": "#/$defs/d0", "$defs": {**doubled, "d13": STRING}}
    with pytest.raises(InvalidRequest, match="more than 2,000 schemas hold together"):
        schema_to_grammar(schema)


@pytest.mark.parametrize("null", [{"type": ["object", "null"]}, {"nullable": True}], ids=str)
def test_null_is_of_one_of_the_schemas_alone(null: dict[str, Any]) -> None:
    one, other = ({"properties": {"k": {"const": key}}, "type": "object"} for key in "ab")
    grammar = schema_to_grammar({"oneOf": [{**one, **null}, other]})
    assert allows(grammar, "null")
    with pytest.raises(InvalidRequest, match="overlap"):
        schema_to_grammar({"oneOf": [{**one, **null}, {**other, **null}]})


def test_null_beside_a_reference_is_of_one_schema_alone() -> None:
    nullable = {"$ref": "#/$defs/a", "nullable": True}
    with pytest.raises(InvalidRequest, match="overlap"):
        schema_to_grammar({"oneOf": [nullable, NULL], "$defs": {"a": STRING}})


@pytest.mark.parametrize("strict", [True, False])
def test_large_schemas_to_which_many_references_lead_are_refused(strict: bool) -> None:
    many = {"enum": [f"v{number}" for number in range(100_000)]}
    schema = {"$defs": {"a": many}, "allOf": [{"$ref": "#/$defs/a"}] * 400}
    with pytest.raises(InvalidRequest, match="at most 500 values"):
        schema_to_grammar(schema, strict=strict)
    wide = [{"properties": {"a": {"const": text * 100_000}}} for text in "xy"]
    schema = {"$defs": {"a": wide[0], "b": wide[1]}, "allOf": []}
    schema["allOf"] = [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}] * 200
    with pytest.raises(InvalidRequest, match="4,000,000 characters"):
        schema_to_grammar(schema, strict=strict)


def test_a_common_multiple_that_is_beyond_all_numbers_is_refused() -> None:
    parts = [{"multipleOf": 10**300 + number} for number in range(40)]
    with pytest.raises(InvalidRequest, match="multipleOf"):
        schema_to_grammar({"type": "integer", "allOf": parts})


class CountedText(str):
    """A text that counts how often one is looked up or compared."""

    n_looks = 0
    __slots__ = ()

    def __hash__(self) -> int:
        type(self).n_looks += 1
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other)


@pytest.mark.parametrize(
    ("n_keys", "n_branches", "n_values", "n_choices"),
    [(10, 100, 5_000, 1), (20, 10, 400, 100)],
)
def test_what_tells_schemas_apart_is_not_looked_for_without_an_end(
    n_keys: int, n_branches: int, n_values: int, n_choices: int
) -> None:
    """Hundreds of choices whose properties all refer to one long list: each value was compared for
    each property of each schema of each choice, which took 7 s for a body of half a megabyte."""
    names = [CountedText(f"v{number}") for number in range(n_values)]
    properties = {f"k{number}": {"$ref": "#/$defs/names"} for number in range(n_keys)}
    choice = {"oneOf": [{"$ref": "#/$defs/object"}] * n_branches}
    schema = {
        "$defs": {"names": {"enum": names}, "object": {"properties": properties}},
        "properties": {f"p{number}": choice for number in range(n_choices)},
    }
    CountedText.n_looks = 0
    inexpressible_keywords(schema)
    assert 0 < CountedText.n_looks < 100_000


def test_choices_that_take_too_long_to_tell_apart_are_refused() -> None:
    lists = {f"l{branch}": {"enum": [f"{branch} {n}" for n in range(400)]} for branch in range(20)}
    objects = {
        f"o{branch}": {"properties": {f"k{n}": {"$ref": f"#/$defs/l{branch}"} for n in range(20)}}
        for branch in range(20)
    }
    choice = [*objects, "o0"]  # all but the last are told apart by each of 20 properties
    one_of = {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in choice]}
    schema = {"$defs": {**lists, **objects}, "properties": {f"p{n}": one_of for n in range(400)}}
    with pytest.raises(InvalidRequest, match="takes too long; use “anyOf”"):
        schema_to_grammar(schema, strict=False)


def test_a_reference_is_not_followed_through_names_without_an_end() -> None:
    name = "a" * 5_000
    with pytest.raises(InvalidRequest, match="over 4,000 characters"):
        schema_to_grammar({"$ref": f"#/$defs/{name}", "$defs": {name: STRING}})
