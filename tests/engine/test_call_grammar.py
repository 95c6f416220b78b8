"""Forced calls: every text that their grammars allow is read as calls that fit the schemas."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import msgspec
import pytest

from minerva_desktop.chat.tools import ChatOptions, Tool, ToolMode
from minerva_desktop.engine.answer_format import AnswerFormat
from minerva_desktop.engine.call_syntax import THOUGHTS
from minerva_desktop.engine.core.call_grammar import (
    MAX_COSTLY_TOOLS,
    calls_or_text,
    forced_calls,
    started_call,
)
from minerva_desktop.engine.core.call_watch import CallWatch
from minerva_desktop.engine.core.grammar import check_grammar, check_structure
from minerva_desktop.engine.core.text_rules import text_until
from minerva_desktop.errors import InvalidRequest
from tests.engine.answers import TOOLS, F, R, read
from tests.engine.grammar_texts import random_text

FORCED = ChatOptions(tools=TOOLS, mode=ToolMode.REQUIRED)
FAMILIES = [family for family in F if family is not F.NONE]
ALL_KINDS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "short": {"type": "string", "minLength": 1, "maxLength": 3},
        "day": {"type": "string", "format": "date"},
        "size": {"enum": ["small", "smaller", 3]},
        "count": {"type": ["integer", "null"], "minimum": 2, "maximum": 30},
        "maybe": {"anyOf": [{"$ref": "#/$defs/point"}, {"type": "null"}]},
        "list": {"type": "array", "items": {"type": "boolean"}, "maxItems": 2},
        "more": {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]},
        "any": {},
        "url": {"type": "string", "format": "uri", "maxLength": 2083},
        "price": {"type": "number", "exclusiveMinimum": 0},
    },
    "required": ["short", "list"],
    "$defs": {"point": {"type": "object", "properties": {"x": {"type": "integer"}}}},
}


def tool(schema: object, name: str = "f") -> Tool:
    return Tool(name, parameters=json.dumps(schema))


def _fits_weather(arguments: dict[str, object]) -> bool:
    days = arguments.get("days", 1)
    tags = arguments.get("tags", [])
    return (
        arguments.keys() <= {"city", "days", "unit", "tags"}
        and isinstance(arguments["city"], str)
        and isinstance(days, int)
        and 1 <= days <= 14
        and arguments.get("unit", "c") in {"c", "f"}
        and isinstance(tags, list)
        and all(isinstance(tag, str) for tag in tags)
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_forced_is_read_as_calls(family: F) -> None:
    reasoning = R.HARMONY if family is F.HARMONY else R.THINK
    openings = ["", *([f"{THOUGHTS[reasoning].opening}\n"] if reasoning in THOUGHTS else [])]
    if family is F.FUNCTIONARY_V32:
        reasoning, openings = R.NONE, ["", ">>>"]
    answer_format = AnswerFormat(family, reasoning)
    called: set[str] = set()
    for opening in openings:
        grammar = forced_calls(FORCED, answer_format, opening)
        texts = [opening + random_text(grammar, seed=seed) for seed in range(12)]
        found = [read(text, answer_format, FORCED) for text in texts]
        for text, answer in zip(texts, found, strict=True):
            assert answer.calls, text
            assert not answer.content.strip(), text
            for name, arguments in answer.calls:
                values = json.loads(arguments)
                assert _fits_weather(values) if name == "get_weather" else values == {}, text
        called |= {name for answer in found for name, _ in answer.calls}
    assert called == {"get_weather", "now"}


@pytest.mark.parametrize("family", [F.HERMES, F.QWEN_XML, F.GLM, F.GEMMA, F.LFM])
def test_every_kind_of_argument_fits_its_schema(family: F) -> None:
    chat = ChatOptions(tools=(tool(ALL_KINDS),), mode=ToolMode.REQUIRED)
    answer_format = AnswerFormat(family)
    grammar = forced_calls(chat, answer_format, "")
    seen: set[str] = set()
    for seed in range(40):
        text = random_text(grammar, seed=seed, freely=150)
        for _, arguments in read(text, answer_format, chat).calls:
            values = json.loads(arguments)
            seen |= values.keys()
            assert 1 <= len(values["short"]) <= 3, text
            assert all(isinstance(item, bool) for item in values["list"]), text
            assert values.get("size", 3) in ["small", "smaller", 3], text
            assert values.get("count") is None or 2 <= values["count"] <= 30, text
            assert isinstance(values.get("maybe"), dict | None), text
            assert isinstance(values.get("text", ""), str), text
            assert isinstance(values.get("more", {"a": 1})["a"], int | float), text
            assert re.fullmatch(r"https?://[^<>\s]+", values.get("url", "http://a.aa")), text
            assert values.get("price", 1) > 0, text
    assert seen == set(ALL_KINDS["properties"])


def test_one_call_is_one_where_that_is_asked() -> None:
    for chat in (
        ChatOptions(tools=TOOLS, mode=ToolMode.REQUIRED, parallel=False),
        ChatOptions(tools=TOOLS, mode=ToolMode.REQUIRED, only_tool="now"),
    ):
        for family in FAMILIES:
            grammar = forced_calls(chat, AnswerFormat(family), "")
            answers = [
                read(random_text(grammar, seed=seed), AnswerFormat(family)) for seed in range(5)
            ]
            assert [len(answer.calls) for answer in answers] == [1] * 5
            names = {answer.calls[0][0] for answer in answers}
            assert chat.only_tool is None or names == {"now"}


def test_the_grammars_are_what_our_own_check_lets_through() -> None:
    for family in (F.HERMES, F.GLM, F.GEMMA):
        chat = ChatOptions(tools=TOOLS[:1], mode=ToolMode.REQUIRED)
        check_grammar(forced_calls(chat, AnswerFormat(family, R.THINK), ""))
    chat = ChatOptions(tools=(tool(ALL_KINDS),), mode=ToolMode.REQUIRED)
    check_grammar(forced_calls(chat, AnswerFormat(F.HERMES), ""))


def test_many_tools_take_no_time_worth_naming() -> None:
    kinds = {**ALL_KINDS["properties"], "url": {"type": "string", "format": "uri"}}
    schema = {**ALL_KINDS, "properties": kinds}
    tools = tuple(tool(schema, f"tool_number_{number}") for number in range(40))
    chat = ChatOptions(tools=tools, mode=ToolMode.REQUIRED)
    began = time.process_time()
    check_structure(forced_calls(chat, AnswerFormat(F.HERMES), ""))
    assert started_call(ChatOptions(tools=tools), AnswerFormat(F.QWEN_XML)) is not None
    assert time.process_time() - began < 5.0  # 0.3 s on a quiet machine


PATTERNS = [{"pattern": "a*", "title": str(number)} for number in range(400)]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array"},
        {"anyOf": [{"type": "object"}, {"type": "string"}]},
        {"$ref": "#/$defs/nothing"},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "(a*)*b"}}},
        {"type": "object", "properties": {f"p{n}": {} for n in range(600)}},
        {"properties": {"a": {"type": "array", "items": {"anyOf": PATTERNS}}}},
        {"properties": {}, "required": ["a"], "additionalProperties": False},
    ],
)
def test_a_schema_that_cannot_be_forced_is_refused_by_its_name(schema: object) -> None:
    chat = ChatOptions(tools=(TOOLS[1], tool(schema)), mode=ToolMode.REQUIRED)
    with pytest.raises(InvalidRequest) as caught:
        forced_calls(chat, AnswerFormat(F.HERMES), "")
    assert caught.value.param == "tools[1].function.parameters"
    strict = Tool("f", parameters=json.dumps(schema), strict=True)
    for family in (F.HERMES, F.LLAMA):
        with pytest.raises(InvalidRequest) as caught:
            started_call(ChatOptions(tools=(strict,)), AnswerFormat(family))
        assert caught.value.param == "tools[0].function.parameters"
    # Nothing was promised of a call that the model makes by itself: its arguments are an object.
    started = started_call(ChatOptions(tools=chat.tools), AnswerFormat(F.HERMES))
    assert started is not None
    check_grammar(started.grammar)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=a)b"}}},
        {"type": "object", "properties": {"a": {"not": {"pattern": "a"}}}},
        {"type": "object", "properties": {"a": {"type": "string", "maxLength": 10**9}}},
        {"properties": {"a": {"type": "array", "items": {}, "uniqueItems": True}}},
    ],
)
@pytest.mark.parametrize("family", [F.HERMES, F.QWEN_XML, F.GEMMA, F.LFM])
def test_only_a_strict_tool_is_refused_for_what_no_grammar_expresses(
    schema: object, family: F
) -> None:
    loose = ChatOptions(tools=(tool(schema),), mode=ToolMode.REQUIRED)
    check_grammar(forced_calls(loose, AnswerFormat(family), ""))
    strict = Tool("f", parameters=json.dumps(schema), strict=True)
    with pytest.raises(InvalidRequest, match="cannot be forced") as caught:
        forced_calls(ChatOptions(tools=(strict,), mode=ToolMode.REQUIRED), AnswerFormat(family), "")
    assert caught.value.param == "tools[0].function.parameters"


def test_costly_schemas_are_counted() -> None:
    costly = {"properties": {"a": {"type": "string", "pattern": "[a-z]+"}}}
    tools = tuple(tool(costly, f"t{number}") for number in range(MAX_COSTLY_TOOLS + 1))
    with pytest.raises(InvalidRequest, match="More than 8 tools"):
        forced_calls(ChatOptions(tools=tools, mode=ToolMode.REQUIRED), AnswerFormat(F.HERMES), "")


def test_objects_that_are_shorter_without_quotes_have_more_ways_to_be_read() -> None:
    """14 to the third are few enough, 14 to the fourth are not."""
    one = {"type": "object", "properties": {"a": {}}, "required": ["a"]}
    many = [{**one, "additionalProperties": False, "title": str(number)} for number in range(14)]
    given = tool({"properties": {"a": {"type": "array", "items": {"anyOf": many}}}})
    strict = msgspec.structs.replace(given, strict=True)
    chat = ChatOptions(tools=(strict,), mode=ToolMode.REQUIRED)
    assert forced_calls(chat, AnswerFormat(F.HERMES), "")
    with pytest.raises(InvalidRequest, match="too ambiguous"):
        forced_calls(chat, AnswerFormat(F.GEMMA), "")


@pytest.mark.parametrize(
    ("family", "name"), [(F.GEMMA, "a b"), (F.GEMMA, "a:"), (F.LFM, "a b"), (F.LFM, "2")]
)
def test_what_cannot_stand_without_quotes_is_no_name_of_an_argument(family: F, name: str) -> None:
    given = tool({"properties": {name: {"type": "integer"}}, "required": [name]})
    strict = msgspec.structs.replace(given, strict=True)
    with pytest.raises(InvalidRequest, match="name") as caught:
        forced_calls(ChatOptions(tools=(strict,), mode=ToolMode.REQUIRED), AnswerFormat(family), "")
    assert caught.value.param == "tools[0].function.parameters"
    chat = ChatOptions(tools=(given,), mode=ToolMode.REQUIRED)
    grammar = forced_calls(chat, AnswerFormat(family), "")
    for seed in range(10):
        (call, *_) = read(random_text(grammar, seed=seed), AnswerFormat(family), chat).calls
        assert isinstance(json.loads(call[1]), dict)


@pytest.mark.parametrize("family", [F.QWEN_XML, F.GLM])
def test_between_tags_some_limits_cannot_be_kept(family: F) -> None:
    for value in ({"type": "string", "pattern": "a"}, {"enum": ["</parameter></arg_value>"]}):
        given = tool({"properties": {"a": value}})
        strict = msgspec.structs.replace(given, strict=True)
        chat = ChatOptions(tools=(strict,), mode=ToolMode.REQUIRED)
        with pytest.raises(InvalidRequest):
            forced_calls(chat, AnswerFormat(family), "")
        chat = ChatOptions(tools=(given,), mode=ToolMode.REQUIRED)
        check_grammar(forced_calls(chat, AnswerFormat(family), ""))


@pytest.mark.parametrize("mark", ["</think>", "[/THINK]", "aabaa", "x", "<<</"])
def test_a_text_ends_with_the_first_mark_in_it(mark: str) -> None:
    start, rules = text_until(mark, "u")
    grammar = "\n".join([f"root ::= {start}", *rules])
    check_grammar(grammar)
    for seed in range(50):
        text = random_text(grammar, seed=seed)
        assert text.index(mark) == len(text) - len(mark)


def test_a_started_call_goes_on_as_the_family_writes_it() -> None:
    written = {
        F.HERMES: '\n{"name": "now", "arguments": {}}\n</tool_call>',
        F.MISTRAL: '[{"name": "now", "arguments": {}, "id": "abcdefghi"}]',
        F.GEMMA: "call:now{}<tool_call|>",
        F.LFM: "[now()]<|tool_call_end|>",
        F.DEEPSEEK_V31: (
            "<｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
        ),
    }
    for family, rest in written.items():
        started = started_call(ChatOptions(tools=TOOLS), AnswerFormat(family))
        assert started is not None
        assert read(started.trigger + rest, AnswerFormat(family)).calls == [["now", "{}"]]
        for seed in range(5):
            text = f"Well. {started.trigger}{random_text(started.grammar, seed=seed)}"
            answer = read(text, AnswerFormat(family))
            assert answer.content == "Well."
            assert answer.calls
    for family in (F.LLAMA, F.COMMAND_R, F.FUNCTIONARY_V32, F.FIREFUNCTION, F.HARMONY):
        assert started_call(ChatOptions(tools=TOOLS), AnswerFormat(family)) is None


def test_the_watch_sees_a_call_but_not_in_a_thought() -> None:
    started = started_call(ChatOptions(tools=TOOLS), AnswerFormat(F.HERMES))
    assert started is not None
    thought = THOUGHTS[R.THINK]
    pieces = [b"<thi", b"nk>", b"<tool_call>", b"</think", b">\n<tool", b"_", b'call>\n{"n', b"x"]
    watch = CallWatch(started, thought, "")
    assert [watch.feed(piece) for piece in pieces] == [None] * 6 + [b'\n{"n', None]
    watch = CallWatch(started, thought, "<think>\n")
    assert [watch.feed(piece) for piece in pieces[2:]] == [None] * 4 + [b'\n{"n', None]
    watch = CallWatch(started, None, "")
    assert [watch.feed(piece) for piece in [b"\xe2\x82", b"<tool_call>", b"a<tool_call>"]] == [
        None,
        b"",
        b"",
    ]


def test_of_calls_or_a_text_the_one_that_is_too_large_is_named() -> None:
    form, small = AnswerFormat(F.HERMES), 'root ::= "x"'
    long = {"type": "object", "properties": {"p": {"const": "x" * 30_000}}, "required": ["p"]}
    tools = tuple(tool(long, name) for name in "abcd")
    strict = tuple(msgspec.structs.replace(each, strict=True) for each in tools)
    large = f'root ::= "{"x" * 99_980}"'
    check_structure(large)
    # Arguments that nothing was promised of become free, rather than that all of it is refused.
    made = calls_or_text(ChatOptions(tools=tools), small, form, "")
    assert len(made) < 20_000
    check_structure(made)
    with pytest.raises(InvalidRequest, match="The tools make a grammar") as caught:
        calls_or_text(ChatOptions(tools=strict), small, form, "")
    assert (caught.value.param, bool(caught.value.detail)) == ("tools", True)
    for few in (TOOLS, (msgspec.structs.replace(TOOLS[0], strict=True),)):
        with pytest.raises(InvalidRequest, match="The schema of the answer") as caught:
            calls_or_text(ChatOptions(tools=few), large, form, "")
        assert (caught.value.param, bool(caught.value.detail)) == ("response_format", True)
