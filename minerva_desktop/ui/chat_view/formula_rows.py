"""Formulas among the text of a paragraph: those on a line of their own get a row. No Qt here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from minerva_desktop.chat.markdown_math import is_display
from minerva_desktop.ui.chat_view.rows import LINE_BREAK, Mark, Run, merged

_SENTENCE_END = re.compile(r"([.,;:!?])(?=\s|$)\s*")


def formula_run(source: str, mark: Mark = Mark.NONE, link: str = "") -> Run:
    """A formula as a run."""
    return Run(source.replace("\n", LINE_BREAK), mark | Mark.FORMULA, link)


def begins_with_display(runs: Sequence[Run]) -> bool:
    """Whether the first of ``runs`` is a formula on a line of its own."""
    return bool(runs) and Mark.FORMULA in runs[0].mark and is_display(runs[0].text)


def apart(runs: tuple[Run, ...]) -> Iterator[tuple[Run, ...]]:
    """``runs`` with each formula that stands on a line of its own apart, but for what ends its
    sentence. At least one part."""
    part: list[Run] = []
    for run in runs:
        if begins_with_display([run]):
            yield from _trimmed(part)
            part = [run]
        elif begins_with_display(part) and (match := _SENTENCE_END.match(run.text)) is not None:
            yield (*part, run._replace(text=match[1]))
            part = [run._replace(text=run.text[match.end() :])]
        elif begins_with_display(part):
            yield tuple(part)
            part = [run]
        else:
            part.append(run)
    if begins_with_display(part) or part == list(runs):
        yield tuple(part)
    else:
        yield from _trimmed(part)


def _trimmed(part: list[Run]) -> Iterator[tuple[Run, ...]]:
    """``part`` without white space around it, where there is something in it."""
    if part:
        part[0] = part[0]._replace(text=part[0].text.lstrip())
        part[-1] = part[-1]._replace(text=part[-1].text.rstrip())
    runs = merged(part)
    if runs:
        yield runs
