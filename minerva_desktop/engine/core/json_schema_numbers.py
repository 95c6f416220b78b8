"""JSON schemas of numbers as GBNF. Pure.

Decimals are compared as texts, digit by digit. Readers make floats of them, which keep the order
of all that has up to 15 digits; more are allowed only where rounding cannot pass a bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from functools import partial

import msgspec

from minerva_desktop.engine.core.json_schema_text import integers, literal, one_of
from minerva_desktop.engine.core.json_schema_values import (
    Inexpressible,
    Schema,
    is_type,
    pointer,
    refused,
)

MAX_INTEGER = 10**15  # of a bound, where there may be decimals
_MAX_EXACT = 2**53 - 1  # of a bound of integers; readers of JSON are exact so far
_MAX_WRITTEN = 10**16 - 1  # of an integer without a bound
MAX_MULTIPLES = 500  # that are written out one by one
_MAX_DIGITS = 15
_MAX_OPEN = 10**9  # of an exclusive bound of numbers with fractions
_INT32 = 2**31
_ENDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")


class _Range(msgspec.Struct, frozen=True):
    """From ``low`` to ``high``; an open end does not belong to it."""

    low: Decimal
    high: Decimal
    low_open: bool = False
    high_open: bool = False


def number_expression(name: str, schema: Schema, where: str, *, is_draft: bool = False) -> str:
    """An integer or a number within its bounds; of a draft, only whether it can be had."""
    found = _bounds(name, schema, where)
    step = _step(schema, where)
    if step is None and (found is None or is_draft):
        return name
    limits = found or _Range(Decimal(-MAX_INTEGER), Decimal(MAX_INTEGER))
    if step is not None:
        write = _multiples(name, limits, step, where)
    elif name == "integer":
        write = partial(_whole, limits)
    else:
        write = partial(_decimals, limits, _most_digits(limits))
    if is_draft:
        return name
    expression = write()
    if not expression:
        raise refused(where, f"no {name} is within the bounds")
    return expression


# -- what the schema says --------------------------------------------------------------------


def _bounds(name: str, schema: Schema, where: str) -> _Range | None:
    reach = _MAX_EXACT if name == "integer" else MAX_INTEGER
    lows = _ends(schema, where, _ENDS[:2], -reach)
    highs = _ends(schema, where, _ENDS[2:], reach)
    kind = schema.get("format")
    if kind is not None and not isinstance(kind, str):
        raise refused(pointer(where, "format"), "there should be a name")
    if kind == "int32":
        lows.append((Decimal(-_INT32), False))
        highs.append((Decimal(_INT32 - 1), False))
    has_far_end = any(schema.get(keyword) is not None for keyword in _ENDS)
    if not lows and not highs and not has_far_end and kind != "float":
        return None  # of a float the exponents could be too large
    # Of two ends that are equal the open one is the narrower.
    low, low_open = max(lows, default=(Decimal(-_far(name, schema, _ENDS[:2])), False))
    closed_highs = ((end, not is_open) for end, is_open in highs)
    high, is_closed = min(closed_highs, default=(Decimal(_far(name, schema, _ENDS[2:])), True))
    found = _Range(low, high, low_open, not is_closed)
    is_open = found.low_open or found.high_open
    ends = [end for end, _ in (*lows, *highs)]
    if name == "number" and is_open and max(map(abs, ends)) > _MAX_OPEN:
        keyword = "exclusiveMinimum" if found.low_open else "exclusiveMaximum"
        raise Inexpressible(
            pointer(where, keyword), f"exclusive bounds of numbers go up to {_MAX_OPEN:,}"
        )
    return found


def _far(name: str, schema: Schema, ends: tuple[str, ...]) -> int:
    """How far it goes on a side where none of the ``ends`` is near enough to be counted."""
    if name != "integer":
        return MAX_INTEGER
    return _MAX_WRITTEN if all(schema.get(end) is None for end in ends) else _MAX_EXACT


def _ends(
    schema: Schema, where: str, keywords: tuple[str, ...], reach: int
) -> list[tuple[Decimal, bool]]:
    """The ends on one side, and which are open, the second of the ``keywords`` naming such. Those
    beyond ``reach``, farther away than any number that is written, are left out: zod bounds others
    than integers by what their language can hold."""
    ends: list[tuple[Decimal, bool]] = []
    for keyword in keywords:
        if (value := schema.get(keyword)) is None:
            continue
        at = pointer(where, keyword)
        number = _number(value, at)
        if not (number < reach if reach < 0 else number > reach):
            ends.append((_decimal(value, at, abs(reach)), keyword == keywords[1]))
    return ends


def _number(value: object, where: str) -> Decimal:
    if not is_type(value, "number") or not math.isfinite(float(str(value))):
        raise refused(where, "there should be a number")
    return Decimal(str(value))


def _decimal(value: object, where: str, reach: int = MAX_INTEGER) -> Decimal:
    found = _number(value, where)
    if abs(found) > reach or len(_digits(found)[1]) > _MAX_DIGITS - 6:
        raise Inexpressible(
            where, f"only numbers up to {reach:,} with {_MAX_DIGITS - 6} decimals are taken"
        )
    return found


def _step(schema: Schema, where: str) -> Decimal | None:
    value = schema.get("multipleOf")
    if value is None:
        return None
    step = _decimal(value, pointer(where, "multipleOf"))
    if step <= 0:
        raise refused(pointer(where, "multipleOf"), "there should be a number over 0")
    return step


# -- integers and multiples ------------------------------------------------------------------


def _whole(limits: _Range) -> str:
    low, high = math.ceil(limits.low), math.floor(limits.high)
    low += limits.low_open and low == limits.low
    high -= limits.high_open and high == limits.high
    return integers(low, high)


def _multiples(name: str, limits: _Range, step: Decimal, where: str) -> partial[str]:
    """Writes them, which takes a while; that they can be expressed is seen at once."""
    if name == "integer":
        step = Decimal(step.as_integer_ratio()[0])  # what both 1 and the step divide
    low, high = math.ceil(limits.low / step), math.floor(limits.high / step)
    low += limits.low_open and low * step == limits.low
    high -= limits.high_open and high * step == limits.high
    if high - low < MAX_MULTIPLES:
        return partial(_each, range(low, high + 1), step)
    places = next((n for n in range(1, 7) if Decimal(1).scaleb(-n) == step), 0)
    if places:
        return partial(_decimals, limits, min(places, _most_digits(limits)))
    if step == 1:
        return partial(_whole, limits)
    at = pointer(where, "multipleOf")
    if (n_digits := next((n for n in (1, 2, 3) if 10**n % step == 0), 0)) and step % 1 == 0:
        return _round(int(step), n_digits, limits, at)
    raise Inexpressible(
        at,
        f"only up to {MAX_MULTIPLES} multiples within “minimum” and “maximum”, or multiples of a "
        "divisor of 1,000 or of 0.1, 0.01, …, can be demanded; leave it out",
    )


def _each(numbers: range, step: Decimal) -> str:
    return one_of([(_plain(n * step), "") for n in numbers]) if numbers else ""


def _round(step: int, n_digits: int, limits: _Range, where: str) -> partial[str]:
    """Any multiple of a divisor of a power of ten: its last digits tell."""
    signs = {(True, True): '"-"? ', (False, True): ""}
    reach = 10 ** (n_digits + 11)
    sign = signs.get((limits.low <= -reach, limits.high >= reach))
    least = Decimal(0) if sign else _first(limits)
    if sign is None or not 0 <= least <= step:
        raise Inexpressible(where, "with these bounds it cannot be demanded; leave it out")
    return partial(_ending, step, n_digits, sign, least)


def _ending(step: int, n_digits: int, sign: str, least: Decimal) -> str:
    long = one_of([(str(n).zfill(n_digits), "") for n in range(0, 10**n_digits, step)])
    short = [(str(n), "") for n in range(0, 10**n_digits, step) if n >= least]
    parts = [f"[1-9] [0-9]{{0,10}} {long}", *([one_of(short)] if short else [])]
    return f"{sign}({' | '.join(parts)})"


def _first(limits: _Range) -> Decimal:
    return limits.low + (1 if limits.low_open else 0)


def _plain(value: Decimal) -> str:
    whole, fraction = _digits(abs(value))
    sign = "-" if value < 0 else ""
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


# -- decimals --------------------------------------------------------------------------------


def _most_digits(limits: _Range) -> int:
    """How many decimals keep an open end from being rounded to."""
    if not limits.low_open and not limits.high_open:
        return _MAX_DIGITS
    ends = [abs(end) for end in (limits.low, limits.high) if abs(end) <= _MAX_OPEN]
    return _MAX_DIGITS - 1 - len(str(int(max(ends))))


def _decimals(limits: _Range, n_digits: int) -> str:
    """All decimals with up to ``n_digits`` behind the point."""
    parts = []
    zero = Decimal(0)
    if limits.high >= 0:
        from_zero = limits.low < 0
        low, is_open = (zero, False) if from_zero else (limits.low, limits.low_open)
        parts.append(_magnitudes(_Range(low, limits.high, is_open, limits.high_open), n_digits))
    if limits.low < 0:
        to_zero = limits.high > 0
        end, is_open = (zero, False) if to_zero else (-limits.high, limits.high_open)
        below = _magnitudes(_Range(end, -limits.low, is_open, limits.low_open), n_digits)
        parts.append(f'"-" {below}' if below else "")
    return _any_of(part for part in parts if part)


def _magnitudes(limits: _Range, n_digits: int) -> str:
    """Decimals without a sign."""
    if limits.low > limits.high:
        return ""
    low_whole, low_rest = _digits(abs(limits.low))
    high_whole, high_rest = _digits(abs(limits.high))
    low = None if not low_rest and not limits.low_open else low_rest
    if low_whole == high_whole:
        return _with(low_whole, _Decimals(limits, n_digits).behind(low, high_rest))
    decimals = _Decimals(limits, n_digits)
    parts = []
    if low is not None:
        parts.append(_with(low_whole, decimals.behind(low, None)))
    start = int(low_whole) + (low is not None)
    if whole := integers(start, int(high_whole) - 1):
        parts.append(f"{whole} {decimals.behind(None, None)}")
    parts.append(_with(high_whole, decimals.behind(None, high_rest)))
    return _any_of(part for part in parts if part)


def _with(whole: str, behind: str | None) -> str:
    return "" if behind is None else f"{literal(whole)} {behind}".strip()


class _Decimals:
    """Digits behind the point, between those of two bounds. An end that is None was passed
    already; "" is one all of whose digits are read. None as an answer: there are no such digits.
    """

    def __init__(self, limits: _Range, n_digits: int) -> None:
        self._limits = limits
        self._n_digits = n_digits

    def behind(self, low: str | None, high: str | None) -> str | None:
        """The point and what follows it."""
        digits = self._digits(low, high, self._n_digits)
        if self._may_end(low, high):
            return f'("." {digits})?' if digits else ""
        return f'"." {digits}' if digits else None

    def _may_end(self, low: str | None, high: str | None) -> bool:
        reaches = low is None or (not low and not self._limits.low_open)
        return reaches and (high != "" or not self._limits.high_open)

    def _digits(self, low: str | None, high: str | None, left: int) -> str:
        """One digit or more, "" where there can be none."""
        if not left or high == "":
            return ""
        if low is None and high is None:
            return f"[0-9]{{1,{left}}}"
        least, most = int((low or "0")[0]), 9 if high is None else int((high or "0")[0])
        parts = []
        between = []
        for digit in range(least, most + 1):
            next_low = None if low is None or digit > least else low[1:]
            next_high = None if high is None or digit < most else high[1:]
            if next_low is None and next_high is None:
                between.append(digit)
                continue
            parts.append(self._one(str(digit), next_low, next_high, left - 1))
        if between:
            more = f" [0-9]{{0,{left - 1}}}" if left > 1 else ""
            parts.append(f"[{between[0]}-{between[-1]}]{more}")
        return _any_of(part for part in parts if part)

    def _one(self, digit: str, low: str | None, high: str | None, left: int) -> str:
        more = self._digits(low, high, left)
        if self._may_end(low, high):
            return f'"{digit}" ({more})?' if more else f'"{digit}"'
        return f'"{digit}" {more}' if more else ""


def _any_of(parts: Iterable[str]) -> str:
    found = list(parts)
    return found[0] if len(found) == 1 else f"({' | '.join(found)})" if found else ""


def _digits(value: Decimal) -> tuple[str, str]:
    """Those before the point and those behind it."""
    whole, _, rest = f"{value:f}".partition(".")
    return whole, rest.rstrip("0")
