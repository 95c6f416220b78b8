"""Addresses that stand in a text as they are: of the web, and of mail. No Qt here."""

from __future__ import annotations

import re
from collections.abc import Iterator

# After a letter or a digit none begins. What ends a sentence is not a part of one.
_BARE_LINK = re.compile(
    r"(?<![\w@])(?:https?://|www\.(?=[\w-]+\.\w))[^\s<>\"'`|]*[^\s<>\"'`|.,;:!?(\[\]{}*_~]"
    r"|(?<![\w@.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}(?![\w@-])",
    re.IGNORECASE,
)


def bare_links(text: str) -> Iterator[tuple[int, int, str]]:
    """Where each address begins and ends in ``text``, and what it leads to."""
    for match in _BARE_LINK.finditer(text):
        found = match[0]
        while found.endswith(")") and found.count(")") > found.count("("):
            found = found[:-1].rstrip(".,;:!?")
        lower = found.lower()
        if lower.startswith(("http://", "https://")):
            address = found
            if not found.partition("://")[2]:
                continue
        else:
            address = f"https://{found}" if lower.startswith("www.") else f"mailto:{found}"
        yield match.start(), match.start() + len(found), address
