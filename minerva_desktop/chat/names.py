"""What chats, folders and tags may be called, and how a chat is called by its first words. Pure."""

from __future__ import annotations

import re

from minerva_desktop.chat.conversation import clean_text

MAX_TITLE_CHARACTERS = 60
ELLIPSIS = "…"
# Controls that are no white space, and what turns the direction of all that is written after it.
_UNSEEN = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069]")


def title_from(text: str) -> str:
    """The first words of ``text`` on one line of at most `MAX_TITLE_CHARACTERS`, without what
    cannot be seen; empty only for white space."""
    line = " ".join(clean_name(text).split() or clean_text(text).split())
    if len(line) <= MAX_TITLE_CHARACTERS:
        return line
    room = MAX_TITLE_CHARACTERS - len(ELLIPSIS)
    words, _, _ = line[: room + 1].rpartition(" ")
    return (words or line[:room]) + ELLIPSIS


def clean_name(text: str) -> str:
    """``text`` as a chat or a folder may be called: without what cannot be seen, which could turn
    round all that is shown beside it, and without white space at its ends."""
    return _UNSEEN.sub("", clean_text(text)).strip()
