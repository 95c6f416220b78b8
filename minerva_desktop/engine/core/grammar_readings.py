"""How many ways a grammar gives llama.cpp to read one and the same text: an upper bound.

Called by grammar.py, in the engine child (a desk thread) or in tests. Pure and without recursion.
For each token it samples, llama.cpp tries every way to read every token of the vocabulary, and
the ways multiply: `("a"+)+` has 2^n for n letters, fifty `[a-z]?` in a row have billions for ten.

The bound: let W(k, place) be, for each kind of the next two characters, the ways to read k
characters from that place. Choices add up. Where a rule ends, its caller is known to llama.cpp
but not here, so the largest of all callers counts. What comes later counts as if each way could
choose the text that suits it best. So the bound is never too low for texts up to STEPS
characters, and exact for grammars that two characters of looking ahead make deterministic.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import TypeAlias

from minerva_desktop.engine.core.character_class import Ranges
from minerva_desktop.engine.core.grammar_parser import Item, Rule, grammar_error

# [a-z]* [a-z]* [a-z]* makes 325, ("a"+)+ 2^24. With as many stacks llama.cpp needs up to 0.5 s to
# take a token (measured; with 38,000 it needs 2.6 s, for it compares each with each).
MAX_READINGS = 16_384
STEPS = 24  # characters; few tokens of a vocabulary have more
MAX_WORK = 20_000_000  # additions; two or three seconds

# Kind of character, or of a pair of them, → ways to read a text that begins with it.
Row: TypeAlias = dict[int, int]


class Readings:
    """Counts for one grammar, which is free of left recursion."""

    def __init__(
        self,
        rules: list[Rule],
        order: list[int],
        nullable: set[int],
        most: int = MAX_READINGS,
        work: int = 0,
    ) -> None:
        """``order``: rules after those they can begin with; ``nullable``: those that can be "";
        ``most``: ways that are allowed; ``work``: additions that others made before."""
        self._most = most
        self._rules = rules
        self._order = order
        self._nullable = nullable
        self._kinds = _kinds(rules)
        self._n_kinds = 1 + max((max(kinds) for kinds in self._kinds.values()), default=0)
        self._any = dict.fromkeys(range(self._n_kinds + 1), 1)
        self._ways_after: dict[int, Row] = {}  # by id of a terminal item, k - 1 characters on
        self._first: list[Row] = [{} for _ in rules]
        self._returns: list[Row] = [{} for _ in rules]
        self._work = work

    def check(self) -> int:
        """The additions by now; raises InvalidRequest when some text could be read in too many
        ways."""
        for _ in range(STEPS):
            for index in self._order:
                self._first[index] = self._first_of(self._rules[index])
            self._settle_returns()
            if not self._step():
                break
        return self._work

    def _symbol(self, item: Item) -> Row:
        if item.rule >= 0:
            return self._first[item.rule]
        after = self._ways_after.get(id(item), self._any)
        width = self._n_kinds + 1
        self._count_work(len(after))
        return {
            first * width + second: ways
            for first in self._kinds[item.ranges]
            for second, ways in after.items()
        }

    def _can_be_empty(self, item: Item) -> bool:
        return item.low == 0 or item.rule in self._nullable

    def _first_of(self, rule: Rule) -> Row:
        row: Row = {}
        for sequence in rule.alternatives:
            for item in sequence:
                self._add(row, self._symbol(item), item)
                if not self._can_be_empty(item):
                    break
        return row

    def _after_items(self, index: int, sequence: list[Item]) -> list[tuple[Item, Row, Row]]:
        """What may follow each item of a sequence of rule ``index``, last item first: a row, and
        what counts instead where the item repeats. The row is not copied for that: the one behind
        a rule may be long, and each of its alternatives has it."""
        found: list[tuple[Item, Row, Row]] = []
        follow = self._returns[index]
        for item in reversed(sequence):
            symbol = self._symbol(item)
            again: Row = {}
            if item.high != 1:
                again = symbol if item.low == item.high else self._sums(follow, symbol, item)
            found.append((item, follow, again))
            if self._can_be_empty(item):
                follow = dict(follow)
                self._add(follow, symbol, item)
            else:
                follow = symbol
        return found

    def _settle_returns(self) -> None:
        """What may follow each rule, over all its callers, until nothing changes."""
        self._returns = [{} for _ in self._rules]
        waiting = set(range(len(self._rules)))
        for _ in range(len(self._rules) + 2):
            changed: set[int] = set()
            for index in waiting:
                for sequence in self._rules[index].alternatives:
                    for item, follow, again in self._after_items(index, sequence):
                        if item.rule >= 0 and self._return_to(item.rule, follow, again):
                            changed.add(item.rule)
            if not changed:
                return
            waiting = changed
        rule = self._rules[min(waiting)]
        raise grammar_error(
            f"“{rule.name}” is ambiguous: each level of nesting adds ways to go on after it",
            rule.line,
        )

    def _return_to(self, rule: int, follow: Row, again: Row) -> bool:
        is_larger = self._raise_to(self._returns[rule], follow)
        return (bool(again) and self._raise_to(self._returns[rule], again)) or is_larger

    def _step(self) -> bool:
        """Look one character further; False when that changes nothing any more."""
        ways: dict[int, Row] = {}
        for index, rule in enumerate(self._rules):
            behind, ends_behind = self._returns[index], None
            for sequence in rule.alternatives:
                for item, follow, again in self._after_items(index, sequence):
                    if item.rule >= 0:
                        continue
                    if follow is not behind:
                        ends = self._by_first(follow, {})
                    else:
                        ends = ends_behind = ends_behind or self._by_first(behind, {})
                    ways[id(item)] = self._by_first(again, ends) if again else ends
        changed = ways != self._ways_after
        self._ways_after = ways
        return changed

    def _by_first(self, after: Row, known: Row) -> Row:
        """The largest count for each first kind, if it is more than what is ``known``; also the end
        of the text, which any may be."""
        ends = {self._n_kinds: 1, **known}
        for pair, ways in after.items():
            first = pair // (self._n_kinds + 1)
            ends[first] = max(ways, ends.get(first, 0))
        self._count_work(len(after))
        return ends

    def _add(self, row: Row, more: Row, item: Item) -> None:
        row.update(self._sums(row, more, item))

    def _sums(self, row: Row, more: Row, item: Item) -> Row:
        """What `_add` changes ``row`` to, where it does."""
        self._count_work(len(more))
        sums = {kind: row.get(kind, 0) + ways for kind, ways in more.items()}
        if sums and max(sums.values()) > self._most:
            raise grammar_error(
                f"the grammar is too ambiguous: there are more than {self._most:,} ways to "
                f"read a text of {STEPS} characters from here",
                item.line,
            )
        return sums

    def _raise_to(self, row: Row, more: Row) -> bool:
        self._count_work(len(more))
        changed = False
        for kind, ways in more.items():
            if ways > row.get(kind, 0):
                row[kind] = ways
                changed = True
        return changed

    def _count_work(self, amount: int) -> None:
        self._work += 1 + amount
        if self._work > MAX_WORK:
            raise grammar_error(
                f"the grammar is too complex: counting its ambiguity takes over {MAX_WORK:,} steps",
                1,
            )


def _kinds(rules: list[Rule]) -> dict[Ranges, list[int]]:
    """Characters that no class of the grammar tells apart are one kind; the kinds of each class."""
    classes = {
        item.ranges
        for rule in rules
        for sequence in rule.alternatives
        for item in sequence
        if item.rule < 0
    }
    edges = sorted({edge for taken in classes for low, high in taken for edge in (low, high + 1)})
    members: dict[int, list[int]] = defaultdict(list)  # interval of edges → classes
    ordered = sorted(classes)
    for number, taken in enumerate(ordered):
        for low, high in taken:
            for interval in range(bisect_left(edges, low), bisect_left(edges, high + 1)):
                members[interval].append(number)
    kinds: dict[Ranges, list[int]] = {taken: [] for taken in ordered}
    for kind, signature in enumerate(sorted({tuple(numbers) for numbers in members.values()})):
        for number in signature:
            kinds[ordered[number]].append(kind)
    return kinds
