"""Whether a pattern is found in a text, in a time that no pattern can make long.

Python's own expressions try one way after another, of which `^(a+)+$` has 2^n; here all ways are
gone at once: each part of a pattern leads from some places in the text to others. Pure.
"""

from __future__ import annotations

import json

from minerva_desktop.engine.core.grammar_parser import GrammarParser, Item, Rule
from minerva_desktop.engine.core.json_schema_pattern import Pattern, PatternError, is_plain_text
from minerva_desktop.engine.core.json_schema_text import PRIMITIVES
from minerva_desktop.errors import InvalidRequest

MAX_STEPS = 100_000  # from a place to another, in all texts; up to 0.2 s
# Characters of what is done as quickly: a text looked through, a grammar parsed.
_READ, _PARSED = 10, 2


class PatternSearch:
    """Looks for patterns in texts, for one schema."""

    def __init__(self) -> None:
        self._n_steps = 0
        self._known: dict[str, tuple[list[Rule], int]] = {}

    def finds(self, pattern: str, text: str) -> bool:
        """Whether ``pattern`` is found in ``text``; raises PatternError where that is not sure."""
        rules, root = self._rules(pattern)
        self._count(len(text) // _READ)
        if not is_plain_text(text):
            raise PatternError("a value has characters that patterns are not compared with here")
        written = json.dumps(text, ensure_ascii=False)[1:-1]
        return len(written) in self._behind(Item(0, rule=root), {0}, written, rules)

    def _rules(self, pattern: str) -> tuple[list[Rule], int]:
        if pattern not in self._known:
            grammar = f"root ::= {Pattern(pattern).anywhere()}\n{PRIMITIVES.strip()}\n"
            self._count(len(grammar) // _PARSED)
            try:
                self._known[pattern] = GrammarParser(grammar).parse()
            except InvalidRequest as error:
                raise PatternError("it is too large to be compared with values") from error
        return self._known[pattern]

    def _count(self, n_steps: int) -> None:
        self._n_steps += n_steps
        if self._n_steps > MAX_STEPS:
            raise PatternError("there is too much to compare with a list of values")

    def _behind(self, item: Item, starts: set[int], text: str, rules: list[Rule]) -> set[int]:
        """The places in ``text`` behind ``item``, which begins at one of the ``starts``."""
        for _ in range(item.low):
            before, starts = starts, self._once(item, starts, text, rules)
            if starts == before:
                break
        found = new = starts
        left = -1 if item.high is None else item.high - item.low
        while new and left:
            new = self._once(item, new, text, rules) - found
            found = found | new
            left -= 1
        return found

    def _once(self, item: Item, starts: set[int], text: str, rules: list[Rule]) -> set[int]:
        self._count(1 + len(starts))
        if item.text:
            return {at + len(item.text) for at in starts if text.startswith(item.text, at)}
        if item.rule < 0:
            return {at + 1 for at in starts if at < len(text) and _is_in(item, text[at])}
        found: set[int] = set()
        for sequence in rules[item.rule].alternatives:
            places = starts
            for each in sequence:
                places = self._behind(each, places, text, rules) if places else places
            found |= places
        return found


def _is_in(item: Item, character: str) -> bool:
    return any(low <= ord(character) <= high for low, high in item.ranges)
