"""Where the limits of operators go, in MathML: under and over ``lim``, ``max`` or a sum in a
formula on a line of its own, beside words elsewhere. Values, no I/O."""

from __future__ import annotations

import xml.etree.ElementTree as ET

_WORDS = frozenset(("lim", "sup", "inf", "max", "min"))
LARGE_SIGNS = frozenset("\u220f\u2210\u2211\u22c0\u22c1\u22c2\u22c3\u2a00\u2a01\u2a02\u2a04\u2a06")
_BESIDE = {"msub": "munder", "msup": "mover", "msubsup": "munderover"}
_SCRIPTS = frozenset((*_BESIDE, *_BESIDE.values()))
_SMALL = frozenset(("mfrac", "mtable"))  # what is in them is set as within a line, unless they say


def set_limits(element: ET.Element, *, is_display: bool) -> None:
    """Put the limits in ``element`` where they go; ``is_display``: it is on a line of its own."""
    own = element.get("displaystyle")
    is_display = is_display if own is None else own == "true"
    name = tag_name(element)
    if name in _BESIDE and len(element) and tag_name(element[0]) == "mo":
        base = element[0]
        is_word = base.text in _WORDS or base.get("movablelimits") == "true"
        if is_word:
            base.attrib.update(movablelimits="false", lspace="0em", rspace="0.167em")
        if is_display and (is_word or base.text in LARGE_SIGNS):
            element.tag = element.tag.removesuffix(name) + _BESIDE[name]
    for at, child in enumerate(element):
        is_small = (name in _SCRIPTS and at > 0) or (name in _SMALL and own != "true")
        set_limits(child, is_display=is_display and not is_small)


def tag_name(element: ET.Element) -> str:
    """The tag of ``element`` without its namespace."""
    return element.tag.rpartition("}")[2]
