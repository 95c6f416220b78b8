"""Markdown that is still being written: what is open in it is shown as it will be. No Qt here."""

from __future__ import annotations

import re

from minerva_desktop.chat.markdown_math import open_formula
from minerva_desktop.chat.markdown_tags import close_tag

LONGEST_OPEN = 200  # characters after a single dollar sign that may still become a formula

_DELIMITER = re.compile(r"\\.|(`+)|(\*\*|__|~~|\*|_)", re.DOTALL)
_OPEN_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*$")


def close_markup(text: str) -> str:
    """``text``, cut off anywhere, with what is open in it closed, so that a half-written ``**bold``
    is shown bold already and a half-written link as its label."""
    text = close_tag(_OPEN_LINK.sub(r"\1", text))
    opened: list[str] = []
    position = 0
    while (match := _DELIMITER.search(text, position)) is not None:
        position = match.end()
        if match[1]:
            closing = re.compile(rf"(?<!`){match[1]}(?!`)").search(text, position)
            if closing is None:
                return text + match[1] if text[position:].strip() else text[: match.start()]
            position = closing.end()
        elif match[2] and opened and opened[-1] == match[2] and text[match.start() - 1] != " ":
            opened.pop()
        elif match[2] and _opens(text, match, match[2]):
            if position == len(text):
                return text[: match.start()] + "".join(reversed(opened))
            opened.append(match[2])
    if not opened:
        return text
    return text.rstrip() + "".join(reversed(opened))


def _opens(text: str, match: re.Match[str], delimiter: str) -> bool:
    before = text[match.start() - 1] if match.start() else " "
    after = text[match.end() : match.end() + 1]
    # A single * or _ inside a word is more often itself than emphasis.
    return not after.isspace() and (len(delimiter) == 2 or not before.isalnum())


def split_open_formula(text: str) -> tuple[str, str]:
    """``text`` without the formula that is being written at its end, and that formula."""
    at = open_formula(text)
    if at is None:
        return text, ""
    rest = text[at:]
    in_line = rest[0] == "$" and rest[:2] != "$$"
    if in_line and (len(rest) > LONGEST_OPEN or "\n" in rest):
        return text, ""
    return text[:at], rest
