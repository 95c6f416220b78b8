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
_TILDE, _SIMILAR = "~", "\u223c"
# Of which the typesetter knows nothing, or not that they need room.
_SPACES = {
    **dict.fromkeys("\u2227\u2228\u2229\u222a\u2216\u29f5", "mediummathspace"),
    **dict.fromkeys(
        "\u27f5\u27f6\u27f7\u27f8\u27f9\u27fa\u27fc\u21a9\u21aa\u219d\u21dd\u223c\u225c",
        "thickmathspace",
    ),
}
_RELATIONS = frozenset("=<>\u2192\u2190\u21d2\u2248\u2261\u2264\u2265\u223c\u2243\u2245")
_STACKED = frozenset(("mover", "munder", "munderover"))


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
            _give_room(element)


def _give_room(row: ET.Element) -> None:
    """To signs between two terms, also where something is written over them."""
    parts = list(row)
    for at in reversed(range(1, len(parts) - 1)):
        part = parts[at]
        if part.text == _TILDE and tag_name(part) == "mi":
            part.text = _SIMILAR
        space = _SPACES.get(part.text or "")
        if space is not None and tag_name(part) in ("mi", "mo"):
            part.tag = part.tag.removesuffix(tag_name(part)) + "mo"
            part.attrib.update(lspace=space, rspace=space, stretchy="false")
        elif tag_name(part) in _STACKED and _is_relation(part[0]):
            name = part.tag.removesuffix(tag_name(part)) + "mspace"
            for place in (at + 1, at):
                row.insert(place, ET.Element(name, {"width": "thickmathspace"}))


def _is_relation(base: ET.Element) -> bool:
    while tag_name(base) == "mrow" and len(base) == 1:
        base = base[0]
    return tag_name(base) == "mo" and base.text in _RELATIONS


def _mend_signs_of_one(row: ET.Element) -> None:
    """A sign that is no sum or difference has no space around it."""
    expects = True
    for part in row:
        is_sign = tag_name(part) == "mo" and not part.get("lspace")
        if is_sign and expects and part.text in _OF_ONE:
            part.attrib.update(form="prefix", lspace="0", rspace="0")
        expects = tag_name(part) == "mo" and part.text in _EXPECTING
