"""Reads arguments that stand between tags, texts without quotes, and hands them out as JSON.

Part of `call_reader`. Nothing is raised.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from minerva_desktop.engine.answer_text import AnswerText, Marks, Reading
from minerva_desktop.engine.typed_arguments import typed_argument


class TagReader:
    """Reads arguments from where reading is in an answer."""

    def __init__(self, text: AnswerText, parameter: tuple[str, str, str]) -> None:
        """``parameter``: the texts before an argument's name, before its value, and behind it."""
        self._text = text
        self._parameter = parameter
        self._between, self._behind = (Marks(part.split()[:1]) for part in parameter[1:])

    def arguments(self, schema: Mapping[str, Any], hand: Callable[[str], None]) -> Reading[bool]:
        """All that stand here, as an object; ``schema`` tells their types. False where they break
        off."""
        text = self._text
        separator = "{"
        while (yield from text.literal(self._parameter[0])):
            if not (yield from self._argument(schema, separator, hand)):
                return False
            separator = ", "
            yield from text.space()
        if not (yield from text.peek()):
            return False
        hand("{}" if separator == "{" else "}")
        return True

    def _argument(
        self, schema: Mapping[str, Any], separator: str, hand: Callable[[str], None]
    ) -> Reading[bool]:
        """One argument, given out when it closes; what is cut is given out as far as it came."""
        text = self._text
        _, between, behind = self._parameter
        pieces: list[str] = []
        is_whole = yield from text.until(self._between, pieces.append)
        name = "".join(pieces).strip()
        start = f"{separator}{json.dumps(name, ensure_ascii=False)}"
        if not is_whole or not (yield from text.spaced(between.split())):
            hand(start[:-1] if not is_whole else f"{start}: null}}")
            return False
        pieces.clear()
        is_whole = yield from text.until(self._behind, pieces.append)
        value = "".join(pieces)
        if between.endswith("\n"):
            value = value.removeprefix("\n")
        if behind.startswith("\n"):
            value = value.removesuffix("\n")
        hand(f"{start}: {typed_argument(schema, name, value)}")
        return bool(is_whole) and (yield from text.spaced(behind.split()))
