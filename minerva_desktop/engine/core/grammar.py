"""Refuses every grammar that llama.cpp would not survive, before it sees it.

``check_grammar`` is called in the engine child (a desk thread) for a request's own grammar and for
each that json_schema.py writes; it needs no model. llama.cpp 0.3.36 dies of hostile grammars
(measured: 5 of 6 with SIGSEGV), and a C++ exception out of its sampler ends the process too.
"""

from __future__ import annotations

from functools import lru_cache

from minerva_desktop.engine.core.grammar_analysis import GrammarAnalysis
from minerva_desktop.engine.core.grammar_copies import with_private_copies
from minerva_desktop.engine.core.grammar_parser import GrammarParser, Rule
from minerva_desktop.engine.core.grammar_readings import Readings
from minerva_desktop.engine.core.grammar_width import GrammarWidth
from minerva_desktop.engine.core.grammar_writer import written
from minerva_desktop.errors import InvalidRequest


@lru_cache(maxsize=256)
def check_grammar(text: str) -> str:
    """What does for ``text`` and takes llama.cpp less time (see grammar_writer.py). Raises
    InvalidRequest(param="grammar") unless llama.cpp can parse and follow it.

    Refused, with line and column: syntax errors, a missing root, rules undefined, defined twice
    or without an end, token literals, left recursion, repetition of what may be empty, and
    nesting, size, expansion, ambiguity or width over the bounds of grammar_parser.py,
    grammar_analysis.py, grammar_readings.py and grammar_width.py. Takes up to two seconds at the
    bounds.
    """
    rules, root = _checked_rules(text)
    shorter = written(rules, root)
    try:
        written_rules, root = _checked_rules(shorter)
    except InvalidRequest:  # shared beginnings may be nested too deep
        shorter = text
    else:
        _name_as(rules, written_rules)
        rules = written_rules
    copies, analysis, order = _copied(rules, root)
    Readings(copies, order, analysis.nullable).check()
    GrammarWidth(copies, order, analysis.nullable).check()
    return shorter


def check_plain(text: str) -> None:
    """All that `check_grammar` does but for ambiguity, for a grammar that is known to have little
    of it. Takes milliseconds."""
    copies, analysis, order = _copied(*_checked_rules(text))
    GrammarWidth(copies, order, analysis.nullable).check()


def check_readings(text: str, most: int, work: int) -> int:
    """`check_grammar` for a part of a grammar, of which no text may be read in over ``most`` ways.
    ``work`` is what was made of its bound by others; returns what is then."""
    copies, analysis, order = _copied(*_checked_rules(text))
    work = Readings(copies, order, analysis.nullable, most, work).check()
    GrammarWidth(copies, order, analysis.nullable).check()
    return work


def _copied(rules: list[Rule], root: int) -> tuple[list[Rule], GrammarAnalysis, list[int]]:
    copies = with_private_copies(rules, root)
    analysis = GrammarAnalysis(copies)
    return copies, analysis, analysis.left_order()


def _name_as(rules: list[Rule], shorter: list[Rule]) -> None:
    """Have refusals speak of what was asked for: ``shorter`` has a line for each of ``rules``."""
    for rule in shorter:
        source = rules[rule.line - 1]
        rule.name, rule.line = source.name, source.line
        for sequence in rule.alternatives:
            for item in sequence:
                item.line = source.line


def check_structure(text: str) -> None:
    """All that `check_grammar` does but for ambiguity and width, for a grammar that is known to
    have little of both. Takes milliseconds."""
    _checked_rules(text)


def _checked_rules(text: str) -> tuple[list[Rule], int]:
    rules, root = GrammarParser(text).parse()
    analysis = GrammarAnalysis(rules)
    analysis.check_ends()
    analysis.check_repetitions()
    analysis.check_left_paths()
    return rules, root
