"""Text that comes from a file, made fit to be shown.

A file name may hold bytes that are not UTF-8 (Python keeps them as lone surrogates, which neither
JSON nor Qt takes), and a model's own name may hold line breaks or characters that turn the
writing direction of everything after them. Pure functions, any thread.
"""

from __future__ import annotations

from pathlib import Path

MAX_LENGTH = 120


def one_line(text: str, max_length: int = MAX_LENGTH) -> str:
    """``text`` as one printable line of at most ``max_length`` characters.

    White space becomes single spaces, lone surrogates become U+FFFD, control and formatting
    characters (among them those that change the writing direction) go.
    """
    words = " ".join(text[: 4 * max_length].split())
    line = "".join(_printable(character) for character in words)
    return line if len(line) <= max_length else line[: max_length - 1] + "…"


def shown_name(path: Path) -> str:
    """The file name of ``path`` in quotes, for a sentence."""
    return f"“{one_line(path.name or str(path))}”"


def _printable(character: str) -> str:
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"
    return character if character.isprintable() else ""
