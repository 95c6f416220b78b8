"""In how many ways a text can be read that a schema allows: an upper bound.

Patterns are looked at each for itself. For all else, what grammar_readings.py counts character by
character, which can take seconds and refuses what is large, follows here from the schema: only
choices whose values begin alike have more than one way, and each value has to be written before the
next such choice. Called by json_schema.py; pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from minerva_desktop.engine.core.grammar import check_readings
from minerva_desktop.engine.core.grammar_readings import MAX_READINGS, STEPS
from minerva_desktop.engine.core.json_schema_text import PRIMITIVES
from minerva_desktop.engine.core.json_schema_values import TYPE_KEYWORDS
from minerva_desktop.errors import InvalidRequest

# Characters of the shortest value of a kind, with what has to stand behind it: `0,` and `"",` and
# `true,`. An object with a member has more, how many depends on the notation.
_NUMBER, _PAIR, _WORD = 2, 3, 5


class CostlyPattern(InvalidRequest):
    """A text can be read in too many ways as the pattern whose expression is ``text``."""

    def __init__(self, text: str, error: InvalidRequest) -> None:
        super().__init__(error.message, param=error.param)
        self.text = text


class Option(msgspec.Struct, frozen=True):
    """One of a choice: ``write`` gives its expression; of the kinds in ``firsts`` (None: any) is
    what it begins with; ``shortest`` is what the function of that name gives."""

    write: Callable[[], str]
    firsts: frozenset[str] | None
    shortest: int | None


class Ways:
    """Counts for one schema, while its expressions are written."""

    def __init__(self, shortest_member: int) -> None:
        """``shortest_member`` as `Notation` has it."""
        self._shortest_member = shortest_member
        self._here = 1  # of what is being written, the most at any place
        self._shortest = STEPS  # of the values that begin alike
        self._of_references: dict[str, int] = {}
        self._is_recursive = False

    @property
    def most(self) -> float:
        """Of what was written, patterns being read in one way. They multiply with each value that
        begins like another, and with each level of nesting without an end."""
        if self._here == 1:
            return 1
        return math.inf if self._is_recursive else self._here ** (STEPS / self._shortest)

    def check(self, patterns: Collection[str]) -> None:
        """Raises `CostlyPattern` where not few enough are left for one of the ``patterns``, which
        are the expressions of strings."""
        work = 0
        for text in patterns:
            part = f'root ::= {text} ("," {text})*\n{PRIMITIVES.strip()}\n'
            try:
                work = check_readings(part, int(MAX_READINGS / self.most), work)
            except InvalidRequest as error:
                raise CostlyPattern(text, error) from error

    def choice(self, options: Sequence[Option]) -> list[str]:
        """The expressions of ``options``: those that begin alike are read side by side."""
        written, ways = [], []
        with self._apart():
            for option in options:
                self._here = 1
                written.append(option.write())
                ways.append(self._here)
        kinds = frozenset[str | None]({None}).union(*(each.firsts or () for each in options))
        for kind in kinds:
            alike = [i for i, o in enumerate(options) if o.firsts is None or kind in o.firsts]
            self._here = max(self._here, sum(ways[index] for index in alike))
            if len(alike) > 1:
                lengths = (options[index].shortest or self._shortest_member for index in alike)
                self._shortest = min(self._shortest, *lengths)
        return written

    def of(self, name: str, write: Callable[[], str]) -> str:
        """The expression of what a reference leads to, for the first time; ``name`` is its rule."""
        self._of_references[name] = 0  # not known yet
        with self._apart():
            self._here = 1
            expression = write()
            self._of_references[name] = self._here
        self.again(name)
        return expression

    @contextmanager
    def _apart(self) -> Iterator[None]:
        """What is counted meanwhile is not yet part of what is being written: nor is it ever where
        a keyword cannot be expressed and its schema is written again without."""
        outside = self._here
        try:
            yield
        finally:
            self._here = outside

    def again(self, name: str) -> None:
        """A reference that was met before leads there, perhaps from within."""
        ways = self._of_references[name]
        self._is_recursive = self._is_recursive or not ways
        self._here = max(self._here, ways)


def shortest(schema: object) -> int | None:
    """The fewest characters that a value of ``schema`` has with what has to follow it, at least;
    None: those of an object with a member."""
    if not isinstance(schema, dict) or schema.keys() & {"const", "enum", "anyOf", "oneOf", "allOf"}:
        return _NUMBER
    found = (name for name, words in TYPE_KEYWORDS.items() if words & schema.keys())
    kind = schema.get("type", next(found, None))
    if kind == "object" and schema.get("required"):
        return _WORD if schema.get("nullable") is True else None
    if kind in ("null", "boolean"):
        return _WORD
    return _PAIR if kind in ("object", "array", "string") else _NUMBER
