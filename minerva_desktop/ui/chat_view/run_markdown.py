"""What is inside a row back to Markdown: emphasis, code, links, formulas, and text in which nothing
turns into markup. No Qt here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

from markdown_it.common.normalize_url import normalizeLink

from minerva_desktop.ui.chat_view.bare_links import bare_links
from minerva_desktop.ui.chat_view.footnotes import NOTE_LINK
from minerva_desktop.ui.chat_view.rows import LINE_BREAK, Mark, Run, runs_text

BREAK = "<br>"
NEAR = 3  # runs beside an address that could change what it is
_TAGS = {Mark.RAISED: "sup", Mark.LOWERED: "sub"}
_SIGNS = {Mark.BOLD: "**", Mark.ITALIC: "*", Mark.STRIKE: "~~"}
_TICKS = re.compile(r"`+")
_IMAGE = re.compile(r"\[Image: (.*)\]$", re.DOTALL)
_ADDRESS = re.compile(r"(?<!\\):(?=//)|@|(?<=www)\.", re.IGNORECASE)
_ENTITY = re.compile(r"&(?=#?\w+;)")
# An opening bracket is never escaped, for that would begin a formula.
_SPECIAL = re.compile(
    r"[\\`*]|(?<![^\W_])_|_(?![^\W_])|~(?=~)|(?<=~)~|<(?=[\w/!?])|&(?=#?\w+;)|\](?=[(:\[])"
)
_OPENING = {False: re.compile(r"\[(?=\^)"), True: re.compile(r"\[")}  # True: in a link's text
# What begins a block, or is a part of one, at the beginning of a line.
_LINE_START = re.compile(r"#{1,6}(?=\s|$)|\+(?=\s|$)|>|=+\s*$|-(?!\w)|:(?=-)")
_NUMBER = re.compile(r"(\d{1,9})([.)])(?=\s|$)")
_TASK = re.compile(r"\[(?=[ xX]\](?:\s|$))")

Key = Mark | str  # of emphasis, or the address of a link


def inline_markdown(runs: Sequence[Run]) -> str:
    """``runs`` as a paragraph, in which a line may end."""
    text = ""
    for number, piece in enumerate(_joined(runs, is_cell=False).split(LINE_BREAK)):
        if number and _may_end(text) and piece[:1].strip():
            text += f"\n{_without_block(piece)}"
        else:
            text += f"{BREAK}{piece}" if number else _without_block(piece)
    return _edges(text)


def line_markdown(runs: Sequence[Run], *, is_cell: bool) -> str:
    """``runs`` in one line; ``is_cell``: of a table."""
    text = _edges(_joined(runs, is_cell=is_cell).replace(LINE_BREAK, BREAK).replace("\n", " "))
    # The bars of a table count before all else, also in code.
    return text.replace("|", "\\|") if is_cell else text


def _may_end(line: str) -> bool:
    """Whether what follows ``line`` can have a line of its own."""
    return bool(line[-1:].strip()) and not line.endswith(BREAK)


def _without_block(line: str) -> str:
    """``line`` such that it begins nothing but text."""
    line = _TASK.sub("&#91;", line) if _TASK.match(line) else line
    if _LINE_START.match(line):
        return f"\\{line}"
    return _NUMBER.sub(r"\1\\\2", line, count=1) if _NUMBER.match(line) else line


def _edges(text: str) -> str:
    """``text`` with the white space around it spelled out, which would be dropped."""
    inner = text.strip()
    begin = text.index(inner)
    before, after = text[:begin], text[begin + len(inner) :]
    return _spelled(before) + inner + _spelled(after)


def _spelled(space: str) -> str:
    return "".join(f"&#{ord(each)};" for each in space)


# -- runs ------------------------------------------------------------------------------------------


def _joined(runs: Sequence[Run], *, is_cell: bool) -> str:
    """``runs`` one after the other, as Markdown, with `LINE_BREAK` where a line ends."""
    # One alone begins no formula.
    escapes = "$" if sum((run.text + run.link).count("$") for run in runs) > 1 else ""
    escapes += "" if is_cell or LINE_BREAK not in runs_text(tuple(runs)) else "|"
    written = ""
    is_open: list[Key] = []
    all_keys = [_keys(runs, at) for at in range(len(runs))]
    for at, run in enumerate(runs):
        keys = all_keys[at]
        text = _text(runs, at, escapes, in_link=any(isinstance(key, str) for key in keys))
        kept = 0
        # Where a tag begins or ends, all else does: signs beside it might be none.
        if _TAGS.keys() & set(keys) == _TAGS.keys() & set(is_open):
            while kept < len(is_open) and is_open[kept] in keys:
                kept += 1
        written = _closed(written, is_open[kept:])
        del is_open[kept:]
        opening = [key for key in keys if key not in is_open]
        if opening:
            # Emphasis cannot begin with white space.
            begin = len(text) - len(text.lstrip())
            written, text = written + text[:begin], text[begin:]
            if not text:
                continue
            opening.sort(key=lambda key: (key in _TAGS, _n_more(all_keys, at, key)), reverse=True)
        for key in opening:
            written = (
                _before_bracket(written) + "[" if isinstance(key, str) else written + _begin(key)
            )
        if text.startswith(("[", "![")) and run.text != text:
            written = _before_bracket(written)
        written += text
        is_open += opening
    return _closed(written, is_open)


def _n_more(all_keys: Sequence[Sequence[Key]], at: int, key: Key) -> int:
    """For how many runs from ``at`` on ``key`` holds."""
    end = at
    while end < len(all_keys) and key in all_keys[end]:
        end += 1
    return end - at


def _closed(written: str, keys: Sequence[Key]) -> str:
    """``written`` with the end of ``keys``; emphasis cannot end with white space."""
    if not keys:
        return written
    inner = written.rstrip()
    space = written[len(inner) :]
    for key in reversed(keys):
        inner += f"]({_target(key)})" if isinstance(key, str) else _end(key)
    return inner + space


def _begin(mark: Mark) -> str:
    return f"<{_TAGS[mark]}>" if mark in _TAGS else _SIGNS[mark]


def _end(mark: Mark) -> str:
    return f"</{_TAGS[mark]}>" if mark in _TAGS else _SIGNS[mark]


def _before_bracket(written: str) -> str:
    """An exclamation mark would make an image of a link."""
    return f"{written[:-1]}\\!" if written.endswith("!") else written


def _keys(runs: Sequence[Run], at: int) -> list[Key]:
    run = runs[at]
    keys: list[Key] = [mark for mark in _SIGNS if mark in run.mark]
    if not run.link.startswith(NOTE_LINK):
        keys += [mark for mark in _TAGS if mark in run.mark]
    if run.link and not (run.link.startswith("#") or _is_bare(runs, at) or _IMAGE.match(run.text)):
        keys.append(run.link)
    return keys


def _is_bare(runs: Sequence[Run], at: int) -> bool:
    """Whether a run is an address that is a link by itself where it stands."""
    run = runs[at]
    if not any(sign in run.text for sign in ("://", "@", ".")):
        return False
    before = _alike(runs[max(0, at - NEAR) : at][::-1], run)[::-1]
    after = _alike(runs[at + 1 : at + 1 + NEAR], run)
    begin = sum(len(each.text) for each in before)
    span = begin, begin + len(run.text)
    found = bare_links(runs_text((*before, run, *after)))
    return any(
        (start, stop) == span and normalizeLink(address) == run.link
        for start, stop, address in found
    )


def _alike(runs: Sequence[Run], run: Run) -> list[Run]:
    """The first ones of ``runs`` that have the look of ``run``."""
    return list(takewhile(lambda other: other.mark == run.mark, runs))


def _text(runs: Sequence[Run], at: int, escapes: str, *, in_link: bool) -> str:
    run = runs[at]
    if run.link.startswith(NOTE_LINK):
        return f"[^{run.link.removeprefix(NOTE_LINK)}]"
    if Mark.FORMULA in run.mark:
        return run.text.replace(LINE_BREAK, "\n")
    if Mark.CODE in run.mark:
        return _code(run.text)
    if run.link and not run.link.startswith("#") and _is_bare(runs, at):
        return run.text  # escaped, it would be none
    image = _IMAGE.match(run.text)
    if image is not None and run.link:
        return f"![{_escaped(image[1], escapes, in_link=True)}]({_target(run.link)})"
    return _escaped(run.text, escapes, in_link=in_link)


def _escaped(text: str, escapes: str, *, in_link: bool) -> str:
    is_address = any(bare_links(_SPECIAL.sub(" ", text)))  # one may begin after what is escaped
    text = _SPECIAL.sub(r"\\\g<0>", text)
    if is_address:
        text = _ADDRESS.sub(r"\\\g<0>", text)
    for each in escapes:
        text = text.replace(each, f"\\{each}")
    text = _OPENING[in_link].sub("&#91;", text)
    return re.sub(r"(?<!\\)\]", r"\\]", text) if in_link else text


def _code(text: str) -> str:
    longest = max((len(run) for run in _TICKS.findall(text)), default=0)
    ticks = "`" * next(n for n in range(1, longest + 2) if n not in _tick_runs(text))
    pads = text.startswith("`") or text.endswith("`") or (text[:1] == text[-1:] == " " != text)
    space = " " if pads and text.strip(" ") else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def _tick_runs(text: str) -> set[int]:
    return {len(run) for run in _TICKS.findall(text)}


def _target(address: str) -> str:
    address = _ENTITY.sub("&amp;", address)
    return f"<{address}>" if re.search(r"[()\s]", address) else address
