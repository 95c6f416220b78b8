"""How much llama.cpp compares with each token at one place of a grammar, and for each step there.

Called by grammar.py, in the engine child (a desk thread) or in tests. Pure and without recursion.
Where it has to choose anew among all tokens, it goes through each range of each class that may
stand next, for each token of the vocabulary, and of an inverted class for each of their characters.
And whatever it asks of a token, for each character that may stand next it makes a list of those
that may stand behind it, and compares each in it with each.
"""

from __future__ import annotations

from collections.abc import Callable

from minerva_desktop.engine.core.grammar_parser import Item, Rule, grammar_error

# Of them 1,000 take 54 ms of a processor with 49,152 tokens, inverted 0.36 s (measured); with
# 262,144 tokens that makes 0.3 s and 1.9 s.
MAX_RANGES = 1_000
# Comparisons for one look; there are four or more at each token. 170 alternatives that follow each
# other in any order make as many. With 500 a look takes 0.18 s, with 700 it takes 0.45 s, and 15 s
# where it goes on behind many of them (measured).
MAX_COMPARISONS = 5_000_000


class GrammarWidth:
    """Counts for one grammar, which is free of left recursion and not too ambiguous, so that what
    may follow a rule comes to an end. A character that a literal begins with is a range."""

    def __init__(self, rules: list[Rule], order: list[int], nullable: set[int]) -> None:
        """``order``: rules after those they can begin with; ``nullable``: those that can be ""."""
        self._rules = rules
        self._order = order
        self._nullable = nullable

    def check(self) -> None:
        """Raises InvalidRequest for a grammar that is too wide at some place."""
        self._places(_ranges).settle(_compare_ranges)
        choices = self._places(lambda _: 1)
        choices.settle(lambda _number, _line: None)

        def comparisons(item: Item) -> int:
            # Behind the first character of a longer literal there is one.
            return 1 if len(item.text) > 1 else choices.behind[id(item)] ** 2

        self._places(comparisons).settle(_compare_comparisons)

    def _places(self, weight: Callable[[Item], int]) -> _Places:
        return _Places(self._rules, self._order, self._nullable, weight)


class _Places:
    """The sum over what may stand next, at each place of a grammar."""

    def __init__(
        self,
        rules: list[Rule],
        order: list[int],
        nullable: set[int],
        weight: Callable[[Item], int],
    ) -> None:
        """``weight``: of a class or literal."""
        self._rules = rules
        self._order = order
        self._nullable = nullable
        self._weight = weight
        self._entered = [0] * len(rules)  # what a rule can begin with
        self._follow = [0] * len(rules)  # what stands behind a rule, where that is the most
        self.behind: dict[int, int] = {}  # and behind the first of a class or literal, by id

    def settle(self, compare: Callable[[int, int], None]) -> None:
        """Add up. ``compare`` gets the sum at a place and its line, and raises where it is too
        large."""
        for index in self._order:
            sums = (self._before(sequence) for sequence in self._rules[index].alternatives)
            self._entered[index] = sum(sums)
            compare(self._entered[index], self._rules[index].line)
        waiting = set(range(len(self._rules)))
        while waiting:
            changed: set[int] = set()
            for index in waiting:
                for sequence in self._rules[index].alternatives:
                    changed |= self._pass_on(index, sequence, compare)
            waiting = changed

    def _pass_on(
        self, index: int, sequence: list[Item], compare: Callable[[int, int], None]
    ) -> set[int]:
        """Go through a sequence of rule ``index``; the rules that more than known may follow."""
        changed: set[int] = set()
        behind = self._follow[index]
        for item in reversed(sequence):
            own = self._sum(item)
            after = behind if item.high == 1 else behind + own
            compare(after, item.line)
            if item.rule < 0:
                self.behind[id(item)] = after if item.low < 2 else own
            elif after > self._follow[item.rule]:
                self._follow[item.rule] = after
                changed.add(item.rule)
            behind = own + (behind if self._can_be_empty(item) else 0)
        return changed

    def _before(self, sequence: list[Item]) -> int:
        total = 0
        for item in sequence:
            total += self._sum(item)
            if not self._can_be_empty(item):
                break
        return total

    def _sum(self, item: Item) -> int:
        return self._entered[item.rule] if item.rule >= 0 else self._weight(item)

    def _can_be_empty(self, item: Item) -> bool:
        return item.low == 0 or item.rule in self._nullable


def _ranges(item: Item) -> int:
    return len(item.excluded or item.ranges)


def _compare_ranges(number: int, line: int) -> None:
    if number > MAX_RANGES:
        raise grammar_error(
            f"at one place each token would be compared with {number:,} ranges of characters; "
            f"at most {MAX_RANGES:,} are taken",
            line,
        )


def _compare_comparisons(number: int, line: int) -> None:
    if number > MAX_COMPARISONS:
        raise grammar_error(
            f"at one place what may stand behind the next character would be compared {number:,} "
            f"times for each token; at most {MAX_COMPARISONS:,} are taken",
            line,
        )
