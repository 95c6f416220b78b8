"""Jinja's sandbox as chat templates need it, with bounds on what a small template can build.

The sandbox stops a template from reaching anything; what it does not stop is a template that
builds gigabytes, so the filters that build text from a number are left out and repetition is
bounded. `chat_template` ends one that runs on. Used on the engine child's desk threads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from types import GeneratorType
from typing import Any, NoReturn

import jinja2
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.filters import do_indent
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_BUILT_CHARACTERS = 16 * 1024 * 1024
MAX_NUMBER = 100_000
MAX_INDENT = 16

# Each builds text or lists whose size is a number in the template.
_SIZED_FILTERS = (
    "batch",
    "center",
    "filesizeformat",
    "format",
    "slice",
    "urlize",
    "wordwrap",
)
_SIZED_METHODS = frozenset({"center", "ljust", "rjust", "zfill", "expandtabs", "replace", "join"})
# A format's width that is huge, or that comes from a value.
_WIDTH = re.compile(r"\d{6,}|:[^}]*\{")


class JsonObject(dict[str, Any]):
    """A JSON object that is JSON where a template takes it for a text. Some templates write a
    call's arguments with ``tojson`` or loop over them, others add them to a text as they are."""

    def __str__(self) -> str:
        return json.dumps(self, ensure_ascii=False)


class _GenerationTag(Extension):
    """``{% generation %}`` marks an answer for training; here it only passes its body on."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Any) -> Any:
        parser.stream.expect("name:generation")
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox that also refuses to build huge values from small templates."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**":
            raise SecurityError("powers are not available in chat templates")
        if operator == "%" and isinstance(left, str):
            raise SecurityError("text formatting is not available in chat templates")
        if operator == "*":
            _bound_product(left, right)
        if isinstance(left, str) and isinstance(right, JsonObject):
            right = str(right)
        elif isinstance(right, str) and isinstance(left, JsonObject):
            left = str(left)
        sized = isinstance(left, str | list) and isinstance(right, str | list)
        if operator == "+" and sized and len(left) + len(right) > MAX_BUILT_CHARACTERS:
            raise SecurityError("a text is too long")
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        owner = getattr(obj, "__self__", None)
        if isinstance(owner, str):
            _bound_text_method(getattr(obj, "__name__", ""), owner, args)
        return super().call(context, obj, *args, **kwargs)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        wrapped = super().wrap_str_format(value)
        if wrapped is not None and _WIDTH.search(value.__self__):
            raise SecurityError("a formatted text is too wide")
        return wrapped


def _bounded_replace(text: Any, old: str, new: str, count: int = -1) -> str:
    _bound_text_method("replace", str(text), (old, new))
    return str(text).replace(old, new, count)


def _bounded_join(values: Any, separator: str = "", attribute: str | None = None) -> str:
    length = 0
    parts = []
    for value in values:
        part = str(value if attribute is None else value[attribute])
        length += len(part) + len(separator)
        if length > MAX_BUILT_CHARACTERS:
            raise SecurityError("a joined text is too long")
        parts.append(part)
    return separator.join(parts)


def _bounded_indent(text: str, width: int | str = 4, first: bool = False) -> str:
    if isinstance(width, int) and width > MAX_INDENT:
        raise SecurityError("an indent is too wide")
    return do_indent(text, width, first)


def _bound_product(left: Any, right: Any) -> None:
    for value, times in ((left, right), (right, left)):
        repeats = isinstance(value, str | list | tuple) and isinstance(times, int)
        if repeats and len(value) * times > MAX_BUILT_CHARACTERS:
            raise SecurityError("a repeated text is too long")


def _bound_text_method(name: str, owner: str, args: Sequence[Any]) -> None:
    if name not in _SIZED_METHODS:
        return
    if name == "join" and args:
        _bounded_join(args[0], owner)
    if any(isinstance(arg, int) and arg > MAX_NUMBER for arg in args):
        raise SecurityError("a padded text is too long")
    replaces = name == "replace" and len(args) > 1
    if replaces and (owner.count(str(args[0])) + 1) * len(str(args[1])) > MAX_BUILT_CHARACTERS:
        raise SecurityError("a replaced text is too long")


def _raise(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: Sequence[str] | None = None,
    sort_keys: bool = False,
) -> str:
    # Not Jinja's own, which escapes <, > and & for HTML; models are trained on plain JSON. The
    # arguments are those of Hugging Face's transformers.
    if indent is not None and indent > MAX_INDENT:
        raise SecurityError("an indent is too wide")
    if separators is None:
        pair = None
    else:
        pair = (str(separators[0]), str(separators[1]))
        if max(map(len, pair)) > MAX_INDENT:
            raise SecurityError("a separator is too long")
    return json.dumps(
        list(value) if isinstance(value, GeneratorType) else value,  # what `map` gives
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=pair,
        sort_keys=sort_keys,
    )


def _from_json(text: str) -> Any:
    return json.loads(text)


def _as_it_is(value: Any) -> Any:
    # Not Jinja's own, whose text would make HTML of all that is added to it.
    return value


def _strftime_now(pattern: str) -> str:
    if len(pattern) > 100:
        raise SecurityError("a date format is too long")
    return datetime.now().astimezone().strftime(pattern)


def sandbox() -> ImmutableSandboxedEnvironment:
    """An environment to compile a chat template in."""
    environment = _Sandbox(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _GenerationTag]
    )
    for name in _SIZED_FILTERS:
        del environment.filters[name]
    del environment.globals["lipsum"]
    environment.filters["tojson"] = _tojson
    environment.filters["from_json"] = _from_json  # in templates that llama.cpp brings
    environment.filters["safe"] = _as_it_is
    environment.filters["replace"] = _bounded_replace
    environment.filters["join"] = _bounded_join
    environment.filters["indent"] = _bounded_indent
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = _strftime_now
    return environment
