"""The panel of loaded models, and the gauge's segments that it explains."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QMenu, QPushButton, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.app.loaded_models import HeldMemory, TimeToLive
from minerva_desktop.ui.controls import Switch
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.memory_gauge import BAR_WIDTH, MemoryGauge
from minerva_desktop.ui.memory_shares import ColourSlots
from minerva_desktop.ui.model_row import ModelRow, time_text
from minerva_desktop.ui.models_panel import ModelsPanel
from minerva_desktop.ui.theme import LIGHT, ThemeSource
from tests.ui.loaded import GB, SYSTEM, TWO_GPUS, device, loaded, shares
from tests.ui.parts import colour_at, part

# What the offscreen platform says about every popup.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


@pytest.fixture
def gauge(qtbot: QtBot, themes: ThemeSource) -> MemoryGauge:
    gauge = MemoryGauge(themes)
    qtbot.addWidget(gauge)
    gauge.show()
    return gauge


@pytest.fixture
def panel(qtbot: QtBot, icons: Icons, gauge: MemoryGauge) -> ModelsPanel:
    panel = ModelsPanel(icons, gauge)
    models = [loaded("Ant", speed=43.21), loaded("Bee", n_gb=3, pinned=True)]
    panel.set_shares(ColourSlots().shares(models, SYSTEM))
    with qtbot.waitExposed(panel):
        panel.open_above(gauge)
    return panel


def rows(panel: ModelsPanel) -> list[ModelRow]:
    return sorted(
        (row for row in panel.findChildren(ModelRow) if row.isVisible()), key=lambda row: row.y()
    )


def numbers(panel: ModelsPanel) -> list[str]:
    """The numbers of each memory."""
    labels = panel.findChildren(QLabel, "memoryRestLabel")
    return [label.text() for label in labels if label.isVisible()]


def show_in(gauge: MemoryGauge, *names: str, slots: ColourSlots | None = None) -> None:
    models = [loaded(name) for name in names]
    gauge.set_shares((slots or ColourSlots()).shares(models, SYSTEM))
    gauge.resize(gauge.sizeHint())


def colour_in(gauge: MemoryGauge, sixteenths: int) -> str:
    left = gauge.width() - BAR_WIDTH
    return colour_at(gauge, QPoint(left + sixteenths * BAR_WIDTH // 16, gauge.height() // 2))


def test_each_loaded_model_has_a_segment(gauge: MemoryGauge) -> None:
    show_in(gauge, "Ant", "Bee")
    assert colour_in(gauge, 2) == LIGHT.series[0]
    assert colour_in(gauge, 6) == LIGHT.series[1]
    assert colour_in(gauge, 10) == LIGHT.muted
    told = "Ant: 1.2 GB (weights 1.0 GB, KV cache 100.0 MB, compute 100.0 MB)"
    assert told in gauge.toolTip()
    assert told in gauge.accessibleDescription()


def test_a_model_keeps_its_colour_while_others_go(gauge: MemoryGauge) -> None:
    slots = ColourSlots()
    show_in(gauge, "Ant", "Bee", slots=slots)
    show_in(gauge, "Bee", slots=slots)
    assert colour_in(gauge, 4) == LIGHT.series[1]
    show_in(gauge, "Aphid", "Bee", slots=slots)
    assert colour_in(gauge, 2) == LIGHT.series[0]


def test_a_model_over_several_memories_has_its_share_of_each() -> None:
    held = (HeldMemory("CPU", GB, 0, 0), HeldMemory("CUDA0", 2 * GB, GB, 0))
    ram, first, second = ColourSlots().shares([loaded("Split", held=held)], TWO_GPUS)
    amounts = [each.models[0].held.total_bytes for each in (ram, first, second)]
    assert amounts == [GB, 3 * GB, 0]
    assert "Split: 1.0 GB (weights 1.0 GB, KV cache 0 bytes, compute 0 bytes)" in ram.lines
    assert "Split: 3.0 GB (weights 2.0 GB, KV cache 1.0 GB, compute 0 bytes)" in first.lines
    assert not any(line.startswith("Split") for line in second.lines)


def test_the_panel_has_a_bar_for_each_memory(panel: ModelsPanel) -> None:
    held = (HeldMemory("CPU", GB, 0, 0), HeldMemory("CUDA0", 17 * GB, GB, 0))
    panel.set_shares(ColourSlots().shares([loaded("Split", held=held)], TWO_GPUS))
    told = numbers(panel)
    assert told[1] == (
        "GPU 1, NVIDIA RTX 4090: 24.0 GB, 19.0 GB for models\n"
        "models 18.0 GB · other programs 1.0 GB · free 5.0 GB"
    )
    assert told[2].startswith("GPU 2, NVIDIA RTX 3060: 12.0 GB\nother programs")
    (row,) = rows(panel)
    assert part(row, QLabel, "modelMemory").accessibleName() == (
        "19.0 GB: weights 18.0 GB, KV cache 1.0 GB, compute 0 bytes"
    )
    places = part(row, QLabel, "modelPlaces")
    assert places.accessibleName() == "RAM 1.0 GB, GPU 1 18.0 GB"
    panel.set_shares(ColourSlots().shares((), SYSTEM))
    labels = panel.findChildren(QLabel, "memoryRestLabel")
    assert [label.isVisible() for label in labels].count(True) == 1
    assert not panel.findChildren(ModelRow)[0].isVisible()


def test_the_gauge_is_a_button(qtbot: QtBot, gauge: MemoryGauge) -> None:
    with qtbot.waitSignal(gauge.clicked):
        QTest.keyClick(gauge, Qt.Key.Key_Space)
    with qtbot.waitSignal(gauge.clicked):
        QTest.mouseClick(gauge, Qt.MouseButton.LeftButton)


def test_a_row_tells_the_numbers_of_its_model(panel: ModelsPanel) -> None:
    ant, bee = rows(panel)
    assert part(ant, QLabel, "modelName").text() == "Ant"
    assert part(ant, QLabel, "modelSpeed").text() == "43.2 tokens/s"
    assert part(ant, QLabel, "modelMemory").accessibleName() == (
        "1.2 GB: weights 1.0 GB, KV cache 100.0 MB, compute 100.0 MB"
    )
    assert part(bee, QLabel, "modelSpeed").text() == "Idle"
    rest = numbers(panel)[0]
    assert rest == "Memory: 8.0 GB\nmodels 4.0 of 4.4 GB · other programs 2.0 GB · free 2.0 GB"


def test_what_the_processes_take_beside_the_models_is_told(
    panel: ModelsPanel, gauge: MemoryGauge
) -> None:
    reading = device(8 * GB, 14 * GB // 10, 2 * GB)
    every = shares(reading, models=[loaded("Ant")])
    panel.set_shares(every)
    assert numbers(panel)[0].splitlines()[1:] == [
        "models 1.2 GB · Python and libraries 200.0 MB",
        "other programs 2.0 GB · free 4.6 GB",
    ]
    gauge.set_shares(every)
    assert "Their Python and libraries: 200.0 MB" in gauge.toolTip()
    panel.set_shares(shares(reading))
    assert "Python" not in numbers(panel)[0]


def test_a_model_whose_file_is_gone_says_so(panel: ModelsPanel) -> None:
    gone = replace(loaded("Ant"), note="Its file is gone")
    panel.set_shares(ColourSlots().shares([gone, loaded("Bee")], SYSTEM))
    notes = [part(row, QLabel, "modelNote") for row in rows(panel)]
    assert [(note.text(), note.isVisible()) for note in notes] == [
        ("Its file is gone", True),
        ("", False),
    ]


def test_a_row_tells_how_its_model_was_loaded_and_why(panel: ModelsPanel) -> None:
    why = "9 of 31 layers on the GPU, the others on the CPU: as wished it would take 9.0 GB"
    models = [loaded("Ant"), loaded("Bee", n_gpu_layers=9, reasons=(why,))]
    panel.set_shares(ColourSlots().shares(models, SYSTEM))
    told = [part(row, QLabel, "modelChoice").text() for row in rows(panel)]
    assert told == [
        "Context of 8,192 tokens, on the CPU",
        f"Context of 8,192 tokens, {why}",
    ]


def test_pinning_tells_the_person_and_not_the_program(qtbot: QtBot, panel: ModelsPanel) -> None:
    ant, bee = rows(panel)
    assert part(bee, Switch, "pinSwitch").isChecked()
    assert not part(bee, QPushButton, "timeToLiveButton").isEnabled()
    with qtbot.waitSignal(panel.pin_toggled) as pinned:
        QTest.keyClick(part(ant, Switch, "pinSwitch"), Qt.Key.Key_Space)
    assert pinned.args == [Path("/m/Ant.gguf"), True]
    with qtbot.assertNotEmitted(panel.pin_toggled):
        models = [loaded("Ant"), loaded("Bee")]
        panel.set_shares(ColourSlots().shares(models, SYSTEM))
    assert not part(ant, Switch, "pinSwitch").isChecked()


def test_unload_and_time_to_live(qtbot: QtBot, panel: ModelsPanel) -> None:
    ant = rows(panel)[0]
    with qtbot.waitSignal(panel.unload_requested) as asked:
        QTest.mouseClick(part(ant, QToolButton, "unloadButton"), Qt.MouseButton.LeftButton)
    assert asked.args == [Path("/m/Ant.gguf")]
    when = part(ant, QPushButton, "timeToLiveButton")
    assert when.text() == "Unload when idle: default"
    QTest.mouseClick(when, Qt.MouseButton.LeftButton)
    menu = ant.findChild(QMenu)
    assert isinstance(menu, QMenu)
    names = [action.text() for action in menu.actions()]
    assert names == ["Default", "5 minutes", "30 minutes", "2 hours", "Never"]
    assert [action.text() for action in menu.actions() if action.isChecked()] == ["Default"]
    with qtbot.waitSignal(panel.time_chosen) as chosen:
        menu.actions()[2].trigger()
    assert chosen.args == [Path("/m/Ant.gguf"), TimeToLive(1800.0, is_own=True)]
    menu.close()


def test_rows_keep_the_focus_while_the_numbers_change(panel: ModelsPanel) -> None:
    switch = part(rows(panel)[1], Switch, "pinSwitch")
    switch.setFocus()
    panel.set_shares(ColourSlots().shares([loaded("Bee", n_gb=2)], SYSTEM))
    assert [part(row, QLabel, "modelName").text() for row in rows(panel)] == ["Bee"]
    assert QApplication.focusWidget() is switch


def test_nothing_loaded_is_said_and_escape_closes(panel: ModelsPanel) -> None:
    panel.set_shares(ColourSlots().shares((), SYSTEM))
    assert part(panel, QWidget, "noModelsLabel").isVisible()
    QTest.keyClick(panel, Qt.Key.Key_Escape)
    assert not panel.isVisible()


def test_speeds_are_wanted_only_while_it_is_open(qtbot: QtBot, panel: ModelsPanel) -> None:
    with qtbot.waitSignal(panel.look_wanted):
        pass
    panel.hide()
    assert not any(timer.isActive() for timer in panel.findChildren(QTimer))


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (TimeToLive(None, is_own=False), "Default"),
        (TimeToLive(None, is_own=True), "Never"),
        (TimeToLive(600.0, is_own=False), "10 minutes"),
        (TimeToLive(60.0, is_own=True), "1 minute"),
        (TimeToLive(3600.0, is_own=True), "1 hour"),
    ],
)
def test_times_are_words(choice: TimeToLive, text: str) -> None:
    assert time_text(choice) == text
