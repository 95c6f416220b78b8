"""How many ranges of characters llama.cpp compares with each token at one place of a grammar.

Called by grammar.py, in the engine child (a desk thread) or in tests. Pure and without recursion.
Where it has to choose anew among all tokens, it goes through each range of each class that may
stand next, for each token of the vocabulary, and of an inverted class for each of their characters.
"""

from __future__ import annotations

from minerva_desktop.engine.core.grammar_parser import Item, Rule, grammar_error

# Of them 1,000 take 54 ms of a processor with 49,152 tokens, inverted 0.36 s (measured); with
# 262,144 tokens that makes 0.3 s and 1.9 s.
MAX_RANGES = 1_000


class GrammarWidth:
    """Counts for one grammar, which is free of left recursion and not too ambiguous, so that what
    may follow a rule comes to an end. A character that a literal begins with is a range."""

    def __init__(self, rules: list[Rule], order: list[int], nullable: set[int]) -> None:
        """``order``: rules after those they can begin with; ``nullable``: those that can be ""."""
        self._rules = rules
        self._nullable = nullable
        self._entered = [0] * len(rules)  # ranges that a rule can begin with
        self._follow = [0] * len(rules)  # ranges behind a rule, where it has the most
        for index in order:
            widths = (self._before(sequence) for sequence in rules[index].alternatives)
            self._entered[index] = sum(widths)
            self._compare(self._entered[index], rules[index].line)

    def check(self) -> None:
        """Raises InvalidRequest for a grammar that is too wide at some place."""
        waiting = set(range(len(self._rules)))
        while waiting:
            changed: set[int] = set()
            for index in waiting:
                for sequence in self._rules[index].alternatives:
                    changed |= self._pass_on(index, sequence)
            waiting = changed

    def _pass_on(self, index: int, sequence: list[Item]) -> set[int]:
        """Go through a sequence of rule ``index``; the rules that more than known may follow."""
        changed: set[int] = set()
        behind = self._follow[index]
        for item in reversed(sequence):
            width = self._width(item)
            after = behind if item.high == 1 else behind + width
            self._compare(after, item.line)
            if item.rule >= 0 and after > self._follow[item.rule]:
                self._follow[item.rule] = after
                changed.add(item.rule)
            behind = width + (behind if self._can_be_empty(item) else 0)
        return changed

    def _before(self, sequence: list[Item]) -> int:
        total = 0
        for item in sequence:
            total += self._width(item)
            if not self._can_be_empty(item):
                break
        return total

    def _width(self, item: Item) -> int:
        if item.rule >= 0:
            return self._entered[item.rule]
        return len(item.excluded or item.ranges)

    def _can_be_empty(self, item: Item) -> bool:
        return item.low == 0 or item.rule in self._nullable

    def _compare(self, width: int, line: int) -> None:
        if width > MAX_RANGES:
            raise grammar_error(
                f"at one place each token would be compared with {width:,} ranges of characters; "
                f"at most {MAX_RANGES:,} are taken",
                line,
            )
