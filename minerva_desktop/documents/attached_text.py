"""The text in the bytes of a file: in which encoding, and whether it is text at all.

Pure functions, any thread.
"""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

# The longer mark first: that of UTF-16 begins that of UTF-32.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 8_192  # bytes, in which UTF-16 without a mark is looked for
_ASCII_SHARE = 0.7  # of its characters, at least: code and most languages with spaces
# What no text holds: controls, but for tab, ends of lines and pages, and the escape of colours.
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_OLD = "cp1252"  # Latin-1 with what Windows put in the place of its controls


class FoundText(NamedTuple):
    """Text with ``\\n`` at its lines' ends. ``is_guess``: the bytes do not say their encoding, and
    are no UTF-8."""

    text: str
    encoding: str
    is_guess: bool = False


def found_text(content: bytes) -> FoundText | None:
    """``content`` as text; None where it is none."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _decoded(content[len(mark) :], encoding)
    wide = _wide_encoding(content[:_SAMPLE])
    if wide is not None:
        return _decoded(content, wide)
    if b"\0" in content:
        return None
    found = _decoded(content, "utf-8")
    if found is not None:
        return found
    if _CONTROLS.search(content):
        return None
    found = _decoded(content, _OLD) or _decoded(content, "latin-1")
    return None if found is None else found._replace(is_guess=True)


def _decoded(content: bytes, encoding: str) -> FoundText | None:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    return FoundText(text.replace("\r\n", "\n").replace("\r", "\n"), encoding)


def _wide_encoding(sample: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of what is mostly ASCII is zero."""
    pairs = len(sample) // 2
    if pairs < 2:
        return None
    even, odd = sample[0 : 2 * pairs : 2], sample[1 : 2 * pairs : 2]
    if odd.count(0) >= _ASCII_SHARE * pairs and not even.count(0):
        return "utf-16-le"
    if even.count(0) >= _ASCII_SHARE * pairs and not odd.count(0):
        return "utf-16-be"
    return None
