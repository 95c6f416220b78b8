"""Texts that a grammar allows, at random and without llama.cpp. For tests; pure."""

from __future__ import annotations

import random
from functools import lru_cache

from minerva_desktop.engine.core.grammar_parser import GrammarParser, Item, Rule

_MOST_MORE = 3  # of a repetition, beyond what has to be there
_LETTERS = [(0x20, 0x7E), (0x0A, 0x0A), (0xE0, 0xFF)]  # what a class is asked for first


def random_text(grammar: str, *, seed: int, freely: int = 60) -> str:
    """One text; after ``freely`` choices the shortest way to its end is taken."""
    chooser = random.Random(seed)
    rules, root, costs = _known(grammar)
    text: list[str] = []
    waiting = [Item(0, rule=root)]
    while waiting:
        item = waiting.pop()
        if (item.low, item.high) != (1, 1):
            most = item.low + _MOST_MORE if item.high is None else min(item.high, item.low + 3)
            count = chooser.randint(item.low, most) if freely > 0 else item.low
            freely -= 1
            waiting += [Item(item.line, item.rule, item.ranges, item.text)] * count
        elif item.rule >= 0:
            alternatives = rules[item.rule].alternatives
            if freely > 0:
                chosen = chooser.choice(alternatives)
            else:
                chosen = min(alternatives, key=lambda sequence: _cost(sequence, costs))
            freely -= 1
            waiting += reversed(chosen)
        else:
            text.append(item.text or _letter(item, chooser))
    return "".join(text)


@lru_cache(maxsize=4)
def _known(grammar: str) -> tuple[list[Rule], int, list[float]]:
    """Its rules, the root's number, and their costs: tests ask for many texts of one grammar."""
    rules, root = GrammarParser(grammar).parse()
    return rules, root, _costs(rules)


def _letter(item: Item, chooser: random.Random) -> str:
    usual = [
        (max(low, first), min(high, last))
        for low, high in item.ranges
        for first, last in _LETTERS
        if max(low, first) <= min(high, last)
    ]
    low, high = chooser.choice(usual or list(item.ranges))
    return chr(chooser.randint(low, high))


def _cost(sequence: list[Item], costs: list[float]) -> float:
    needed = [item for item in sequence if item.low]
    return sum(item.low * (costs[item.rule] if item.rule >= 0 else 1) for item in needed)


def _costs(rules: list[Rule]) -> list[float]:
    """The fewest characters that each rule can make, and a little for each step."""
    costs = [float("inf")] * len(rules)
    while True:
        better = [
            0.01
            + min(_cost(sequence, costs) if sequence else 0.0 for sequence in rule.alternatives)
            for rule in rules
        ]
        if better == costs:
            return costs
        costs = better
