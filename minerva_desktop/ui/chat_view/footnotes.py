"""Footnotes in Markdown: ``[^1]`` leads to a note that a line beginning with ``[^1]:`` defines.

In a whole text only what is defined counts, notes have numbers in the order in which they are
first named, and stand at the end. While a text is still being written nobody knows what it will
define: there each reference counts, under its own label, and a note stands where it was written.
No Qt here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from mdit_py_plugins.footnote.index import footnote_def
from msgspec.structs import replace

from minerva_desktop.ui.chat_view.rows import BESIDE_QUOTE, LIST, QUOTE, Kind, Mark, Row, Run

REFERENCE = "footnote_ref"
OPEN = "footnote_reference_open"
CLOSE = "footnote_reference_close"
NOTE_LINK = "#note:"  # and a label: leads to the note
TEXT_LINK = "#text:"  # leads back to where the note is first named
BACK = "↩"

_REFERENCE = re.compile(r"\[\^([^\]\s]{1,40})\]")
_NOTES = "notes"


@dataclass
class Notes:
    """The notes of a whole text, as they are found in it."""

    numbers: dict[str, int] = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def number(self, label: str) -> int:
        """The number of a note that is named, from 1 on."""
        return self.numbers.setdefault(label, len(self.numbers) + 1)

    def section(self) -> Iterator[list[Row]]:
        """The rows that end the text, note by note: those that it never names come last."""
        for label in self.rows:
            self.number(label)
        if self.rows:
            yield [Row(Kind.RULE)]
        for label, number in self.numbers.items():
            if label in self.rows:
                yield note_rows(self.rows[label], str(number), label)


def add_footnotes(parser: MarkdownIt) -> None:
    """Let ``parser`` find footnotes."""
    parser.block.ruler.before(
        "reference", "footnote_def", footnote_def, {"alt": ["paragraph", "reference"]}
    )
    parser.inline.ruler.before("link", REFERENCE, _reference_rule)


def may_hold_footnotes(source: str) -> bool:
    """Whether a whole text has to be looked at for footnotes."""
    return "[^" in source


def begin_notes(env: dict[str, Any]) -> Notes:
    """``env`` is a whole text's, whose definitions are known: collect its notes."""
    notes = env[_NOTES] = Notes()
    return notes


def known_notes(env: MutableMapping[str, Any]) -> Notes | None:
    """What collects the notes; None while the text is still being written."""
    notes = env.get(_NOTES)
    return notes if isinstance(notes, Notes) else None


def copied_footnotes(env: dict[str, Any]) -> dict[str, Any]:
    """What ``env`` knows about footnotes, to parse with; only the notes are shared."""
    copied: dict[str, Any] = {}
    if "footnotes" in env:
        copied["footnotes"] = {"refs": dict(env["footnotes"].get("refs", {}))}
    if _NOTES in env:
        copied[_NOTES] = env[_NOTES]
    return copied


def reference_run(label: str, env: dict[str, Any], mark: Mark) -> Run:
    """What leads from the text to a note."""
    notes = known_notes(env)
    name = label if notes is None else str(notes.number(label))
    return Run(f"[{name}]", mark | Mark.RAISED, NOTE_LINK + label)


def note_rows(rows: Sequence[Row], name: str, label: str, *, leads_back: bool = True) -> list[Row]:
    """The rows of a note, with its name before them and the way back behind them."""
    made = list(rows) or [Row(Kind.TEXT, nest=LIST)]
    first = made[0]
    number = f"{name}."
    nest = first.nest if len(number) > BESIDE_QUOTE else first.nest.rstrip(QUOTE)
    if first.kind is Kind.TEXT and not first.marker and nest == LIST:
        made[0] = replace(first, marker=number, tight=True)
    else:
        made.insert(0, Row(Kind.TEXT, nest=LIST, marker=number, tight=True))
    if not leads_back:
        return made
    last = made[-1]
    back = Run(BACK, Mark.NONE, TEXT_LINK + label)
    if last.kind is Kind.TEXT:
        space = (Run(" "),) if last.runs else ()
        made[-1] = replace(last, runs=(*last.runs, *space, back))
    else:
        made.append(Row(Kind.TEXT, (back,), nest=LIST, tight=True))
    return made


def other_end(link: str) -> str:
    """The link at the place that ``link`` leads to; empty where it does not lead into the text."""
    for here, there in ((NOTE_LINK, TEXT_LINK), (TEXT_LINK, NOTE_LINK)):
        if link.startswith(here):
            return there + link.removeprefix(here)
    return ""


def _reference_rule(state: StateInline, silent: bool) -> bool:
    match = _REFERENCE.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    defined = state.env.get("footnotes", {}).get("refs", {})
    if known_notes(state.env) is not None and f":{match[1]}" not in defined:
        return False
    if not silent:
        token = state.push(REFERENCE, "", 0)
        token.content = match[1]
    state.pos = match.end()
    return True
