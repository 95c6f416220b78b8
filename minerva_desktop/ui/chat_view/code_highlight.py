"""Colours for code, line by line, at a cost per line that does not grow with the block.

A `LineHighlighter` lexes a window of lines at the end of what it was given; lines that leave the
window are settled and never lexed again. The result depends on the lines alone, not on how they
were grouped when they arrived, so a streamed block looks like one rendered at once. What spans
more lines than the window (a comment of a hundred lines, in a language whose lexer reads comments
in one go) may lose its colour, never its text; so does a block that its lexer fails on. No Qt here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from pygments.lexer import ExtendedRegexLexer, Lexer, RegexLexer
from pygments.lexers import get_all_lexers, get_lexer_by_name
from pygments.lexers.special import TextLexer
from pygments.styles import get_style_by_name
from pygments.token import STANDARD_TYPES, Error, Token, Whitespace, _TokenType, string_to_tokentype

from minerva_desktop.ui.chat_view.rows import Run, merged

WINDOW = 24  # lines lexed again with each new line
SETTLE = 8  # lines that leave a full window
MAX_WINDOW = 256  # lines; a window without a place to cut it grows up to this
MAX_LINES = 5_000  # lines of a block that get colours
MAX_LINE_LENGTH = 1_000  # characters; a longer line switches colours off for the rest of its block

_log = logging.getLogger(__name__)

# Of each state: what matches, the token's type or what makes the tokens, and the change of state.
Rules = dict[str, list[tuple[Callable[[str, int], re.Match[str] | None], Any, Any]]]
Lexed = tuple[int, _TokenType, str]  # Pygments' own: position, type, text

# Asking Pygments for a name that it doesn't know makes it look through all installed packages.
_LANGUAGES = frozenset(
    alias for _, aliases, _, _ in get_all_lexers(plugins=False) for alias in aliases
)


class TokenStyle(NamedTuple):
    """How a token type looks in one Pygments style. ``colour`` is ``#rrggbb`` or empty."""

    colour: str
    bold: bool
    italic: bool


@lru_cache(maxsize=512)
def token_style(style: str, token: str) -> TokenStyle:
    """The look of ``token`` (such as ``Keyword.Constant``) in the Pygments style ``style``. Of one
    that only its lexer knows, as Nix's has, it is the look of what that is a kind of."""
    kinds = string_to_tokentype(token).split()  # from the most general on
    known = next(kind for kind in reversed(kinds) if kind in STANDARD_TYPES)
    look = get_style_by_name(style).style_for_token(known)
    return TokenStyle(f"#{look['color']}" if look["color"] else "", look["bold"], look["italic"])


@lru_cache(maxsize=64)
def find_lexer(language: str) -> Lexer | None:
    """The lexer for a fence's language, None when it is not known. The first call for a language
    imports its module, which takes 10 to 50 ms."""
    return get_lexer_by_name(language) if language in _LANGUAGES else None


def preload_highlighting(styles: Iterable[str]) -> None:
    """Import ``styles`` and the lexers of the most frequent languages. For a thread that has
    nothing to do."""
    for style in styles:
        get_style_by_name(style)
    for language in ("python", "bash", "json", "html", "javascript", "typescript", "sql", "c"):
        find_lexer(language)


def language_name(language: str) -> str:
    """What to call ``language``: ``Python`` for ``py``; itself when not known."""
    lexer = find_lexer(language)
    return str(lexer.name) if lexer is not None else language


class LineHighlighter:
    """Takes the lines of one block in order."""

    def __init__(self, language: str, *, coloured: bool = True) -> None:
        """Not ``coloured``: all is plain, which costs a tenth."""
        self._lexer = find_lexer(language) if coloured else None
        self._resumes = _can_resume(self._lexer)
        self._state: tuple[str, ...] = ("root",)
        self._window: list[str] = []
        self._attempt = WINDOW
        self._count = 0
        self._settled: list[tuple[Run, ...]] = []
        self._open: list[tuple[Run, ...]] | None = []  # None: to be lexed

    def add(self, line: str) -> None:
        """Add a line, without its newline."""
        self._count += 1
        if self._count > MAX_LINES or len(line) > MAX_LINE_LENGTH:
            self._settled += self.open_lines()
            self._window.clear()
            self._lexer = None
        if self._lexer is None:
            self._settled.append(_plain(line))
            return
        self._window.append(line)
        self._open = None
        if len(self._window) >= self._attempt:
            self._settle(self._lexer)

    def take_settled(self) -> list[tuple[Run, ...]]:
        """The lines that became final since the last call."""
        settled, self._settled = self._settled, []
        return settled

    def open_lines(self) -> list[tuple[Run, ...]]:
        """The lines after those, as they look now."""
        if self._lexer is None or not self._window:
            return []
        if self._open is None:
            self._open = _split_lines(self._lex(self._lexer, self._window)[0])
        return self._open

    def _settle(self, lexer: Lexer) -> None:
        tokens, _ = self._lex(lexer, self._window)
        limit = len(self._window) - WINDOW + SETTLE
        cut = _last_boundary(tokens, limit)
        if cut == 0:
            if len(self._window) < MAX_WINDOW:
                self._attempt += SETTLE
                return
            cut = limit
        self._settled += _split_lines(tokens)[:cut]
        self._state = self._lex(self._lexer or lexer, self._window[:cut])[1]
        del self._window[:cut]
        self._attempt = max(WINDOW, len(self._window) + 1)

    def _lex(self, lexer: Lexer, lines: list[str]) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
        """The tokens of ``lines``, which follow on what is settled, and the states after them."""
        source = "\n".join(lines) + "\n"
        stack = list(self._state)
        try:
            if self._resumes and isinstance(lexer, RegexLexer):
                found = _regex_tokens(lexer, source, stack)
            else:
                found = lexer.get_tokens_unprocessed(source)
            tokens = [(_token_name(kind), text) for _, kind, text in found]
            if "".join(text for _, text in tokens) != source:
                raise ValueError("the lexer left out, or added, some of the code")
        except Exception:  # noqa: BLE001 - Pygments has 600 lexers, of many hands
            if self._resumes:  # a lexer may need what its own way in prepares (PostgreSQL's does)
                self._resumes = False
                return self._lex(lexer, lines)
            _log.warning("No colours: the lexer for %s failed", lexer.name, exc_info=True)
            self._lexer = TextLexer()
            tokens = [("", source)]
        return tokens, tuple(stack)


def _can_resume(lexer: Lexer | None) -> bool:
    """Whether lexing can resume after a line. Extended lexers keep a state of their own kind."""
    return isinstance(lexer, RegexLexer) and not isinstance(lexer, ExtendedRegexLexer)


def _regex_tokens(lexer: RegexLexer, source: str, stack: list[str]) -> Iterator[Lexed]:
    """`RegexLexer.get_tokens_unprocessed`, but with its ``stack`` of states outside of it, so that
    the next lines can go on from there. (The extended lexer's loop has that, too, but calls the
    lexer's own functions with one argument more than they take.)"""
    rules: Rules = lexer._tokens  # type: ignore[attr-defined]  # the stubs lack it
    position = 0
    while position < len(source):
        for matches, action, change in rules[stack[-1]]:
            found = matches(source, position)
            if not found:
                continue
            if type(action) is _TokenType:
                yield position, action, found.group()
            elif action is not None:
                yield from action(lexer, found)
            position = found.end()
            if change is not None:
                _change(stack, change)
            break
        else:
            newline = source[position] == "\n"
            if newline:
                stack[:] = ["root"]
            yield position, Whitespace if newline else Error, source[position]
            position += 1


def _change(stack: list[str], change: int | str | tuple[str, ...]) -> None:
    """Do to the stack of states what a rule says; one state always stays."""
    if isinstance(change, int):  # how many to leave, below zero
        del stack[max(1, len(stack) + change) :]
        return
    for state in (change,) if isinstance(change, str) else change:
        if state != "#pop":
            stack.append(stack[-1] if state == "#push" else state)
        elif len(stack) > 1:
            stack.pop()


@lru_cache(maxsize=512)
def _token_name(kind: _TokenType) -> str:
    # White space and plain text need no format of their own.
    if kind is Token or kind[:1] == ("Text",):
        return ""
    return str(kind).removeprefix("Token.")


def _plain(line: str) -> tuple[Run, ...]:
    return (Run(line),) if line else ()


def _split_lines(tokens: list[tuple[str, str]]) -> list[tuple[Run, ...]]:
    lines: list[list[Run]] = [[]]
    for name, text in tokens:
        head, *rest = text.split("\n")
        lines[-1].append(Run(head, token=name))
        lines += [[Run(part, token=name)] for part in rest]
    return [merged(line) for line in lines[:-1]]


def _last_boundary(tokens: list[tuple[str, str]], limit: int) -> int:
    """The last line start at or before line ``limit`` that no token but white space spans."""
    line = best = 0
    for _, text in tokens:
        newlines = text.count("\n")
        if newlines and text.isspace():
            best = min(line + newlines, limit)
        elif text.endswith("\n") and line + newlines <= limit:
            best = line + newlines
        line += newlines
        if line >= limit:
            break
    return best
