"""The ways to have another answer."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from PySide6.QtWidgets import QMenu, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.presets import Preset
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.model_list import PickerItem
from minerva_desktop.ui.regenerate_menu import (
    MAX_MODELS,
    SHORTER,
    Variant,
    other_models,
    regenerate_menu,
    variants_of,
)

# What the offscreen platform says about popups.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

VARIANTS = (Variant("More varied", SamplingParameters(temperature=1.2)),)
ITEMS = (
    PickerItem("/m/tiny.gguf", "Tiny", loaded=True),
    PickerItem("/m/cold.gguf", "Cold &\tCo"),
    PickerItem("/m/warm.gguf", "Warm", loaded=True),
    PickerItem("/m/gone.gguf", "Gone", problem="not found"),
    PickerItem("/m/embed.gguf", "Embed", makes_embeddings=True),
)


def test_loaded_models_come_first_and_only_those_that_can_answer() -> None:
    assert [item.name for item in other_models(ITEMS, "/m/tiny.gguf")] == ["Warm", "Cold &\tCo"]
    many = [PickerItem(f"/m/{n}.gguf", str(n)) for n in range(20)]
    assert len(other_models(many, "")) == MAX_MODELS


def test_each_entry_asks_for_what_it_says(qtbot: QtBot, icons: Icons) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    retried: list[tuple[str, SamplingParameters | None]] = []
    asked: list[str] = []
    menu = regenerate_menu(
        icons,
        parent,
        ITEMS,
        "/m/tiny.gguf",
        VARIANTS,
        lambda path, sampling: retried.append((path, sampling)),
        asked.append,
    )
    entries = [each for each in menu.actions() if not each.isSeparator()]
    assert [each.text() for each in entries] == [
        "Again with Tiny",
        "With other parameters",
        "With Warm",
        "With Cold && Co (not loaded)",
        "Ask for it shorter",
        "Ask for it longer",
    ]
    assert menu.activeAction() is entries[0]  # Enter is enough
    inner = entries[1].menu()
    assert isinstance(inner, QMenu)
    for entry in (entries[0], *inner.actions(), *entries[2:5]):
        entry.trigger()
    assert retried == [
        ("/m/tiny.gguf", None),
        ("/m/tiny.gguf", VARIANTS[0].sampling),
        ("/m/warm.gguf", None),
        ("/m/cold.gguf", None),
    ]
    assert asked == [SHORTER]


def test_other_parameters_are_less_and_more_chance_and_those_of_presets() -> None:
    own = SamplingParameters(temperature=0.2, seed=5)
    presets = (
        Preset(name="Same", sampling=own),
        Preset(name="Poet", system_prompt="Rhyme."),
        Preset(name="R & D", sampling=SamplingParameters(top_k=1)),
    )
    assert variants_of(own, presets) == [
        Variant("More predictable: temperature 0", replace(own, temperature=0.0)),
        Variant("More varied: temperature 0.6", replace(own, temperature=0.6)),
        Variant("As “R && D”", SamplingParameters(top_k=1)),
    ]
    assert [each.label for each in variants_of(SamplingParameters(temperature=0.0), ())] == [
        "More varied: temperature 0.4"
    ]
    assert [each.label for each in variants_of(SamplingParameters(temperature=3.0), ())] == [
        "More predictable: temperature 2"
    ]


def test_an_answer_without_words_is_not_asked_about(qtbot: QtBot, icons: Icons) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    menu = regenerate_menu(icons, parent, ITEMS[:1], "/m/tiny.gguf", (), print, None)
    assert [each.text() for each in menu.actions()] == ["Again with Tiny"]


def test_a_model_that_gave_another_answer_does_not_do_it_again(qtbot: QtBot, icons: Icons) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    path = "/m/tiny.gguf"
    menu = regenerate_menu(icons, parent, ITEMS[:1], path, (), print, None, is_again=False)
    assert [each.text() for each in menu.actions()] == ["With Tiny"]
