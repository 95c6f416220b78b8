"""A grammar written anew, so that llama.cpp has less to compare each token with.

Called by grammar.py, in the engine child (a desk thread) or in tests. Pure. Alternatives that begin
alike share their beginning, those that end alike behind a character are one with a class, and
classes have as few ranges as will do: llama.cpp goes through each alternative (measured: 33 ns) and
each range of it (1 ns) for each token of the vocabulary.
"""

from __future__ import annotations

from minerva_desktop.engine.core.character_class import ANYTHING, class_text, merged_ranges
from minerva_desktop.engine.core.grammar_parser import Item, Rule
from minerva_desktop.engine.core.json_schema_text import literal, one_of

_POSTFIXES = {(1, 1): "", (0, None): "*", (1, None): "+", (0, 1): "?"}


def written(rules: list[Rule], root: int) -> str:
    """GBNF that allows what ``rules`` do. What is in parentheses is a rule of its own in it."""
    names = [f"r{index}" for index in range(len(rules))]
    names[root] = "root"
    lines = (
        f"{name} ::= {_alternatives(rule, names)}\n"
        for name, rule in zip(names, rules, strict=True)
    )
    return "".join(lines)


def _alternatives(rule: Rule, names: list[str]) -> str:
    begun: dict[str, dict[str, None]] = {}  # by the literal that they begin with, what follows it
    classes: dict[str, list[tuple[int, int]]] = {}  # by what follows them
    others: list[str] = []
    for sequence in rule.alternatives:
        items = [_item(item, names) for item in sequence]
        rest = " ".join(items[1:]) or '""'
        is_once = bool(sequence) and (sequence[0].low, sequence[0].high) == (1, 1)
        if is_once and sequence[0].text:
            begun.setdefault(sequence[0].text, {})[rest] = None
        elif is_once and sequence[0].rule < 0 and not _is_special(sequence[0]):
            classes.setdefault(rest, []).extend(sequence[0].ranges)
        else:
            others.append(" ".join(items) or '""')
    for rest, ranges in classes.items():
        symbol = class_text(tuple(merged_ranges(ranges)))
        others.append(symbol if rest == '""' else f"{symbol} {rest}")
    if begun:
        options = [
            (text, next(iter(rests)) if len(rests) == 1 else f"({' | '.join(rests)})")
            for text, rests in begun.items()
        ]
        others.append(one_of(options))
    return " | ".join(others)


def _item(item: Item, names: list[str]) -> str:
    if item.rule >= 0:
        symbol = names[item.rule]
    elif item.text:
        symbol = literal(item.text)
    elif item.ranges == ANYTHING:
        symbol = "."
    elif item.excluded:  # not as what it takes: llama.cpp lets it begin with half a character
        symbol = class_text(item.excluded, inverted=True)
    else:
        symbol = class_text(item.ranges)
    return symbol + _postfix(item.low, item.high)


def _is_special(item: Item) -> bool:
    """Whether a class is written otherwise than as what it takes."""
    return bool(item.excluded) or item.ranges == ANYTHING


def _postfix(low: int, high: int | None) -> str:
    known = _POSTFIXES.get((low, high))
    if known is not None:
        return known
    if high == low:
        return f"{{{low}}}"
    return f"{{{low},{'' if high is None else high}}}"
