"""Rows as HTML for the clipboard, so that tables, lists and emphasis survive in a word processor.

Everything is escaped text in a few harmless elements, with no styles but the alignment of cells:
the page that it is pasted into has its own. Nothing in it is ever loaded. No Qt here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from html import escape

from minerva_desktop.ui.chat_view.link_targets import OPENED_SCHEMES
from minerva_desktop.ui.chat_view.row_markdown import PAUSE, row_blocks
from minerva_desktop.ui.chat_view.rows import LINE_BREAK, LIST, Kind, Mark, Row, Run

_SPECIAL = re.compile(rf"[&<>\"'{LINE_BREAK}\n]|  ")
_BOXES = ("☐", "☑")
_ELEMENTS = (
    (Mark.CODE, "code"),
    (Mark.RAISED, "sup"),
    (Mark.LOWERED, "sub"),
    (Mark.STRIKE, "s"),
    (Mark.ITALIC, "em"),
    (Mark.BOLD, "strong"),
)


def html_of(rows: Sequence[Row]) -> str:
    """``rows`` as a piece of HTML; words out of one row are no paragraph."""
    return "".join(html_pieces(rows))


def html_pieces(rows: Sequence[Row]) -> Iterator[str]:
    """The same in pieces, each made as it is taken."""
    blocks: Iterable[list[Row]] = row_blocks(rows)
    if len(rows) < PAUSE:
        blocks = list(blocks)
        if len(blocks) == 1 and len(blocks[0]) == 1 and _is_words(blocks[0][0]):
            yield _inline(blocks[0][0].runs)
            return
    levels: list[str] = []
    for block in blocks:
        if not block:
            yield ""
            continue
        yield from _opened(levels, block[0])
        yield _content(block)
    yield from map(_closing, reversed(levels))


def plain_html(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces of a text that is shown as it is, as a paragraph."""
    yield "<p>"
    yield from (_inline([Run(piece)]) for piece in pieces)
    yield "</p>"


def author_html(author: str) -> str:
    """The name of who wrote what follows."""
    return f"<p><strong>{escape(author)}:</strong></p>"


def _is_words(row: Row) -> bool:
    return row.kind in {Kind.TEXT, Kind.PLAIN} and not row.nest


def _opened(levels: list[str], row: Row) -> list[str]:
    """What ends the ``levels``, elements that are open, that ``row`` is not in, and begins those
    that it is in. In a list an item is open too."""
    written = []
    same = 0
    # An alert begins anew, also behind another.
    for level, kind in zip(levels, "" if row.kind is Kind.ALERT else row.nest, strict=False):
        if (level == "blockquote") != (kind != LIST):
            break
        same += 1
    item = row.item
    goes_on = bool(row.marker) and same > item
    if goes_on and levels[item] != _list_element(row.marker):
        goes_on, same = False, item
    elif row.marker and not goes_on:
        same = min(same, item)
    while len(levels) > same or (goes_on and len(levels) > item + 1):
        written.append(_closing(levels.pop()))
    if goes_on:
        written.append("</li><li>")
    for depth in range(len(levels), len(row.nest)):
        element = "blockquote"
        begin = "<blockquote>"
        if row.nest[depth] == LIST:
            element = _list_element(row.marker if depth == item else "")
            number = row.marker[:-1] if element == "ol" else "1"
            begin = f'<ol start="{number}"><li>' if number != "1" else f"<{element}><li>"
        levels.append(element)
        written.append(begin)
    return written


def _closing(level: str) -> str:
    return "</blockquote>" if level == "blockquote" else f"</li></{level}>"


def _list_element(marker: str) -> str:
    return "ol" if marker[:-1].isdecimal() else "ul"


def _content(block: list[Row]) -> str:
    row = block[0]
    match row.kind:
        case Kind.CODE:
            source = "".join(each.raw for each in block).removesuffix("\n")
            return f"<pre><code>{escape(source)}</code></pre>"
        case Kind.TABLE:
            return f"<table>{''.join(map(_table_row, block))}</table>"
        case Kind.RULE:
            return "<hr>"
        case Kind.HEADING:
            return f"<h{row.level}>{_inline(row.runs)}</h{row.level}>"
        case Kind.PLAIN:
            return f"<p>{'<br>'.join(_inline(each.runs) for each in block)}</p>"
    box = f"{row.marker} " if row.marker in _BOXES else ""
    text = box + _inline(row.runs)
    return text if row.marker else f"<p>{text}</p>"


def _table_row(row: Row) -> str:
    element = "th" if row.first else "td"
    cells = ""
    for runs, align in zip(row.cells, row.align, strict=True):
        style = f' style="text-align:{align}"' if align else ""
        cells += f"<{element}{style}>{_inline(runs)}</{element}>"
    return f"<tr>{cells}</tr>"


def _inline(runs: Sequence[Run]) -> str:
    return "".join(map(_run, runs))


def _run(run: Run) -> str:
    text = run.text
    if _SPECIAL.search(text):  # a look that costs less than all the replacements
        text = escape(text).replace(LINE_BREAK, "<br>").replace("\n", "<br>")
        text = text.replace("  ", " &nbsp;")
    if run.mark:
        begin, end = _tags(run.mark)
        text = f"{begin}{text}{end}"
    if run.link and run.link.partition(":")[0].lower() in OPENED_SCHEMES:
        text = f'<a href="{escape(run.link)}">{text}</a>'
    return text


@cache
def _tags(mark: Mark) -> tuple[str, str]:
    """What text with ``mark`` begins and ends with. To look for each costs ten times as much."""
    elements = [element for each, element in _ELEMENTS if each in mark]
    begin = "".join(f"<{element}>" for element in reversed(elements))
    return begin, "".join(f"</{element}>" for element in elements)
