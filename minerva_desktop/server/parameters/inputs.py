"""Texts, or the tokens of texts, that a request brings: one or many."""

from __future__ import annotations

from minerva_desktop.errors import InvalidRequest

Input = str | tuple[int, ...]


def inputs(given: str | list[str] | list[int] | list[list[int]], name: str) -> tuple[Input, ...]:
    """What the field ``name`` holds, in order. Raises `InvalidRequest` where there is nothing, or
    a list of no tokens; an empty text is one."""
    if isinstance(given, str):
        return (given,)
    if not given:
        raise InvalidRequest(f"{name} is empty", param=name)
    tokens = tuple(item for item in given if isinstance(item, int))
    if tokens:
        return (tokens,)
    several = [item for item in given if not isinstance(item, int)]
    for index, item in enumerate(several):
        if isinstance(item, list) and not item:
            raise InvalidRequest(f"{name}[{index}] is empty", param=f"{name}[{index}]")
    return tuple(item if isinstance(item, str) else tuple(item) for item in several)


def check_count(found: tuple[Input, ...], limit: int, name: str) -> None:
    """Raise `InvalidRequest` for more than ``limit`` inputs in the field ``name``."""
    if len(found) > limit:
        raise InvalidRequest(
            f"{name} takes at most {limit:,} inputs, not {len(found):,}", param=name
        )
