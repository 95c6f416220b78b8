"""Texts that the grammars of schemas allow, judged by readers that know nothing of grammars."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from time import thread_time
from typing import Annotated, Any, Literal

import pytest
from pydantic import AnyUrl, BaseModel, Field, HttpUrl, TypeAdapter

from minerva_desktop.engine.core.json_schema import schema_to_grammar
from minerva_desktop.engine.core.json_schema_formats import FORMATS
from tests.engine.grammar_matcher import allows
from tests.engine.grammar_texts import random_text

SEEDS = range(40)


def read_email(text: str) -> bool:
    local, _, domain = text.partition("@")
    atoms = all(re.fullmatch(r"[\w!#$%&'*+/=?^`{|}~-]+", atom) for atom in local.split("."))
    return atoms and len(local) <= 64 and "." in domain and bool(read_hostname(domain))


def read_hostname(text: str) -> bool:
    labels = text.split(".")
    good = r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    return len(text) <= 253 and all(re.fullmatch(good, label) for label in labels)


READERS: dict[str, Callable[[str], Any]] = {
    "date": date.fromisoformat,
    "time": lambda text: time.fromisoformat(re.sub(r"\.\d+", "", text)),
    "date-time": lambda text: datetime.fromisoformat(re.sub(r"\.\d+", "", text)),
    "duration": TypeAdapter(timedelta).validate_python,
    "uuid": uuid.UUID,
    "uuid4": lambda text: uuid.UUID(text).version == 4 and uuid.UUID(text),
    "ipv4": IPv4Address,
    "ipv6": IPv6Address,
    "hostname": read_hostname,
    "email": read_email,
    "uri": TypeAdapter(AnyUrl).validate_python,
    "byte": lambda text: base64.b64encode(base64.b64decode(text, validate=True)).decode() == text,
    "base64url": lambda text: (
        base64.urlsafe_b64encode(base64.urlsafe_b64decode(text)).decode() == text
    ),
}


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_each_format_makes_valid_texts_of_the_lengths_that_it_says(kind: str) -> None:
    grammar = schema_to_grammar({"type": "string", "format": kind})
    found = FORMATS[kind]
    for seed in SEEDS:
        text = json.loads(random_text(grammar, seed=seed))
        assert found.shortest <= len(text) <= (found.longest or len(text))
        reader = READERS.get(kind)
        assert reader is None or reader(text) is not False, text


ALLOWED: list[tuple[dict[str, Any], list[str], list[str]]] = [
    ({"format": "duration"}, ["P1Y", "P3M", "P1Y2M3DT4H", "P2W"], ["P", "P1YT", "P1D2M", "P1Y2W"]),
    (
        {"format": "email"},
        ["li@163.com", "j.r.r.t@ox.ac.uk", "hi@rent-a-car-of-x.de", "o'b@Home.photography"],
        ["a..b@x.com", "a.@x.com", "a@x", "a@-x.com", "a b@x.com"],
    ),
    (
        {"format": "hostname"},
        ["1und1.de", "db", "ec2-1-2-3-4.eu-central-1.compute.amazonaws.com"],
        ["a..b", "-a", "a-", "a_b"],
    ),
    (
        {"format": "uri"},
        ["http://localhost:8080/api", "https://10.0.0.1/", f"https://a.b/{'c/' * 150}?d#e"],
        ["http://1.2.3.456", "http:///a", "http://a b"],
    ),
    ({"format": "ipvanyaddress"}, ["10.0.0.1", "::1"], ["1.2.3"]),
    ({"pattern": "^https?://"}, ["https://", "http://a/b"], ["see http://a"]),
    ({"pattern": r"\.(pdf|txt)$"}, [".pdf", "a b.txt"], ["a.txt.gz"]),
    ({"pattern": "a+"}, ["aa"], ["baa"]),
    ({"pattern": "^a+"}, ["aa"], ["aab"]),
    ({"pattern": r"^a\+"}, ["a+", "a+b"], ["aa"]),
]


@pytest.mark.parametrize(("schema", "good", "bad"), ALLOWED, ids=str)
def test_a_text_can_be_written_where_it_is_what_the_schema_asks_for(
    schema: dict[str, Any], good: list[str], bad: list[str]
) -> None:
    grammar = schema_to_grammar({"type": "string", **schema})
    assert [text for text in good if not allows(grammar, json.dumps(text))] == []
    assert [text for text in bad if allows(grammar, json.dumps(text))] == []


def test_a_date_is_any_day_of_the_calendar_and_none_beside_it() -> None:
    grammar = schema_to_grammar({"type": "string", "format": "date"})
    for year in (0, 1, 4, 100, 400, 1582, 1900, 1990, 2000, 2020, 2023, 2024, 2100, 9999):
        for day in ("01-31", "02-28", "02-29", "02-30", "06-31", "11-30", "12-31", "13-01"):
            text = f"{year:04d}-{day}"
            try:
                is_date = bool(date.fromisoformat(text))
            except ValueError:
                is_date = False
            assert allows(grammar, json.dumps(text)) is is_date, text


@pytest.mark.parametrize(
    ("limits", "good", "bad"),
    [
        ({"minimum": 0}, ["0", "4111111111111111"], ["-1"]),
        ({"maximum": -5}, ["-9999999999999999"], ["-4"]),
        ({"minimum": 1, "maximum": 2**53 - 1}, ["9007199254740991"], ["9007199254740992"]),
        ({"minimum": -(2**63), "maximum": 2**63 - 1}, ["-9007199254740991"], ["9" * 16]),
    ],
    ids=str,
)
def test_a_bound_on_one_side_leaves_the_other_as_wide_as_without(
    limits: dict[str, int], good: list[str], bad: list[str]
) -> None:
    grammar = schema_to_grammar({"type": "integer", **limits})
    assert [text for text in good if not allows(grammar, text)] == []
    assert [text for text in bad if allows(grammar, text)] == []


NUMBERS: list[dict[str, Any]] = [
    {"exclusiveMinimum": 0},
    {"exclusiveMaximum": 0},
    {"minimum": 0.5, "exclusiveMaximum": 1},
    {"minimum": -1.25, "maximum": 3.75},
    {"exclusiveMinimum": -2.5, "exclusiveMaximum": -0.5},
    {"exclusiveMinimum": 0.1, "maximum": 0.3},
    {"minimum": 2.05, "maximum": 2.05},
    {"minimum": 19.99, "exclusiveMaximum": 1000},
    {"minimum": 0, "multipleOf": 0.01},
    {"exclusiveMinimum": 0, "maximum": 2, "multipleOf": 0.25},
    {"multipleOf": 5},
    {"minimum": 0, "maximum": 59, "multipleOf": 7},
    {"exclusiveMinimum": 0, "multipleOf": 100},
    {"minimum": -2, "maximum": 3},
    {"minimum": -(2**53) + 1, "maximum": 2**53 - 1},  # zod's integers
    {"minimum": -(2**63), "maximum": 5},
    {"exclusiveMinimum": 0, "maximum": 1.7e308},
]
WITHOUT_INTEGERS = [NUMBERS[index] for index in (2, 5, 6)]


@pytest.mark.parametrize(
    ("kind", "limits"),
    [
        *(("number", limits) for limits in NUMBERS),
        *(("integer", limits) for limits in NUMBERS if limits not in WITHOUT_INTEGERS),
    ],
    ids=str,
)
def test_numbers_are_within_their_bounds(kind: str, limits: dict[str, Any]) -> None:
    grammar = schema_to_grammar({"type": kind, **limits})
    for seed in SEEDS:
        text = random_text(grammar, seed=seed)
        for value, read in ((Decimal(text), lambda v: Decimal(str(v))), (float(text), float)):
            assert value >= read(limits.get("minimum", value))
            assert value <= read(limits.get("maximum", value))
            assert value > read(limits.get("exclusiveMinimum", -1e99))
            assert value < read(limits.get("exclusiveMaximum", 1e99))
        step = limits.get("multipleOf")
        assert step is None or Decimal(text) % Decimal(str(step)) == 0
        assert kind == "number" or isinstance(json.loads(text), int)


def test_bounds_can_be_reached() -> None:
    grammar = schema_to_grammar({"type": "number", "minimum": 0.5, "maximum": 0.7})
    found = {random_text(grammar, seed=seed, freely=4)[:3] for seed in range(200)}
    assert {"0.5", "0.6", "0.7"} <= found


@pytest.mark.parametrize(("least", "most"), [(0, None), (1, None), (2, 3), (5, 5)])
def test_distinct_items_are_each_there_once(least: int, most: int | None) -> None:
    values = ["a", "ab", 1, 12, 1.0, None]
    schema = {"type": "array", "uniqueItems": True, "items": {"enum": values}, "minItems": least}
    grammar = schema_to_grammar(schema if most is None else {**schema, "maxItems": most})
    lengths = set()
    for seed in SEEDS:
        found = json.loads(random_text(grammar, seed=seed))
        assert len(set(found)) == len(found)
        lengths.add(len(found))
    assert min(lengths) == least
    assert max(lengths) <= (most or 5)


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tags: set[Literal["x", "y"]]


class Sale(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    price: float = Field(gt=0, lt=99.99)
    site: HttpUrl
    born: datetime


def test_what_pydantic_writes_is_taken_and_its_reader_takes_what_comes() -> None:
    grammar = schema_to_grammar(Sale.model_json_schema())
    sales = [Sale.model_validate_json(random_text(grammar, seed=seed)) for seed in SEEDS]
    assert {sale.pet.kind for sale in sales} == {"cat", "dog"}


def test_references_to_where_a_schema_stands_first_and_tools_own_words_are_taken() -> None:
    """As zod-to-json-schema and OpenAPI generators write them."""
    point = {
        "type": "object",
        "properties": {"x": {"type": "integer", "x-order": 1}},
        "required": ["x"],
        "additionalProperties": False,
    }
    way = {"type": "array", "items": {"anyOf": [{"$ref": "#/properties/from"}, {"const": None}]}}
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "from": point,
            "to": {"$ref": "#/properties/from", "description": "Where to"},
            "over": way,
            "maybe": {"$ref": "#/properties/over/items/anyOf/1"},
        },
        "required": ["from", "to", "over", "maybe"],
    }
    grammar = schema_to_grammar(schema)
    lengths = set()
    for seed in SEEDS:
        found = json.loads(random_text(grammar, seed=seed, freely=400))
        assert list(found) == ["from", "to", "over", "maybe"]
        assert found["maybe"] is None
        points = [found["from"], found["to"], *filter(None, found["over"])]
        assert all(list(each) == ["x"] and isinstance(each["x"], int) for each in points)
        lengths.add(len(points))
    assert len(lengths) > 1


OF_ZOD = {
    "email": (
        r"^(?:[A-Za-z0-9_'+\-]+\.)*[A-Za-z0-9_'+\-]*[A-Za-z0-9_+-]@"
        r"(?:[A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"
    ),
    "uuid": (
        r"^([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-"
        r"[0-9a-fA-F]{12}|00000000-0000-0000-0000-000000000000)$"
    ),
    "nanoid": r"^[a-zA-Z0-9_-]{21}$",
}


@pytest.mark.parametrize("kind", OF_ZOD)
def test_a_pattern_counts_where_a_format_stands_beside_it(kind: str) -> None:
    pattern = OF_ZOD[kind]
    grammar = schema_to_grammar({"type": "string", "format": kind, "pattern": pattern})
    for seed in SEEDS:
        assert re.fullmatch(pattern, json.loads(random_text(grammar, seed=seed)))


class Picture(BaseModel):
    kind: Literal["picture"]
    url: HttpUrl
    width: int | None = None


class Table(BaseModel):
    kind: Literal["table"]
    rows: list[list[str]]
    caption: str | None = None


class Page(BaseModel):
    title: str = Field(pattern="^[A-Z][a-z ]+$")
    day: date
    at: datetime
    parts: list[Cat | Dog | Picture | Table]
    more: dict[str, Any] = {}


def test_a_page_of_parts_of_many_kinds_takes_no_time_worth_naming() -> None:
    began = thread_time()
    grammar = schema_to_grammar(Page.model_json_schema())
    assert thread_time() - began < 1.0  # 0.1 s; counted as a whole it was refused after seconds
    for seed in SEEDS:
        Page.model_validate_json(random_text(grammar, seed=seed))
