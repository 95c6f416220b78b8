"""Finds the parts of a widget by their object names, which are a contract (DESIGN section 9), and
looks at what they paint."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QWidget

Part = TypeVar("Part", bound=QWidget)


def part(owner: QWidget, kind: type[Part], name: str) -> Part:
    """The one descendant of that type and name; fails the test when there is none or several."""
    found = owner.findChildren(kind, name)
    assert len(found) == 1, f"{len(found)} widgets named {name}"
    return found[0]


def colour_at(widget: QWidget, point: QPoint) -> str:
    """The colour painted at ``point`` (logical pixels) as ``#rrggbb``."""
    image = widget.grab().toImage()
    return image.pixelColor(point * image.devicePixelRatio()).name()
