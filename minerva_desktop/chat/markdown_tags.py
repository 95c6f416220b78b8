"""The few tags of HTML in Markdown that say how letters look: ``<sub>``, ``<sup>`` and ``<kbd>``.
All others stay text, and so do these where they are not closed or say more. No I/O."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

MAX_TAGGED = 200  # characters between two tags
_OPENING = re.compile(r"<(sub|sup|kbd)>")
_UNCLOSED = re.compile(r"<(sub|sup|kbd)>((?:(?!</\1>)[^`]){0,200})$", re.DOTALL)
_UNFINISHED = re.compile(r"</?(?:s(?:u[bp]?)?|k(?:bd?)?)?$")


def add_tags(parser: MarkdownIt) -> None:
    """Let ``parser`` find them: tokens such as ``sub_open`` and ``sub_close``."""
    parser.inline.ruler.before("link", "tags", _rule)


def close_tag(text: str) -> str:
    """``text``, which goes on, with the last of these tags closed, and without half a tag."""
    if "<" not in text or "`" in text:
        return text
    text = _UNFINISHED.sub("", text)
    unclosed = _UNCLOSED.search(text)
    if unclosed is None:
        return text
    return f"{text}</{unclosed[1]}>" if unclosed[2].strip() else text[: unclosed.start()]


def _rule(state: StateInline, silent: bool) -> bool:
    opening = _OPENING.match(state.src, state.pos, state.posMax)
    if opening is None:
        return False
    name, begin, end = opening[1], opening.end(), state.posMax
    closing = f"</{name}>"
    stop = state.src.find(closing, begin, min(end, begin + MAX_TAGGED + len(closing)))
    if stop < 0 or "`" in state.src[begin:stop]:  # code counts before all else
        return False
    if not silent:
        state.push(f"{name}_open", name, 1)
        state.pos, state.posMax = begin, stop
        state.md.inline.tokenize(state)
        state.push(f"{name}_close", name, -1)
    state.pos, state.posMax = stop + len(closing), end
    return True
