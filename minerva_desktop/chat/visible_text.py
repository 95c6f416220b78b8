"""Text cleaned of what a document, or a reader's eye, would obey. Values, no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache


def _shown_controls() -> dict[int, str]:
    """Characters that a document or a reader's eye would obey, and what is shown instead."""
    shown = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], "\ufffd")
    shown |= dict.fromkeys([*range(0xFDD0, 0xFDF0), 0xFFFC, 0xFFFE, 0xFFFF], "\ufffd")
    shown |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
    # Overrides make text read otherwise than it runs (and code otherwise than it compiles).
    # The others say nothing to a reader, and are seen nowhere else.
    hidden = [*range(0x202A, 0x202F), *range(0x2060, 0x2070), *range(0xFFF9, 0xFFFC), 0xFEFF]
    hidden += [0xAD, 0x34F, 0x61C, 0x180E, 0x200E, 0x200F, 0x3164, 0xFFA0]
    shown |= {code: _name(code) for code in hidden}
    shown |= {0x2028: "\n", 0x2029: "\n"}
    del shown[ord("\n")], shown[ord("\t")]
    return shown


def _name(code: int) -> str:
    return f"[U+{code:04X}]"


def _as_class(codes: Iterable[int]) -> str:
    """``codes`` as ranges in a class of characters: thousands of single ones take long to read."""
    ranges: list[tuple[int, int]] = []
    for code in sorted(codes):
        begin = ranges.pop()[0] if ranges and ranges[-1][1] == code - 1 else code
        ranges.append((begin, code))
    return "".join(f"\\U{begin:08x}-\\U{end:08x}" for begin, end in ranges)


_SHOWN_CONTROLS = _shown_controls()

# What is hidden as well, but makes some words and signs what they are: harmless directly after what
# is named before it here, and only there. (Before, as what comes after may not have come yet.)
_SPACELESS = r"\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u1aaf\ua980-\uaadf"  # Thai, Khmer
_JOINED = r"\u0590-\u1fff\u2070-\u2fff\ua000-\uabff\ue000-\U0001ffff"  # Persian, Hindi, emoji
_VARIED = r"#*0-9\u00a9-\u1fff\u2010-\u2027\u2030-\u205f\u2070-\ufdff\U00010000-\U0001ffff"
_IDEOGRAPHS = r"\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TAGS = r"\U000e0000-\U000e007f"
# Any of all those. Most texts have none, and to look takes a tenth of the time of what follows.
_SUSPECT = re.compile(
    rf"[{_as_class(_SHOWN_CONTROLS)}\u200b-\u200d\ufe00-\ufe0f\U000e0000-\U000e01ef]"
)
_FLAG = "\U0001f3f4"  # with tags after it: the flag of England, Scotland or Wales
_FLAG_TAGS = tuple(
    "".join(chr(0xE0000 + ord(letter)) for letter in f"{region}\x7f")
    for region in ("gbeng", "gbsct", "gbwls")
)
BEFORE = 7  # characters before a piece of text that decide what is shown of it


def clean_source(text: str, before: str = "") -> str:
    """``text`` with one kind of newline and with harmful control characters made visible, and
    characters that nobody sees. ``before``: the last `BEFORE` characters of what comes before, as
    they were."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.isascii():
        return text.translate(_SHOWN_CONTROLS)
    if _SUSPECT.search(text) is None:
        return text
    text = text.translate(_SHOWN_CONTROLS)
    whole, end = before + text, len(before)
    pieces = []
    for match in _hidden().finditer(whole, end):
        pieces += [whole[end : match.start()], _shown(match)]
        end = match.end()
    return "".join((*pieces, whole[end:]))


@cache
def _hidden() -> re.Pattern[str]:
    """What is hidden as well. Few texts have any, and to compile it takes 6 ms of a start."""
    return re.compile(
        rf"(?<![{_SPACELESS}])\u200b|(?<![{_JOINED}])[\u200c\u200d]|(?<![{_VARIED}])[\ufe00-\ufe0f]"
        rf"|(?<![{_IDEOGRAPHS}])[\U000e0100-\U000e01ef]|[{_TAGS}]"
    )


def _shown(match: re.Match[str]) -> str:
    character, start = match[0], match.start()
    _, flag, tags = match.string[max(0, start + 1 - BEFORE) : start + 1].rpartition(_FLAG)
    is_flag = flag and any(each.startswith(tags) for each in _FLAG_TAGS)
    return character if is_flag else _name(ord(character))
