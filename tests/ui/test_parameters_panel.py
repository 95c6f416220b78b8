"""System prompt and sampling: what goes in comes out, within its ranges."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QDoubleSpinBox,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QSlider,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.sampling import MAX_SEED, MAX_TOKENS, SamplingParameters
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.parameters_panel import ParametersPanel
from tests.ui.parts import part


@pytest.fixture
def panel(qtbot: QtBot, icons: Icons) -> ParametersPanel:
    panel = ParametersPanel(icons)
    qtbot.addWidget(panel)
    panel.resize(panel.width(), 700)
    with qtbot.waitExposed(panel):
        panel.show()
    return panel


def hints(panel: ParametersPanel) -> list[str]:
    """What is said of fields that hold no number of theirs."""
    found = panel.findChildren(QLabel, "fieldHint")
    return [hint.text() for hint in found if hint.isVisible()]


def reset_button(panel: ParametersPanel, label: str) -> QToolButton:
    name = f"Reset {label} to its default"
    return next(b for b in panel.findChildren(QToolButton) if b.accessibleName() == name)


@pytest.mark.parametrize(
    "parameters",
    [
        SamplingParameters(),
        SamplingParameters(temperature=0.0, top_k=0, top_p=1.0, min_p=0.0, repeat_penalty=0.1),
        SamplingParameters(temperature=5.0, top_k=1_000_000, repeat_penalty=10.0),
        SamplingParameters(seed=MAX_SEED, max_tokens=1, stop=("END",), repeat_last_n=256),
        SamplingParameters(seed=0, max_tokens=10_000_000),
    ],
)
def test_values_come_back_as_they_went_in(
    qtbot: QtBot, panel: ParametersPanel, parameters: SamplingParameters
) -> None:
    with qtbot.assertNotEmitted(panel.changed):
        panel.set_values("You are terse.\nVery.", parameters)
    assert panel.values() == ("You are terse.\nVery.", parameters)
    panel.values()[1].check()


def test_typing_a_number_changes_it_and_moves_the_slider(
    qtbot: QtBot, panel: ParametersPanel
) -> None:
    spin = part(panel, QDoubleSpinBox, "temperature")
    spin.setFocus()
    spin.selectAll()
    with qtbot.waitSignal(panel.changed):
        QTest.keyClicks(spin, "1.5")
        QTest.keyClick(spin, Qt.Key.Key_Return)
    assert panel.values()[1].temperature == 1.5
    slider = part(panel, QSlider, "temperatureSlider")
    assert slider.value() / slider.maximum() == pytest.approx(0.75)


def test_slider_moves_the_number(qtbot: QtBot, panel: ParametersPanel) -> None:
    slider = part(panel, QSlider, "top_kSlider")
    slider.setFocus()
    with qtbot.waitSignal(panel.changed):
        QTest.keyClick(slider, Qt.Key.Key_Right)
    assert panel.values()[1].top_k == 41


def test_a_number_beyond_the_slider_is_kept(panel: ParametersPanel) -> None:
    panel.set_values("", SamplingParameters(temperature=4.0))
    slider = part(panel, QSlider, "temperatureSlider")
    assert slider.value() == slider.maximum()
    assert panel.values()[1].temperature == 4.0


def test_reset_appears_when_it_would_do_something(qtbot: QtBot, panel: ParametersPanel) -> None:
    reset = reset_button(panel, "Temperature")
    assert not reset.isVisible()
    panel.set_values("", SamplingParameters(temperature=1.2))
    assert reset.isVisible()
    with qtbot.waitSignal(panel.changed):
        QTest.mouseClick(reset, Qt.MouseButton.LeftButton)
    assert panel.values()[1].temperature == SamplingParameters().temperature
    assert not reset.isVisible()


def test_reset_all_keeps_the_system_prompt(qtbot: QtBot, panel: ParametersPanel) -> None:
    panel.set_values("Be kind.", SamplingParameters(temperature=2.0, seed=4, max_tokens=9))
    with qtbot.waitSignal(panel.changed):
        QTest.mouseClick(part(panel, QPushButton, "resetSamplingButton"), Qt.MouseButton.LeftButton)
    assert panel.values() == ("Be kind.", SamplingParameters())


@pytest.mark.parametrize("typed", ["-1", "12a", "0.5", str(MAX_SEED + 1)])
def test_what_is_no_seed_stays_and_is_not_used(
    qtbot: QtBot, panel: ParametersPanel, typed: str
) -> None:
    seed = part(panel, QLineEdit, "seed")
    assert seed.placeholderText() == "Random"
    with qtbot.waitSignal(panel.changed):
        QTest.keyClicks(seed, typed)
    assert seed.text() == typed
    assert panel.values()[1].seed is None
    assert "Not used: it takes 0 to 4,294,967,294" in hints(panel)
    assert "Not in the range" in seed.accessibleDescription()
    seed.clear()
    QTest.keyClicks(seed, str(MAX_SEED))
    assert panel.values()[1].seed == MAX_SEED
    assert hints(panel) == []
    assert "the same answer" in seed.accessibleDescription()


def test_empty_max_tokens_means_until_the_end(qtbot: QtBot, panel: ParametersPanel) -> None:
    field = part(panel, QLineEdit, "max_tokens")
    with qtbot.waitSignal(panel.changed):
        QTest.keyClicks(field, "0")
    assert panel.values()[1].max_tokens is None
    assert "Not used: it takes 1 or more" in hints(panel)
    QTest.keyClick(field, Qt.Key.Key_Backspace)
    assert panel.values()[1].max_tokens is None
    assert hints(panel) == []


@pytest.mark.parametrize("number", [2**31 - 1, 10**12, MAX_TOKENS])
def test_max_tokens_may_be_any_number(panel: ParametersPanel, number: int) -> None:
    """As on the command line and over HTTP: files and programs write such for no limit."""
    panel.set_values("", SamplingParameters(max_tokens=number))
    assert hints(panel) == []
    assert panel.values()[1].max_tokens == number
    panel.set_values("", SamplingParameters())
    QTest.keyClicks(part(panel, QLineEdit, "max_tokens"), "9" * 19)
    panel.values()[1].check()


def test_digits_that_no_field_shows_are_kept(panel: ParametersPanel) -> None:
    exact = SamplingParameters(temperature=0.123, min_p=0.0123)
    panel.set_values("", exact)
    assert part(panel, QDoubleSpinBox, "temperature").value() == 0.12
    assert panel.values() == ("", exact)
    part(panel, QDoubleSpinBox, "temperature").stepUp()
    assert panel.values()[1] == SamplingParameters(temperature=0.17, min_p=0.0123)


def test_system_prompt_is_reported(qtbot: QtBot, panel: ParametersPanel) -> None:
    with qtbot.waitSignal(panel.changed):
        QTest.keyClicks(part(panel, QPlainTextEdit, "systemPrompt"), "H")
    assert panel.values()[0] == "H"


@pytest.mark.parametrize("name", ["temperature", "temperatureSlider"])
def test_scrolling_past_changes_nothing(panel: ParametersPanel, name: str) -> None:
    control = part(panel, QWidget, name)
    control.clearFocus()
    wheel = QWheelEvent(
        QPointF(5, 5),
        QPointF(control.mapToGlobal(QPoint(5, 5))),
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(control, wheel)
    assert panel.values()[1].temperature == SamplingParameters().temperature


def test_numbers_are_legible(panel: ParametersPanel) -> None:
    """The style sheet once left one pixel for the text."""
    for spin in panel.findChildren(QDoubleSpinBox):
        needed = spin.fontMetrics().horizontalAdvance(spin.text())
        assert spin.lineEdit().width() >= needed


def test_panel_is_collapsed_until_asked_for(qtbot: QtBot, icons: Icons) -> None:
    panel = ParametersPanel(icons)
    qtbot.addWidget(panel)
    assert not panel.isVisible()
    panel.toggle_action.trigger()
    assert panel.isVisible()
    panel.toggle_action.trigger()
    assert not panel.isVisible()
