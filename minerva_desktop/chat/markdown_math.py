r"""Formulas in Markdown: ``$…$`` and ``\(…\)`` in a line, ``$$…$$`` and ``\[…\]`` on their own, and
what stands between ``\begin{align}`` and ``\end{align}``, or others of LaTeX's environments.

What is a formula is decided as Pandoc does: no white space inside next to a single dollar sign, no
digit after the closing one, no letter or digit before the opening one, so that "$5 and $6" stays
text. A formula of several lines is taken before lists and headings are looked for in it. No Qt
here.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

MAX_FORMULA = 2_000  # characters; what is longer is text
INLINE = "math_inline"
BLOCK = "math_block"

_CLOSING = {"$$": "$$", "\\[": "\\]", "\\(": "\\)", "$": "$"}
_BEGIN = (
    r"\\begin\{(?:equation|align|alignat|aligned|alignedat|flalign|gather|gathered|multline|split|"
    r"eqnarray|d?cases|array|[pbBvV]?matrix|smallmatrix)\*?\}"
)
_ENVIRONMENT = re.compile(_BEGIN)
_OPENING = re.compile(rf"\$\$|\\\[|{_BEGIN}")
# The end of what opened in this way; a backslash takes the next character with it.
_ENDS = {
    "$$": re.compile(r"(?:[^\\$]|\\.|\$(?!\$))*?\$\$", re.DOTALL),
    "$": re.compile(r"(?:[^\\$]|\\.)+?\$", re.DOTALL),
    "\\[": re.compile(r".*?\\\]", re.DOTALL),
    "\\(": re.compile(r".*?\\\)", re.DOTALL),
}
_CODE = re.compile(r"`+|\\.", re.DOTALL)
# What a list, a quote or a note puts before a line.
_CONTAINER = re.compile(r"(?:\s|>|[-+*](?=\s)|\d{1,9}[.)](?=\s)|\[\^[^\]\s]+\]:)*")


def add_formulas(parser: MarkdownIt) -> None:
    """Let ``parser`` find formulas: tokens `INLINE` and `BLOCK`, whose content is their source."""
    parser.inline.ruler.before("escape", INLINE, _inline_rule)
    parser.block.ruler.before("fence", BLOCK, _block_rule, {"alt": ["paragraph", "reference"]})


def formula_tex(source: str) -> str:
    """The LaTeX of a formula, without what marks it as one; an environment is LaTeX as it is."""
    if _ENVIRONMENT.match(source) is not None:
        return source
    size = 2 if source[:2] in _CLOSING else 1
    return source[size:-size].strip()


def is_display(source: str) -> bool:
    """Whether a formula that begins so stands on a line of its own."""
    return _OPENING.match(source) is not None


def _closing(opening: str) -> str:
    """What ends a formula that begins with ``opening``."""
    return _CLOSING.get(opening) or opening.replace("begin", "end", 1)


def formula_end(text: str, start: int) -> int | None:
    """Where the formula ends that begins at ``start``; None where none does."""
    limit = start + MAX_FORMULA
    environment = _ENVIRONMENT.match(text, start)
    if environment is not None:
        closing = _closing(environment[0])
        at = text.find(closing, environment.end(), limit)
        return None if at < 0 or _ends_in_code(text, start, at) else at + len(closing)
    opening = text[start : start + 2]
    if opening not in _CLOSING:
        opening = "$"
    elif opening == "$$" and start and text[start - 1] == "$":
        return None
    begin = start + len(opening)
    if opening == "$" and not _may_open(text, start):
        return None
    match = _ENDS[opening].match(text, begin, limit)
    if match is None or not text[begin : match.end() - len(opening)].strip():
        return None
    if opening == "$" and not _may_close(text, match.end() - 1):
        return None
    return None if _ends_in_code(text, begin, match.end()) else match.end()


def _ends_in_code(text: str, begin: int, end: int) -> bool:
    """Whether the formula from ``begin`` to ``end`` ends within a code span that begins in it."""
    at = begin
    while (match := _CODE.search(text, at, end)) is not None:
        at = match.end()
        if match[0][0] == "`":
            closing = re.compile(rf"(?<!`){match[0]}(?!`)").search(text, at, end + MAX_FORMULA)
            if closing is not None and closing.end() > end:
                return True
            at = at if closing is None else closing.end()
    return False


def _may_open(text: str, at: int) -> bool:
    after = text[at + 1 : at + 2]
    return bool(after) and not after.isspace() and not (at and text[at - 1].isalnum())


def _may_close(text: str, at: int) -> bool:
    after = text[at + 1 : at + 2]
    return not text[at - 1].isspace() and not (after.isdigit() or after.isupper() or after == "_")


def open_formula(text: str) -> int | None:
    """Where a formula begins in ``text`` whose end has not come yet, if one does."""
    position = 0
    while (match := _CANDIDATE.search(text, position)) is not None:
        position = match.end()
        if match[0][0] == "`":
            closing = re.compile(rf"(?<!`){match[0]}(?!`)").search(text, position)
            position = position if closing is None else closing.end()
        elif match[0] in _CLOSING or _ENVIRONMENT.match(match[0]):
            end = formula_end(text, match.start())
            if end is not None:
                position = end
            elif _stays_open(text, match.start(), match[0]):
                return match.start()
    return None


_CANDIDATE = re.compile(rf"`+|\$\$|\$|{_BEGIN}|\\.", re.DOTALL)


def _stays_open(text: str, start: int, opening: str) -> bool:
    begin = start + len(opening)
    if len(text) - begin > MAX_FORMULA:
        return False
    if opening == "$":
        # Mostly money, where a digit or nothing follows.
        after = text[begin : begin + 1]
        return _may_open(text, start) and not after.isdigit() and "$" not in text[begin:]
    return _closing(opening) not in text[begin:]


def open_line(lines: list[str]) -> int | None:
    """The first of ``lines`` in which a formula of several lines may have begun that is not over
    yet: what follows it could still turn out to belong to it."""
    top = [line.strip() for line in lines]
    nested = [_CONTAINER.sub("", line, count=1).strip() for line in lines]
    index = 0
    while index < len(lines):
        at_top = _OPENING.match(lines[index]) is not None
        opening = _OPENING.match(nested[index])
        if opening is not None:
            last = _closing_line(top if at_top else nested, index, opening[0])
            if last == len(lines):
                return index
            if last is not None and at_top:
                index = last
        index += 1
    return None


def _closing_line(lines: list[str], start: int, opening: str) -> int | None:
    """The line that ends the formula which begins at ``start``: behind the last one where it may
    still come, None where none does."""
    closing = _closing(opening)
    size = 0
    for index in range(start, len(lines)):
        line = lines[index]
        size += len(line) + 1
        if size > MAX_FORMULA or (index > start and (not line or line.startswith("\\["))):
            return None
        at = line.find(closing, len(opening) if index == start else 0)
        if at >= 0:
            source = "\n".join(lines[start : index + 1])
            is_over = not line[at + len(closing) :].strip()
            return index if is_over and formula_tex(source) else None
    return len(lines)


def _inline_rule(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    if state.src[state.pos] == "\\" and not _may_begin(state.src, state.pos):
        return False
    end = formula_end(state.src, state.pos)
    if end is None or end > state.posMax:
        return False
    if not silent:
        token = state.push(INLINE, "math", 0)
        token.content = state.src[state.pos : end]
    state.pos = end
    return True


def _may_begin(text: str, at: int) -> bool:
    """Whether a formula may begin with the backslash at ``at``."""
    return text[at + 1 : at + 2] in {"[", "("} or _ENVIRONMENT.match(text, at) is not None


def _block_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.is_code_block(start):
        return False
    begin = state.bMarks[start] + state.tShift[start]
    opening = _OPENING.match(state.src, begin, state.eMarks[start])
    if opening is None:
        return False
    closing = _closing(opening[0])
    lines: list[str] = []
    size = 0
    for line in range(start, end):
        if line > start and (state.isEmpty(line) or state.sCount[line] < state.blkIndent):
            break
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
        lines.append(text)
        size += len(text)
        # What decides it. To look on would cost each line of a text all lines behind it.
        is_decided = line > start and (closing in text or text.startswith("\\["))
        if is_decided or size > MAX_FORMULA:
            break
    last = _closing_line(lines, 0, opening[0])
    if last is None or last == len(lines):
        return False
    if not silent:
        state.line = start + last + 1
        token = state.push(BLOCK, "math", 0)
        token.block = True
        token.content = "\n".join(lines[: last + 1]).rstrip()
        token.map = [start, state.line]
    return True
