"""How a model's positions are stretched, in its load options."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QLabel, QLineEdit, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.app.model_actions import ModelFit
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.library.fit import Fit
from minerva_desktop.paths import path_text
from minerva_desktop.settings import ModelOverrides, Settings, SettingsFile
from minerva_desktop.ui.fit_strip import FitStrip
from minerva_desktop.ui.forms import ScrolledPage
from minerva_desktop.ui.model_options_dialog import NO_FACTOR, SPARED, ModelOptionsDialog
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part

# What the offscreen platform says about every dialog.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

LEFT = Qt.MouseButton.LeftButton
YARN = ModelOverrides(
    rope_scaling="yarn",
    rope_scale=4.0,
    rope_freq_base=1_000_000,
    yarn_orig_ctx=8192,
    yarn_ext_factor=0.5,
    yarn_beta_fast=31.5,
    yarn_beta_slow=0.25,
    preset="Teacher",
)
WHY_UNSTRETCHED = "RoPE scaling would have no effect: without a stretch factor nothing is stretched"
FITS = ModelFit(
    path=Path("/m/a.gguf"), fit=Fit.FITS, n_ctx=8192, n_bytes=10**9, reasons=(), unloads=()
)


def open_dialog(qtbot: QtBot, overrides: ModelOverrides) -> ModelOptionsDialog:
    dialog = ModelOptionsDialog("Tiny", overrides, Settings(), n_ctx_train=8192, n_cores=16)
    qtbot.addWidget(dialog)
    with qtbot.waitExposed(dialog):
        dialog.open()
    press(dialog, "optionsPageRope")
    return dialog


def press(dialog: ModelOptionsDialog, name: str) -> None:
    QTest.mouseClick(part(dialog, QPushButton, name), LEFT)


def field(dialog: ModelOptionsDialog, name: str) -> QLineEdit:
    return part(dialog, QLineEdit, name)


@pytest.mark.parametrize(
    "overrides",
    [ModelOverrides(), YARN, ModelOverrides(rope_scaling="linear", yarn_attn_factor=1.5)],
)
def test_untouched_positions_stay(qtbot: QtBot, overrides: ModelOverrides) -> None:
    dialog = open_dialog(qtbot, overrides)
    assert dialog.overrides() == overrides
    press(dialog, "resetModelOptions")
    assert dialog.overrides() == ModelOverrides(preset=overrides.preset)


def test_what_is_typed_is_asked_about_and_kept(qtbot: QtBot) -> None:
    dialog = open_dialog(qtbot, ModelOverrides())
    with qtbot.waitSignal(dialog.options_changed) as asked:
        press(dialog, "ropeScalingYarn")
        QTest.keyClicks(field(dialog, "ropeScale"), "2.5")
        QTest.keyClicks(field(dialog, "ropeFreqBase"), "1,000,000")
    wanted = ModelOverrides(rope_scaling="yarn", rope_scale=2.5, rope_freq_base=1_000_000)
    assert asked.args == [wanted]
    assert dialog.overrides() == wanted


def test_what_would_have_no_effect_cannot_be_typed_and_is_not_kept(qtbot: QtBot) -> None:
    dialog = open_dialog(qtbot, YARN)
    names = ("ropeScale", "yarnAttnFactor", "yarnOrigCtx", "yarnBetaFast")
    found = []
    for scaling in ("ropeScalingNone", "ropeScalingLinear", "ropeScalingYarn", "ropeScaling"):
        press(dialog, scaling)
        found.append([field(dialog, name).isEnabled() for name in names])
    assert found == [
        [False, True, False, False],
        [True, True, False, False],
        [True, False, True, True],
        [True, True, True, True],
    ]
    press(dialog, "ropeScalingNone")
    assert dialog.overrides() == ModelOverrides(
        rope_scaling="none", rope_freq_base=1_000_000, preset="Teacher"
    )


def test_a_number_out_of_its_range_is_shown_where_it_stands(qtbot: QtBot) -> None:
    dialog = open_dialog(qtbot, ModelOverrides())
    field(dialog, "ropeScale").setText("0")
    press(dialog, "optionsPageLoad")
    dialog.ask()
    assert part(dialog, QLabel, "optionsFitLabel").text() == (
        "“Stretch factor” on the page “Positions (RoPE)” must be from 0.01 to 10,000, so these"
        " options cannot be used."
    )
    with qtbot.assertNotEmitted(dialog.accepted):
        dialog.accept()
    assert field(dialog, "ropeScale").isVisible()
    shown = [hint.text() for hint in dialog.findChildren(QLabel, "fieldHint") if hint.isVisible()]
    assert "0.01 to 10,000" in shown


@pytest.mark.parametrize(
    ("original", "offered"), [(None, 32_768), (4096, 16_384), (65_536, 32_768), (2048, None)]
)
def test_the_context_that_is_offered_is_one_that_the_model_makes_sense_of(
    qtbot: QtBot, original: int | None, offered: int | None
) -> None:
    """It offered four times 65,536, of which it would have warned, and 8,192 in place of 8,192. An
    answer that came while a number stood there out of its range ended in an exception."""
    stretched = ModelOverrides(rope_scaling="yarn", rope_scale=4.0, yarn_orig_ctx=original)
    dialog = ModelOptionsDialog(
        "Tiny", stretched, Settings(), n_ctx_train=8192, n_ctx_first=8192, n_cores=16
    )
    qtbot.addWidget(dialog)
    dialog.ask()
    field(dialog, "ropeScale").setText("0")
    dialog.show_fit(FITS)
    button = part(dialog, QPushButton, "takeContext")
    assert button.isHidden()
    field(dialog, "ropeScale").setText("4")
    dialog.ask()
    dialog.show_fit(FITS)
    assert button.isHidden() == (offered is None)
    assert offered is None or button.text() == f"Use {offered:,}"


def test_a_factor_that_nobody_has_typed_yet_is_no_mistake_before_save(qtbot: QtBot) -> None:
    """The words turned red with the choice of YaRN, before anybody could have typed it."""
    dialog = open_dialog(qtbot, ModelOverrides())
    words, strip = part(dialog, QLabel, "optionsFitLabel"), part(dialog, FitStrip, "optionsFit")
    press(dialog, "ropeScalingYarn")
    dialog.ask()
    dialog.refuse(WHY_UNSTRETCHED, "rope.scaling")
    assert (words.text(), strip.property("tone")) == (NO_FACTOR, "")
    press(dialog, "optionsPageLoad")
    with qtbot.assertNotEmitted(dialog.accepted):
        dialog.accept()
    assert (words.text(), strip.property("tone")) == (WHY_UNSTRETCHED, "danger")
    assert field(dialog, "ropeScale").hasFocus()
    QTest.keyClicks(field(dialog, "ropeScale"), "4")
    assert strip.property("tone") == ""  # at once
    dialog.ask()
    dialog.refuse(WHY_UNSTRETCHED, "rope.scaling")  # it has one: the model's is another trouble
    assert (words.text(), strip.property("tone")) == (WHY_UNSTRETCHED, "danger")


@pytest.mark.parametrize(("height", "scrolls"), [(800, False), (600, True)])
def test_the_page_fits_a_low_screen(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, height: int, scrolls: bool
) -> None:
    """With a title bar, which a desktop may only put above it once all else is done."""
    screen = SimpleNamespace(availableGeometry=lambda: QRect(0, 0, 1280, height))
    monkeypatch.setattr(ModelOptionsDialog, "screen", lambda _: screen)
    dialog = ModelOptionsDialog("Tiny", YARN, Settings(), n_ctx_train=8192, n_cores=16)
    qtbot.addWidget(dialog)
    with qtbot.waitExposed(dialog):
        dialog.open()
    dialog.move(300, 200)
    press(dialog, "optionsPageRope")
    assert dialog.y() >= 0
    assert dialog.geometry().bottom() < height - SPARED
    (page,) = [each for each in dialog.findChildren(ScrolledPage) if each.isVisible()]
    assert (page.verticalScrollBar().maximum() > 0) == scrolls
    (buttons,) = dialog.findChildren(QDialogButtonBox)
    assert dialog.rect().contains(buttons.geometry())
    field(dialog, "yarnBetaSlow").setText("-1")
    dialog.accept()
    place = field(dialog, "yarnBetaSlow").mapTo(page, QPoint(0, 0))
    assert page.rect().contains(place)


def test_save_leads_to_the_number_that_cannot_be_used(qtbot: QtBot) -> None:
    dialog = open_dialog(qtbot, ModelOverrides(rope_scale=2.0, yarn_beta_fast=9.0))
    press(dialog, "optionsPageLoad")
    dialog.ask()
    dialog.refuse("YaRN's fast beta would have no effect", "rope.yarn_beta_fast")
    dialog.accept()
    assert dialog.isVisible()
    beta = field(dialog, "yarnBetaFast")
    assert dialog.focusWidget() is beta
    (page,) = [each for each in dialog.findChildren(ScrolledPage) if each.isVisible()]
    assert page.rect().contains(beta.mapTo(page, QPoint(0, 0)))


def test_each_field_says_what_it_is(qtbot: QtBot) -> None:
    dialog = open_dialog(qtbot, ModelOverrides())
    fields = [each for each in dialog.findChildren(QLineEdit) if each.isVisible()]
    names = [each.accessibleName() for each in fields]
    assert len(names) == 7
    assert len(set(names)) == 7
    assert all(names)


def test_pages_that_change_do_not_make_the_dialog_higher_than_the_highest(qtbot: QtBot) -> None:
    dialog = open_dialog(qtbot, ModelOverrides())
    height = dialog.height()
    for page in ("optionsPageLoad", "optionsPageRope", "optionsPageLoad"):
        press(dialog, page)
    assert dialog.height() == height


@pytest.fixture
def opened(qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog) -> Iterator[OpenWindow]:
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as window:
        yield window


def test_what_the_model_cannot_honour_is_said_there_and_what_it_can_is_loaded(
    opened: OpenWindow, small_path: Path
) -> None:
    opened.window.header.picker.options_requested.emit(path_text(small_path))
    opened.until("dialog", lambda: bool(opened.window.findChildren(ModelOptionsDialog)))
    (dialog,) = opened.window.findChildren(ModelOptionsDialog)
    press(dialog, "optionsPageRope")
    told = part(dialog, QLabel, "optionsFitLabel")
    press(dialog, "ropeScalingYarn")
    opened.until("hint", lambda: told.text() == NO_FACTOR)
    press(dialog, "ropeScaling")
    QTest.keyClicks(field(dialog, "ropeScale"), "2")
    QTest.keyClicks(field(dialog, "yarnBetaFast"), "9")
    why = "YaRN's fast beta would have no effect: RoPE scaling is not “yarn”"
    press(dialog, "optionsPageLoad")
    (buttons,) = dialog.findChildren(QDialogButtonBox)
    # Before anything can be known of it.
    QTest.mouseClick(buttons.button(QDialogButtonBox.StandardButton.Save), LEFT)
    opened.until("refusal", lambda: told.text() == why)
    assert field(dialog, "yarnBetaFast").isVisible()
    assert opened.settings.current.models == {}
    press(dialog, "ropeScalingYarn")
    opened.until("offer", lambda: part(dialog, QPushButton, "takeContext").isVisible())
    assert told.text().endswith(
        ". The stretch allows up to 65,536 tokens: set the context size to use them"
    )
    press(dialog, "takeContext")
    opened.until("fit", lambda: told.text().endswith("with a context of 65,536 tokens"))
    assert not part(dialog, QPushButton, "takeContext").isVisible()
    QTest.mouseClick(buttons.button(QDialogButtonBox.StandardButton.Save), LEFT)
    opened.until("end", lambda: not opened.window.findChildren(ModelOptionsDialog))
    stretched = ModelOverrides(
        n_ctx=65_536, rope_scaling="yarn", rope_scale=2.0, yarn_beta_fast=9.0
    )
    wanted = {path_text(small_path): stretched}
    opened.until("settings", lambda: opened.settings.current.models == wanted)
    opened.window.header.picker.selected.emit(path_text(small_path))
    opened.until("model", lambda: opened.loaded_paths == [path_text(small_path)])


def test_positions_outlive_a_restart_and_each_wrong_one_costs_itself_alone(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    SettingsFile(file).override(Path("/m/a.gguf"), YARN)
    assert SettingsFile(file).current.models == {"/m/a.gguf": YARN}
    file.write_text(
        '{"models": {"/m/a.gguf": {"rope_scaling": "round", "rope_scale": 0, "yarn_orig_ctx": 64}}}'
    )
    again = SettingsFile(file)
    assert again.current.models == {"/m/a.gguf": ModelOverrides(yarn_orig_ctx=64)}
    assert again.problem is not None
