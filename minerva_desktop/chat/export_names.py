"""Names of files that an export writes, which every system takes. Values, no I/O.

Windows has the narrowest rules: no ``<>:"/\\|?*`` and no control characters, no dot or space at the
end, and names like ``CON`` belong to devices, whatever follows their first dot (Microsoft, *Naming
Files, Paths, and Namespaces*). Linux takes at most 255 bytes, macOS and Windows compare names
without case, and macOS without the difference between é written as one or as two characters.
"""

from __future__ import annotations

import re
import unicodedata

from minerva_desktop.chat.conversation import clean_text

MAX_NAME_BYTES = 180  # with room for a number, the suffix and what a sync program adds
FALLBACK = "chat"

_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_DEVICES = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE
)


def file_stem(title: str) -> str:
    """``title`` as a file's name without a suffix; never empty."""
    text = unicodedata.normalize("NFC", clean_text(title))
    # Not only control characters: those that turn the writing direction could hide the suffix.
    shown = "".join(" " if unicodedata.category(each)[0] in "CZ" else each for each in text)
    stem = " ".join(_FORBIDDEN.sub("-", shown).split())
    stem = _cut(stem, MAX_NAME_BYTES).strip(" .")
    if _DEVICES.match(stem):
        stem = f"_{stem}"
    return stem or FALLBACK


class FileNames:
    """Hands out names of one folder: no two of them are the same on any system."""

    def __init__(self, suffix: str) -> None:
        """``suffix`` with its dot."""
        self._suffix = suffix
        self._taken: set[str] = set()

    def name_for(self, title: str) -> str:
        """A file's name for a chat of this title; the second of a kind gets a number."""
        stem = file_stem(title)
        candidate, number = stem, 1
        while _compared(candidate) in self._taken:
            number += 1
            candidate = f"{stem} ({number})"
        self._taken.add(_compared(candidate))
        return candidate + self._suffix


def _cut(text: str, n_bytes: int) -> str:
    """Its first ``n_bytes`` bytes at most, and no half character."""
    return text.encode()[:n_bytes].decode(errors="ignore")


def _compared(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())
