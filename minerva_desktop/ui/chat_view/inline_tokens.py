"""What markdown-it's tokens of the text of one paragraph say. No Qt here."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markdown_it.token import Token

from minerva_desktop.ui.chat_view.rows import LINE_BREAK

_HTML_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_TEXTS = {"text", "text_special"}


def with_specials(tokens: Sequence[Token]) -> list[Token]:
    """``tokens`` with escaped signs and entities as parts of the text that they stand in: an
    address may have them."""
    made: list[Token] = []
    for token in tokens:
        if token.type == "text":
            token.content = _HTML_BREAK.sub(LINE_BREAK, token.content)
        if token.type in _TEXTS and made and made[-1].type in _TEXTS:
            made[-1].content += token.content
        else:
            made.append(token)
    return made


def plain_text(tokens: Sequence[Token] | None) -> str:
    """The text of inline tokens without their looks."""
    return "".join(
        plain_text(token.children)
        if token.type == "image"
        else token.content or (" " if token.type in {"softbreak", "hardbreak"} else "")
        for token in tokens or ()
    )
