"""Jinja's sandbox as chat templates need it, with bounds on what a small template can build.

The sandbox stops a template from reaching anything; what it does not stop is a template that
builds gigabytes. So all that builds a value (operators, calls, filters, slices, blocks, macros)
asks `template_bounds`, and the filters whose result has the size of a number are left out.
`chat_template` ends one that runs on. Used on the engine child's desk threads.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from types import GeneratorType
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes, pass_environment
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.filters import do_format, do_indent, do_round, sync_do_sum
from jinja2.sandbox import ImmutableSandboxedEnvironment

from minerva_desktop.engine.core.template_bounds import (
    ITEM_SIZE,
    MAX_BUILT,
    Bounds,
    bound_format,
    bound_method,
    bound_operands,
    bound_percent,
    bounded_text,
    text_size,
)

MAX_INDENT = 16
MAX_DIGITS = 100

# Each builds text or lists whose size is a number in the template.
_SIZED_FILTERS = (
    "batch",
    "center",
    "filesizeformat",
    "slice",
    "urlize",
    "wordwrap",
)
# These take lists as lists; all others make texts of what they get.
_LIST_FILTERS = frozenset(
    {"attr", "count", "d", "default", "dictsort", "first", "groupby", "items", "join", "last"}
    | {"length", "map", "max", "min", "random", "reject", "rejectattr", "reverse", "safe", "select"}
    | {"selectattr", "sort", "sum", "unique"}
)
# All of them: each takes long with a number that is huge.
_OPERATORS = frozenset({"+", "-", "*", "/", "//", "**", "%"})


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


class _Code(CodeGenerator):
    """Jinja's compiler, whose ``~`` would join texts without asking."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        """``a ~ b ~ c``"""
        self.write("environment.concatenate((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox that also refuses to build huge values. For one thread: it counts what the
    render that runs has built (`bounds`)."""

    intercepted_binops = _OPERATORS
    code_generator_class = _Code

    def __init__(self) -> None:
        self.bounds = Bounds()
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[loopcontrols, _GenerationTag],
            finalize=bounded_text,
        )
        # What joins the pieces of a block, of a macro and of the whole.
        self.concat = self.bounds.joined  # type: ignore[method-assign]

    def concatenate(self, values: Iterable[Any]) -> str:
        """What ``~`` makes of ``values``."""
        return self.bounds.joined(map(bounded_text, values))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Called for each operator of a template."""
        if operator == "**":
            raise SecurityError("powers are not available in chat templates")
        if operator == "%" and isinstance(left, str):
            bound_percent(left, (right,))
        if isinstance(left, str) and isinstance(right, JsonObject):
            right = bounded_text(right)
        elif isinstance(right, str) and isinstance(left, JsonObject):
            left = bounded_text(left)
        bound_operands(operator, left, right)
        return self.bounds.built(super().call_binop(context, operator, left, right))

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Called for each call of a template."""
        owner = getattr(obj, "__self__", None)
        if isinstance(owner, str | int):
            name = getattr(obj, "__name__", "")
            bound_method(name, owner, args, kwargs)
            if name == "join" and isinstance(owner, str) and args:
                return self.joined(args[0], owner)
        return self.bounds.built(super().call(context, obj, *args, **kwargs))

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Called for ``x[y]``, where y is no name."""
        found = super().getitem(obj, argument)
        return self.bounds.built(found) if isinstance(argument, slice) else found

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Called for each attribute that a template gets."""
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None

        def bounded(*args: Any, **kwargs: Any) -> str:
            bound_format(value.__self__, (*args, *kwargs.values()))
            return wrapped(*args, **kwargs)

        return bounded

    def joined(self, values: Any, separator: str = "", attribute: str | None = None) -> str:
        """``values``, or ``attribute`` of each, with ``separator`` between them."""
        texts = (
            bounded_text(value if attribute is None else self.getitem(value, attribute))
            for value in values
        )
        parts = (part for text in texts for part in (separator, text))
        next(parts, None)  # the separator before the first
        return self.bounds.joined(parts)

    def to_json(
        self,
        value: Any,
        ensure_ascii: bool = False,
        indent: int | None = None,
        separators: Sequence[str] | None = None,
        sort_keys: bool = False,
    ) -> str:
        """Not Jinja's own, which escapes <, > and & for HTML; models are trained on plain JSON. The
        arguments are those of Hugging Face's transformers."""
        if indent is not None and indent > MAX_INDENT:
            raise SecurityError("an indent is too wide")
        if separators is None:
            pair = None
        else:
            pair = (str(separators[0]), str(separators[1]))
            if max(map(len, pair)) > MAX_INDENT:
                raise SecurityError("a separator is too long")
        encoder = json.JSONEncoder(
            ensure_ascii=ensure_ascii, indent=indent, separators=pair, sort_keys=sort_keys
        )
        plain = list(value) if isinstance(value, GeneratorType) else value  # what `map` gives
        if indent is None:
            return encoder.encode(plain)
        # Piece by piece: at each level of a deep list there is more to indent.
        return self.bounds.joined(encoder.iterencode(plain))

    def bounded_filter(self, name: str, run: Callable[..., Any]) -> Callable[..., Any]:
        """A filter that asks before it makes texts of lists, and counts what it made."""

        @functools.wraps(run)
        def bounded(*args: Any, **kwargs: Any) -> Any:
            if name not in _LIST_FILTERS:
                for value in args:
                    text_size(value)
            return self.bounds.built(run(*args, **kwargs))

        return bounded


def _bounded_replace(text: Any, old: str, new: str, count: int = -1) -> str:
    owner = bounded_text(text)
    bound_method("replace", owner, (old, new), {})
    return owner.replace(old, new, count)


def _bounded_format(text: Any, *args: Any, **kwargs: Any) -> str:
    pattern = bounded_text(text)
    bound_percent(pattern, (*args, *kwargs.values()))
    return do_format(pattern, *args, **kwargs)


def _bounded_indent(
    text: str, width: int | str = 4, first: bool = False, blank: bool = False
) -> str:
    size = width if isinstance(width, int) else len(width)
    if size > MAX_INDENT:
        raise SecurityError("an indent is too wide")
    return do_indent(text, width, first, blank)


def _bounded_round(value: float, precision: int = 0, method: Any = "common") -> float:
    if not abs(precision) <= MAX_DIGITS:
        raise SecurityError("a number has too many digits")
    return do_round(value, precision, method)


@pass_environment
def _bounded_sum(
    environment: jinja2.Environment,
    values: Iterable[Any],
    attribute: str | int | None = None,
    start: Any = 0,
) -> Any:
    if not isinstance(start, int | float):
        raise SecurityError("only numbers can be summed up")
    return sync_do_sum(environment, values, attribute, start)


def _bounded_list(value: Iterable[Any]) -> list[Any]:
    if isinstance(value, str) and len(value) * ITEM_SIZE > MAX_BUILT:
        raise SecurityError("a text is too long to be a list")
    return list(value)


def _raise(message: str) -> NoReturn:
    raise jinja2.TemplateError(bounded_text(message))


def _from_json(text: str) -> Any:
    return json.loads(text)


def _as_it_is(value: Any) -> Any:
    # Not Jinja's own, whose text would make HTML of all that is added to it.
    return value


def strftime_now(pattern: str) -> str:
    """Now, by the clock and in the time zone of this machine; templates call it by this name."""
    if len(pattern) > 100:
        raise SecurityError("a date format is too long")
    return datetime.now().astimezone().strftime(pattern)


def sandbox() -> Sandbox:
    """An environment to compile a chat template in."""
    environment = Sandbox()
    filters = environment.filters
    for name in _SIZED_FILTERS:
        del filters[name]
    del environment.globals["lipsum"]
    filters["tojson"] = environment.to_json
    filters["from_json"] = _from_json  # in templates that llama.cpp brings
    filters["safe"] = _as_it_is
    filters["replace"] = _bounded_replace
    filters["format"] = _bounded_format
    filters["join"] = environment.joined
    filters["indent"] = _bounded_indent
    filters["list"] = _bounded_list
    filters["round"] = _bounded_round
    filters["sum"] = _bounded_sum
    for name, run in tuple(filters.items()):
        filters[name] = environment.bounded_filter(name, run)
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = strftime_now
    return environment
