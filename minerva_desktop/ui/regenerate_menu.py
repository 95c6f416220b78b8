"""The menu of *Regenerate*: the same again, with another model, or shorter or longer.

Main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtWidgets import QWidget

from minerva_desktop.ui.controls import PopupMenu
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.model_list import PickerItem

MAX_MODELS = 6
MAX_NAME = 44  # characters
# Asked in so many words, where anybody can read them: a model cannot be told a length otherwise.
SHORTER = "Please give your last answer again, but much shorter."
LONGER = "Please give your last answer again, in more detail."


def other_models(items: Sequence[PickerItem], current: str) -> list[PickerItem]:
    """Those that could answer instead of the one at ``current``, loaded ones first."""
    able = [item for item in items if item.can_chat and item.path != current]
    return sorted(able, key=lambda item: not item.loaded)[:MAX_MODELS]


def regenerate_menu(
    icons: Icons,
    parent: QWidget,
    items: Sequence[PickerItem],
    current: str,
    retry: Callable[[str], None],
    ask: Callable[[str], None] | None,
) -> PopupMenu:
    """The menu, not shown yet. ``retry`` gets the path of a model, ``ask`` what to say to it about
    the answer; None where that says nothing."""
    menu = PopupMenu(parent)
    menu.setObjectName("regenerateMenu")
    name = next((item.name for item in items if item.path == current), "")
    again = menu.addAction(icons.icon("reset", "muted"), f"Again with {_short(name)}")
    again.triggered.connect(partial(retry, current))
    menu.setActiveAction(again)
    others = other_models(items, current)
    if others:
        menu.addSeparator()
    for item in others:
        label = f"With {_short(item.name)}"
        if not item.loaded:
            label += " (not loaded)"
        entry = menu.addAction(icons.icon("chip", "muted"), label)
        entry.triggered.connect(partial(retry, item.path))
    if ask is not None:
        menu.addSeparator()
        for label, words in (("Ask for it shorter", SHORTER), ("Ask for it longer", LONGER)):
            menu.addAction(label).triggered.connect(partial(ask, words))
    return menu


def _short(name: str) -> str:
    """A model's name as a menu has room for it, and takes it literally."""
    name = " ".join(name.split())
    name = name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
    return name.replace("&", "&&")
