"""The dates that people type into the search: ``2026-03-31``, ``31.3.2026``, ``March 2026``,
``today``, ``last week``, ``7d``. Of the local calendar. Pure.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta

from minerva_desktop.store.text_folding import fold

# In English, as the rest of the app; `calendar` has them in the language of the system.
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SHORT = 3  # letters at least, of a day or a month that is not written out

_NUMBERS = re.compile(r"(\d{4})(?:([-/.])(\d{1,2})(?:\2(\d{1,2}))?)?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_DAY_FIRST = re.compile(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})")
_NAMED = re.compile(r"(?:(\d{1,2})\.? )?([a-z]+)\.?(?: (\d{1,2}),?(?= \d{4}))?(?: (\d{4}))?")
_AGO = re.compile(r"(\d{1,4}) ?(d|w|m|y|day|week|month|year)s?(?: ago)?")
_HOURS_AGO = re.compile(r"(\d{1,4}) ?(?:h|hours?)(?: ago)?")


def time_of(text: str, now: float) -> float | None:
    """When the day, month, year or hour that ``text`` says begins; None where it says none that
    there is. As ``now``, Unix time in seconds."""
    words = " ".join(fold(text).replace("_", " ").split())
    if match := _HOURS_AGO.fullmatch(words):
        return now - 3600.0 * int(match[1])
    today = date(*time.localtime(now)[:3])
    for read in (_numbers, _named, _relative):
        try:
            day = read(words, today)
            if day is not None:
                return time.mktime(day.timetuple())
        except (ValueError, OverflowError):
            return None  # no such day
    return None


def _numbers(words: str, _today: date) -> date | None:
    if match := _NUMBERS.fullmatch(words):
        year, _, month, day = match.groups()
        return date(int(year), int(month or 1), int(day or 1))
    if match := _COMPACT.fullmatch(words):
        return date(*map(int, match.groups()))
    if match := _DAY_FIRST.fullmatch(words):
        day, month, year = match.groups()
        return date(int(year), int(month), int(day))
    return None


def _named(words: str, today: date) -> date | None:
    """``31 March 2026``, ``mar``, ``Monday``; without a year, the last one that there was."""
    match = _NAMED.fullmatch(words)
    if match is None:
        return None
    day_before, name, day_behind, year = match.groups()
    month = _index(name, MONTHS)
    if month is not None:
        day = int(day_before or day_behind or 1)
        if year is not None:
            return date(int(year), month + 1, day)
        found = date(today.year, month + 1, day)
        return found if found <= today else date(today.year - 1, month + 1, day)
    weekday = _index(name, DAYS)
    if weekday is None or day_before or day_behind or year:
        return None
    return today - timedelta(days=(today.weekday() - weekday) % 7)


def _index(name: str, names: Sequence[str]) -> int | None:
    fitting = [number for number, each in enumerate(names) if each.startswith(name)]
    return fitting[0] if len(name) >= SHORT and fitting else None


def _relative(words: str, today: date) -> date | None:
    if match := _AGO.fullmatch(words):
        return _ago(today, int(match[1]), match[2][0])
    begin = _BEGINNINGS.get(words)
    return None if begin is None else begin(today)


def _ago(today: date, count: int, unit: str) -> date:
    if unit in "dw":
        return today - timedelta(days=count * (7 if unit == "w" else 1))
    months = 12 * today.year + today.month - 1 - count * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    for day in (today.day, 30, 29, 28):  # a month may be shorter
        if day <= today.day:
            try:
                return date(year, month + 1, day)
            except ValueError:
                continue
    raise ValueError("no such month")


def _week(day: date) -> date:
    return day - timedelta(days=day.weekday())


_BEGINNINGS: dict[str, Callable[[date], date]] = {
    "today": lambda day: day,
    "yesterday": lambda day: day - timedelta(days=1),
    "tomorrow": lambda day: day + timedelta(days=1),
    "week": _week,
    "month": lambda day: day.replace(day=1),
    "year": lambda day: day.replace(month=1, day=1),
    "last week": lambda day: _week(day) - timedelta(days=7),
    "last month": lambda day: _ago(day.replace(day=1), 1, "m"),
    "last year": lambda day: date(day.year - 1, 1, 1),
}
_BEGINNINGS |= {f"this {unit}": _BEGINNINGS[unit] for unit in ("week", "month", "year")}
