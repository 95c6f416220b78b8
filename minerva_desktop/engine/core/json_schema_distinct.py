"""The `uniqueItems` keyword, for items out of a list of values. Pure."""

from __future__ import annotations

from collections.abc import Callable

from minerva_desktop.engine.core.json_schema_text import one_of

MAX_DISTINCT = 40  # values to choose from


class DistinctItems:
    """Lists of distinct values in the order in which the schema names them, which makes it
    impossible to repeat one: the grammar has no other memory."""

    def __init__(self, texts: list[str], new_rule: Callable[[str], str]) -> None:
        """``texts`` are JSON, at most `MAX_DISTINCT`."""
        self._texts = texts
        self._new_rule = new_rule
        self._known: dict[tuple[int, int, int], str] = {}

    def some(self, first: int, least: int, most: int) -> str:
        """At least ``least`` and at most ``most`` of the texts from number ``first`` on, one or
        more, with commas between. There have to be enough of them."""
        key = (first, least, min(most, len(self._texts) - first))
        if key not in self._known:
            last = len(self._texts) - max(least, 1)
            options = [
                (self._texts[index], self._more(index + 1, max(least - 1, 0), most - 1))
                for index in range(first, last + 1)
            ]
            self._known[key] = self._new_rule(one_of(options))
        return self._known[key]

    def _more(self, first: int, least: int, most: int) -> str:
        if not most or first == len(self._texts):
            return ""
        return f'("," ws {self.some(first, least, most)}){"" if least else "?"}'
