r"""Arrows as long as what is written over and under them, as in ``\xrightarrow{text}``.

The typesetter leaves them as short as without. In any one thread, as `typesetting`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ziafont.fonttypes import BBox
from ziamath.drawable import Glyph
from ziamath.nodes.mnode import Mnode

from minerva_desktop.chat.formula_limits import tag_name

ARROW = "mlabelledarrow"  # no tag of MathML: `LabelledArrow` draws it
_SIGN = "sign"
# All in em.
_LEAST = 1.5  # the length of one
_BEYOND = 0.35  # by which it is longer at each end than what is written there
_GAP = 0.12  # between the two
_AROUND = 5 / 18  # before and behind, as around other relations


class LabelledArrow(Mnode, tag=ARROW):
    """An arrow, and what is over and under it, as a part of a formula; ziamath makes it for its
    tag."""

    def __init__(self, element: ET.Element, parent: Mnode, **options: object) -> None:
        super().__init__(element, parent, **options)
        options = {name: options[name] for name in options.keys() & {"phantom"}}
        over, under = (self._label(each, options) for each in element)
        em = self.glyphsize
        widest = max(_width(over), _width(under))
        length = max(_LEAST * em, widest + 2 * _BEYOND * em)
        sign = element.get(_SIGN, "")
        glyph = self.font.math.variant(
            self.font.glyphindex(sign), self.points_to_units(length), vert=False
        )
        arrow = Glyph(glyph, sign, em, self.style, **options)
        width = max(_width(arrow), widest)
        left = _AROUND * em
        top, bottom = arrow.bbox.ymax + _GAP * em, arrow.bbox.ymin - _GAP * em
        for node, baseline in (
            (arrow, 0.0),
            (over, top - over.bbox.ymin),
            (under, bottom - under.bbox.ymax),
        ):
            x = left + (width - _width(node)) / 2 - node.bbox.xmin
            self.nodes.append(node)
            self.nodexy.append((x, -baseline))
        highest = top + over.bbox.ymax - over.bbox.ymin if _width(over) else arrow.bbox.ymax
        lowest = bottom - under.bbox.ymax + under.bbox.ymin if _width(under) else arrow.bbox.ymin
        self.bbox = BBox(0.0, width + 2 * left, lowest, highest)

    def _label(self, element: ET.Element, options: dict[str, object]) -> Mnode:
        self.increase_child_scriptlevel(element)
        return Mnode.fromelement(element, self, sup=True, **options)  # signs stand close there


def _width(node: Mnode | Glyph) -> float:
    return float(node.bbox.xmax - node.bbox.xmin)


def mark_labelled_arrows(math: ET.Element) -> None:
    """Have the arrows in ``math`` that have labels drawn by `LabelledArrow`."""
    for element in list(math.iter()):
        if tag_name(element) not in ("mover", "munderover") or tag_name(element[0]) != "mstyle":
            continue
        style, *labels = element
        if len(style) != 1 or any(tag_name(label) != "mpadded" for label in labels):
            continue
        made = [ET.Element("mrow"), ET.Element("mrow")]
        for row, label in zip(made, reversed(labels), strict=False):
            row.extend(label[:-1])  # the last is a space of the libraries'
        element.attrib.clear()
        element.tag = ARROW
        element.set(_SIGN, style[0].text or "")
        element[:] = made
