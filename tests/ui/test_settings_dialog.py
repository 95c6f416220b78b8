"""Settings: shown as they are, taken as they are shown."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QDialogButtonBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from minerva_desktop.app.memory_budgets import GB, DeviceBudget, GpuMemories, gpu_bytes
from minerva_desktop.settings import DEFAULT_PORT, Settings, ThemeChoice, UpdateSettings
from minerva_desktop.ui.forms import ScrolledPage
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.settings_action import make_settings_action
from minerva_desktop.ui.settings_dialog import SettingsDialog
from tests.ui.parts import part

# What the offscreen platform says about every dialog.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

CUSTOM = Settings(
    theme=ThemeChoice.DARK,
    n_ctx=8192,
    n_gpu_layers=0,
    n_threads=4,
    server_port=9000,
    send_with_enter=False,
    model="/m/smol.gguf",
)


def open_dialog(qtbot: QtBot, icons: Icons, settings: Settings) -> SettingsDialog:
    dialog = SettingsDialog(icons, settings, "/home/ada/minerva", n_cores=16)
    qtbot.addWidget(dialog)
    with qtbot.waitExposed(dialog):
        dialog.open()
    return dialog


@pytest.mark.parametrize("settings", [Settings(), CUSTOM], ids=["defaults", "custom"])
def test_untouched_settings_stay(qtbot: QtBot, icons: Icons, settings: Settings) -> None:
    dialog = open_dialog(qtbot, icons, settings)
    assert dialog.applied_to(settings) == settings


def test_without_an_address_no_check_for_updates_is_offered(qtbot: QtBot, icons: Icons) -> None:
    settings = Settings(updates=UpdateSettings(enabled=True))  # from when there was one
    dialog = open_dialog(qtbot, icons, settings)
    assert dialog.findChild(QAbstractButton, "checkUpdates") is None
    assert not [label for label in dialog.findChildren(QLabel) if "pdates" in label.text()]
    assert part(dialog, QPushButton, "aboutMinerva").isVisible()
    assert dialog.applied_to(settings) == settings


def test_what_is_changed_is_taken_and_the_rest_kept(qtbot: QtBot, icons: Icons) -> None:
    dialog = open_dialog(qtbot, icons, Settings())
    QTest.mouseClick(part(dialog, QPushButton, "themeDark"), Qt.MouseButton.LeftButton)
    QTest.mouseClick(part(dialog, QAbstractButton, "sendWithEnter"), Qt.MouseButton.LeftButton)
    QTest.keyClicks(part(dialog, QLineEdit, "nCtx"), "16384")
    QTest.keyClicks(part(dialog, QLineEdit, "nGpuLayers"), "12")
    QTest.keyClicks(part(dialog, QLineEdit, "nThreads"), "9")
    QTest.keyClicks(part(dialog, QLineEdit, "memoryGb"), "6")
    QTest.keyClicks(part(dialog, QLineEdit, "snapshotGb"), "0")
    port = part(dialog, QLineEdit, "serverPort")
    port.selectAll()
    QTest.keyClicks(port, "8500")
    with qtbot.waitSignal(dialog.accepted):
        QTest.keyClick(port, Qt.Key.Key_Return)
    since_changed = Settings(model="/m/other.gguf")
    assert dialog.applied_to(since_changed) == Settings(
        theme=ThemeChoice.DARK,
        n_ctx=16384,
        n_gpu_layers=12,
        n_threads=9,
        memory_gb=6,
        snapshot_gb=0,
        server_port=8500,
        send_with_enter=False,
        model="/m/other.gguf",
    )


def test_empty_is_automatic(qtbot: QtBot, icons: Icons) -> None:
    dialog = open_dialog(qtbot, icons, CUSTOM)
    for name in ("nCtx", "nGpuLayers", "nThreads"):
        assert part(dialog, QLineEdit, name).placeholderText() == "Automatic"
        part(dialog, QLineEdit, name).clear()
    part(dialog, QLineEdit, "serverPort").clear()
    taken = dialog.applied_to(CUSTOM)
    assert (taken.n_ctx, taken.n_gpu_layers, taken.n_threads) == (None, None, None)
    assert taken.server_port == DEFAULT_PORT


RTX = DeviceBudget(("RTX 4090",), "RTX 4090", 24 * GB, 19_200_000_000)
ARC = DeviceBudget(("Arc (2)", "Arc"), "Arc (2)", 16 * GB, 12_800_000_000)


def test_automatic_budgets_say_what_they_are(qtbot: QtBot, icons: Icons) -> None:
    dialog = open_dialog(qtbot, icons, Settings())
    assert part(dialog, QLabel, "gpusNote").text() == "Looking for graphics cards…"
    dialog.show_system_budget(DeviceBudget((), "System memory", 25_200_000_000, 6_300_000_000))
    dialog.show_gpus(GpuMemories((RTX, ARC)))
    told = [
        part(dialog, QLineEdit, name).placeholderText()
        for name in ("memoryGb", "gpuMemoryGb1", "gpuMemoryGb2")
    ]
    assert told == ["Automatic (6.3 GB)", "Automatic (19.2 GB)", "Automatic (12.8 GB)"]
    assert not part(dialog, QLabel, "gpusNote").isVisible()
    assert dialog.applied_to(Settings()) == Settings()


def test_budgets_are_those_of_each_card_and_absent_ones_keep_theirs(
    qtbot: QtBot, icons: Icons
) -> None:
    kept = Settings(gpu_gb={"Arc": 5, "Radeon": 7})
    dialog = open_dialog(qtbot, icons, kept)
    assert dialog.applied_to(kept) == kept  # before the cards are known
    dialog.show_gpus(GpuMemories((RTX, ARC)))
    assert part(dialog, QLineEdit, "gpuMemoryGb1").text() == ""
    assert part(dialog, QLineEdit, "gpuMemoryGb2").text() == "5"  # what was said of all of its name
    QTest.keyClicks(part(dialog, QLineEdit, "gpuMemoryGb1"), "20")
    changed = dialog.applied_to(kept)
    assert changed.gpu_gb == {"Radeon": 7, "RTX 4090": 20, "Arc (2)": 5}
    assert gpu_bytes(changed) == {"Radeon": 7 * GB, "RTX 4090": 20 * GB, "Arc (2)": 5 * GB}
    part(dialog, QLineEdit, "gpuMemoryGb2").clear()
    assert "Arc (2)" not in dialog.applied_to(kept).gpu_gb


def test_without_cards_that_is_said(qtbot: QtBot, icons: Icons) -> None:
    dialog = open_dialog(qtbot, icons, Settings())
    dialog.show_gpus(GpuMemories(()))
    assert "No graphics card" in part(dialog, QLabel, "gpusNote").text()


def test_where_cards_are_not_known_no_one_says_that_there_are_none(
    qtbot: QtBot, icons: Icons
) -> None:
    dialog = open_dialog(qtbot, icons, Settings())
    dialog.show_gpus(GpuMemories((), "The process that asked the GPU driver died (signal 11)."))
    assert part(dialog, QLabel, "gpusNote").text() == (
        "Which graphics cards there are is not known. "
        "The process that asked the GPU driver died (signal 11)."
    )


def test_memory_may_be_a_fraction_of_a_gigabyte(qtbot: QtBot, icons: Icons) -> None:
    given = Settings(memory_gb=0.5, snapshot_gb=1.25)
    dialog = open_dialog(qtbot, icons, given)
    field = part(dialog, QLineEdit, "memoryGb")
    assert field.text() == "0.5"
    assert dialog.applied_to(given) == given
    field.clear()
    QTest.keyClicks(field, "1,757")  # a comma is as good
    assert dialog.applied_to(given).memory_gb == 1.757


def test_an_amount_is_shown_to_the_byte_however_it_was_stored(qtbot: QtBot, icons: Icons) -> None:
    given = Settings(memory_gb=10 / 3, snapshot_gb=0.00001)
    dialog = open_dialog(qtbot, icons, given)
    shown = [part(dialog, QLineEdit, name).text() for name in ("memoryGb", "snapshotGb")]
    assert shown == ["3.333333333", "0.00001"]
    taken = dialog.applied_to(given)
    assert (taken.memory_gb, taken.snapshot_gb) == (3.333333333, 0.00001)


def test_a_number_may_be_typed_as_the_window_writes_it(qtbot: QtBot, icons: Icons) -> None:
    dialog = open_dialog(qtbot, icons, Settings())
    field = part(dialog, QLineEdit, "nCtx")
    for typed in ("32,768", "32 768", "32\u00a0768"):
        field.clear()
        problems = []
        for key in typed:  # nothing is wrong on the way
            QTest.keyClicks(field, key)
            problems += [
                h.text() for h in dialog.findChildren(QLabel, "fieldHint") if " to " in h.text()
            ]
        assert (dialog.applied_to(Settings()).n_ctx, problems) == (32768, [])
    for wrong in ("32,76", "3,2768", ",768"):
        field.setText(wrong)
        QTest.keyClick(field, Qt.Key.Key_Return)
        assert "16 to 16,777,216" in [h.text() for h in dialog.findChildren(QLabel, "fieldHint")]


@pytest.mark.parametrize(
    ("name", "typed", "needs", "right"),
    [
        ("nCtx", "5", "16 to 16,777,216", "512"),
        ("nGpuLayers", "-1", "0 to 10,000", "1"),
        ("nThreads", "999999", "1 to 1,024", "16"),
        ("memoryGb", "0.001", "0.25 to 100,000", "0.25"),
        ("serverPort", "99999", "1 to 65,535", "9999"),
        ("snapshotGb", "1,.7", "0 to 100,000", "1.7"),
    ],
)
def test_a_number_out_of_its_range_stays_and_ok_waits_until_it_is_right(
    qtbot: QtBot, icons: Icons, name: str, typed: str, needs: str, right: str
) -> None:
    dialog = open_dialog(qtbot, icons, Settings())
    field = part(dialog, QLineEdit, name)
    field.selectAll()
    QTest.keyClicks(field, typed)
    ok = part(dialog, QDialogButtonBox, "").button(QDialogButtonBox.StandardButton.Ok)
    with qtbot.assertNotEmitted(dialog.accepted):
        QTest.mouseClick(ok, Qt.MouseButton.LeftButton)
    hints = [hint.text() for hint in dialog.findChildren(QLabel, "fieldHint")]
    assert (field.text(), dialog.focusWidget(), needs in hints) == (typed, field, True)
    QTest.keyClicks(field, right)  # what was wrong is selected
    assert needs not in [hint.text() for hint in dialog.findChildren(QLabel, "fieldHint")]
    with qtbot.waitSignal(dialog.accepted):
        QTest.mouseClick(ok, Qt.MouseButton.LeftButton)


def test_no_hint_is_cut(qtbot: QtBot, icons: Icons) -> None:
    dialog = open_dialog(qtbot, icons, Settings())
    hints = dialog.findChildren(QLabel, "fieldHint")
    assert "GB of disk; 0 turns it off" in [hint.text() for hint in hints]
    assert [hint.text() for hint in hints] == [hint.accessibleName() for hint in hints]


def test_escape_and_cancel_reject(qtbot: QtBot, icons: Icons) -> None:
    dialog = open_dialog(qtbot, icons, Settings())
    with qtbot.waitSignal(dialog.rejected), qtbot.assertNotEmitted(dialog.accepted):
        QTest.keyClick(dialog, Qt.Key.Key_Escape)
    dialog = open_dialog(qtbot, icons, Settings())
    cancel = part(dialog, QDialogButtonBox, "").button(QDialogButtonBox.StandardButton.Cancel)
    with qtbot.waitSignal(dialog.rejected):
        QTest.mouseClick(cancel, Qt.MouseButton.LeftButton)


def test_dialog_does_not_block_its_caller(qtbot: QtBot, icons: Icons) -> None:
    dialog = open_dialog(qtbot, icons, Settings())
    assert dialog.isVisible()  # open() came back


def test_data_folder_is_named_and_opened(qtbot: QtBot, icons: Icons) -> None:
    dialog = open_dialog(qtbot, icons, Settings())
    assert part(dialog, QWidget, "dataFolder").accessibleName() == "/home/ada/minerva"
    with qtbot.waitSignal(dialog.open_data_folder_requested):
        QTest.mouseClick(part(dialog, QPushButton, "openDataFolder"), Qt.MouseButton.LeftButton)


def test_settings_action(qtbot: QtBot, icons: Icons) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    action = make_settings_action(icons, window)
    assert action.objectName() == "settingsAction"
    assert action.shortcut().toString() == "Ctrl+,"
    assert not action.icon().isNull()


def test_it_is_no_higher_than_its_window_and_its_buttons_stay(qtbot: QtBot, icons: Icons) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(700, 600)
    dialog = SettingsDialog(icons, Settings(), "/home/ada/minerva", 16, window)
    with qtbot.waitExposed(dialog):
        dialog.open()
    dialog.show_gpus(GpuMemories(()))
    qtbot.wait(0)
    assert dialog.height() <= 600
    assert dialog.width() <= 700
    buttons = part(dialog, QDialogButtonBox, "")
    assert dialog.rect().contains(buttons.geometry())
    page = part(dialog, ScrolledPage, "")
    assert page.verticalScrollBar().maximum() > 0
    ok, cancel = buttons.buttons()
    for field in dialog.findChildren(QWidget, "segmented"):
        right = field.mapTo(dialog, field.rect().topRight()).x()
        assert right in {each.mapTo(dialog, each.rect().topRight()).x() for each in (ok, cancel)}
    dialog.reject()
