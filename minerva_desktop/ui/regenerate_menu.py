"""The menu of *Regenerate*: the same again, with another model, with other parameters, or shorter
or longer.

Main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import msgspec
from PySide6.QtWidgets import QWidget

from minerva_desktop.chat.presets import Preset
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.ui.controls import PopupMenu
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.model_list import PickerItem

MAX_MODELS = MAX_PRESETS = 6
TEMPERATURE_STEP, MAX_TEMPERATURE = 0.4, 2.0
MAX_NAME = 44  # characters
# Asked in so many words, where anybody can read them: a model cannot be told a length otherwise.
SHORTER = "Please give your last answer again, but much shorter."
LONGER = "Please give your last answer again, in more detail."


class Variant(NamedTuple):
    """Other parameters for one answer, and what they are called."""

    label: str
    sampling: SamplingParameters


Retry = Callable[[str, SamplingParameters | None], None]


def variants_of(own: SamplingParameters, presets: Sequence[Preset]) -> list[Variant]:
    """What can be had instead of the chat's ``own`` parameters: less and more chance, and those of
    the presets that have any."""
    found = []
    for name, step in (("More predictable", -TEMPERATURE_STEP), ("More varied", TEMPERATURE_STEP)):
        temperature = round(min(max(own.temperature + step, 0.0), MAX_TEMPERATURE), 2)
        if (temperature - own.temperature) * step > 0:
            label = f"{name}: temperature {temperature:g}"
            found.append(Variant(label, msgspec.structs.replace(own, temperature=temperature)))
    kept = [each for each in presets if each.sampling not in (None, own)][:MAX_PRESETS]
    found += [
        Variant(f"As “{_short(each.name)}”", each.sampling)
        for each in kept
        if each.sampling is not None
    ]
    return found


def other_models(items: Sequence[PickerItem], current: str) -> list[PickerItem]:
    """Those that could answer instead of the one at ``current``, loaded ones first."""
    able = [item for item in items if item.can_chat and item.path != current]
    return sorted(able, key=lambda item: not item.loaded)[:MAX_MODELS]


def regenerate_menu(
    icons: Icons,
    parent: QWidget,
    items: Sequence[PickerItem],
    current: str,
    variants: Sequence[Variant],
    retry: Retry,
    ask: Callable[[str], None] | None,
    *,
    is_again: bool = True,
) -> PopupMenu:
    """The menu, not shown yet. ``is_again``: the model at ``current`` gave the answer. ``retry``
    gets the path of a model and the parameters (None: the chat's own), ``ask`` what to say to it
    about the answer; None where that says nothing."""
    menu = PopupMenu(parent)
    menu.setObjectName("regenerateMenu")
    name = next((item.name for item in items if item.path == current), "")
    verb = "Again with" if is_again else "With"
    again = menu.addAction(icons.icon("reset", "muted"), f"{verb} {_short(name)}")
    again.triggered.connect(partial(retry, current, None))
    menu.setActiveAction(again)
    if variants:
        menu.addMenu(_variants_menu(icons, menu, current, variants, retry))
    others = other_models(items, current)
    if others:
        menu.addSeparator()
    for item in others:
        label = f"With {_short(item.name)}"
        if not item.loaded:
            label += " (not loaded)"
        entry = menu.addAction(icons.icon("chip", "muted"), label)
        entry.triggered.connect(partial(retry, item.path, None))
    if ask is not None:
        menu.addSeparator()
        for icon, words in (("shorter", SHORTER), ("longer", LONGER)):
            entry = menu.addAction(icons.icon(icon, "muted"), f"Ask for it {icon}")
            entry.triggered.connect(partial(ask, words))
    return menu


def _variants_menu(
    icons: Icons, parent: QWidget, current: str, variants: Sequence[Variant], retry: Retry
) -> PopupMenu:
    inner = PopupMenu(parent)
    inner.setTitle("With other parameters")
    inner.setIcon(icons.icon("sliders", "muted"))
    for variant in variants:
        entry = inner.addAction(variant.label)
        entry.triggered.connect(partial(retry, current, variant.sampling))
    return inner


def _short(name: str) -> str:
    """A model's name as a menu has room for it, and takes it literally."""
    name = " ".join(name.split())
    name = name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
    return name.replace("&", "&&")
