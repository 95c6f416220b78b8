"""What is wrong with a field of a request, in one sentence of ours: the field, what it takes, and
what it got. pydantic's own words speak to programmers of Python.

Pure functions, any thread.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pydantic_core import ErrorDetails

from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.schemas.common import WRONG_JSON_TYPE, is_branch

MAX_SHOWN = 40  # characters of a value
MAX_PARTS = 6  # of a list or an object that is shown
UNKNOWN = "something else"  # where no field of ours can be wrong in that way; tested
# What a field takes, by pydantic's type of the error.
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "bool_type": "true or false",
        "dict_type": "an object",
        "finite_number": "a finite number",
        "float_type": "a number",
        "int_from_float": "a whole number",
        "int_type": "a whole number",
        "list_type": "a list",
        "model_type": "an object",
        "string_type": "a string",
    }
)
# Where an example says it best; the field's name as in a location without numbers.
_EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "messages[]": '{"role": "user", "content": "…"}',
        "response_format": '{"type": "json_object"}',
        "stream_options": '{"include_usage": true}',
    }
)
_KEY = "[key]"  # how a location names a key of an object instead of its value
_NUMBER = re.compile(r"\[\d+\]")
_QUOTED = re.compile(r"'([^']*)'")
_NAME_PATTERN = re.compile(r"\{1,(\d+)\}\$$")


def complaint(error: ErrorDetails) -> InvalidRequest:
    """The first thing that pydantic found wrong."""
    param = field_path(error["loc"])
    value, context, kind = error["input"], error.get("ctx", {}), error["type"]
    subject = f"a key of {param}" if error["loc"] and error["loc"][-1] == _KEY else param
    if kind == "missing":
        return InvalidRequest(f"{param} is required", param=param)
    if kind in {"string_too_short", "too_short"}:
        return InvalidRequest(f"{subject} must not be empty", param=param)
    if kind in {"string_too_long", "too_long"}:
        things = "characters" if kind == "string_too_long" else "items"
        return InvalidRequest(
            f"{subject} must have at most {context['max_length']:,} {things}, not {len(value):,}",
            param=param,
        )
    what = _expected(kind, context, error["msg"])
    example = _EXAMPLES.get(_NUMBER.sub("[]", param))
    if kind == "model_type" and example is not None:
        what += f" such as {example}"
    return must_be(param, what, value, subject=subject)


def must_be(param: str, what: str, value: object, *, subject: str = "") -> InvalidRequest:
    """``param`` takes ``what`` and got ``value``. ``subject``: what to call it instead."""
    return InvalidRequest(f"{subject or param} must be {what}, not {shown(value)}", param=param)


def must_be_one_of(param: str, words: Iterable[str], value: object) -> InvalidRequest:
    """``param`` takes one of ``words`` and got ``value``."""
    return must_be(param, f"one of {', '.join(words)}", value)


def shown(value: object) -> str:
    """``value`` as JSON has it, cut short; of lists and objects that are not short only that they
    are such."""
    match value:
        case list():
            return _short(value, value) or "a list"
        case dict():
            return _short(value, [*value, *value.values()]) or "an object"
        case str():
            cut = value if len(value) <= MAX_SHOWN else f"{value[: MAX_SHOWN - 1]}…"
            return json.dumps(cut, ensure_ascii=False)
        case bool() | int() | float() | None:
            text = json.dumps(value)
            return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"
    return f"a {type(value).__name__}"


def _short(value: list[Any] | dict[str, Any], parts: list[Any]) -> str:
    """As JSON; empty where that would not be short."""
    if len(parts) > MAX_PARTS or any(isinstance(part, list | dict) for part in parts):
        return ""
    if any(len(part) > MAX_SHOWN for part in parts if isinstance(part, str)):
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN else ""


def field_path(location: tuple[int | str, ...]) -> str:
    """``messages[0].content`` for pydantic's ("messages", 0, "content", "<string>")."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif not is_branch(step) and step != _KEY:
            path += f".{step}" if path else step
    return path


def _expected(kind: str, context: Mapping[str, Any], message: str) -> str:
    match kind:
        case "literal_error":
            words = _QUOTED.findall(context["expected"])
            return f"one of {', '.join(words)}" if len(words) > 1 else json.dumps(words[0])
        case "greater_than_equal":
            return f"at least {context['ge']}"
        case "less_than":
            return f"less than {context['lt']}"
        case "string_pattern_mismatch":
            longest = _NAME_PATTERN.search(context["pattern"])
            most = longest[1] if longest is not None else "some"
            return f'a name of 1 to {most} letters, digits, "_", "-" and "."'
        case _ if kind == WRONG_JSON_TYPE:
            return message
    return _KINDS.get(kind, UNKNOWN)
