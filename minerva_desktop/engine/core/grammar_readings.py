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
from collections.abc import Callable
from typing import TypeAlias

from minerva_desktop.engine.core.character_class import Ranges
from minerva_desktop.engine.core.grammar_parser import Item, Rule, grammar_error

# [a-z]* [a-z]* [a-z]* makes 325, ("a"+)+ 2^24. With as many stacks llama.cpp needs up to 0.5 s to
# take a token (measured; with 38,000 it needs 2.6 s, for it compares each with each).
MAX_READINGS = 16_384
STEPS = 24  # characters; few tokens of a vocabulary have more
MAX_WORK = 20_000_000  # additions; one or two seconds

# Kind of character → ways to read a text that begins with it. Never changed: what differs is new.
Ways: TypeAlias = dict[int, int]
# The same for the next two. All characters of a class have the same behind them, and one `Ways`
# then stands for many kinds: what is computed of it is computed once (`_each_once`).
Row: TypeAlias = dict[int, Ways]


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
        self._ways_after: dict[int, Ways] = {}  # by id of a terminal item, k - 1 characters on
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
        kinds = self._kinds[item.ranges]
        self._count_work(len(kinds))
        return dict.fromkeys(kinds, after)

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
        ways: dict[int, Ways] = {}
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

    def _by_first(self, after: Row, known: Ways) -> Ways:
        """The largest count for each first kind, if it is more than what is ``known``; also the end
        of the text, which any may be."""
        ends = {self._n_kinds: 1, **known}
        self._count_work(len(after))
        largest: dict[int, int] = {}  # by id of what all characters of a class share
        for first, ways in after.items():
            count = largest.get(id(ways))
            if count is None:
                self._count_work(len(ways))
                count = largest[id(ways)] = max(ways.values())
            ends[first] = max(count, ends.get(first, 0))
        return ends

    def _add(self, row: Row, more: Row, item: Item) -> None:
        row.update(self._sums(row, more, item))

    def _sums(self, row: Row, more: Row, item: Item) -> Row:
        """What `_add` changes ``row`` to, where it does."""
        sums = self._each_once(row, more, _sum)
        joined = {id(sums[kind]): sums[kind] for kind in row.keys() & sums.keys()}
        if any(max(ways.values()) > self._most for ways in joined.values()):
            raise grammar_error(
                f"the grammar is too ambiguous: there are more than {self._most:,} ways to "
                f"read a text of {STEPS} characters from here",
                item.line,
            )
        return sums

    def _raise_to(self, row: Row, more: Row) -> bool:
        raised = self._each_once(row, more, _larger)
        changed = any(row.get(kind) is not ways for kind, ways in raised.items())
        row.update(raised)
        return changed

    def _each_once(self, row: Row, more: Row, join: Callable[[Ways, Ways], Ways]) -> Row:
        """What both rows have for the kinds of ``more``, joined where ``row`` has them, too."""
        self._count_work(len(more))
        joined: dict[tuple[int, int], Ways] = {}  # by the ids of what was joined
        found: Row = {}
        for kind, ways in more.items():
            known = row.get(kind)
            if known is None:
                found[kind] = ways
                continue
            both = joined.get((id(known), id(ways)))
            if both is None:
                self._count_work(len(known) + len(ways))
                both = joined[id(known), id(ways)] = join(known, ways)
            found[kind] = both
        return found

    def _count_work(self, amount: int) -> None:
        self._work += 1 + amount
        if self._work > MAX_WORK:
            raise grammar_error(
                f"the grammar is too complex: counting its ambiguity takes over {MAX_WORK:,} steps",
                1,
            )


def _sum(known: Ways, more: Ways) -> Ways:
    return known | {kind: known.get(kind, 0) + ways for kind, ways in more.items()}


def _larger(known: Ways, more: Ways) -> Ways:
    """The larger of both; ``known`` itself where nothing is larger."""
    if more is known:
        return known
    larger = {kind: ways for kind, ways in more.items() if ways > known.get(kind, 0)}
    return known | larger if larger else known


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
