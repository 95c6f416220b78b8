"""A call of a tool and what it gave back, as cards: the name, and the text on demand.

Main thread; the functions that make Markdown are pure.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate

from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QWidget

from minerva_desktop.chat.export_markdown import fenced
from minerva_desktop.chat.parts import ToolCallPart, ToolResultPart
from minerva_desktop.chat.visible_text import clean_source
from minerva_desktop.ui.chat_view.folded_text import FoldedText
from minerva_desktop.ui.chat_view.rendering import Rendering
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

RADIUS = 8  # px
MAX_FORMATTED = 50_000  # characters of JSON that are laid out anew
MAX_STEPS = 40_000  # of laying it out, each value as many as it is deep: some milliseconds
MAX_NAME = 200  # characters
MAX_LINES = 12  # of arguments that are shown without being asked for
MAX_SHOWN = 1_500  # characters of them

_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"')
_SIGN = re.compile(r"[\[\]{},]")
_DEEPER = {"[": 1, "{": 1, "]": -1, "}": -1, ",": 0}


class ToolCard(FoldedText):
    """Shows one part of a message. Arguments of a few lines are shown at once, a result is not."""

    left = 3 * GRID
    right = 3 * GRID
    bottom = 3 * GRID

    def __init__(
        self,
        part: ToolCallPart | ToolResultPart,
        icons: Icons,
        rendering: Rendering,
        parent: QWidget,
    ) -> None:
        super().__init__(icons, rendering, parent, "tool")
        self.setObjectName("toolCard")
        if isinstance(part, ToolCallPart):
            self._raw = part.call.arguments
            self.heading.set_words(f"Called {_name(part.call.name)}")
        else:
            self._raw = part.text
            self.heading.set_words(f"Result of {_name(part.name)}")
        source = card_markdown(part)
        self.opens_itself = opens_itself(part, source)
        self.heading.setEnabled(bool(source))
        self.set_source(source)

    @property
    def copied(self) -> str:
        return self._raw

    def _paint_ground(self, painter: QPainter) -> None:
        theme = self._icons.theme
        painter.setPen(QColor(theme.border))
        painter.setBrush(QColor(theme.window))
        card = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.drawRoundedRect(card, RADIUS, RADIUS)


def card_markdown(part: ToolCallPart | ToolResultPart) -> str:
    """What the card of ``part`` shows once it is open; empty where there is nothing."""
    if isinstance(part, ToolCallPart):
        return arguments_markdown(part.call.name, part.call.arguments)
    return result_markdown(part.text)


def opens_itself(part: ToolCallPart | ToolResultPart, source: str) -> bool:
    """Whether the card, which shows ``source``, is open until a person folds it."""
    is_short = source.count("\n") <= MAX_LINES and len(source) <= MAX_SHOWN
    return isinstance(part, ToolCallPart) and is_short


def arguments_markdown(name: str, arguments: str) -> str:
    """The arguments of a call of the tool ``name`` to read: the one text that they are, or JSON
    laid out in lines; empty where there are none."""
    found = _json(arguments)
    if found == {} or not arguments.strip():
        return ""
    if isinstance(found, dict) and len(found) == 1:
        (value,) = found.values()
        if isinstance(value, str) and "\n" in value:  # mostly code
            return fenced(value, "python" if name == "python" else "")
    return _as_code(arguments, found)


def result_markdown(text: str) -> str:
    """What a tool gave back, to read: JSON laid out in lines, other text as it is."""
    return _as_code(text, _json(text)) if text.strip() else ""


def _as_code(text: str, found: object) -> str:
    if isinstance(found, dict | list):
        return fenced(json.dumps(found, indent=2, ensure_ascii=False), "json")
    return fenced(text)


def _json(text: str) -> object:
    """The value of JSON; None for what is none, or is too much to lay out."""
    if len(text) > MAX_FORMATTED or _n_steps(text) > MAX_STEPS:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _n_steps(text: str) -> int:
    """At most how many it takes to lay JSON out: deep values are as many spaces, too."""
    signs = _SIGN.findall(_STRING.sub("", text))
    return len(signs) * max(accumulate(_DEEPER[sign] for sign in signs), default=0)


def _name(name: str) -> str:
    return " ".join(clean_source(name[:MAX_NAME]).split()) or "a tool"
