"""How often something may come, as GBNF. Pure."""

from __future__ import annotations

# Longer than any answer: as many tokens as one may have, of a thousand characters each. A bound
# beyond this cannot be passed, so nothing is lost where it is not counted.
UNREACHABLE = 10**10


def repeated(expression: str, least: int, most: int | None) -> str:
    """``expression`` from ``least`` to ``most`` times (None: no bound), neither more than a
    grammar counts."""
    if most == 0:
        return '""'
    # A group is a rule of its own for each time.
    item = expression if expression.isidentifier() else f"({expression})"
    return f"{item}{{{least},{'' if most is None else most}}}"
