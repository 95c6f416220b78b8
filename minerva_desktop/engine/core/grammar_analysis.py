"""What a grammar would make llama.cpp do: the second half of checking one.

Called by grammar.py, in the engine child (a desk thread) or in tests. Pure and without recursion.
llama.cpp holds every way to read the text so far as a stack of rules. Left recursion grows one
such stack without end, and its own search for it recurses natively and takes every path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from minerva_desktop.engine.core.grammar_parser import Item, Rule, grammar_error

MAX_LEFT_DEPTH = 256  # rules that begin with each other; llama.cpp recurses once for each
MAX_LEFT_PATHS = 1_000_000  # it searches for left recursion along every path, again and again


class GrammarAnalysis:
    """Checks rules that GrammarParser read. Each method raises InvalidRequest or returns."""

    def __init__(self, rules: list[Rule]) -> None:
        self._rules = rules
        self.nullable = _derivable(rules, lambda item: item.low == 0)
        self._left_edges = [self._edges_of(rule) for rule in rules]

    def check_ends(self) -> None:
        """Every rule can come to an end."""
        ending = _derivable(self._rules, lambda item: item.low == 0 or item.rule < 0)
        for index, rule in enumerate(self._rules):
            if index not in ending:
                raise grammar_error(f"rule “{rule.name}” can never end", rule.line)

    def check_repetitions(self) -> None:
        """Nothing that can be empty is repeated: it can be so in endlessly many ways."""
        for item in self._items():
            if item.high != 1 and item.rule in self.nullable:
                name = self._rules[item.rule].name
                raise grammar_error(f"“{name}” can be empty and so cannot be repeated", item.line)

    def left_order(self) -> list[int]:
        """Rules, each after those it can begin with; refuses left recursion."""
        waiting = [len(targets) for targets in self._left_edges]
        users: list[list[int]] = [[] for _ in self._rules]
        for source, targets in enumerate(self._left_edges):
            for target in targets:
                users[target].append(source)
        order = [index for index, count in enumerate(waiting) if not count]
        for index in order:  # grows while it is read
            for source in users[index]:
                waiting[source] -= 1
                if not waiting[source]:
                    order.append(source)
        if len(order) < len(self._rules):
            rule = self._rules[next(i for i, count in enumerate(waiting) if count)]
            raise grammar_error(f"rule “{rule.name}” can begin with itself", rule.line)
        return order

    def check_left_paths(self) -> None:
        """llama.cpp's own search for left recursion stays shallow and short.

        It takes every path, and starts anew for each of the rules it makes of a repetition.
        """
        depth, paths = [1] * len(self._rules), [1] * len(self._rules)
        for index in self.left_order():
            edges = self._left_edges[index]
            paths[index] += sum(paths[target] for target in edges)
            depth[index] += max((depth[target] for target in edges), default=0)
            self._check_left(index, depth[index], paths[index])
        repeated = 0
        for item in self._items():
            made = 1 if item.high is None else item.high - item.low
            repeated += made * (paths[item.rule] if item.rule >= 0 else 1)
        self._check_left(0, 0, sum(paths) + repeated)

    def _check_left(self, index: int, depth: int, paths: int) -> None:
        rule = self._rules[index]
        if depth > MAX_LEFT_DEPTH:
            raise grammar_error(
                f"rule “{rule.name}” begins with a chain of more than {MAX_LEFT_DEPTH} rules",
                rule.line,
            )
        if paths > MAX_LEFT_PATHS:
            raise grammar_error(
                f"rule “{rule.name}” can begin in more than {MAX_LEFT_PATHS:,} ways", rule.line
            )

    def _edges_of(self, rule: Rule) -> list[int]:
        edges = []
        for sequence in rule.alternatives:
            for item in sequence:
                if item.rule >= 0:
                    edges.append(item.rule)
                if not self._can_be_empty(item):
                    break
        return edges

    def _can_be_empty(self, item: Item) -> bool:
        return item.low == 0 or item.rule in self.nullable

    def _items(self) -> Iterable[Item]:
        for rule in self._rules:
            for sequence in rule.alternatives:
                yield from sequence


def _derivable(rules: list[Rule], base: Callable[[Item], bool]) -> set[int]:
    """Rules with an alternative whose items all hold: by ``base``, or as rules of this set."""
    missing: list[int] = []
    owner: list[int] = []
    users: list[list[int]] = [[] for _ in rules]
    ready: list[int] = []
    for index, rule in enumerate(rules):
        for sequence in rule.alternatives:
            needed = [item for item in sequence if not base(item)]
            for item in needed:
                if item.rule >= 0:
                    users[item.rule].append(len(missing))
            if not needed:
                ready.append(index)
            missing.append(len(needed))
            owner.append(index)
    found: set[int] = set()
    while ready:
        index = ready.pop()
        if index in found:
            continue
        found.add(index)
        for alternative in users[index]:
            missing[alternative] -= 1
            if not missing[alternative]:
                ready.append(owner[alternative])
    return found
