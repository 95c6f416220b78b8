"""The row of the preset in force: what it says, and what its menus ask for."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QLineEdit, QMenu, QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.controls import Switch
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.preset_name import NOTHING_TO_KEEP
from minerva_desktop.ui.preset_row import PresetRow, PresetState
from tests.ui.parts import part

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

NAMES = ("Teacher", "R&D")
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def row(qtbot: QtBot, icons: Icons) -> PresetRow:
    row = PresetRow(icons)
    qtbot.addWidget(row)
    row.resize(256, 40)
    with qtbot.waitExposed(row):
        row.show()
    return row


def menu(row: PresetRow, button: str) -> dict[str, QAction]:
    """The entries of a button's menu by their words."""
    kind = QPushButton if button == "presetButton" else QToolButton
    QTest.mouseClick(part(row, kind, button), LEFT)
    opened = row.findChildren(QMenu)[-1]
    return {each.text(): each for each in opened.actions() if each.text()}


@pytest.mark.parametrize(
    ("state", "title", "note"),
    [
        (PresetState(), "Defaults", ""),
        (PresetState(is_defaults=False), "Custom", ""),
        (PresetState(NAMES, current="R&D", is_defaults=False), "R&D", ""),
        (
            PresetState(NAMES, base="R&D", is_defaults=False),
            "Custom",
            "Changed from R&D.",
        ),
        (
            PresetState(NAMES, current="R&D", model="Tiny", by_default="R&D"),
            "R&D",
            "New chats with Tiny begin with this preset.",
        ),
        (
            PresetState(NAMES, model="Tiny", by_default="Teacher"),
            "Defaults",
            "New chats with Tiny begin with Teacher.",
        ),
    ],
)
def test_it_says_what_is_in_force(
    row: PresetRow, state: PresetState, title: str, note: str
) -> None:
    row.show_state(state)
    button = part(row, QPushButton, "presetButton")
    assert button.text().replace("&&", "&") == title
    assert button.accessibleName() == f"Preset: {title}"
    assert part(row, QLabel, "presetNote").text() == note


def test_a_preset_is_chosen_by_its_name(qtbot: QtBot, row: PresetRow) -> None:
    row.show_state(PresetState(NAMES, current="Teacher"))
    entries = menu(row, "presetButton")
    assert list(entries) == ["Defaults", "Teacher", "R&&D"]
    assert not entries["Teacher"].icon().isNull()
    assert entries["R&&D"].icon().isNull()
    with qtbot.waitSignal(row.chosen) as chosen:
        entries["R&&D"].trigger()
    assert chosen.args == ["R&D"]
    with qtbot.waitSignal(row.chosen) as chosen:
        entries["Defaults"].trigger()
    assert chosen.args == [None]


def test_without_a_preset_only_what_needs_none_can_be_done(row: PresetRow) -> None:
    row.show_state(PresetState(is_defaults=False, model="Tiny"))
    possible = [words for words, each in menu(row, "presetMore").items() if each.isEnabled()]
    assert possible == ["Save as new…", "Import…"]


def test_what_the_menu_asks_for(qtbot: QtBot, row: PresetRow) -> None:
    row.show_state(PresetState(NAMES, base="R&D", is_defaults=False, model="Tiny"))
    entries = menu(row, "presetMore")
    for words, signal, args in (
        ("Update", row.updated, ["R&D"]),
        ("Delete", row.deleted, ["R&D"]),
        ("Use for new chats with Tiny", row.default_chosen, ["R&D"]),
        ("Export…", row.exported, ["R&D"]),
        ("Export all…", row.exported, [None]),
    ):
        with qtbot.waitSignal(signal) as asked:
            entries[words].trigger()
        assert asked.args == args
    row.show_state(PresetState(NAMES, current="R&D", model="Tiny", by_default="R&D"))
    entries = menu(row, "presetMore")
    assert not entries["Update"].isEnabled()  # nothing was changed
    with qtbot.waitSignal(row.default_chosen) as asked:
        entries["Use for new chats with Tiny"].trigger()
    assert asked.args == [None]  # it was its preset, and is no longer


def test_a_name_is_typed_in_place(qtbot: QtBot, row: PresetRow) -> None:
    menu(row, "presetMore")["Save as new…"].trigger()
    edit = part(row, QLineEdit, "presetName")
    assert edit.isVisible()
    assert edit.hasFocus()
    assert not part(row, QPushButton, "presetButton").isVisible()
    QTest.mouseClick(part(row, Switch, "presetKeepsSampling"), LEFT)
    QTest.keyClicks(edit, " Terse ")
    with qtbot.waitSignal(row.new_named) as named:
        QTest.keyClick(edit, Qt.Key.Key_Return)
    assert named.args == ["Terse", True, False]
    row.show_problem("There is a “Terse” already.")
    assert part(row, QLabel, "presetProblem").text() == "There is a “Terse” already."
    QTest.keyClicks(edit, "r")
    assert not part(row, QLabel, "presetProblem").isVisible()
    QTest.mouseClick(part(row, Switch, "presetKeepsPrompt"), LEFT)
    with qtbot.assertNotEmitted(row.new_named):
        QTest.mouseClick(part(row, QPushButton, "savePreset"), LEFT)
    assert part(row, QLabel, "presetProblem").text() == NOTHING_TO_KEEP
    QTest.keyClick(edit, Qt.Key.Key_Escape)
    assert not row.is_naming
    assert part(row, QPushButton, "presetButton").isVisible()


def test_renaming_begins_with_the_name(qtbot: QtBot, row: PresetRow) -> None:
    row.show_state(PresetState(NAMES, current="Teacher"))
    menu(row, "presetMore")["Rename…"].trigger()
    edit = part(row, QLineEdit, "presetName")
    assert edit.selectedText() == "Teacher"
    assert not part(row, Switch, "presetKeepsPrompt").isVisible()
    QTest.keyClicks(edit, "Tutor")
    with qtbot.waitSignal(row.renamed) as renamed:
        QTest.mouseClick(part(row, QPushButton, "savePreset"), LEFT)
    assert renamed.args == ["Teacher", "Tutor"]
