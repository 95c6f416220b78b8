r"""Commands of LaTeX that the libraries do not know, in words that they do.

Sizes of brackets, text with formulas and escapes in it, and commands of usual packages. What is
written wrongly is left as it is, for the libraries to refuse. Values, no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from minerva_desktop.chat.chemistry import reaction

_DELIMITERS = {
    r"\{": "{", r"\}": "}", r"\lbrace": "{", r"\rbrace": "}", r"\lbrack": "[", r"\rbrack": "]",
    r"\|": "\u2016", r"\Vert": "\u2016", r"\lVert": "\u2016", r"\rVert": "\u2016",
    r"\vert": "|", r"\lvert": "|", r"\rvert": "|", r"\langle": "\u27e8", r"\rangle": "\u27e9",
    r"\lfloor": "\u230a", r"\rfloor": "\u230b", r"\lceil": "\u2308", r"\rceil": "\u2309",
    r"\uparrow": "\u2191", r"\downarrow": "\u2193", r"\updownarrow": "\u2195", ".": " ",
}  # fmt: skip
_SIZED = re.compile(r"(\\[bB]igg?[lmr]?)(?![a-zA-Z])\s*(\\[{}|]|\\[a-zA-Z]+|\.)")
# As high as a letter, where nobody asked for more.
_BAR = re.compile(
    r"(?<!left)(?<!right)(?<!middle)(?<!left )(?<!right )(\\[lr]?[vV]ert)(?![a-zA-Z])"
)
_COMMAND = re.compile(
    r"\\(text(?:bf|it|md|normal|rm|sc|sf|tt|up)?|emph|hbox|mbox|ce|math(?:op|rel|bin)|genfrac"
    r"|operatorname\*?|pmod|eqref|norm|abs|ket|bra)(?![a-zA-Z])\*?"
)
_PLACE = re.compile(r"(\\begin\s*\{(?:aligned|alignedat|gathered|split|array)\})\s*\[\s*[tbc]\s*\]")
_SIGN = re.compile(r"\\(P|bmod|copyright|textdegree|lcm|enskip|qed|symbf|nolimits)(?![a-zA-Z])")
_SIGNS = {
    "P": "\u00b6",
    "bmod": r"\;\mathrm{mod}\;",
    "copyright": "\u00a9",
    "textdegree": "\u00b0",
    "lcm": r"\operatorname{lcm}",
    "enskip": r"\enspace ",
    "qed": r"\square ",
    "symbf": r"\boldsymbol",
    "nolimits": "{}",  # which has the limits then, beside the operator
}
# What the libraries are to take for text, whatever it begins or ends for them elsewhere.
_TEXT_NUMBERS = {ord(sign): f"&#x{ord(sign):x};" for sign in "{}&<>%0123456789"}
_TEXT_NUMBERS[ord(" ")] = "&#xa0;"
_TEXT_PIECE = re.compile(
    r"\\(?P<sign>[%$#&_{} ])|\\\((?P<round>.*?)\\\)|\$(?P<math>(?:[^$\\]|\\.)+)\$"
    r"|(?P<command>\\(?:[a-zA-Z]+\s*|[,;:!>]))|(?P<brace>[{}])|(?P<plain>[^\\${}]+|.)",
    re.DOTALL,
)
_NO_LINE = re.compile(r"0+(?:\.0*)?\s*[a-z]*")  # between the terms of a fraction
_THIN = "\u2009"
# What the name of an operator is written with besides its letters.
_IN_NAME = {
    re.compile(r"\\(?:mathrm|mathsf|mathop|text(?:rm|sf|up)?|rm|operatorname\*?)(?![a-zA-Z])"): "",
    re.compile(r"\\(arg|lim|max|min|sup|inf|det|dim|ker)(?![a-zA-Z])"): rf"{_THIN}\1",
    re.compile(r"\\(?:[,:; ]|thinspace(?![a-zA-Z]))|~"): _THIN,
    re.compile(r"\\!|[{}]|[ \t\n]"): "",
}
_NAME = re.compile(rf"[a-zA-Z](?:{_THIN}?[a-zA-Z])*")
_WORDS = re.compile(r"\\text[a-z]*\s*\{([^{}\\]*)\}")
_HYPHEN = r"\text{-}"


def in_known_commands(tex: str) -> str:
    """``tex`` with the commands of this module in words that the libraries know. It takes time in
    proportion to its length and to how many of them there are."""
    tex = _in_other_words(_PLACE.sub(r"\1", tex))
    tex = _SIGN.sub(lambda sign: _SIGNS[sign[1]], tex)
    tex = _SIZED.sub(lambda sized: _sized(sized[1], sized[2]), tex)
    return _BAR.sub(lambda bar: r"\|" if "V" in bar[1] else "|", tex)


def _in_other_words(tex: str) -> str:
    """``tex`` with all that `_COMMAND` finds in other words."""
    at = 0
    while (match := _COMMAND.search(tex, at)) is not None:
        made = _in_place_of(match[1], tex, match.end())
        if made is None:
            at = match.end()
            continue
        words, end = made
        tex = tex[: match.start()] + words + tex[end:]
        # A text is done with; in all else the arguments are still to be gone through.
        is_done = match[1] in _TEXTS or words.startswith(r"\operatorname")
        at = match.start() + (len(words) if is_done else 0)
    return tex


def argument(tex: str, at: int) -> tuple[str, int] | None:
    """What stands in the braces that open at ``at``, but for white space, and where they end."""
    while at < len(tex) and tex[at].isspace():
        at += 1
    if tex[at : at + 1] != "{":
        return None
    depth, end = 0, at
    while end < len(tex):
        match tex[end]:
            case "\\":
                end += 1
            case "{":
                depth += 1
            case "}":
                depth -= 1
        end += 1
        if depth == 0:
            return tex[at + 1 : end - 1], end
    return None


def _in_place_of(command: str, tex: str, at: int) -> tuple[str, int] | None:
    """What stands for ``command``, whose arguments begin at ``at``, and where they end."""
    if command == "genfrac":
        return _fraction(tex, at)
    found = argument(tex, at)
    if found is None:
        return None
    content, end = found
    if command == "mathop":
        return _operator(content, tex, end)
    if command.startswith("operatorname"):
        return _named(command, content), end
    make = _MADE.get(command)
    return (make(content) if make is not None else _text(command, content)), end


def _sized(size: str, delimiter: str) -> str:
    sign = _DELIMITERS.get(delimiter, delimiter)
    return sign if sign.isspace() else f"{size}{sign}"


def _text(command: str, content: str) -> str:
    """Text as commands that hold nothing but text, and what else there is in it between them."""
    command = {"textsc": "text", "hbox": "text", "textup": "textrm"}.get(command, command)
    made: list[str] = []
    run = ""
    at = 0
    while (match := _TEXT_PIECE.match(content, at)) is not None:
        at = match.end()
        sign = match["sign"] or match["plain"]
        if sign is not None:
            run += sign
            continue
        if run:
            made.append(f"\\{command}{{{run.translate(_TEXT_NUMBERS)}}}")
        run = ""
        inner = None
        if match["command"] is not None and _COMMAND.fullmatch(match["command"].strip()):
            inner = _in_place_of(match["command"].strip()[1:], content, at)
        if inner is not None:
            words, at = inner
            made.append(words)
        else:
            formula = _in_other_words(match["round"] or match["math"] or "")
            made.append(match["command"] or match["brace"] or f"{{{formula}}}")
    if run or not made:
        made.append(f"\\{command}{{{run.translate(_TEXT_NUMBERS)}}}")
    return f"{{{''.join(made)}}}" if len(made) > 1 else made[0]


def _operator(content: str, tex: str, at: int) -> tuple[str, int]:
    r"""A ``\mathop``, and whether its limits were asked for: these are set under and over it."""
    name = _name_in(content)
    if len(name) > 1:
        return rf"\operatorname*{{{name}}}", at
    limits = re.compile(r"\s*\\limits(?![a-zA-Z])").match(tex, at)
    if limits is None:
        return f"{{{content}}}", at
    made, at = f"{{{content}}}", limits.end()
    for _ in range(2):
        sign = re.compile(r"\s*([_^])").match(tex, at)
        found = argument(tex, sign.end()) if sign is not None else None
        if sign is None or found is None:
            break
        made = rf"\{'under' if sign[1] == '_' else 'over'}set{{{found[0]}}}{{{made}}}"
        at = found[1]
    return made, at


def _named(command: str, content: str) -> str:
    r"""An ``\operatorname``, with or without a star: the libraries take letters alone for one."""
    name = _name_in(content)
    if name:
        return rf"\{command}{{{name}}}"
    return rf"{{\mathrm{{{content.replace('-', _HYPHEN)}}}}}"


def _name_in(content: str) -> str:
    """The letters that name an operator, with thin spaces; empty where there is more than these."""
    content = _WORDS.sub(lambda words: words[1].replace(" ", "~"), content)
    for pattern, made in _IN_NAME.items():
        content = pattern.sub(made, content)
    content = content.strip(_THIN)
    return content if _NAME.fullmatch(content) else ""


def _fraction(tex: str, at: int) -> tuple[str, int] | None:
    r"""What stands for a ``\genfrac``: brackets, a line's thickness, a style, and two terms."""
    arguments: list[str] = []
    for _ in range(6):
        found = argument(tex, at)
        if found is None:
            return None
        arguments.append(found[0].strip())
        at = found[1]
    left, right, thickness, style, above, below = arguments
    if _NO_LINE.fullmatch(thickness):
        made = rf"{{{{{above}}} \atop {{{below}}}}}"
    else:
        made = rf"\{ {'0': 'd', '': ''}.get(style, 't') }frac{{{above}}}{{{below}}}"
    if left or right:
        made = rf"\left{left or '.'} {made} \right{right or '.'}"
    return f"{{{made}}}", at


_MADE: dict[str, Callable[[str], str]] = {
    "ce": reaction,
    "mathrel": lambda content: rf"\;{{{content}}}\;",
    "mathbin": lambda content: rf"\,{{{content}}}\,",
    "eqref": lambda content: _text("text", f"({content})"),
    "pmod": lambda content: rf"\quad(\mathrm{{mod}}\;{content})",
    "ket": lambda content: rf"{{| {content} \rangle}} ",
    "bra": lambda content: rf"{{\langle {content} |}} ",
    "norm": lambda content: rf"\left\lVert {content} \right\rVert ",
    "abs": lambda content: rf"\left\lvert {content} \right\rvert ",
}
_TEXTS = frozenset(
    ("text", "textbf", "textit", "textmd", "textnormal", "textrm", "textsc", "textsf", "texttt",
     "textup", "emph", "hbox", "mbox", "eqref")
)  # fmt: skip
