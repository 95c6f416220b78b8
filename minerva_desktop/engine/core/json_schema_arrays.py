"""JSON schemas of arrays as GBNF. Called by json_schema.py on any thread; pure."""

from __future__ import annotations

from collections.abc import Callable

from minerva_desktop.engine.core.json_schema_conditions import is_never
from minerva_desktop.engine.core.json_schema_counts import repeated
from minerva_desktop.engine.core.json_schema_distinct import MAX_DISTINCT, DistinctItems
from minerva_desktop.engine.core.json_schema_values import (
    Inexpressible,
    Schema,
    counts,
    pointer,
    refused,
)

_MANY = 20  # items, of which each is a copy of what it may be
MAX_ITEMS = 500  # that have a schema of their own


class ArrayRules:
    """Writes the rules of arrays. Methods raise InvalidRequest(param="response_format")."""

    def __init__(
        self,
        visit: Callable[[object, str], str],
        values: Callable[[object, str], list[str]],
        new_rule: Callable[[str], str],
        *,
        is_draft: bool = False,
    ) -> None:
        """``visit`` writes the schema of an item; ``values`` gives those of an item that is one of
        some, as JSON, and none for others. A draft has no rules of those."""
        self._is_draft = is_draft
        self._visit = visit
        self._values = values
        self._new_rule = new_rule

    def expression(self, schema: Schema, where: str) -> str:
        """That of the array whose ``schema`` stands at the JSON pointer ``where``."""
        least, most = counts(schema, where, "minItems", "maxItems")
        if schema.get("uniqueItems", False) is not False and (most is None or most > 1):
            return self._distinct(schema, where, least, most)
        is_old = isinstance(schema.get("items"), list)  # as JSON Schema was until 2019-09
        first, rest = ("items", "additionalItems") if is_old else ("prefixItems", "items")
        prefix = schema.get(first, [])
        if not isinstance(prefix, list) or len(prefix) > MAX_ITEMS:
            raise refused(pointer(where, first), "there should be a list of schemas")
        fixed = [
            self._visit(part, pointer(where, first, index)) for index, part in enumerate(prefix)
        ][:most]
        items = schema.get(rest, not prefix)
        goes_on = not is_never(items) and (most is None or most > len(prefix))
        further = self._visit(items, pointer(where, rest)) if goes_on else ""
        if not goes_on and least > len(fixed):
            raise refused(pointer(where, "minItems"), f"{least} items cannot be had")
        left = None if most is None else most - len(fixed)
        body = self._more(further, max(least - len(fixed), 0), left, first=not fixed)
        # From the last to the first: each may be the last one once there are enough.
        for index in range(len(fixed) - 1, -1, -1):
            comma = '"," ws ' if index else ""
            body = f"{comma}{fixed[index]} {body}"
            body = self._new_rule(body if index < least else f"({body})?")
        return self._new_rule(f'"[" ws {body} ws "]"') if body else '"[" ws "]"'

    def _distinct(self, schema: Schema, where: str, least: int, most: int | None) -> str:
        try:
            texts = self._values(schema.get("items"), pointer(where, "items"))
        except Inexpressible:
            texts = []  # what the items are is not clear without what they may not be, too
        if not texts or len(texts) > MAX_DISTINCT or "prefixItems" in schema:
            raise Inexpressible(
                pointer(where, "uniqueItems"),
                f"it can be demanded only of items that are one of up to {MAX_DISTINCT} constants; "
                "leave it out and drop the repeated ones",
            )
        if least > len(texts):
            raise refused(pointer(where, "minItems"), f"{least} items cannot be had")
        if self._is_draft:
            return ""
        some = DistinctItems(texts, self._new_rule).some(0, least, most or len(texts))
        return self._new_rule(f'"[" ws {some}{"" if least else "?"} ws "]"')

    def _more(self, item: str, least: int, most: int | None, *, first: bool) -> str:
        if not item or most == 0:
            return ""
        further = f'"," ws {item}'
        is_many = max(least, most or 0) > _MANY
        if is_many:
            further = self._new_rule(further)
        if not first:
            return repeated(further, least, most)
        rest_most = None if most is None else most - 1
        rest = repeated(further, max(least - 1, 0), rest_most)
        rest = self._new_rule(rest) if is_many else rest  # in a group all would count again
        return f"({item} {rest}){'' if least else '?'}"
