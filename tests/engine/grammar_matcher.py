"""Whether a grammar allows a text, without llama.cpp. For tests; pure."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeAlias

from minerva_desktop.engine.core.character_class import Ranges
from minerva_desktop.engine.core.grammar_parser import GrammarParser, Rule


class Part(NamedTuple):
    """A symbol of a grammar, so many times: a rule (from 0 on), or else a character or text."""

    rule: int
    ranges: Ranges
    text: str
    low: int
    high: int | None


Rest: TypeAlias = tuple[Part, ...]  # what has still to come


def allows(grammar: str, text: str) -> bool:
    """For short texts: each character is read in every way in which those before it can be."""
    rules, root = _parsed(grammar)
    ways = _opened({(Part(root, (), "", 1, 1),)}, rules)
    for character in text:
        found = {rest for way in ways for rest in _read(way, ord(character))}
        ways = _opened(found, rules)
    return () in ways


@lru_cache(maxsize=4)
def _parsed(grammar: str) -> tuple[list[Rule], int]:
    return GrammarParser(grammar).parse()


def _read(way: Rest, code: int) -> list[Rest]:
    """What is left of ``way`` behind a character, if it begins with that."""
    if not way:
        return []
    first, rest = way[0], way[1:]
    if first.text:
        left = first.text[1:]
        more = (first._replace(text=left), *rest) if left else rest
        return [more] if ord(first.text[0]) == code else []
    return [rest] if any(low <= code <= high for low, high in first.ranges) else []


def _opened(ways: set[Rest], rules: list[Rule]) -> set[Rest]:
    """All that ``ways`` can begin with: characters, once, or the end."""
    found: set[Rest] = set()
    seen = set(ways)
    waiting = list(ways)
    while waiting:
        way = waiting.pop()
        if not way or ((way[0].low, way[0].high) == (1, 1) and way[0].rule < 0):
            found.add(way)
            continue
        for more in _steps(way[0], way[1:], rules):
            if more not in seen:
                seen.add(more)
                waiting.append(more)
    return found


def _steps(first: Part, rest: Rest, rules: list[Rule]) -> list[Rest]:
    if (first.low, first.high) == (1, 1):
        return [
            (*(Part(i.rule, i.ranges, i.text, i.low, i.high) for i in sequence), *rest)
            for sequence in rules[first.rule].alternatives
        ]
    steps = [rest] if not first.low else []
    if first.high != 0:
        again = first._replace(
            low=max(first.low - 1, 0), high=None if first.high is None else first.high - 1
        )
        one = first._replace(low=1, high=1)
        steps.append((one, *rest) if again.high == 0 else (one, again, *rest))
    return steps
