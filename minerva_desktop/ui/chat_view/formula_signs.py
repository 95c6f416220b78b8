"""Signs in a formula as TeX sets them, where the typesetter would not. As `typesetting`: any one
thread."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from minerva_desktop.chat.formula_limits import LARGE_SIGNS, tag_name

ROWS = frozenset(("math", "mrow", "mstyle", "mtd"))
_OF_ONE = frozenset(
    "+-\u2212\u00b1\u2213"
)  # where something else is expected: no sum, no difference
# After these, something is expected.
_EXPECTING = frozenset(
    "=<>([{,;:/*+-\u2212\u00b1\u2213\u00d7\u00f7\u00b7\u22c5\u2217\u2260\u2264\u2265\u2248\u2261"
    "\u223c\u2243\u2245\u221d\u2190\u2192\u21d2\u21d4\u21a6\u2208\u2209\u2282\u2286\u2254\u27e8"
    "\u2308\u230a"
)
_WIDE_HAT, _HAT = "\u0302", "\u02c6"


def mend_signs(math: ET.Element) -> None:
    """Change what stands in ``math``."""
    for element in math.iter():
        name = tag_name(element)
        if name == "mi" and element.text in LARGE_SIGNS:
            element.tag = element.tag.removesuffix("mi") + "mo"
            element.attrib.update(largeop="true", rspace="0.125em")
        elif name == "mover" and element.get("accent") == "true":
            if element[1].text == _WIDE_HAT:  # wide is that of a word alone
                element[1].text = _HAT
                element[1].set("stretchy", "false")
        elif name in ROWS:
            _mend_signs_of_one(element)


def _mend_signs_of_one(row: ET.Element) -> None:
    """A sign that is no sum or difference has no space around it."""
    expects = True
    for part in row:
        is_sign = tag_name(part) == "mo" and not part.get("lspace")
        if is_sign and expects and part.text in _OF_ONE:
            part.attrib.update(form="prefix", lspace="0", rspace="0")
        expects = tag_name(part) == "mo" and part.text in _EXPECTING
