"""Plain text in a grammar: anything up to a mark, and anything that does not hold one. Pure."""

from __future__ import annotations

from minerva_desktop.engine.core.character_class import escaped
from minerva_desktop.engine.core.json_schema_text import literal


def text_until(mark: str, prefix: str) -> tuple[str, list[str]]:
    """A rule for any text that ends with the first ``mark`` in it: its name, and all of its rules,
    whose names begin with ``prefix``.

    The rules are the states of Knuth, Morris and Pratt's search: rule number n has read the first n
    characters of the mark. So each text can be read in one way only, and no rule holds another's
    place: llama.cpp's stacks stay flat, however long the text becomes.
    """
    rules = []
    for state in range(len(mark)):
        read = mark[:state]
        known = {
            character: reached
            for character in sorted(set(mark))
            if (reached := _longest_start(mark, read + character))
        }
        alternatives = [
            literal(character)
            if reached == len(mark)
            else f"{literal(character)} {prefix}{reached}"
            for character, reached in known.items()
        ]
        others = "".join(escaped(ord(character)) for character in known)
        alternatives.append(f"[^{others}] {prefix}0")
        rules.append(f"{prefix}{state} ::= {' | '.join(alternatives)}")
    return f"{prefix}0", rules


def _longest_start(mark: str, text: str) -> int:
    """Length of the longest start of ``mark`` that ``text`` ends with."""
    for length in range(min(len(mark), len(text)), 0, -1):
        if text.endswith(mark[:length]):
            return length
    return 0
