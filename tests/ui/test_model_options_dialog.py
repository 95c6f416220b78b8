"""The load options of one model: shown as they are, rated while they change, taken as shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.app.model_actions import ModelFit
from minerva_desktop.library.fit import Fit
from minerva_desktop.settings import ModelOverrides, Settings
from minerva_desktop.ui.fit_strip import FINDING_OUT, FitStrip
from minerva_desktop.ui.model_options_dialog import ModelOptionsDialog
from tests.ui.parts import part

# What the offscreen platform says about every dialog.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

OWN = ModelOverrides(
    n_ctx=4096,
    n_gpu_layers=3,
    n_threads=2,
    kv_type="q8_0",
    flash_attention="off",
    preset="Teacher",
)
OUT_OF_RANGE = (
    "“Layers on the GPU” on the page “Memory and speed” must be from 0 to 10,000, so these options"
    " cannot be used."
)
WHY = "A KV cache in q8_0 needs flash attention, which is off"
WONT_FIT = ModelFit(
    path=Path("/m/a.gguf"),
    fit=Fit.WONT_FIT,
    n_ctx=4096,
    n_bytes=2 * 10**9,
    reasons=("it takes 2 GB of this computer's memory, and there are 1 GB for models",),
    unloads=(),
)


def open_dialog(
    qtbot: QtBot, overrides: ModelOverrides, settings: Settings | None = None
) -> ModelOptionsDialog:
    dialog = ModelOptionsDialog(
        "Tiny", overrides, settings or Settings(), n_ctx_train=8192, n_cores=16
    )
    qtbot.addWidget(dialog)
    with qtbot.waitExposed(dialog):
        dialog.open()
    return dialog


@pytest.mark.parametrize("overrides", [ModelOverrides(), OWN], ids=["none", "all"])
def test_untouched_options_stay(qtbot: QtBot, overrides: ModelOverrides) -> None:
    assert open_dialog(qtbot, overrides).overrides() == overrides


def test_a_context_that_is_proposed_is_shown_and_kept(qtbot: QtBot) -> None:
    dialog = ModelOptionsDialog("Tiny", OWN, Settings(), n_ctx_train=8192, n_cores=16)
    qtbot.addWidget(dialog)
    dialog.propose_context(6144)
    with qtbot.waitSignal(dialog.options_changed) as asked:
        dialog.open()
    assert part(dialog, QLineEdit, "modelNCtx").text() == "6144"
    assert [each.n_ctx for each in (*asked.args, dialog.overrides())] == [6144, 6144]


def test_it_asks_how_the_options_fit_at_the_start_and_after_changes(qtbot: QtBot) -> None:
    dialog = ModelOptionsDialog("Tiny", ModelOverrides(), Settings(), n_ctx_train=None, n_cores=16)
    qtbot.addWidget(dialog)
    with qtbot.waitSignal(dialog.options_changed) as asked:
        dialog.open()
    assert asked.args == [ModelOverrides()]
    with qtbot.waitSignal(dialog.options_changed) as asked:
        QTest.keyClicks(part(dialog, QLineEdit, "modelNCtx"), "2048")
        QTest.mouseClick(part(dialog, QPushButton, "kvTypeQ8_0"), Qt.MouseButton.LeftButton)
    assert asked.args == [ModelOverrides(n_ctx=2048, kv_type="q8_0")]


def test_the_answer_is_shown_in_words(qtbot: QtBot) -> None:
    dialog = open_dialog(qtbot, OWN)
    dialog.ask()
    dialog.show_fit(WONT_FIT)
    words = part(dialog, QLabel, "optionsFitLabel").text()
    assert words == (
        "Won’t fit. It takes 2 GB of this computer's memory, and there are 1 GB for models. "
        "Context of 4,096 tokens"
    )
    dialog.show_problem(WHY)
    assert "which is off" in part(dialog, QLabel, "optionsFitLabel").text()


def test_what_is_said_of_other_options_is_dimmed_at_once(qtbot: QtBot) -> None:
    """It stayed red for nearly a second after what was wrong had been put right."""
    dialog = open_dialog(qtbot, OWN)
    words, strip = part(dialog, QLabel, "optionsFitLabel"), part(dialog, FitStrip, "optionsFit")
    seen = []
    for _ in range(2):
        dialog.ask()
        dialog.refuse(WHY, "flash_attention")
        seen.append((strip.property("tone"), words.palette().windowText().color().name()))
        QTest.keyClicks(part(dialog, QLineEdit, "modelNCtx"), "0")
        seen.append((strip.property("tone"), words.palette().windowText().color().name()))
    assert seen == seen[:2] * 2
    assert [tone for tone, _ in seen[:2]] == ["danger", ""]
    assert words.text() == WHY


def test_save_waits_for_what_is_said_of_the_last_change(qtbot: QtBot) -> None:
    """It saved what the words beside it were about to refuse."""
    dialog = open_dialog(qtbot, OWN)
    asked: list[ModelOverrides] = []
    dialog.options_changed.connect(asked.append)
    dialog.accept()
    dialog.accept()
    assert asked == [OWN]  # without a delay, and once
    dialog.refuse(WHY, "flash_attention")
    assert dialog.isVisible()
    dialog.accept()
    assert dialog.isVisible()
    QTest.mouseClick(part(dialog, QPushButton, "flashOn"), Qt.MouseButton.LeftButton)
    dialog.accept()
    assert dialog.isVisible()
    assert [each.flash_attention for each in asked] == ["off", "on"]
    with qtbot.waitSignal(dialog.accepted):
        dialog.show_fit(WONT_FIT)
    assert not dialog.isVisible()


def test_an_answer_about_what_was_set_before_saves_nothing(qtbot: QtBot) -> None:
    dialog = open_dialog(qtbot, OWN)
    dialog.accept()
    with qtbot.assertNotEmitted(dialog.accepted):
        QTest.keyClicks(part(dialog, QLineEdit, "modelNCtx"), "0")
        dialog.show_fit(WONT_FIT)
    dialog.ask()
    with qtbot.assertNotEmitted(dialog.accepted):  # that Save is over
        dialog.show_fit(WONT_FIT)
    with qtbot.waitSignal(dialog.accepted):
        dialog.accept()


def test_a_save_that_waits_for_long_says_so(qtbot: QtBot) -> None:
    dialog = open_dialog(qtbot, OWN)
    dialog.ask()
    dialog.show_problem("It is not there")
    QTest.mouseClick(part(dialog, QPushButton, "flashOn"), Qt.MouseButton.LeftButton)
    told = part(dialog, QLabel, "optionsFitLabel")
    dialog.accept()
    qtbot.waitUntil(lambda: told.text() == FINDING_OUT)
    dialog.refuse(WHY, "flash_attention")
    assert told.text() == WHY


def test_reset_leaves_everything_to_the_app(qtbot: QtBot) -> None:
    dialog = open_dialog(qtbot, OWN)
    QTest.mouseClick(part(dialog, QPushButton, "resetModelOptions"), Qt.MouseButton.LeftButton)
    # The preset is no matter of loading.
    assert dialog.overrides() == ModelOverrides(preset="Teacher")


def test_an_empty_field_says_what_counts_then(qtbot: QtBot) -> None:
    dialog = open_dialog(qtbot, ModelOverrides(), Settings(n_ctx=12_288))
    assert part(dialog, QLineEdit, "modelNCtx").placeholderText() == "12,288 (from Settings)"
    assert part(dialog, QLineEdit, "modelThreads").placeholderText() == "Automatic"


def test_it_grows_with_the_words_and_no_field_gets_lower(qtbot: QtBot) -> None:
    dialog = open_dialog(qtbot, ModelOverrides(n_ctx=200_000))
    dialog.ask()
    fields = [part(dialog, QWidget, name) for name in ("modelNCtx", "kvTypeQ8_0", "flashOn")]
    before = [field.height() for field in fields]
    dialog.show_problem("The model was trained for 8,192 tokens. " * 12)
    QApplication.processEvents()
    assert [field.height() for field in fields] == before
    label = part(dialog, QLabel, "optionsFitLabel")
    assert label.height() >= label.heightForWidth(label.width())


def test_a_number_out_of_its_range_is_not_taken(qtbot: QtBot) -> None:
    dialog = open_dialog(qtbot, OWN)
    layers = part(dialog, QLineEdit, "modelGpuLayers")
    layers.setText("-1")
    told = part(dialog, QLabel, "optionsFitLabel")
    with qtbot.assertNotEmitted(dialog.options_changed):
        qtbot.waitUntil(lambda: told.text() == OUT_OF_RANGE)
    with qtbot.assertNotEmitted(dialog.accepted):
        dialog.accept()
    assert layers.text() == "-1"
    assert "0 to 10,000" in [hint.text() for hint in dialog.findChildren(QLabel, "fieldHint")]
