r"""Arrays with lines between their columns and rows, as in ``\begin{array}{cc|c}`` and ``\hline``.

The typesetter leaves these out. In any one thread, as `typesetting`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator

from ziamath.drawable import HLine, VLine
from ziamath.nodes.mtable import Mtable

from minerva_desktop.chat.formula_limits import tag_name

LINED = "mlinedtable"  # no tag of MathML: `LinedTable` draws it
_BEYOND = 0.2  # em, by which lines go further than what is in the cells
_MOST = 1e4  # px; a cell that is higher is empty

_Extent = tuple[float, float]


class LinedTable(Mtable, tag=LINED):
    """An array with lines, as a part of a formula; ziamath makes it for its tag."""

    def _setup(self, **kwargs: object) -> None:
        super()._setup(**kwargs)
        columns, rows = self._extents()
        if not columns or not rows:
            return
        beyond = _BEYOND * self.glyphsize
        left, right = min(x for x, _ in columns.values()), max(x for _, x in columns.values())
        top, bottom = min(y for y, _ in rows.values()), max(y for _, y in rows.values())
        thickness = self.units_to_points(self.font.math.consts.fractionRuleThickness)
        for y in _between(rows, self.element.get("rowlines", "")):
            self.nodes.append(HLine(right - left + 2 * beyond, thickness, self.style))
            self.nodexy.append((left - beyond, y - thickness / 2))
        for x in _between(columns, self.element.get("columnlines", "")):
            self.nodes.append(VLine(bottom - top + 2 * beyond, thickness, self.style))
            self.nodexy.append((x, top - beyond))

    def _extents(self) -> tuple[dict[int, _Extent], dict[int, _Extent]]:
        """From where to where each column goes, and each row, as far as something is in them."""
        columns: dict[int, _Extent] = {}
        rows: dict[int, _Extent] = {}
        cells = zip(self.nodes, self.nodexy, strict=True)
        for row, cells_of_row in enumerate(self.element):
            for column in range(len(cells_of_row)):
                node, (x, y) = next(cells)
                box = node.bbox
                if abs(box.ymin) < _MOST > abs(box.ymax):
                    _extend(columns, column, (x + box.xmin, x + box.xmax))
                    _extend(rows, row, (y - box.ymax, y - box.ymin))
        return columns, rows


def _extend(extents: dict[int, _Extent], at: int, own: _Extent) -> None:
    low, high = extents.get(at, own)
    extents[at] = min(low, own[0]), max(high, own[1])


def _between(extents: dict[int, _Extent], lines: str) -> Iterator[float]:
    """Where the ``lines`` are, which are named in order: between each and the next."""
    for at, line in enumerate(lines.split()):
        if line != "none" and at in extents and at + 1 in extents:
            yield (extents[at][1] + extents[at + 1][0]) / 2


def mark_lined_tables(math: ET.Element) -> None:
    """Have the arrays in ``math`` that have lines drawn by `LinedTable`."""
    for element in math.iter():
        lines = f"{element.get('rowlines', '')} {element.get('columnlines', '')}"
        if tag_name(element) == "mtable" and ("solid" in lines or "dashed" in lines):
            element.tag = LINED
