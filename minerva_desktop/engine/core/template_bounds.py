"""How much one render of a chat template may build: each value, and all of them together.

Python makes a text of gigabytes, or a number that takes minutes to multiply, in one call that
nothing can interrupt; so what a call would build is asked before it, and what it did build is
counted after it. Used on the engine child's desk threads, one render at a time.
"""

from __future__ import annotations

import re
from collections.abc import ItemsView, Iterable, KeysView, Mapping, Sequence, ValuesView
from typing import Any, TypeVar

from jinja2.exceptions import SecurityError
from jinja2.utils import Namespace

MAX_BUILT = 16 * 1024 * 1024  # characters of a text, or as many bytes of a list
# All that one render builds. Templates that add to one text in a loop build it many times over:
# a prompt of a million characters in 200 turns comes to 100 million.
MAX_BUILT_IN_ALL = 256 * 1024 * 1024
MAX_BITS = 4096  # of a whole number
MAX_NUMBER = 100_000  # a width, a count
MAX_PATTERN = 10_000  # characters of what `str.format` is called on, or stands before ``%``
_MAX_WIDTH = 1000
ITEM_SIZE = 8  # bytes of a list for each of its items

# A format's width that is huge, or that comes from a value.
_WIDTH = re.compile(r"\{[^{}]*:([^{}]*\d{4,}|[^}]*\{)")
# The same of ``%``; a name with a bracket in it would hide where the width is.
_PERCENT_WIDTH = re.compile(r"%\([^)]*\(|%(\([^)]*\))?[-#0 +]*(\d*\.)?(\d{4,}|\*)")
_PADDING = frozenset({"center", "ljust", "rjust", "zfill", "expandtabs"})
# The first builds what its argument says for each character; the others make bytes, whose methods
# are those of texts once more, and which no prompt needs.
_REFUSED = frozenset({"translate", "encode", "to_bytes"})
_SPLITTING = frozenset({"split", "rsplit", "splitlines"})
_LISTS = (list, tuple, set, frozenset, KeysView, ItemsView, ValuesView)

_Value = TypeVar("_Value")


class Bounds:
    """What one render has built so far."""

    def __init__(self) -> None:
        self._left = MAX_BUILT_IN_ALL

    def restart(self) -> None:
        """A render begins."""
        self._left = MAX_BUILT_IN_ALL

    def take(self, size: int) -> None:
        """Raise `SecurityError` where a value of ``size`` must not be built any more."""
        if size > MAX_BUILT:
            raise SecurityError("a value is too large")
        self._left -= size
        if self._left < 0:
            raise SecurityError("the template builds too much")

    def built(self, value: _Value) -> _Value:
        """Count what a call has made, and pass it on."""
        if isinstance(value, str):
            self.take(len(value))
        elif isinstance(value, list | tuple | dict):
            self.take(len(value) * ITEM_SIZE)
        elif isinstance(value, int):
            bound_number(value)
        return value

    def joined(self, pieces: Iterable[str]) -> str:
        """All ``pieces`` as one text."""
        kept, size = [], 0
        for piece in pieces:
            size += len(piece)
            if size > MAX_BUILT:
                break  # `take` says no
            kept.append(piece)
        self.take(size)
        return "".join(kept)


def bound_number(value: int) -> None:
    """Refuse a whole number with which each operation takes long."""
    if value.bit_length() > MAX_BITS:
        raise SecurityError("a number is too large")


def text_size(value: Any) -> int:
    """About how many characters ``value`` has as a text. Raises `SecurityError` over `MAX_BUILT`: a
    list that holds itself twice at each of 30 levels would be written out in gigabytes."""
    if isinstance(value, str):
        return len(value)
    size = 0
    waiting = [value]
    while waiting:
        found = waiting.pop()
        size += len(found) + 2 if isinstance(found, str) else 4
        if isinstance(found, Namespace):
            raise SecurityError("a namespace is no text")
        if isinstance(found, Mapping):
            waiting.extend(found.keys())
            waiting.extend(found.values())
        elif isinstance(found, _LISTS):
            waiting.extend(found)
        elif isinstance(found, int):
            bound_number(found)
        if size + len(waiting) > MAX_BUILT:
            raise SecurityError("a value is too large to be written out")
    return size


def bounded_text(value: Any) -> str:
    """``value`` as a text, where that is one that may be built."""
    if isinstance(value, str):
        return value
    text_size(value)
    return str(value)


def bound_operands(operator: str, left: Any, right: Any) -> None:
    """Refuse what an arithmetic operator must not be asked for."""
    if isinstance(left, int) and isinstance(right, int):
        bound_number(left)
        bound_number(right)
    elif operator == "*":
        for value, times in ((left, right), (right, left)):
            repeats = isinstance(value, str | list | tuple) and isinstance(times, int)
            if repeats and len(value) * times > MAX_BUILT:
                raise SecurityError("a repeated value is too long")
    elif operator == "+":
        sized = isinstance(left, str | list | tuple) and isinstance(right, str | list | tuple)
        if sized and len(left) + len(right) > MAX_BUILT:
            raise SecurityError("a text is too long")


def bound_method(
    name: str, owner: str | int, args: Sequence[Any], named: Mapping[str, Any]
) -> None:
    """Refuse a call of a method of a text or a number that would build too much."""
    given = [*args, *named.values()]
    if name in _REFUSED:
        raise SecurityError(f"{name} is not available in chat templates")
    if name in _PADDING and any(isinstance(arg, int) and arg > MAX_NUMBER for arg in given):
        raise SecurityError("a padded text is too long")
    if isinstance(owner, str):
        _bound_text_method(name, owner, given)


def _bound_text_method(name: str, owner: str, given: Sequence[Any]) -> None:
    if name == "expandtabs":
        width = max((arg for arg in given if isinstance(arg, int)), default=8)
        if owner.count("\t") * width > MAX_BUILT:
            raise SecurityError("a text with tabs is too long")
    elif name in _SPLITTING and len(owner) > MAX_BUILT // ITEM_SIZE:
        raise SecurityError("a text to split is too long")
    elif name == "replace" and len(given) > 1:
        texts = (str(given[0]), str(given[1])) if all(map(_is_text, given[:2])) else ("", "")
        if (owner.count(texts[0]) + 1) * len(texts[1]) > MAX_BUILT:
            raise SecurityError("a replaced text is too long")


def bound_percent(pattern: str, given: Iterable[Any]) -> None:
    """Refuse what ``pattern % given`` would build too much of."""
    if len(pattern) > MAX_PATTERN or _PERCENT_WIDTH.search(pattern):
        raise SecurityError("a formatted text is too wide")
    longest = max(map(text_size, given), default=0)
    if pattern.count("%") * (longest + _MAX_WIDTH) + len(pattern) > MAX_BUILT:
        raise SecurityError("a formatted text is too long")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def bound_format(pattern: str, given: Iterable[Any]) -> None:
    """Refuse a call of `str.format` that would build too much."""
    if len(pattern) > MAX_PATTERN or _WIDTH.search(pattern):
        raise SecurityError("a formatted text is too wide")
    longest = max(map(text_size, given), default=0)
    if pattern.count("{") * (longest + _MAX_WIDTH) + len(pattern) > MAX_BUILT:
        raise SecurityError("a formatted text is too long")
