"""A copy of a small rule for each of its callers, so that what follows it is known exactly.

Called by grammar.py before it counts readings: a rule such as ``ws``, which stands everywhere,
would otherwise seem to be followed by everything. Literals become single characters here.
Pure and without recursion.
"""

from __future__ import annotations

from dataclasses import replace

from minerva_desktop.engine.core.grammar_parser import Item, Rule

MAX_COPIED_ITEMS = 20_000
_LARGEST_COPIED = (100, 40, 8, 0)  # items of a rule; the largest that keeps to the bound is taken


def with_private_copies(rules: list[Rule], root: int) -> list[Rule]:
    """The rules that ``root`` needs; small ones without recursion once for each use."""
    sizes = _sizes(rules)
    for largest in _LARGEST_COPIED:
        copied = _copy(rules, root, [0 < size <= largest for size in sizes])
        if copied is not None:
            return copied
    return rules


def _sizes(rules: list[Rule]) -> list[int]:
    """Items of each rule with all that it refers to; 0 for those in or above a recursion."""
    refers = [[item.rule for seq in rule.alternatives for item in seq] for rule in rules]
    users: list[list[int]] = [[] for _ in rules]
    waiting = [0] * len(rules)
    for index, targets in enumerate(refers):
        for target in targets:
            if target >= 0:
                users[target].append(index)
                waiting[index] += 1
    ready = [index for index, count in enumerate(waiting) if not count]
    sizes = [0] * len(rules)
    for index in ready:  # grows while it is read
        own = 1 + len(refers[index])
        sizes[index] = own + sum(sizes[target] for target in refers[index] if target >= 0)
        for user in users[index]:
            waiting[user] -= 1
            if not waiting[user]:
                ready.append(user)
    return sizes


def _characters(item: Item) -> list[Item]:
    """A copy of the item; of a literal, one for each character."""
    if len(item.text) < 2:
        return [replace(item)]
    return [Item(item.line, ranges=((ord(c), ord(c)),), text=c) for c in item.text]


def _copy(rules: list[Rule], root: int, private: list[bool]) -> list[Rule] | None:
    made: list[Rule] = []
    sources: list[int] = []
    shared: dict[int, int] = {}

    def place(source: int) -> int:
        if source not in shared or private[source]:
            shared[source] = len(made)
            made.append(Rule(rules[source].name, rules[source].line))
            sources.append(source)
        return shared[source]

    place(root)
    items = 0
    at = 0
    while at < len(made):
        for sequence in rules[sources[at]].alternatives:
            copies = [part for item in sequence for part in _characters(item)]
            for item in copies:
                if item.rule >= 0:
                    item.rule = place(item.rule)
            made[at].alternatives.append(copies)
            items += len(copies) + 1
        if items > MAX_COPIED_ITEMS and any(private):
            return None
        at += 1
    return made
