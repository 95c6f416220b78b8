r"""Typesets LaTeX: a formula becomes one outline, to be filled in any colour at any size.

The one home of ziamath, whose import takes 0.2 s: `formulas` imports this late, in its thread.
LaTeX is untrusted. ziamath makes SVG, of which only glyph outlines, bars and frames are taken, so
nothing in a formula can name a file or an address that anything would open. A formula that means
to define, includes or measures out too much, takes too long, or has a command or a character that
is not known, is not typeset at all. Only one thread at a time may call it: the font is one object.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainterPath, QPainterPathStroker
from ziafont.config import config as font_config
from ziamath.tex import tex2mml
from ziamath.zmath import Math

from minerva_desktop.errors import InvalidRequest
from minerva_desktop.time_limit import time_limit

EM = 100.0  # units of an outline that make up the size of its font
MAX_WIDTH = 400.0  # em
MAX_HEIGHT = 100.0
MAX_DIMENSION = 20.0  # em; of a space or a rule
MAX_SECONDS = 0.5

# Macros can grow without bounds, and there is nothing to include or to link to.
_REFUSED = re.compile(
    r"\\(?:def|edef|gdef|let|newcommand|renewcommand|providecommand|newenvironment|"
    r"DeclareMathOperator|input|include|includegraphics|href|url|require|class|cssId|style|f?colorbox|"
    r"unicode|verb|html\w+)(?![a-zA-Z])"
)
# A formula is drawn in one colour. Numbers of its own would begin anew in each formula.
_DROPPED = re.compile(
    r"\\(?:label\s*\{[^{}]*\}|(?:text)?color\s*(?:\[[^][]*\]\s*)?\{[^{}]*\}|"
    r"(?:nonumber|notag)(?![a-zA-Z]))"
)
_NUMBERED = re.compile(r"\\(begin|end)\s*\{align\}")
_TAG = re.compile(r"\\tag\s*\{([^{}]*)\}")
_BARE_TAG = re.compile(r"\\tag\*\s*\{([^{}]*)\}")
# What one row is to be further away from the next; drawn as text otherwise.
_ROW_GAP = re.compile(r"(\\\\)\*?\s*\[\s*-?[\d.]+\s*[a-z]{2}\s*\]")
_ANGLES = re.compile(r"\\(left|right|big\w?|Big\w?|bigg\w?|Bigg\w?)\s*([<>])")
_TEXT_DASH = re.compile(r"(\\(?:text\w*|mbox)\s*\{)-")
# With no way back into the digits: a long number took cubic time, and the lock for all of it.
_DIMENSION = re.compile(
    r"(?<!\d)(\d++(?:\.\d++)?|\.\d++)\s*+(in|mm|cm|pt|em|ex|pc|bp|dd|cc|sp|mu)(?![a-zA-Z])"
)
_UNITS_IN_EM = {"in": 7.3, "cm": 2.9, "pc": 1.3, "cc": 1.3, "mm": 0.3, "em": 1.0, "ex": 0.5}
# Sums and integrals, which would be as high within a line as on their own.
_LARGE = re.compile(r"<mo>(?=&#x0(?:220F|22[12][0-9A-F]|22C[0-3]|2A[01][0-9A-F]);)")
_PATH_PART = re.compile(r"([MLCQZ])([^MLCQZ]*)")
# Rows are set by what is in them, with no strut: 3pt would be a 25th of an em between them.
_ALIGNED_ROWS = re.compile(r'(?<= rowspacing=")3pt(?=")')
_OTHER_ROWS = re.compile(r"<mtable(?![^>]* rowspacing=)")
ALIGNED_GAP, OTHER_GAP = "0.5em", "0.4em"  # ziamath takes them for a third more
_ANGLE_NAMES = {"<": r"\langle ", ">": r"\rangle "}


@dataclass(frozen=True, slots=True)
class Drawing:
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
    prepared = _prepared(tex)
    try:
        with time_limit(MAX_SECONDS, TimeoutError):
            markup = tex2mml(prepared, inline=not display)
            markup = _ALIGNED_ROWS.sub(ALIGNED_GAP, markup)
            markup = _OTHER_ROWS.sub(f'<mtable rowspacing="{OTHER_GAP}"', markup)
            if not display:
                markup = _LARGE.sub('<mo stretchy="false">', markup)
            return _laid_out(markup)
    except InvalidRequest:
        raise
    except Exception as error:  # noqa: BLE001 - the libraries raise whatever a formula makes them
        reason = repr(error)
    # Not from within: the error would keep the libraries' frames, whose generators may be half done
    # where the time was up. They are to be closed now, not by the garbage collector, which closes
    # the files that they hold first and has them complain.
    raise _cannot(reason)


def _prepared(tex: str) -> str:
    """``tex`` in the words of the libraries."""
    refused = _REFUSED.search(tex)
    if refused is not None:
        raise _cannot(f"{refused[0]} is not allowed")
    for number, unit in _DIMENSION.findall(tex):
        if float(number) * _UNITS_IN_EM.get(unit, 0.1) > MAX_DIMENSION:
            raise _cannot(f"{number}{unit} is too long")
    tex = _DROPPED.sub("", tex)
    tex = _ROW_GAP.sub(r"\1", tex)
    tex = _NUMBERED.sub(r"\\\1{align*}", tex)
    tex = _BARE_TAG.sub(r"\\qquad \\text{\1}", tex)
    tex = _TAG.sub(r"\\qquad (\\text{\1})", tex)
    tex = _ANGLES.sub(lambda match: f"\\{match[1]}{_ANGLE_NAMES[match[2]]}", tex)
    # Markup of the libraries' own is made of these: there is to be none that they did not write.
    tex = tex.replace("<", r"\lt ").replace(">", r"\gt ")
    return _TEXT_DASH.sub("\\1\u2010", tex)


def _laid_out(markup: str) -> Drawing:
    """The outline of a formula in MathML."""
    formula = Math(markup, size=EM)
    _check_text(formula)
    box = formula.node.bbox
    width, height = box.xmax - box.xmin, box.ymax - box.ymin
    if not (0 < width <= MAX_WIDTH * EM and 0 < height <= MAX_HEIGHT * EM):
        raise _cannot(f"{width:.0f} × {height:.0f} units are too large")
    canvas = ET.Element("svg")
    formula.node.draw(0, 0, canvas)
    path = QPainterPath()
    for element in canvas.iter():
        path.addPath(_outline(element))
    path.setFillRule(Qt.FillRule.WindingFill)
    path.translate(-box.xmin, 0)
    return Drawing(path, width / EM, max(0.0, box.ymax / EM), max(0.0, -box.ymin / EM))


def _check_text(formula: Math) -> None:
    """Raise where a formula holds something that would be drawn as its name, or as a box."""
    for text in formula.mathml.itertext():
        if "\\" in text:
            raise _cannot(f"{text} is not known")
        for character in text:
            if not character.isspace() and not formula.font.glyphindex(character):
                raise _cannot(f"the font has no {character}")


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


def _cannot(reason: str) -> InvalidRequest:
    return InvalidRequest("This formula cannot be typeset", detail=reason)
