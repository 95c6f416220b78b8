r"""The LaTeX of a formula as MathML.

The import of `ziamath` takes 0.2 s: who needs this imports it late. LaTeX is untrusted: a formula
that means to define, includes or measures out too much, takes too long, or has a command that is
not known, is refused.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from ziamath.tex import tex2mml

from minerva_desktop.chat.formula_limits import set_limits
from minerva_desktop.chat.latex_commands import argument, in_known_commands
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.time_limit import time_limit

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
    r"\\(?:require\s*\{[a-z]*\}|label\s*\{[^{}]*\}|(?:text)?color\s*(?:\[[^][]*\]\s*)?\{[^{}]*\}|"
    r"(?:nonumber|notag)(?![a-zA-Z]))"
)
# What is set like these is set as them; numbers of their own are none.
_ALIGNED = re.compile(
    r"\\begin\s*\{align(?:ed)?at\*?\}\s*\{\d*\}|\\begin\s*\{(?:align|flalign\*?|eqnarray\*?)\}"
)
_ALIGNED_END = re.compile(r"\\end\s*\{(?:align(?:ed)?at\*?|align|flalign\*?|eqnarray\*?)\}")
_VARIANT = re.compile(r"\\(begin|end)\s*\{d?(cases|aligned|split|array|smallmatrix)\*?\}")
_LINES = re.compile(r"\\(begin|end)\s*\{(?:gather(?:ed)?|multline)\*?\}")
# A matrix and its brackets are one term, which may have a power.
_BRACKETED = re.compile(r"\\begin\s*\{([pbBvV]matrix)\}")
_BRACKETED_END = re.compile(r"\\end\s*\{([pbBvV]matrix)\}")
# Lines around an array would be taken for those between its columns and rows.
_ARRAY = re.compile(
    r"(\\begin\s*\{array\}\s*\{)[\s|]*([^{}]*?)[\s|]*(\})(?:\s*\\hline(?![a-zA-Z]))*"
)
_ARRAY_END = re.compile(r"(?:\\hline\s*)+(\\end\s*\{array\})")
_BARS = re.compile(r"\s*\|[\s|]*")
_DOUBLE_DIGIT = re.compile(r"\\mathbb\s*(?:\{\s*(\d)\s*\}|(\d))")
# What a row with a tag in it is made of: the tag is set where the row ends.
_ROW_PART = re.compile(r"\\(?:tag|begin|end)(?![a-zA-Z])\*?|\\.|[{}]", re.DOTALL)
# What one row is to be further away from the next; drawn as text otherwise.
_ROW_GAP = re.compile(r"(\\\\)\*?\s*\[\s*-?[\d.]+\s*[a-z]{2}\s*\]")
_ANGLES = re.compile(r"\\(left|right|big\w?|Big\w?|bigg\w?|Bigg\w?)\s*([<>])")
_TEXT_DASH = re.compile(r"(\\(?:text\w*|mbox)\s*\{)-")
# With no way back into the digits: a long number took cubic time, and the lock for all of it.
_DIMENSION = re.compile(
    r"(?<!\d)(\d++(?:\.\d++)?|\.\d++)\s*+(in|mm|cm|pt|em|ex|pc|bp|dd|cc|sp|mu)(?![a-zA-Z])"
)
_UNITS_IN_EM = {"in": 7.3, "cm": 2.9, "pc": 1.3, "cc": 1.3, "mm": 0.3, "em": 1.0, "ex": 0.5}
_ANGLE_NAMES = {"<": r"\langle ", ">": r"\rangle "}


# What MathML is made of: all else is left out, whatever a formula made the libraries write.
_TAGS = frozenset(
    ("math", "menclose", "mfrac", "mi", "mmultiscripts", "mn", "mo", "mover", "mpadded", "mphantom",
     "mprescripts", "mroot", "mrow", "mspace", "msqrt", "mstyle", "msub", "msubsup", "msup",
     "mtable", "mtd", "mtext", "mtr", "munder", "munderover", "none")
)  # fmt: skip
_ATTRIBUTES = frozenset(
    ("accent", "columnalign", "columnlines", "columnspacing", "depth", "display", "displaystyle",
     "fence", "form", "height", "largeop", "linethickness", "lspace", "mathvariant", "maxsize",
     "minsize", "movablelimits", "notation", "rowlines", "rowspacing", "rspace", "scriptlevel",
     "separator", "stretchy", "symmetric", "voffset", "width")
)  # fmt: skip
_VALUE = re.compile(r"[\w.%+ -]{0,60}", re.ASCII)


def mathml(tex: str, *, display: bool) -> str:
    """A formula as the MathML of a web page, which keeps ``tex`` as its annotation; ``display`` as
    on a line of its own. Raises `InvalidRequest` when it cannot be had, and says why in its
    detail. Any thread."""
    try:
        with time_limit(MAX_SECONDS, TimeoutError):
            found = ET.fromstring(tex2mml(prepared(tex), inline=not display))
            set_limits(found, is_display=display)
            math = ET.Element("math", {"display": "block" if display else "inline"})
            semantics = ET.SubElement(math, "semantics")
            row = ET.SubElement(semantics, "mrow")
            row.extend([_clean(each) for each in found])
            note = ET.SubElement(semantics, "annotation", {"encoding": "application/x-tex"})
            note.text = tex
            return ET.tostring(math, encoding="unicode", short_empty_elements=False)
    except InvalidRequest:
        raise
    except Exception as error:  # noqa: BLE001 - the libraries raise whatever a formula makes them
        reason = repr(error)
    raise cannot_typeset(reason)  # not from within: see `typesetting`


def _clean(element: ET.Element) -> ET.Element:
    """``element`` with nothing but what `_TAGS` and `_ATTRIBUTES` name, and its text."""
    tag = element.tag.rpartition("}")[2]
    text = element.text or ""
    if tag not in _TAGS:
        raise cannot_typeset(f"<{tag}> is not allowed")
    if "\\" in text:
        raise cannot_typeset(f"{text} is not known")
    allowed = {
        name: value
        for name, value in element.items()
        if name in _ATTRIBUTES and _VALUE.fullmatch(value)
    }
    clean = ET.Element(tag, allowed)
    clean.text = text
    clean.extend([_clean(each) for each in element])
    return clean


def prepared(tex: str) -> str:
    """``tex`` in the words of the libraries. Raises `InvalidRequest` for what is not allowed."""
    tex = in_known_commands(_with_tags_last(_DROPPED.sub("", tex)))
    refused = _REFUSED.search(tex)
    if refused is not None:
        raise cannot_typeset(f"{refused[0]} is not allowed")
    for number, unit in _DIMENSION.findall(tex):
        if float(number) * _UNITS_IN_EM.get(unit, 0.1) > MAX_DIMENSION:
            raise cannot_typeset(f"{number}{unit} is too long")
    tex = _ROW_GAP.sub(r"\1", tex)
    tex = _ALIGNED.sub(r"\\begin{align*}", tex)
    tex = _ALIGNED_END.sub(r"\\end{align*}", tex)
    tex = _VARIANT.sub(r"\\\1{\2}", tex)
    tex = _LINES.sub(r"\\\1{displaylines}", tex)
    tex = _ARRAY.sub(lambda array: f"{array[1]}{_BARS.sub('|', array[2])}{array[3]}", tex)
    tex = _ARRAY_END.sub(r"\1", tex)
    tex = _BRACKETED.sub(r"{\\begin{\1}", tex)
    tex = _BRACKETED_END.sub(r"\\end{\1}}", tex)
    tex = _DOUBLE_DIGIT.sub(lambda digit: chr(0x1D7D8 + int(digit[1] or digit[2])), tex)
    tex = _ANGLES.sub(lambda match: f"\\{match[1]}{_ANGLE_NAMES[match[2]]}", tex)
    # Markup of the libraries' own is made of these: there is to be none that they did not write.
    tex = tex.replace("<", r"\lt ").replace(">", r"\gt ")
    return _TEXT_DASH.sub("\\1\u2010", tex)


def _with_tags_last(tex: str) -> str:
    r"""``tex`` with what each ``\tag`` says at the end of its row, wherever in it that stands."""
    made: list[str] = []
    tags = [""]  # of the row that is gone through, and of those around it
    at = 0
    while (part := _ROW_PART.search(tex, at)) is not None:
        made.append(tex[at : part.start()])
        at = part.end()
        found = argument(tex, at) if part[0] in (r"\tag", r"\tag*") else None
        if found is not None:
            text, at = found
            text = text if part[0] == r"\tag*" else f"({text})"
            tags[-1] += rf"\qquad \text{{{text}}}" if text.strip() else ""
            continue
        match part[0]:
            case "{" | r"\begin":
                tags.append("")
            case "}" | r"\end":
                made.append(tags.pop())
                tags = tags or [""]
            case "\\\\":
                made.append(tags[-1])
                tags[-1] = ""
        made.append(part[0])
    return "".join((*made, tex[at:], *reversed(tags)))


def cannot_typeset(reason: str) -> InvalidRequest:
    """The error of a formula, with ``reason`` as its detail."""
    return InvalidRequest("This formula cannot be typeset", detail=reason)
