"""Markdown to rows: CommonMark with tables, strikethrough, task lists and bare web addresses.

A chat's Markdown is untrusted. Raw HTML stays text but for ``<sub>`` and its like, an image becomes
the text of a link, an address other than http, https or mailto stays the source that it was,
nesting, brackets and tables are bounded, and control characters are shown instead of obeyed.
`streaming` calls this for the part of an answer that is still open. No Qt here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
from markdown_it import MarkdownIt
from markdown_it.token import Token
from msgspec.structs import replace

from minerva_desktop.chat.markdown_alerts import alert_of, without_first_line
from minerva_desktop.chat.markdown_math import BLOCK, INLINE, add_formulas
from minerva_desktop.chat.markdown_tags import add_tags
from minerva_desktop.ui.chat_view.alerts import label_row
from minerva_desktop.ui.chat_view.bare_links import bare_links
from minerva_desktop.ui.chat_view.footnotes import (
    REFERENCE,
    add_footnotes,
    known_notes,
    note_rows,
    reference_run,
)
from minerva_desktop.ui.chat_view.formula_rows import apart, begins_with_display, formula_run
from minerva_desktop.ui.chat_view.inline_tokens import plain_text, with_specials
from minerva_desktop.ui.chat_view.open_blocks import OpenList, OpenTable
from minerva_desktop.ui.chat_view.open_markup import close_markup, split_open_formula
from minerva_desktop.ui.chat_view.open_part import OpenPart
from minerva_desktop.ui.chat_view.plain_text import plain_rows
from minerva_desktop.ui.chat_view.rows import (
    BESIDE_QUOTE,
    LINE_BREAK,
    LIST,
    QUOTE,
    Kind,
    Mark,
    Row,
    Run,
    merged,
    runs_text,
)

MAX_NESTING = 60  # levels of blocks; what is nested deeper is shown as its source
MAX_BRACKETS = 200  # in one paragraph; with more, none of them makes a link (that takes seconds)
MAX_TABLE_CELLS = 1_000  # of one table; further rows are folded, and lines of text when unfolded
MAX_TABLE_COLUMNS = 64  # a row is laid out in one go; one of more cells is a line of text

ALL_ROWS = "all_rows"  # in an environment: no table is folded
ROWS_LINK = "#rows"
FOLD = (Run("This table goes on. ", Mark.MUTED), Run("Show all rows", Mark.NONE, ROWS_LINK))

_ALLOWED_LINK = re.compile(r"(https?://|mailto:)[^\s]", re.IGNORECASE)
_TASK = re.compile(r"\[([ xX])\]\s+")
_BULLETS = "•◦"

_STYLES = {"strong": Mark.BOLD, "em": Mark.ITALIC, "s": Mark.STRIKE}
_STYLES |= {"sub": Mark.LOWERED, "sup": Mark.RAISED, "kbd": Mark.CODE}

Environment = dict[str, Any]  # markdown-it's: the link references known so far


class Resume(msgspec.Struct, frozen=True):
    """Where a block goes on whose beginning is settled: the number of a list's next item, which is
    in so many ``quotes``, the cells that a table has already, or what stands for a quote in
    `Row.nest`."""

    number: int | None = None
    quotes: int = 0
    cells: int | None = None
    quote: str = ""


class _Parser(MarkdownIt):
    """markdown-it with our idea of an address that may be clicked."""

    def validateLink(self, url: str) -> bool:
        return _ALLOWED_LINK.match(url) is not None


class MarkdownParser:
    """Holds the configured parser; parsing keeps no state in it."""

    def __init__(self) -> None:
        options = {"html": False, "maxNesting": MAX_NESTING}
        self._parser = _Parser("commonmark", options).enable(["table", "strikethrough"])
        without_links = _Parser("commonmark", options).enable("strikethrough")
        self._without_links = without_links.disable(["link", "image"])
        for parser in (self._parser, self._without_links):
            add_formulas(parser)
            add_footnotes(parser)
            add_tags(parser)

    def blocks(self, source: str, env: Environment) -> list[Token]:
        """The block tokens of ``source``; references that it defines are added to ``env``."""
        tokens: list[Token] = []
        self._parser.block.parse(source, self._parser, env, tokens)
        return tokens

    def runs(self, source: str, env: Environment) -> tuple[Run, ...]:
        """The text of one paragraph or cell."""
        crowded = source.count("[") > MAX_BRACKETS
        parser = self._without_links if crowded else self._parser
        tokens: list[Token] = []
        parser.inline.parse(source, parser, env, tokens)
        return merged(list(self._inline(tokens, env)))

    def _inline(self, tokens: Sequence[Token], env: Environment) -> Iterator[Run]:
        marks = [Mark.NONE]
        link = ""
        for token in with_specials(tokens):
            mark = marks[-1]
            name, _, end = token.type.rpartition("_")
            if name in _STYLES and end == "open":
                marks.append(mark | _STYLES[name])
            elif name in _STYLES:
                marks.pop()
            elif token.type == "link_open":
                link = str(token.attrGet("href") or "")
            elif token.type == "link_close":
                link = ""
            elif token.type in {"softbreak", "hardbreak"}:
                yield Run(LINE_BREAK, mark, link)
            elif token.type == INLINE:
                yield formula_run(token.content, mark, link)
            elif token.type == REFERENCE:
                yield reference_run(token.content, env, mark)
            elif token.type == "code_inline":
                yield Run(token.content, mark | Mark.CODE, link)
            elif token.type == "image":
                target = str(token.attrGet("src") or "")
                yield Run(f"[Image: {plain_text(token.children) or target}]", mark, link or target)
            elif link:
                yield Run(token.content, mark, link)
            else:
                yield from self._text(token.content, mark)

    def _text(self, text: str, mark: Mark) -> Iterator[Run]:
        end = 0
        for begin, stop, address in bare_links(text):
            yield Run(text[end:begin], mark)
            yield Run(text[begin:stop], mark, self._parser.normalizeLink(address))
            end = stop
        yield Run(text[end:], mark)


class RowBuilder:
    """Turns block tokens into rows, in one pass. ``number`` is the next item's of the top-level
    list that was built last, ``cells`` counts those of the table."""

    def __init__(
        self,
        parser: MarkdownParser,
        env: Environment,
        resume: Resume | None = None,
        last_inline: Token | None = None,
        part: OpenPart | None = None,
        open_end: int | None = None,
    ) -> None:
        """``last_inline`` is text that is still being written: markup open in it is closed.
        ``part`` knows what was built before; code that goes on up to the line ``open_end`` ends in
        one that is still being written."""
        self._part = part or OpenPart()
        self._part.begin()
        self._open_end = open_end
        self._parser = parser
        self._env = env
        self._resume = resume or Resume()
        self._last_inline = last_inline
        self._rows: list[Row] = []
        self._nest = ""
        self._quote = QUOTE  # what stands for the outermost quote
        self._labelled: Token | None = None  # the first paragraph of an alert
        self._outer: list[tuple[str, list[Row], str]] = []  # what each open note is in
        self._lists: list[OpenList] = []
        self._marker = ""
        self._tight = False
        self._level = 0
        self._table: OpenTable | None = None
        self.number = 0
        self.cells = 0

    def build(self, tokens: Sequence[Token], lines: Sequence[str]) -> list[Row]:
        """Rows of ``tokens``, which were parsed from ``lines``."""
        start = 0
        for index, token in enumerate(tokens, 1):
            if (token.level == 0 and token.nesting <= 0) or index == len(tokens):
                self._block(tokens[start:index], lines)
                start = index
        return self._rows

    def resume(self, block: Token, quotes: int | None) -> Resume:
        """How that list or quote goes on, which was built last. ``quotes``: as in `InnerCut`."""
        quote = self._quote if block.type == "blockquote_open" else ""
        if quotes is None:
            return Resume(quote=quote)
        return Resume(number=self.number, quotes=quotes, quote=quote)

    def _block(self, tokens: Sequence[Token], lines: Sequence[str]) -> None:
        too_deep = any(token.level >= MAX_NESTING - 1 for token in tokens)
        if too_deep and tokens[0].map is not None:
            begin, end = tokens[0].map
            self._rows += plain_rows("\n".join(lines[begin:end]))
        else:
            alert = "" if self._resume.quote else alert_of(tokens)
            self._quote = self._resume.quote or alert or QUOTE
            self._labelled = tokens[2] if alert else None
            for token in tokens:
                self._token(token)
        self._resume = Resume()

    def _token(self, token: Token) -> None:
        match token.type:
            case "inline":
                self._inline(token)
            case "heading_open" | "heading_close":
                self._level = int(token.tag[1]) if token.nesting > 0 else 0
            case "bullet_list_open" | "ordered_list_open":
                self._open_list(token)
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
                self._nest = self._nest[:-1]
            case "list_item_open":
                self._open_item(token)
            case "list_item_close":
                self._place_marker()
            case "blockquote_open":
                self._open_quote()
            case "blockquote_close":
                self._nest = self._nest[:-1]
            case "fence" | "code_block" | "hr" | "math_block":
                self._leaf(token)
            case "footnote_reference_open":
                self._open_note(token)
            case "footnote_reference_close":
                self._close_note()
            case _:
                self._table_token(token)

    def _inline(self, token: Token) -> None:
        if self._table is not None and self._table.skips_row:
            self._table.row.append(())
            return
        source, formula = token.content, ""
        is_labelled = token is self._labelled
        if is_labelled:
            self._rows.append(label_row(self._nest))
            source = without_first_line(source)
            if not source:
                return
        if token is self._last_inline:
            source, formula = split_open_formula(source)
            source = close_markup(source)
        box, source = self._task_box(source)
        parse = partial(self._parser.runs, source, self._env)
        runs = parse() if token is self._last_inline else self._part.runs(source, parse)
        if box:  # beside a number
            runs = merged([Run(f"{box} ", Mark.MUTED), *runs])
        if formula:
            runs = (*runs, Run(formula.replace("\n", LINE_BREAK)))
        if self._table is not None:
            self._table.row.append(runs)
        elif self._level:
            self._add(Row(Kind.HEADING, runs, self._nest, level=self._level))
        else:
            for number, part in enumerate(apart(runs)):
                kind = Kind.FORMULA if begins_with_display(part[:1]) else Kind.TEXT
                tight = is_labelled and not number
                self._add(Row(kind, part, self._nest, tight=tight))

    def _task_box(self, source: str) -> tuple[str, str]:
        """The box of a task beside its number, and the rest; beside a bullet it takes its place."""
        is_in_item = self._marker and not self._nest.endswith(QUOTE)
        task = _TASK.match(source) if is_in_item else None
        if task is None:
            return "", source
        box = "☐" if task[1] == " " else "☑"
        if self._marker in _BULLETS:
            self._marker, box = box, ""
        return box, source[task.end() :]

    def _add(self, row: Row) -> None:
        """Add a row of text, with the marker that waits for one."""
        if self._marker:
            row = Row(row.kind, row.runs, row.nest, self._marker, self._tight, level=row.level)
            self._marker = ""
        self._rows.append(row)

    def _place_marker(self) -> None:
        """Give a marker a row of its own when its item doesn't begin with text."""
        if self._marker:
            self._add(Row(Kind.TEXT, nest=self._nest.rstrip(QUOTE)))

    def _open_list(self, token: Token) -> None:
        self._place_marker()
        start = token.attrGet("start")
        opened = OpenList(token.type == "ordered_list_open", 1 if start is None else int(start))
        resume = self._resume
        if resume.number is not None and len(self._nest) == resume.quotes:
            opened.number, opened.items = resume.number, 1
            self._resume = replace(resume, number=None)
        self._lists.append(opened)
        self._nest += LIST

    def _open_quote(self) -> None:
        if len(self._marker) > BESIDE_QUOTE:
            self._place_marker()
        self._nest += QUOTE if self._nest else self._quote

    def _open_item(self, token: Token) -> None:
        current = self._lists[-1]
        depth = len(self._lists)
        self._tight = depth > 1 or current.items > 0
        if current.ordered:
            self._marker = f"{current.number}{token.markup}"
        else:
            self._marker = _BULLETS[(depth - 1) % len(_BULLETS)]
        current.items += 1
        current.number += 1
        if depth == 1:
            self.number = current.number

    def _open_note(self, token: Token) -> None:
        self._place_marker()
        self._outer.append((str(token.meta["label"]), self._rows, self._nest))
        self._rows, self._nest = [], LIST

    def _close_note(self) -> None:
        self._place_marker()
        label, outer, nest = self._outer.pop()
        rows, self._rows, self._nest = self._rows, outer, nest
        notes = known_notes(self._env)
        if notes is None:
            self._rows += note_rows(rows, label, label, leads_back=self._last_inline is None)
        else:
            notes.rows.setdefault(label, rows)

    def _leaf(self, token: Token) -> None:
        """A block that has no blocks in it, and no Markdown."""
        if token.type == BLOCK:
            self._add(Row(Kind.FORMULA, (formula_run(token.content),), self._nest))
            return
        self._place_marker()
        if token.type == "hr":
            self._rows.append(Row(Kind.RULE, nest=self._nest))
        else:
            self._code(token)

    def _code(self, token: Token) -> None:
        lines = token.content.removesuffix("\n").split("\n") if token.content else []
        is_open = token.map is not None and token.map[1] == self._open_end
        last = lines.pop() if is_open and lines else ""
        self._rows += self._part.code(token.info, self._nest, lines, last)

    def _table_token(self, token: Token) -> None:
        if token.type == "table_open":
            self._place_marker()
            resumed = not self._nest and self._resume.cells is not None
            self._table = OpenTable(cells=self._resume.cells or 0, skip_header=resumed)
        elif self._table is None:
            return
        elif token.type == "th_open":
            style = str(token.attrGet("style") or "")
            self._table.align.append(style.removeprefix("text-align:"))
        elif token.type == "tr_close":
            self._table_row(self._table)
            self._table.row = []
        elif token.type == "table_close":
            self._table = None

    def _table_row(self, table: OpenTable) -> None:
        header = table.columns == 0
        table.columns = table.columns or len(table.row)
        if header and table.skip_header:
            return
        table.cells += table.columns
        self.cells = table.cells
        too_long = table.cells > MAX_TABLE_CELLS
        if too_long and not self._env.get(ALL_ROWS):
            if table.cells - table.columns <= MAX_TABLE_CELLS:
                self._rows.append(Row(Kind.TEXT, FOLD, self._nest))
            return
        if table.columns > MAX_TABLE_COLUMNS or too_long:
            text = " | ".join(runs_text(cell) for cell in table.row)
            self._rows.append(Row(Kind.TEXT, (Run(text),), self._nest, tight=not header))
            return
        cells, align = tuple(table.row), tuple(table.align)
        self._rows.append(Row(Kind.TABLE, nest=self._nest, first=header, cells=cells, align=align))
