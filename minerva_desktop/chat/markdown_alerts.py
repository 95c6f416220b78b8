"""Quotes in Markdown that begin with ``[!NOTE]`` and the like, which are shown as alerts, as GitHub
does. Values, no I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import MappingProxyType

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

# By what stands for such a quote in a rendered row (`Row.nest`).
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


def add_alerts(parser: MarkdownIt) -> None:
    """Have ``parser`` give alerts their name as a first paragraph. Their classes are ``alert`` and
    one like ``note-alert``, the paragraph's ``label``."""
    parser.core.ruler.before("inline", "alerts", _alerts_rule)


def _alerts_rule(state: StateCore) -> None:
    made: list[Token] = []
    dropped = 0  # of the tokens that come next
    for at, token in enumerate(state.tokens):
        if dropped:
            dropped -= 1
            continue
        made.append(token)
        sign = alert_of(state.tokens[at : at + 3]) if token.level == 0 else ""
        if sign:
            token.attrSet("class", f"alert {ALERTS[sign].lower()}-alert")
            made += _label(ALERTS[sign])
            said = state.tokens[at + 2]
            said.content = without_first_line(said.content)
            dropped = 0 if said.content else 3
    state.tokens = made


def _label(name: str) -> list[Token]:
    opened = Token("paragraph_open", "p", 1, attrs={"class": "label"}, level=1, block=True)
    words = Token("inline", "", 0, content=name, children=[], level=2, block=True)
    return [opened, words, Token("paragraph_close", "p", -1, level=1, block=True)]
