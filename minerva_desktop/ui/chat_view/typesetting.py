r"""Typesets LaTeX: a formula becomes one outline, to be filled in any colour at any size.

With `chat.mathml` the home of ziamath, whose import takes 0.2 s: `formulas` imports this late, in
its thread. LaTeX is untrusted. ziamath makes SVG, of which only glyph outlines, bars and frames are
taken, so nothing in a formula can name a file or an address that anything would open. A formula
that means to define, includes or measures out too much, takes too long, or has a command or a
character that is not known, is not typeset at all. Only one thread at a time may call it: the font
is one object.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from functools import partial

import msgspec
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainterPath, QPainterPathStroker
from ziafont.config import config as font_config
from ziamath.escapes import unescape
from ziamath.operators import names as spaced_operators
from ziamath.tex import tex2mml
from ziamath.zmath import Math, loadedfonts

from minerva_desktop.chat.formula_limits import set_limits, tag_name
from minerva_desktop.chat.mathml import MAX_SECONDS, cannot_typeset, prepared
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.time_limit import time_limit
from minerva_desktop.ui.chat_view.foreign_text import mark_foreign_text
from minerva_desktop.ui.chat_view.formula_signs import ROWS, mend_signs
from minerva_desktop.ui.chat_view.labelled_arrow import mark_labelled_arrows
from minerva_desktop.ui.chat_view.lined_table import mark_lined_tables

EM = 100.0  # units of an outline that make up the size of its font
MAX_WIDTH = 400.0  # em
MAX_HEIGHT = 100.0

# Sums and integrals, which would be as high within a line as on their own, and no bracket around
# them as high as they are.
_LARGE = re.compile(r"<mo>(?=&#x0(?:220F|22[12][0-9A-F]|22C[0-3]|2A[01][0-9A-F]);)")
_PATH_PART = re.compile(r"([MLCQZ])([^MLCQZ]*)")
# Rows are set by what is in them, with no strut: 3pt would be a 25th of an em between them.
_ALIGNED_ROWS = re.compile(r'(?<= rowspacing=")3pt(?=")')
_OTHER_ROWS = re.compile(r"<mtable(?![^>]* rowspacing=)")
_COLUMNS = re.compile(r"<mtable(?![^>]* columnspacing=)")
# ziamath takes them for a third more.
ALIGNED_GAP, OTHER_GAP, COLUMN_GAP = "0.5em", "0.4em", "0.6em"

_SCRIPTS = frozenset(("msub", "msup", "msubsup", "munder", "mover", "munderover"))
_CLOSING = frozenset(")]")
_THIN = "0.125em"  # ziamath takes it for a third more, too


class Drawing(msgspec.Struct, frozen=True):
    """An outline in units of `EM`, the baseline at y = 0, with its sizes in em."""

    path: QPainterPath
    width: float
    ascent: float
    descent: float


def typeset(tex: str, *, display: bool) -> Drawing:
    """The outline of a formula; ``display`` as on a line of its own.

    Raises `InvalidRequest` when it cannot be typeset, and says why in its detail.
    """
    font_config.svg2 = False  # outlines in their place, instead of references to them
    try:
        with time_limit(MAX_SECONDS, TimeoutError):
            markup = tex2mml(prepared(tex), inline=not display)
            markup = _LARGE.sub('<mo stretchy="false">', markup)
            markup = _ALIGNED_ROWS.sub(ALIGNED_GAP, markup)
            markup = _OTHER_ROWS.sub(f'<mtable rowspacing="{OTHER_GAP}"', markup)
            markup = _COLUMNS.sub(f'<mtable columnspacing="{COLUMN_GAP}"', markup)
            return _laid_out(markup)
    except InvalidRequest:
        raise
    except Exception as error:  # noqa: BLE001 - the libraries raise whatever a formula makes them
        reason = repr(error)
    # Not from within: the error would keep the libraries' frames, whose generators may be half done
    # where the time was up. They are to be closed now, not by the garbage collector, which closes
    # the files that they hold first and has them complain.
    raise cannot_typeset(reason)


def _laid_out(markup: str) -> Drawing:
    """The outline of a formula in MathML."""
    source = ET.fromstring(unescape(markup))
    mend_signs(source)
    set_limits(source, is_display=source.get("display") == "block")
    mark_labelled_arrows(source)
    mark_lined_tables(source)
    _set_operators_apart(source)
    mark_foreign_text(source, loadedfonts["default"])
    formula = Math(source, size=EM)
    box = formula.node.bbox
    width, height = box.xmax - box.xmin, box.ymax - box.ymin
    if not (0 < width <= MAX_WIDTH * EM and 0 < height <= MAX_HEIGHT * EM):
        raise cannot_typeset(f"{width:.0f} × {height:.0f} units are too large")
    canvas = ET.Element("svg")
    formula.node.draw(0, 0, canvas)
    path = QPainterPath()
    for element in canvas.iter():
        path.addPath(_outline(element))
    path.setFillRule(Qt.FillRule.WindingFill)
    path.translate(-box.xmin, 0)
    return Drawing(path, width / EM, max(0.0, box.ymax / EM), max(0.0, -box.ymin / EM))


def _set_operators_apart(math: ET.Element) -> None:
    """A thin space between an operator that is a word and the letter, number, fraction or root
    behind it, where ziamath leaves none, or loses it to the limits, and one before it."""
    for operator in math.iter():
        if operator.get("movablelimits") == "false":
            operator.set("rspace", "0")  # or its limits were not in the middle
    for row in list(math.iter()):
        if tag_name(row) not in ROWS:
            continue
        parts = list(row)
        for at in reversed(range(1, len(parts))):
            word, behind = _first(parts[at - 1], _SCRIPTS), _first(parts[at], _SCRIPTS | ROWS)
            lacks = _lacks_space(word, has_scripts=word is not parts[at - 1])
            before_word = _is_operator(behind) and (
                _is_term(word) or word.text in _CLOSING or lacks
            )
            lacks = lacks and _is_term(behind)
            if lacks:
                word.set("rspace", "0")
            if lacks or before_word:
                space = row.tag.removesuffix(tag_name(row)) + "mspace"
                row.insert(at, ET.Element(space, {"width": _THIN}))


def _lacks_space(word: ET.Element, *, has_scripts: bool) -> bool:
    is_spaced = tag_name(word) == "mi" or word.text in spaced_operators
    return _is_operator(word) and (has_scripts or not is_spaced)


def _is_operator(word: ET.Element) -> bool:
    """Whether it is one that is a word: no sign, and no letters that are none."""
    text = word.text or ""
    is_word = len(text) > 1 and text[0].isalpha() and word.get("mathvariant") is None
    return is_word and tag_name(word) in ("mi", "mo")


def _is_term(element: ET.Element) -> bool:
    is_letter = tag_name(element) == "mi" and len(element.text or "") == 1
    return is_letter or tag_name(element) in ("mn", "mfrac", "msqrt")


def _first(element: ET.Element, within: frozenset[str]) -> ET.Element:
    """What stands first in it, as far as it is made of what ``within`` names."""
    while tag_name(element) in within and len(element):
        element = element[0]
    return element


def _outline(element: ET.Element) -> QPainterPath:
    """What an element of the picture covers; nothing for all but glyphs, bars and frames."""
    path = QPainterPath()
    get = partial(_number, element)
    if element.tag == "path":
        _add_curves(path, element.get("d", ""))
    elif element.tag == "rect":
        path.addRect(QRectF(get("x"), get("y"), get("width"), get("height")))
    elif element.tag == "ellipse":
        path.addEllipse(QPointF(get("cx"), get("cy")), get("rx"), get("ry"))
    if element.get("stroke") is None:
        return path
    pen = QPainterPathStroker()
    pen.setWidth(get("stroke-width"))
    return pen.createStroke(path)


def _number(element: ET.Element, name: str) -> float:
    return float(element.get(name, "0"))


def _add_curves(path: QPainterPath, source: str) -> None:
    """Add the path ``source``, whose commands have absolute coordinates."""
    for command, numbers in _PATH_PART.findall(source):
        at = [float(number) for number in numbers.split()]
        match command:
            case "M":
                path.moveTo(*at)
            case "L":
                path.lineTo(*at)
            case "Q":
                path.quadTo(*at)
            case "C":
                path.cubicTo(*at)
            case _:
                path.closeSubpath()
