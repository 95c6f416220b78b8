"""Grammar rules of a call that is written as in Python: LFM2's. Pure.

Its values are JSON's, which those models write as well as Python's: all of it is read.
"""

from __future__ import annotations

import re

from minerva_desktop.engine.core.json_schema_text import one_of
from minerva_desktop.engine.core.json_schema_values import Inexpressible, pointer
from minerva_desktop.engine.core.tool_schema import ToolSchema

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def code_call(schema: ToolSchema, *, is_free: bool) -> str:
    """The expression of all that follows a tool's name; its rules are added to ``schema.rules``.

    ``is_free`` takes any arguments. Raises InvalidRequest(param="response_format").
    """
    if is_free:
        argument = schema.new_rule('[A-Za-z_] [A-Za-z0-9_]{0,63} "=" value')
        return f'"(" ({argument} ("," ws {argument})*)? ")"'
    properties, required = schema.declared()
    # From the last one to the first: what may come after it, and the names to choose from.
    options: list[tuple[str, str]] = []
    may_end, rest = True, '")"'
    start = rest
    for key, value in reversed(properties.items()):
        where = pointer("#", "properties", key)
        if not _NAME.fullmatch(key):
            raise Inexpressible(where, "this cannot be the name of an argument")
        entry = schema.new_rule(f"{schema.visit(value, where)} {rest}")
        if key in required:
            options, may_end = [], False
        options.append((f"{key}=", entry))
        choice = one_of(options)
        start = f'({choice} | ")")' if may_end else choice
        rest = schema.new_rule(f'"," ws {choice} | ")"' if may_end else f'"," ws {choice}')
    return f'"(" {start}'
