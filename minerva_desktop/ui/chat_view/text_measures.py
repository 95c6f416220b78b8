"""Sizes and distances of the transcript's text, at whatever size a person reads it. No Qt here."""

from __future__ import annotations

import math
from itertools import takewhile

import msgspec

from minerva_desktop.settings import USUAL_TEXT_SIZE
from minerva_desktop.ui.chat_view.rows import LIST, QUOTE, Kind, Row

# All px at the usual size.
BODY_PX = 15
CODE_PX = 13
LABEL_PX = 12
HEADING_PX = (22, 19, 17, 15, 15, 15)
SMALL_PX = 13
INDENT = 28  # for a list or a quote; room for a number of two digits
MARKER_GAP = 4  # at least between a number and its text
PARAGRAPH_GAP = 12
ITEM_GAP = 4
RULE_GAP = 20
FORMULA_GAP = 22  # below one on its own: twice what is between its rows
OVER_FORMULA = 16  # above it, where the leading of a line adds to that
HEADING_GAPS = (28, 24, 20, 16, 16, 16)
CELL_TOP = 8  # the line's own leading adds to the space below
CELL_BOTTOM = 2
CELL_RIGHT = 16
SMALL_RIGHT = 8

# px at any size: there is no more room for large text than for small.
MAX_INDENT = 7 * INDENT
CODE_HEADER = 36  # at least, above the first line of a box: language and Copy
AROUND_LABEL = 24  # above and below the language, together
CODE_PADDING = 16  # left and right of code
CODE_BOTTOM = 12  # at least: the bar of a box that scrolls sideways fits into it
FORMULA_BOTTOM = 8  # below a formula on its own, whose line has no leading; room for its bar
MANY_COLUMNS = 7  # from which on a table is set smaller and closer, so that fewer words are broken


class TextMeasures(msgspec.Struct, frozen=True):
    """Those of text at ``percent`` of its usual size; all in px."""

    percent: int = USUAL_TEXT_SIZE

    def px(self, usual: float) -> int:
        """What has ``usual`` px at the usual size. Fonts have whole ones."""
        return math.floor(usual * self.percent / 100 + 0.5)

    @property
    def body(self) -> int:
        """The font of what is said."""
        return self.px(BODY_PX)

    @property
    def code(self) -> int:
        """The font of boxes of code."""
        return self.px(CODE_PX)

    @property
    def label(self) -> int:
        """The font of the language in the header of a box."""
        return self.px(LABEL_PX)

    @property
    def indent(self) -> int:
        """One list or quote."""
        return self.px(INDENT)

    @property
    def code_header(self) -> int:
        """Above the first line of a box of code; its buttons are as large as everywhere."""
        return max(CODE_HEADER, self.label + AROUND_LABEL)

    @property
    def code_bottom(self) -> int:
        """Below its last line, whose leading adds to it."""
        return max(CODE_BOTTOM, self.px(CODE_BOTTOM))

    @property
    def table_bottom(self) -> int:
        """Below a table."""
        return self.px(PARAGRAPH_GAP) + self.px(ITEM_GAP)

    def left_margin(self, nest: str) -> int:
        """Where the text of a row inside ``nest`` begins."""
        return min(len(nest) * self.indent, MAX_INDENT)

    def marker_room(self, row: Row) -> int:
        """From where its marker begins to its text."""
        return max(self.indent, self.left_margin(row.nest) - self.left_margin(row.nest[: row.item]))

    def quote_bars(self, nest: str) -> list[int]:
        """Where the bars of the quotes in ``nest`` stand."""
        return [self.left_margin(nest[:depth]) for depth, kind in enumerate(nest) if kind != LIST]

    def gap_above(self, row: Row, above: Row | None) -> int:
        """Between a row and the one above it; of a code box, its header included."""
        header = self.code_header if row.kind is Kind.CODE and row.first else 0
        if above is None or above.kind is Kind.TABLE:
            return header
        if row.kind is Kind.CODE and not row.first:
            return 0
        padding = self.code_bottom if above.kind is Kind.CODE and above.last else 0
        return padding + header + self.px(_plain_gap(row, above))

    def cell_padding(self, n_columns: int, column: int) -> int:
        """At the right of the text in a cell."""
        if column == n_columns - 1:
            return 0
        return self.px(SMALL_RIGHT if n_columns >= MANY_COLUMNS else CELL_RIGHT)


def _plain_gap(row: Row, above: Row) -> int:
    if row.kind is Kind.PLAIN:
        return 0
    if Kind.FORMULA in {row.kind, above.kind} and Kind.HEADING not in {row.kind, above.kind}:
        return FORMULA_GAP if above.kind is Kind.FORMULA else OVER_FORMULA
    in_alert = above.kind is Kind.ALERT is not row.kind and row.nest[:1] == above.nest[:1]
    if in_alert or (
        row.tight and above.kind in {Kind.TEXT, Kind.HEADING} and _is_beside(row, above)
    ):
        return ITEM_GAP
    if row.kind is Kind.HEADING and above.kind is not Kind.RULE:
        return HEADING_GAPS[row.level - 1]
    if above.kind is Kind.HEADING:
        return 2 * ITEM_GAP
    return RULE_GAP if above.kind is Kind.RULE else PARAGRAPH_GAP


def _is_beside(row: Row, above: Row) -> bool:
    """Whether no quote ends between the two."""
    same = sum(
        1
        for _ in takewhile(lambda pair: pair[0] == pair[1], zip(row.nest, above.nest, strict=False))
    )
    return QUOTE not in above.nest[same:]
