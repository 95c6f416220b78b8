"""Text as the search compares it: without the differences that a person does not type.

Pure. Both sides of a comparison go through `fold`. It works character by character, so that the
fold of a text's beginning is the beginning of the text's fold (which `store.snippets` needs).
"""

from __future__ import annotations

import unicodedata

# Marks above and below letters of the Latin, Greek and Cyrillic scripts, and the points of Hebrew
# and Arabic, which are mostly left out in writing. Not those of Japanese and of Indian scripts:
# there they make other letters.
_MARKS = (
    *range(0x0300, 0x0370),
    *range(0x0591, 0x05BE),
    *range(0x064B, 0x0653),
    *range(0x1AB0, 0x1B00),
    *range(0x1DC0, 0x1E00),
)
_WITHOUT_MARKS = dict.fromkeys(_MARKS)


def fold(text: str) -> str:
    """``text`` without cases, accents and other widths of letters: ``Straße`` and ``STRASSE``
    both become ``strasse``."""
    text = text.replace("\0", "\ufffd")  # at which FTS5 would stop reading
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold()).translate(_WITHOUT_MARKS)
    # Some letters have a case only once they are taken apart.
    return unicodedata.normalize("NFC", decomposed.casefold())
