"""Quotes that begin with ``[!NOTE]`` and the like, which are shown as alerts, as GitHub does. No Qt
here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import MappingProxyType

from markdown_it.token import Token

from minerva_desktop.ui.chat_view.rows import Kind, Mark, Row, Run

# By what stands for such a quote in `Row.nest`.
ALERTS = MappingProxyType(
    {"N": "Note", "T": "Tip", "I": "Important", "W": "Warning", "C": "Caution"}
)
_SIGNS = {name.upper(): sign for sign, name in ALERTS.items()}
_FIRST_LINE = re.compile(rf"\[!({'|'.join(_SIGNS)})\][ \t]*(?:\n|$)", re.IGNORECASE)


def alert_of(block: Sequence[Token]) -> str:
    """What stands for the quote that is ``block``; empty where that is no alert."""
    if [token.type for token in block[:3]] != ["blockquote_open", "paragraph_open", "inline"]:
        return ""
    found = _FIRST_LINE.match(block[2].content)
    return "" if found is None else _SIGNS[found[1].upper()]


def reads_as_alert(line: str) -> bool:
    """Whether a quote that begins with the ``line`` would be one."""
    return _FIRST_LINE.match(line) is not None


def without_first_line(source: str) -> str:
    """What an alert's first paragraph says."""
    return _FIRST_LINE.sub("", source, count=1)


def label_row(nest: str) -> Row:
    """What an alert in ``nest`` begins with."""
    return Row(Kind.ALERT, (Run(ALERTS[nest[0]], Mark.BOLD),), nest)


def first_line(nest: str) -> str:
    """The source of `label_row`."""
    return f"[!{ALERTS[nest[0]].upper()}]"
