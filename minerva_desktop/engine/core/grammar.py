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


@lru_cache(maxsize=256)
def check_grammar(text: str) -> None:
    """Raise InvalidRequest(param="grammar") unless llama.cpp can parse and follow ``text``.

    Refused, with line and column: syntax errors, a missing root, rules undefined, defined twice
    or without an end, token literals, left recursion, repetition of what may be empty, and
    nesting, size, expansion or ambiguity over the bounds of grammar_parser.py,
    grammar_analysis.py and grammar_readings.py. Takes up to three seconds at the bounds.
    """
    rules, root = _checked_rules(text)
    copies = with_private_copies(rules, root)
    analysis = GrammarAnalysis(copies)
    Readings(copies, analysis.left_order(), analysis.nullable).check()


def check_structure(text: str) -> None:
    """All that `check_grammar` does but for ambiguity, for a grammar that is known to have none.
    Takes milliseconds."""
    _checked_rules(text)


def _checked_rules(text: str) -> tuple[list[Rule], int]:
    rules, root = GrammarParser(text).parse()
    analysis = GrammarAnalysis(rules)
    analysis.check_ends()
    analysis.check_repetitions()
    analysis.check_left_paths()
    return rules, root
