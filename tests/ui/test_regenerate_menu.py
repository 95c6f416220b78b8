"""The ways to have another answer."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.model_list import PickerItem
from minerva_desktop.ui.regenerate_menu import MAX_MODELS, SHORTER, other_models, regenerate_menu

# What the offscreen platform says about popups.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

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
    retried: list[str] = []
    asked: list[str] = []
    menu = regenerate_menu(icons, parent, ITEMS, "/m/tiny.gguf", retried.append, asked.append)
    entries = [each for each in menu.actions() if not each.isSeparator()]
    assert [each.text() for each in entries] == [
        "Again with Tiny",
        "With Warm",
        "With Cold && Co (not loaded)",
        "Ask for it shorter",
        "Ask for it longer",
    ]
    assert menu.activeAction() is entries[0]  # Enter is enough
    for entry in entries[:4]:
        entry.trigger()
    assert retried == ["/m/tiny.gguf", "/m/warm.gguf", "/m/cold.gguf"]
    assert asked == [SHORTER]


def test_an_answer_without_words_is_not_asked_about(qtbot: QtBot, icons: Icons) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    menu = regenerate_menu(icons, parent, ITEMS[:1], "/m/tiny.gguf", print, None)
    assert [each.text() for each in menu.actions()] == ["Again with Tiny"]
