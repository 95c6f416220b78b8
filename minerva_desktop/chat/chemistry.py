r"""Formulas of chemistry, as in ``\ce{2 H2 + O2 -> 2 H2O}``, as LaTeX that anything can typeset.

Of mhchem's language what is usual: elements upright, counts, charges, isotopes, bonds, and arrows.
Values, no I/O.
"""

from __future__ import annotations

import re

_ARROWS = {
    "<=>>": r"\rightleftharpoons",
    "<<=>": r"\rightleftharpoons",
    "<=>": r"\rightleftharpoons",
    "<-->": r"\rightleftarrows",
    "<->": r"\longleftrightarrow",
    "->": r"\longrightarrow",
    "<-": r"\longleftarrow",
}
# Those that have something above or below them.
_LABELLED = {
    "<=>>": r"\xrightleftharpoons",
    "<<=>": r"\xrightleftharpoons",
    "<=>": r"\xrightleftharpoons",
    "<-->": r"\xtofrom",
    "<->": r"\xleftrightarrow",
    "->": r"\xrightarrow",
    "<-": r"\xleftarrow",
}
_THIN = r"\,"
_FORMS = {
    "gas": r"\uparrow ",
    "solid": r"\downarrow ",
    "letters": r"\mathrm{{{}}}",
    "math": "{{{}}}",
    "command": "{} ",
    "bracket": "{}",
}
_SIGNS = {"+": " + ", "-": "-", "=": "=", "#": r"\equiv ", "*": r"\cdot ", ".": r"\cdot "}
_PIECE = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<arrow><=>>|<<=>|<=>|<-->|<->|->|<-)"
    r"(?:\[(?P<above>[^\[\]]*)\])?(?:\[(?P<below>[^\[\]]*)\])?"
    r"|(?P<script>[_^])(?:\{(?P<braced>[^{}]*)\}|(?P<charge>\d*[+-])|(?P<short>\d+|[a-zA-Z]))"
    r"|(?P<gas>(?<!\S)\^(?!\S))|(?P<solid>(?<!\S)v(?!\S))"
    r"|(?P<number>\d+(?:[./]\d+)?)"
    r"|(?P<letters>[a-zA-Z]+)"
    r"|\$(?P<math>[^$]*)\$"
    r"|(?P<command>\\[a-zA-Z]+)"
    r"|(?P<bracket>[()\[\]])"
    r"|(?P<end>[+-](?=\s|$|[)\]]))"
    r"|(?P<other>.)",
    re.DOTALL,
)


def reaction(content: str) -> str:
    r"""What stands in a ``\ce{…}``, as LaTeX without that command."""
    made: list[str] = []
    after = False  # whether something stands before that a count or a charge belongs to
    for piece in _PIECE.finditer(content.strip()):
        text = piece[0]
        match piece.lastgroup:
            case "space":
                if made and not made[-1].endswith((" ", _THIN)):
                    made.append(_THIN)
            case "arrow" | "above" | "below":
                _drop_space(made)
                made.append(_arrow(piece["arrow"], piece["above"], piece["below"]))
            case "braced" | "charge" | "short":
                script = piece["braced"] or piece["charge"] or piece["short"] or ""
                made.append(f"{'' if after else '{}'}{piece['script']}{{{_upright(script)}}}")
            case "number":
                made.append(f"_{{{text}}}" if after else _count(text))
            case "end" if after:
                made.append(f"^{{{text}}}")
            case "end" | "other":
                _drop_space(made)
                made.append(_SIGNS.get(text, text))
            case other:
                made.append(_FORMS[other or ""].format(text.strip("$")))
        after = piece.lastgroup in ("letters", "braced", "charge", "short", "math") or (
            text in (")", "]") or (piece.lastgroup == "number" and after)
        )
    return f"{{{''.join(made)}}}"


def _drop_space(made: list[str]) -> None:
    """Signs and arrows have their own."""
    if made and made[-1] == _THIN:
        made.pop()


def _arrow(arrow: str, above: str | None, below: str | None) -> str:
    if above is None:
        return rf"\;{_ARROWS[arrow]}\; "
    return f" {_LABELLED[arrow]}[{reaction(below or '')}]{{{reaction(above)}}} "


def _upright(script: str) -> str:
    """A count or a charge, whose letters are upright."""
    return re.sub(r"[a-zA-Z]+", r"\\mathrm{\g<0>}", script) if "\\" not in script else script


def _count(number: str) -> str:
    above, _, below = number.partition("/")
    return rf"\tfrac{{{above}}}{{{below}}}{_THIN}" if below else f"{number}{_THIN}"
