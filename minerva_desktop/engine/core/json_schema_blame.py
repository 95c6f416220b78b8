"""Which place of a schema makes a grammar that llama.cpp would not survive.

Asked where the whole was refused, on any thread; pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from minerva_desktop.engine.core.grammar import check_grammar, check_structure
from minerva_desktop.engine.core.grammar_parser import GrammarParser
from minerva_desktop.engine.core.json_schema_values import pointer, refused
from minerva_desktop.engine.core.json_schema_ways import CostlyPattern
from minerva_desktop.errors import InvalidRequest

MAX_TRIED = 16  # of patterns, and of references: each is checked like a grammar of its own
MAX_WEIGHED = 2  # patterns whose readings are counted, which may take 3 s for each
MAX_DEPTH = 64
_NO_SCHEMAS = frozenset({"const", "enum", "default", "examples"})


def unsafe(
    schema: object, written: Callable[[object], str], error: InvalidRequest
) -> InvalidRequest:
    """The refusal of ``schema``, whose grammar ``error`` refused: by the first place that is enough
    for it alone. ``written`` gives the grammar of a schema whose references lead into this one."""
    costly = error.text if isinstance(error, CostlyPattern) else ""
    found = _flaw(schema, written, costly) or ("#", _of_size("it", _grammar(written, schema)))
    where, sentence = found[0], found[1] or "it makes a grammar that cannot be followed safely"
    return refused(where, sentence, detail=error.message)


def _flaw(schema: object, written: Callable[[object], str], costly: str) -> tuple[str, str] | None:
    """The place and what is wrong there; ``costly`` is the expression of a pattern that is."""
    patterns = [
        (where, pattern, _grammar(written, {"type": "string", "pattern": pattern}))
        for where, pattern in _texts(schema, "pattern")
    ]
    for where, pattern, grammar in patterns:
        if _refusal(check_structure, grammar):
            name = f"“{pattern}”"
            return where, _of_size(name, grammar) or f"{name} repeats what may be empty"
    for where, target in _texts(schema, "$ref"):
        grammar = _grammar(written, {"$ref": target})
        if _refusal(check_structure, grammar):
            name = f"“{target}”"
            return where, _of_size(name, grammar) or f"{name} leads back to itself without an end"
    for where, pattern, grammar in patterns if costly else patterns[:MAX_WEIGHED]:
        if f"root ::= {costly}\n" in grammar if costly else _refusal(check_grammar, grammar):
            return where, (
                f"a text can be read as “{pattern}” in too many ways; leave out the repetition of"
                " what is repeated already"
            )
    return None


def _grammar(written: Callable[[object], str], part: object) -> str:
    """That of a place; of one that the schema never leads to, and that is wrong otherwise, any."""
    try:
        return written(part)
    except InvalidRequest:
        return written({})


def _refusal(check: Callable[[str], object], grammar: str) -> str:
    """Why ``grammar`` is refused; empty where it is not."""
    try:
        check(grammar)
    except InvalidRequest as error:
        _, _, sentence = error.message.rpartition(": ")  # without the line, which nobody wrote
        return sentence[:1].lower() + sentence[1:]
    return ""


def _of_size(name: str, grammar: str) -> str:
    """The sentence on a part ``name`` whose ``grammar`` has more than may be parsed; else empty."""
    why = _refusal(lambda text: GrammarParser(text).parse(), grammar)
    return why and f"{name} is too large: {why}"


def _texts(schema: object, keyword: str) -> list[tuple[str, str]]:
    """Where ``keyword`` stands with a text, and that text; each text once."""
    found: dict[str, str] = {}
    for where, text in _walk(schema, "#", keyword, MAX_DEPTH):
        found.setdefault(text, where)
    return [(where, text) for text, where in list(found.items())[:MAX_TRIED]]


def _walk(value: object, where: str, keyword: str, depth: int) -> Iterator[tuple[str, str]]:
    if not depth:
        return
    if isinstance(value, dict):
        for key, each in value.items():
            at = pointer(where, key)
            if key == keyword and isinstance(each, str):
                yield at, each
            elif key not in _NO_SCHEMAS:
                yield from _walk(each, at, keyword, depth - 1)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _walk(each, pointer(where, index), keyword, depth - 1)
