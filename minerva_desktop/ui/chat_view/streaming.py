"""Renders an answer while it is being written, at a cost per piece that does not grow with it.

Top-level blocks that can no longer change are settled: their source is dropped and never parsed
again. Open is only the last block, and of a list, a quote or a table only its last part; an open
code fence takes line after line without any parsing. A whole text goes through the same door, so a
streamed message ends as the same rows as one rendered at once, however it was cut into pieces
(`tests/ui/chat_view/test_streaming.py`). No Qt here; one instance belongs to one thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markdown_it.token import Token

from minerva_desktop.chat.markdown_math import is_display, open_line
from minerva_desktop.ui.chat_view.code_rows import MAX_ROW, CodeRows
from minerva_desktop.ui.chat_view.footnotes import (
    begin_notes,
    copied_footnotes,
    may_hold_footnotes,
)
from minerva_desktop.ui.chat_view.inner_cut import begins_block, first_line, inner_cut
from minerva_desktop.ui.chat_view.markdown import (
    ALL_ROWS,
    Environment,
    MarkdownParser,
    Resume,
    RowBuilder,
)
from minerva_desktop.ui.chat_view.open_part import OpenPart
from minerva_desktop.ui.chat_view.open_size import LINE_LIMIT, OpenSize
from minerva_desktop.ui.chat_view.plain_stream import Cleaner, Update
from minerva_desktop.ui.chat_view.rows import LINE_BREAK, Kind, Row, Run, split_long

OPEN_LIMIT = 4_000  # characters of an open block: it is first looked at, and a paragraph is cut
OPEN_STEP = 2_000  # characters until the next look
CUT_LIMIT = 16_000  # characters at which any open block is cut, unless code is open in it
CODE_CUT_LIMIT = 32_000  # characters at which it is cut all the same
EAGER_SIZE = 600  # characters; a shorter open part is not worth a second parse to settle some of it
REFERENCE_LIMIT = 100_000  # characters; a longer text does not find links defined further down
NOTES = 50  # footnotes that are written between two looks at the clock
HELD_ROW = 1_000  # characters of a table row that wait for its end
HELD_START = 40  # characters of a line that wait until it is clear what it is

# With a bar in it the line may still become the head of a table.
_FENCE = re.compile(r"( {0,3})(`{3,}+|~{3,}+)[^|]*$")
# The start of a line that could still become anything: a list, a rule, a fence, a table.
_AMBIGUOUS = re.compile(
    r"[\s>]*(?:[-+*]\s+|\d{1,9}[.)]\s+)?"
    r"(?:[-+*=_#`~:|$\s]*(?:\[(?:[ xX]?|![a-zA-Z]{0,9}\]?\s*))?|\d{1,9}[.)]?\s*|(?:```|~~~).*|"
    r"\\(?:\[|[a-z]{1,5}(?:\{[a-zA-Z]*\*?)?)?)$"
)
_TABLE_LINE = re.compile(r" {0,3}\|")
_DELIMITER_ROW = re.compile(r" {0,3}\|?[-:| ]*$")


@dataclass(slots=True)
class _Fence:
    """An open top-level fence. ``middle``: its last line was cut and goes on."""

    code: CodeRows
    indent: int
    closing: re.Pattern[str]
    middle: bool = False


class MarkdownStream:
    """Takes an answer in pieces. Call `feed`, then `update`; at the end `finish_some` until nothing
    is left to do, then `update`."""

    def __init__(
        self,
        parser: MarkdownParser,
        *,
        eager_size: int = EAGER_SIZE,
        references: Environment | None = None,
        all_rows: bool = False,
        coloured: bool = True,
    ) -> None:
        """``eager_size`` in characters. ``references`` are links and footnotes of a whole text,
        known beforehand. ``all_rows``: long tables are not folded. ``coloured``: code is."""
        self._parser = parser
        self._coloured = coloured
        self._eager_size = self._eager_at = eager_size
        self._env: Environment = references or {}
        self._env[ALL_ROWS] = all_rows
        self._notes = begin_notes(self._env) if references is not None else None
        self._pieces: list[str] = []  # the whole source, for links defined after their use
        self._length = 0
        self._cleaner = Cleaner()
        self._tail: list[str] = []  # the complete lines of what is open
        self._tail_size = OpenSize()
        self._check_at = OPEN_LIMIT
        self._partial = ""  # the line after them, as far as it is known
        self._part = OpenPart(coloured=self._coloured)
        self._resume: Resume | None = None
        self._fence: _Fence | None = None
        self._inside_code = False  # whether what was read last is code in a list or a quote
        self._paragraph_size = 0  # otherwise, as `OpenSize` has it
        self._settled: list[Row] = []
        self._delivered = 0
        self._finished = False
        self._ending: Iterator[None] | None = None

    def feed(self, text: str) -> None:
        """Add a piece of source, cut anywhere."""
        text = self._cleaner.clean(text)
        if self._length <= REFERENCE_LIMIT:
            self._pieces.append(text)
            self._length += len(text)
        *lines, self._partial = (self._partial + text).split("\n")
        for line in lines:
            self._line(line)
        self._cut_partial()
        if lines and self._fence is None and self._tail_size.characters > self._eager_at:
            # Where nothing can be settled yet, the next try waits for an eighth more.
            self._eager_at = self._tail_size.characters * 9 // 8
            self._settle()

    def finish_some(self) -> bool:
        """The text is complete: settle all of it. Whether something is left to do, for which to
        call it again: a text that defines links or notes is rendered a second time, in pieces."""
        if self._ending is None:
            self._ending = self._finish()
        return next(self._ending, self) is not self

    def _finish(self) -> Iterator[None]:
        rest = self._cleaner.rest()
        if self._partial or rest:
            self._line(self._partial)
            self._partial = ""
        self._pieces.append(rest)
        if self._fence is not None:
            self._close_fence(self._fence)
        self._settle_all()
        defines = self._env.get("references") or may_hold_footnotes("".join(self._pieces))
        if self._notes is not None:
            for number, rows in enumerate(self._notes.section(), start=1):
                self._settled += rows
                if number % NOTES == 0:
                    yield
        elif defines and self._length <= REFERENCE_LIMIT:
            known, all_rows = self._known_references(), self._env[ALL_ROWS]
            again = MarkdownStream(
                self._parser, references=known, all_rows=all_rows, coloured=self._coloured
            )
            for piece in self._pieces:
                again.feed(piece)
                yield
            while again.finish_some():
                yield
            self._settled, self._delivered = again.update().rows, 0
        self._finished = True

    def update(self, *, settled_only: bool = False, at_most: int | None = None) -> Update:
        """The changes since the last call, or, while that is not whole, the first ``at_most`` rows
        of them. ``settled_only`` leaves what may still change for the next one: that is cheaper,
        while more of the text is waiting."""
        rows = self._settled[:at_most]
        self._settled = self._settled[len(rows) :]
        keep = self._delivered
        self._delivered += len(rows)
        if settled_only or self._settled:
            return Update(keep, rows, whole=False)
        return Update(keep, rows if self._finished else rows + self._open_rows())

    # -- lines -------------------------------------------------------------------------------

    def _line(self, line: str) -> None:
        if self._fence is not None:
            self._code_line(self._fence, line)
            return
        for piece in split_long(line, LINE_LIMIT):
            self._markdown_line(piece)

    def _cut_partial(self) -> None:
        """Take what is certain from an overlong line, so that the open part stays small."""
        if self._fence is None:
            *pieces, self._partial = split_long(self._partial, LINE_LIMIT)
            for piece in pieces:
                self._markdown_line(piece)
            return
        *pieces, self._partial = split_long(self._partial, MAX_ROW)
        for piece in pieces:
            self._fence.code.add(piece, newline=False)
            self._fence.middle = True
            self._settled += self._fence.code.take_settled()

    def _code_line(self, fence: _Fence, line: str) -> None:
        if not fence.middle and fence.closing.match(line):
            self._close_fence(fence)
            return
        if not fence.middle:
            line = _without_indent(line, fence.indent)
        fence.code.add(line)
        fence.middle = False
        self._settled += fence.code.take_settled()

    def _close_fence(self, fence: _Fence) -> None:
        self._settled += fence.code.take_settled() + fence.code.open_rows()
        self._fence = None

    def _markdown_line(self, line: str) -> None:
        self._tail.append(line)
        self._tail_size.add(line)
        fence = _FENCE.match(line)
        if fence is None and self._tail_size.characters < self._check_at:
            return
        here = len(self._tail) - 1
        last = self._settle()
        if fence is not None and last is not None and _is_open_fence(last, here):
            self._open_fence(last, fence)
        elif self._tail_size.characters >= OPEN_LIMIT:
            if self._tail_size.characters < self._cut_limit(last):
                self._check_at = self._tail_size.characters + OPEN_STEP
            else:
                self._settle_all()

    def _cut_limit(self, last: Token | None) -> int:
        if last is None or last.type == "paragraph_open":
            return OPEN_LIMIT
        if self._paragraph_size >= OPEN_LIMIT:  # in a list or a quote
            return OPEN_LIMIT
        return CODE_CUT_LIMIT if self._inside_code else CUT_LIMIT

    # -- settling ----------------------------------------------------------------------------

    def _settle(self) -> Token | None:
        """Settle what no later line can change; the token that begins the block left open."""
        # A copy: what looks like a definition of a link may go on as something else.
        env = self._known_references()
        tokens = self._parser.blocks(_source(self._tail), env)
        tops = [index for index, token in enumerate(tokens) if begins_block(token, 0)]
        if not tops:
            return None
        # What a formula began that may go on could turn out to be a part of it.
        formula = open_line(self._tail)
        limit = len(self._tail) if formula is None else formula
        begin = next((top for top in reversed(tops) if first_line(tokens[top]) <= limit), tops[0])
        last = tokens[begin]
        growing = _growing_inline(tokens)
        self._inside_code = growing is None
        paragraph = [] if growing is None else self._tail[first_line(growing) :]
        self._paragraph_size = OpenSize(paragraph).characters
        builder = RowBuilder(self._parser, env, self._resume, part=self._part)
        if last.type == "table_open" and formula is None:
            # A row is final with its newline. The head stays: with it the next rows are rows.
            rows = builder.build(tokens, self._tail)
            begins, ends = last.map or (0, 0)
            lines = self._tail[begins : begins + 2] + self._tail[ends:]
            self._keep_lines(lines, rows, Resume(cells=builder.cells), begins)
            return last
        end, quotes = inner_cut(tokens, begin, self._tail, limit)
        if end > 0:
            self._forget_open_links(env, self._tail[: first_line(tokens[end])])
            rows = builder.build(tokens[:end], self._tail)
            resume = builder.resume(last, quotes) if end > begin else None
            self._keep_lines(self._tail[first_line(tokens[end]) :], rows, resume)
        return last

    def _forget_open_links(self, env: Environment, done: list[str]) -> None:
        """Leave only the definitions of links in ``env`` that lines up to the end of ``done`` have:
        what stays open may turn out to define none."""
        if len(env["references"]) > len(self._env.get("references", {})):
            known = self._known_references()
            if any("]:" in line for line in done):
                self._parser.blocks(_source(done), known)
            env["references"] = known["references"]

    def _keep_lines(
        self, lines: list[str], rows: list[Row], resume: Resume | None, n_before: int | None = None
    ) -> None:
        """``n_before``: lines before a table, of which no row defines a link by itself."""
        done = self._tail[: len(self._tail) - len(lines) if n_before is None else n_before]
        if any("]:" in line for line in done):
            self._parser.blocks(_source(done), self._env)
        self._settled += rows
        self._tail = lines
        self._tail_size = OpenSize(lines)
        self._check_at = OPEN_LIMIT
        self._eager_at = self._eager_size
        self._resume = resume
        self._part = OpenPart(coloured=self._coloured)

    def _settle_all(self) -> None:
        env = self._known_references()
        tokens = self._parser.blocks(_source(self._tail), env)
        builder = RowBuilder(self._parser, env, self._resume, part=self._part)
        self._keep_lines([], builder.build(tokens, self._tail), None)

    def _open_fence(self, token: Token, opener: re.Match[str]) -> None:
        character = re.escape(token.markup[0])
        closing = re.compile(rf" {{0,3}}{character}{{{len(token.markup)},}}[ \t]*$")
        self._fence = _Fence(CodeRows(token.info, coloured=self._coloured), len(opener[1]), closing)
        self._keep_lines([], [], None)

    # -- the open part -----------------------------------------------------------------------

    def _open_rows(self) -> list[Row]:
        if self._fence is not None:
            partial = self._partial
            if not self._fence.middle:
                partial = _without_indent(partial, self._fence.indent)
                if partial.strip(" `~") == "":
                    partial = ""
            return self._fence.code.open_rows(partial)
        lines = _shown_lines(self._tail, self._partial)
        formula = open_line(lines)
        rest: list[Row] = []
        if formula is not None and is_display(lines[formula]):
            run = Run(LINE_BREAK.join(lines[formula:]))
            rest = [Row(Kind.TEXT, (run,))]
            lines = lines[:formula]
        env = self._known_references()
        tokens = self._parser.blocks("\n".join(lines), env)
        growing = None if rest else _growing_inline(tokens)
        is_cut = bool(self._partial) and len(lines) > len(self._tail)
        end = len(lines) if is_cut else None
        builder = RowBuilder(self._parser, env, self._resume, growing, self._part, end)
        return builder.build(tokens, lines) + rest

    def _known_references(self) -> Environment:
        copied: Environment = {"references": dict(self._env.get("references", {}))}
        copied[ALL_ROWS] = self._env[ALL_ROWS]
        return copied | copied_footnotes(self._env)


def _source(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n" if lines else ""


def _is_open_fence(token: Token, line: int) -> bool:
    return token.type == "fence" and first_line(token) == line


def _growing_inline(tokens: Sequence[Token]) -> Token | None:
    """The text that the line being written belongs to."""
    for token in reversed(tokens):
        if token.type == "inline":
            return token
        if token.type in {"fence", "code_block", "hr"}:
            break
    return None


def _without_indent(line: str, indent: int) -> str:
    """``line`` without the ``indent`` columns that its fence is indented by, as far as it has
    them; a tab that goes further leaves its rest as spaces."""
    column = position = 0
    while column < indent and line[position : position + 1] in {" ", "\t"}:
        column += 1 if line[position] == " " else 4 - column % 4
        position += 1
    return " " * (column - indent) + line[position:]


def _shown_lines(tail: list[str], partial: str) -> list[str]:
    """The open lines without an end that could still turn into something else: nothing shown
    should jump into another shape with the next token."""
    table_line = _TABLE_LINE.match(partial) and len(partial) < HELD_ROW
    ambiguous = len(partial) < HELD_START and _AMBIGUOUS.match(partial)
    if not table_line and not ambiguous:
        return [*tail, partial]
    begins_delimiter = _DELIMITER_ROW.match(partial)
    header = len(tail) > 0 and _TABLE_LINE.match(tail[-1])
    if begins_delimiter and header and (len(tail) == 1 or not _TABLE_LINE.match(tail[-2])):
        return tail[:-1]
    return tail
