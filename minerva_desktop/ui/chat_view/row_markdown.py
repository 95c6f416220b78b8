"""Rows back to Markdown: what is shown, written so that it is shown the same again.

Used for a part of an answer, of which there is no source of its own. A footnote's way back and the
offer to unfold a table are left out. `run_markdown` writes what is inside a row. No Qt here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from pygments.lexers import get_all_lexers

from minerva_desktop.chat.markdown_alerts import reads_as_alert
from minerva_desktop.ui.chat_view.alerts import first_line
from minerva_desktop.ui.chat_view.footnotes import TEXT_LINK
from minerva_desktop.ui.chat_view.markdown import ROWS_LINK
from minerva_desktop.ui.chat_view.row_text import BOXES
from minerva_desktop.ui.chat_view.rows import LIST, QUOTE, Kind, Row, runs_text
from minerva_desktop.ui.chat_view.run_markdown import inline_markdown, line_markdown

PAUSE = 500  # rows that are looked at without a break

_CLOSING = re.compile(r"(^|\s)(#+)$")  # of a heading
_BULLETS = {"•", "◦", *BOXES}
_RULES = {"center": ":-:", "left": ":--", "right": "--:", "": "---"}


@dataclass
class _Level:
    """A quote or an item that is open: what begins its further lines; of an item, its sign. An item
    that began before the first row has neither."""

    prefix: str = ""
    sign: str = ""


@dataclass
class _Writer:
    lines: list[str] = field(default_factory=list)
    levels: list[_Level] = field(default_factory=list)  # one for each that ``last`` is nested in
    last: Row | None = None


def markdown_of(rows: Sequence[Row]) -> str:
    """``rows`` as Markdown, without a line break at the end."""
    writer = _Writer()
    for block in filter(None, row_blocks(rows)):
        _write(writer, block)
    return "\n".join(writer.lines)


def row_blocks(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """The rows of each box of code and of each table together, all others alone; without what leads
    only to another place in what is shown. Every now and then an empty one, in the middle of a long
    block, for those who look at the clock."""
    block: list[Row] = []
    for number, row in enumerate(rows, start=1):
        if number % PAUSE == 0:
            yield []
        goes_on = row.kind in {Kind.CODE, Kind.TABLE} and not row.first
        plain = block and row.kind is Kind.PLAIN and block[-1].kind is Kind.PLAIN
        if block and not (plain or (goes_on and block[-1].kind is row.kind)):
            yield block
            block = []
        shown = _without_ways(row)
        if shown is not None:
            block.append(shown)
    if block:
        yield block


def _without_ways(row: Row) -> Row | None:
    """``row`` without links that lead to another place in what is shown; None: it is one."""
    if any(run.link == ROWS_LINK for run in row.runs):
        return None
    if not any(run.link.startswith(TEXT_LINK) for run in row.runs):
        return row
    runs = tuple(run for run in row.runs if not run.link.startswith(TEXT_LINK))
    if runs and runs[-1].text == " ":  # what was between
        runs = runs[:-1]
    return Row(row.kind, runs, row.nest, row.marker, row.tight) if runs or row.marker else None


def _write(writer: _Writer, block: list[Row]) -> None:
    row = block[0]
    same = _n_same(writer, row)
    levels = writer.levels[:same]
    if writer.lines and not _follows_closely(writer.last, row):
        writer.lines.append(_prefix(levels).rstrip())
    before = writer.levels[same].sign if same < len(writer.levels) else ""
    first = _prefix(levels)
    for depth in range(same, len(row.nest)):
        level = _Level()
        if row.nest[depth] != LIST:
            level = _Level("> ")
            first += level.prefix
        elif row.marker and depth == row.item:
            sign = _sign(row, before)
            level = _Level(" " * (len(sign) + 1), sign)
            first += f"{sign} "
        levels.append(level)
    rest = _prefix(levels)
    content = _content(block)
    content[0] = f"{BOXES[row.marker]} {content[0]}" if row.marker in BOXES else content[0]
    is_in_item = row.item == len(row.nest) - 1
    if row.marker[:-1].isdecimal() and is_in_item and content[0][:1] in BOXES:
        content[0] = f"{BOXES[content[0][0]]} {content[0][1:].lstrip()}"
    if row.kind is Kind.TEXT and row.nest == QUOTE and not same and reads_as_alert(content[0]):
        content[0] = f"\\{content[0]}"  # which says it, and is none
    for number, line in enumerate(content):
        text = (rest if number else first) + line
        writer.lines.append(text if line else text.rstrip(" "))
    writer.levels, writer.last = levels, block[-1]


def _prefix(levels: Sequence[_Level]) -> str:
    return "".join(level.prefix for level in levels)


def _n_same(writer: _Writer, row: Row) -> int:
    """How many of the levels that are open go on with ``row``."""
    # An alert begins anew, also behind another.
    nest = "" if writer.last is None or row.kind is Kind.ALERT else writer.last.nest
    same = sum(1 for _ in takewhile(_is_same, zip(nest, row.nest, strict=False)))
    return min(same, row.item) if row.marker else same


def _is_same(pair: tuple[str, str]) -> bool:
    return pair[0] == pair[1]


def _follows_closely(above: Row | None, row: Row) -> bool:
    """Whether there is no empty line between the two: where both are items, if that will do; and
    never after an item's sign that stands alone, which an empty line would end."""
    if above is not None and above.kind is Kind.ALERT:
        return row.tight
    if above is None or not above.marker:
        return False
    deeper = row.nest.startswith(above.nest) and not (row.marker and row.nest == above.nest)
    if not above.runs:
        return deeper
    if not (row.marker and row.tight and row.runs and {above.kind, row.kind} == {Kind.TEXT}):
        return False
    return not deeper or row.marker in {*_BULLETS, "1.", "1)"}


def _sign(row: Row, before: str) -> str:
    """What an item begins with, where ``before`` stood at its place last: the first item of a list
    must not go on with another list."""
    if row.marker not in _BULLETS:
        return row.marker
    begins = row.nest.count(LIST) == 1 and not row.tight
    if before in {"-", "*"}:
        return ("*" if before == "-" else "-") if begins else before
    return "-"


# -- what is inside ------------------------------------------------------------------------------


def _content(block: list[Row]) -> list[str]:
    row = block[0]
    match row.kind:
        case Kind.CODE:
            return _code(block)
        case Kind.TABLE:
            return _table(block)
        case Kind.RULE | Kind.ALERT:
            return ["---" if row.kind is Kind.RULE else first_line(row.nest)]
        case Kind.HEADING:
            return _heading(row)
        case Kind.PLAIN:
            return [runs_text(each.runs) for each in block]
    return inline_markdown(row.runs).split("\n")


def _heading(row: Row) -> list[str]:
    if row.marker in BOXES:  # after one a sign would be text
        return [line_markdown(row.runs, is_cell=False), "===" if row.level == 1 else "---"]
    text = _CLOSING.sub(r"\1\\\2", line_markdown(row.runs, is_cell=False))
    return [f"{'#' * row.level} {text}".rstrip(" ")]


def _code(block: list[Row]) -> list[str]:
    source = "".join(row.raw for row in block)
    language = _language(block[0].label)
    sign = "~" if "`" in language else "`"
    longest = max((len(run) for run in re.findall(f"{sign}+", source)), default=0)
    fence = sign * max(3, longest + 1)
    lines = source.removesuffix("\n").split("\n") if source else []
    return [fence + language, *lines, fence]


def _language(label: str) -> str:
    """The word for a fence of code in a language that is called so."""
    known = (aliases for name, aliases, _, _ in get_all_lexers(plugins=False) if name == label)
    aliases = next(known, ())
    # With a bar in it the line could be the head of a table.
    return aliases[0] if aliases else label.replace("|", "")


def _table(block: list[Row]) -> list[str]:
    lines = [_line(line_markdown(cell, is_cell=True) for cell in row.cells) for row in block]
    lines.insert(1, _line(_RULES[each] for each in block[0].align))
    return lines


def _line(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"
