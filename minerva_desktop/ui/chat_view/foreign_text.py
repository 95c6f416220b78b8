"""Words in a formula that the typesetter's font has no signs for, as in ``\\text{速度}``.

They are drawn with the window's font, and with those that Qt takes for what that has not: as
outlines, like all else in a formula. In any one thread, as `typesetting`.
"""

from __future__ import annotations

import unicodedata
import xml.etree.ElementTree as ET
from itertools import groupby

from PySide6.QtGui import QFont, QFontMetricsF, QPainterPath
from ziafont.fonttypes import BBox
from ziamath.mathfont import MathFont
from ziamath.nodes.mnode import Mnode

from minerva_desktop.chat.mathml import cannot_typeset

FOREIGN = "mforeign"  # no tag of MathML: its text is drawn by `ForeignText`


class ForeignText(Mnode, tag=FOREIGN):
    """A word in the window's font, as a part of a formula; ziamath makes it for its tag."""

    def __init__(self, element: ET.Element, parent: Mnode, **options: object) -> None:
        super().__init__(element, parent, **options)
        font = QFont()
        font.setPixelSize(max(1, round(self.glyphsize)))
        font.setBold(self.style.mathvariant.bold)
        text = element.text or ""
        self._path = QPainterPath()
        if not options.get("phantom"):
            self._path.addText(0, 0, font, text)
        metrics = QFontMetricsF(font)
        box = metrics.tightBoundingRect(text)
        width = metrics.horizontalAdvance(text)
        self.bbox = BBox(min(0.0, box.left()), width, -box.bottom(), -box.top())

    def draw(self, x: float, y: float, svg: ET.Element) -> tuple[float, float]:
        """Add the outline to ``svg``, in its coordinates, as ziamath's glyphs do."""
        parts: list[str] = []
        path = self._path.translated(x, y)
        for index in range(path.elementCount()):
            point = path.elementAt(index)
            command = _COMMANDS.get(point.type, "")
            parts.append(f"{command} {point.x:.3f} {point.y:.3f} ")
        ET.SubElement(svg, "path", {"d": "".join(parts)})
        return x + self.bbox.xmax, y


_COMMANDS = {
    QPainterPath.ElementType.MoveToElement: "M",
    QPainterPath.ElementType.LineToElement: "L",
    QPainterPath.ElementType.CurveToElement: "C",
}


def mark_foreign_text(math: ET.Element, font: MathFont) -> None:
    """Have what ``font`` cannot draw of the text in ``math`` drawn by `ForeignText`.

    Raises `InvalidRequest` for what nothing can draw, and for what would be drawn as its name.
    """
    for element in list(math.iter()):
        text = element.text or ""
        if "\\" in text:
            raise cannot_typeset(f"{text} is not known")
        runs = [(own, "".join(run)) for own, run in groupby(text, lambda char: _has(font, char))]
        if all(own for own, _ in runs):
            continue
        for character in text:
            if not _has(font, character) and not _can_draw(character):
                raise cannot_typeset(f"no font has {character}")
        tag, attributes = element.tag, dict(element.attrib)
        element.tag, element.text = "mrow", None
        for own, run in runs:
            part = ET.SubElement(element, tag if own else FOREIGN, attributes)
            part.text = run


def _can_draw(character: str) -> bool:
    """Whether a font of the window has an outline for it: emoji are pictures."""
    font = QFont()
    path = QPainterPath()
    path.addText(0, 0, font, character)
    is_seen = unicodedata.category(character) != "Cf"
    return QFontMetricsF(font).inFontUcs4(ord(character)) and not (is_seen and path.isEmpty())


def _has(font: MathFont, character: str) -> bool:
    return character.isspace() or bool(font.glyphindex(character))
