"""GBNF text to rules, bounded: the first half of checking a grammar before llama.cpp sees it.

Called by grammar.py, in the engine child (a desk thread) or in tests. Pure: no llama.cpp, no I/O.
The syntax is that of llama.cpp's grammar parser (``src/llama-grammar.cpp`` of the version that
llama-cpp-python 0.3.36 carries), less what kills it, what it silently takes for something else,
and its token literals, which need a vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from minerva_desktop.engine.core.character_class import (
    ANYTHING,
    MAX_CODE_POINT,
    SURROGATES,
    Ranges,
    matched_ranges,
    merged_ranges,
)
from minerva_desktop.errors import InvalidRequest

MAX_TEXT = 200_000  # characters
MAX_NESTING = 64  # parentheses; llama.cpp's parser recurses once for each
MAX_RULES = 20_000  # after expansion, groups and repetitions included
MAX_ELEMENTS = 100_000  # after expansion; llama.cpp copies a repeated item for each time
# llama.cpp refuses {m} above this, and takes {m,n} above it for "no upper bound".
MAX_REPETITION = 2_000

_DIGITS = frozenset("0123456789")
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789")
_HEX = frozenset("0123456789abcdefABCDEF")
_HEX_LENGTH = {"x": 2, "u": 4, "U": 8}
_CONTROL = {"t": "\t", "r": "\r", "n": "\n"}
_SELF_ESCAPES = frozenset('\\"[]-')
_POSTFIX: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def grammar_error(sentence: str, line: int, column: int | None = None) -> InvalidRequest:
    """The refusal of a grammar; ``line`` and ``column`` count from 1."""
    where = f"line {line}" if column is None else f"line {line}, column {column}"
    return InvalidRequest(f"Grammar, {where}: {sentence}", param="grammar")


@dataclass(slots=True)
class Item:
    """A symbol and how often it may stand: a rule (``rule`` ≥ 0) or characters.

    ``ranges`` is what the first character may be (inclusive code points), ``text`` the whole of a
    literal, "" for a class. ``excluded`` is what a class names that begins with ``^``; ``high``
    None is no bound.
    """

    line: int
    rule: int = -1
    ranges: Ranges = ()
    text: str = ""
    low: int = 1
    high: int | None = 1
    excluded: Ranges = ()


@dataclass(slots=True)
class Rule:
    """Alternatives, each a sequence of items; what is in parentheses is a rule of its own."""

    name: str
    line: int
    alternatives: list[list[Item]] = field(default_factory=list)


@dataclass(slots=True)
class _Pending:
    """What a postfix operator would repeat: the newest item of a sequence."""

    item: Item
    elements: int  # how many of llama.cpp's elements the item is
    weight: int  # how many of its rules, as its own limit counts them


class GrammarParser:
    """Reads one text; made for one call of ``parse``."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._line_start = 0
        self._nesting = 0
        self._elements = 0
        self._generated = 0
        self._rules: list[Rule] = []
        self._ids: dict[str, int] = {}
        self._defined: dict[int, int] = {}

    def parse(self) -> tuple[list[Rule], int]:
        """All rules, groups among them, and the index of ``root``; raises InvalidRequest."""
        self._check_text()
        self._space(True)
        while self._at < len(self._text):
            self._rule()
        for rule in self._rules[:]:
            index = self._ids.get(rule.name)
            if index is not None and index not in self._defined:
                raise grammar_error(f"rule “{rule.name}” is used but not defined", rule.line)
        root = self._ids.get("root")
        if root is None:
            raise grammar_error("there is no rule named “root”", 1)
        return self._rules, root

    def _check_text(self) -> None:
        if len(self._text) > MAX_TEXT:
            raise InvalidRequest(
                f"The grammar has {len(self._text):,} characters; at most {MAX_TEXT:,} are taken",
                param="grammar",
            )
        for offset, character in enumerate(self._text):
            if character == "\0" or SURROGATES[0] <= ord(character) <= SURROGATES[1]:
                line = self._text.count("\n", 0, offset) + 1
                raise grammar_error(f"U+{ord(character):04X} cannot stand in a grammar", line)

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._text[at] if at < len(self._text) else ""

    def _error(self, sentence: str) -> InvalidRequest:
        return grammar_error(sentence, self._line, self._at - self._line_start + 1)

    def _newline(self) -> None:
        self._line += 1
        self._line_start = self._at

    def _space(self, newline_ok: bool) -> None:
        while character := self._peek():
            if character == "#":
                while self._peek() not in {"", "\r", "\n"}:
                    self._at += 1
            elif character in " \t" or (newline_ok and character in "\r\n"):
                self._at += 1
                if character == "\n":
                    self._newline()
            else:
                return

    def _name(self) -> str:
        start = self._at
        while self._peek() in _WORD:
            self._at += 1
        if start == self._at:
            found = self._peek()
            raise self._error(f"a rule name should stand here, not “{found}”")
        return self._text[start : self._at]

    def _id_of(self, name: str) -> int:
        if name not in self._ids:
            self._ids[name] = self._new_rule(name)
        return self._ids[name]

    def _new_rule(self, name: str) -> int:
        self._rules.append(Rule(name, self._line))
        self._count_rules(1)
        return len(self._rules) - 1

    def _count_rules(self, added: int) -> None:
        self._generated += added
        if self._generated > MAX_RULES:
            raise self._error(f"the grammar expands to more than {MAX_RULES:,} rules")

    def _count_elements(self, added: int) -> None:
        self._elements += added
        if self._elements > MAX_ELEMENTS:
            raise self._error(f"the grammar expands to more than {MAX_ELEMENTS:,} elements")

    def _rule(self) -> None:
        line = self._line
        name = self._name()
        self._space(False)
        index = self._id_of(name)
        if index in self._defined:
            raise grammar_error(
                f"rule “{name}” is defined a second time, first in line {self._defined[index]}",
                line,
            )
        self._defined[index] = line
        self._rules[index].line = line
        if self._text[self._at : self._at + 3] != "::=":
            raise self._error(f"“::=” should follow the rule name “{name}”")
        self._at += 3
        self._space(True)
        self._alternatives(index, nested=False)
        if self._peek() not in {"", "\r", "\n"}:
            raise self._error(f"“{self._peek()}” cannot stand here")
        self._space(True)

    def _alternatives(self, index: int, *, nested: bool) -> None:
        rule = self._rules[index]
        rule.alternatives.append(self._sequence(rule.name, nested=nested))
        while self._peek() == "|":
            self._at += 1
            self._space(True)
            rule.alternatives.append(self._sequence(rule.name, nested=nested))

    def _sequence(self, owner: str, *, nested: bool) -> list[Item]:
        items: list[Item] = []
        pending: _Pending | None = None
        self._count_elements(1)
        while character := self._peek():
            if character in _POSTFIX or character == "{":
                if pending is None:
                    raise self._error(f"“{character}” has nothing before it to repeat")
                low, high = self._repetition(nested)
                items[-1] = self._repeat(pending, owner, low, high)
                continue
            found = self._symbol(character, owner)
            if found is None:
                break
            self._count_elements(found.elements)
            pending = found if found.elements else None
            if pending is not None:
                items.append(pending.item)
            self._space(nested)
        return items

    def _symbol(self, character: str, owner: str) -> _Pending | None:
        if character == '"':
            return self._literal()
        if character == "[":
            return self._class()
        if character == ".":
            self._at += 1
            return _Pending(Item(self._line, ranges=ANYTHING), 1, 1)
        if character == "(":
            return self._group(owner)
        if character in _WORD:
            line = self._line
            return _Pending(Item(line, rule=self._id_of(self._name())), 1, 1)
        if character in "<!":
            raise self._error("token literals such as <[1000]> or <think> are not supported")
        return None

    def _group(self, owner: str) -> _Pending:
        line, before = self._line, self._generated
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise self._error(f"parentheses are nested more than {MAX_NESTING} deep")
        self._at += 1
        self._space(True)
        index = self._new_rule(f"{owner} (group)")
        self._alternatives(index, nested=True)
        if self._peek() != ")":
            raise self._error(f"“)” is missing for the “(” of line {line}")
        self._at += 1
        self._nesting -= 1
        return _Pending(Item(line, rule=index), 1, self._generated - before)

    def _literal(self) -> _Pending:
        line = self._line
        self._at += 1
        text: list[str] = []
        while self._peek() != '"':
            code = self._character("the literal")
            if code == 0:
                raise self._error("a literal cannot hold U+0000: no text has it")
            text.append(chr(code))
        self._at += 1
        first = ord(text[0]) if text else 0
        return _Pending(Item(line, ranges=((first, first),), text="".join(text)), len(text), 1)

    def _class(self) -> _Pending:
        line = self._line
        self._at += 1
        negated = self._peek() == "^"
        self._at += negated
        ranges: list[tuple[int, int]] = []
        elements = 0
        while self._peek() != "]":
            low = high = self._character("the character class")
            elements += 1
            if self._peek() == "-" and self._peek(1) != "]":
                self._at += 1
                high = self._character("the character class")
                elements += 1
            if low > high:
                raise self._error(f"the range U+{low:04X} to U+{high:04X} runs backwards")
            ranges.append((low, high))
        self._at += 1
        taken = matched_ranges(ranges, negated=negated)
        if not ranges or not taken:
            raise self._error("the character class matches nothing")
        excluded = tuple(merged_ranges(ranges)) if negated else ()
        return _Pending(Item(line, ranges=taken, excluded=excluded), elements, 1)

    def _character(self, place: str) -> int:
        character = self._peek()
        if not character:
            raise self._error(f"the text ends inside {place}")
        if character != "\\":
            self._at += 1
            if character == "\n":
                self._newline()
            return ord(character)
        kind = self._peek(1)
        if kind in _HEX_LENGTH:
            return self._hexadecimal(kind)
        if kind not in _CONTROL and kind not in _SELF_ESCAPES:
            raise self._error(f"“\\{kind}” is not an escape")
        self._at += 2
        return ord(_CONTROL.get(kind, kind))

    def _hexadecimal(self, kind: str) -> int:
        length = _HEX_LENGTH[kind]
        digits = self._text[self._at + 2 : self._at + 2 + length]
        if len(digits) != length or not _HEX.issuperset(digits):
            raise self._error(f"“\\{kind}” needs {length} hexadecimal digits")
        code = int(digits, 16)
        if code > MAX_CODE_POINT or SURROGATES[0] <= code <= SURROGATES[1]:
            raise self._error(f"U+{code:04X} is not a character")
        self._at += 2 + length
        return code

    def _repetition(self, nested: bool) -> tuple[int, int | None]:
        character = self._peek()
        self._at += 1
        if character != "{":
            self._space(nested)
            return _POSTFIX[character]
        self._space(nested)
        low = self._count(nested)
        high: int | None = low
        if self._peek() == ",":
            self._at += 1
            self._space(nested)
            high = self._count(nested) if self._peek() in _DIGITS else None
        if self._peek() != "}":
            raise self._error("“}” is missing after the repetition")
        if high is not None and (high < low or high == 0):
            raise self._error(f"the repetition {{{low},{high}}} allows nothing")
        self._at += 1
        self._space(nested)
        return low, high

    def _count(self, nested: bool) -> int:
        start = self._at
        while self._peek() in _DIGITS:
            self._at += 1
        digits = self._text[start : self._at].lstrip("0")
        if start == self._at:
            raise self._error("a number should stand here")
        if len(digits) > len(str(MAX_REPETITION)) or int(digits or "0") > MAX_REPETITION:
            raise self._error(f"a repetition may be {MAX_REPETITION:,} at most")
        self._space(nested)
        return int(digits or "0")

    def _repeat(self, pending: _Pending, owner: str, low: int, high: int | None) -> Item:
        """Wrap the newest item, and count what llama.cpp will make of it."""
        times = high if high is not None else max(low, 1)
        pending.weight *= times
        if pending.weight > MAX_REPETITION:
            raise self._error(
                f"nested repetitions make {pending.weight:,} rules of one item; "
                f"{MAX_REPETITION:,} are allowed"
            )
        optional = 1 if high is None else high - low
        self._count_rules(optional)
        self._count_elements(pending.elements * max(low - 1, 0))
        self._count_elements(optional * (pending.elements + 3))
        item = pending.item
        if len(item.text) > 1 or (item.low, item.high) != (1, 1):
            index = self._new_rule(f"{owner} (repetition)")
            self._rules[index].alternatives.append([item])
            item = Item(item.line, rule=index)
        pending.elements = pending.elements * low + min(optional, 1)
        pending.item = replace(item, low=low, high=high)
        return pending.item
