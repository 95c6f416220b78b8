"""The whole window with two models: its gauge, the panel, and the picker's badges."""

from __future__ import annotations

import re
import shutil
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QLabel,
    QLineEdit,
    QListView,
    QPushButton,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from minerva_desktop.devices import driver
from minerva_desktop.devices.nvml import NvmlProbe
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import Settings, SettingsFile
from minerva_desktop.ui import engine_worker
from minerva_desktop.ui.controls import Switch
from minerva_desktop.ui.memory_gauge import MemoryGauge
from minerva_desktop.ui.model_list import PickerItem
from minerva_desktop.ui.model_row import ModelRow
from minerva_desktop.ui.settings_dialog import SettingsDialog
from tests.devices.nvml_script import Gpu, ScriptedNvml
from tests.ui.open_window import OpenWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory is looked at again after a tenth of a second instead of four."""
    monkeypatch.setattr(engine_worker, "MEMORY_SECONDS", 0.1)


def badge(opened: OpenWindow, path: str) -> str:
    """What the picker's row of that model tells a screen reader."""
    model = opened.part(QListView, "pickerList").model()
    rows = [model.index(row, 0) for row in range(model.rowCount())]
    items: list[PickerItem] = [row.data(Qt.ItemDataRole.UserRole) for row in rows]
    return next(item.spoken for item in items if item.path == path)


def test_from_the_badge_to_the_panel(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, small_path: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.gguf"
    shutil.copy(small_path, mine)
    with closing(OpenWindow(qtbot, dressed_app, catalog, [mine])) as opened:
        opened.until("eject", opened.part(QToolButton, "ejectButton").isEnabled)
        gauge = opened.part(MemoryGauge, "memoryGauge")
        opened.until("segment", lambda: "KV cache" in gauge.accessibleDescription())
        picker = opened.window.header.picker
        other = next(path for path in opened.model_paths if path != str(mine))
        picker.open_list()
        opened.until("badge", lambda: badge(opened, other).endswith(", Fits"))
        assert badge(opened, str(mine)).endswith(", loaded")
        opened.part(QWidget, "pickerPopup").hide()

        QTest.mouseClick(gauge, Qt.MouseButton.LeftButton)
        opened.until("row", lambda: bool(opened.window.findChildren(ModelRow)))
        switch = opened.part(Switch, "pinSwitch")
        when = opened.part(QPushButton, "timeToLiveButton")
        switch.click()
        opened.until("pin", lambda: not when.isEnabled())
        switch.click()
        opened.until("end of the pin", when.isEnabled)
        opened.part(QToolButton, "unloadButton").click()
        opened.until("empty panel", opened.part(QLabel, "noModelsLabel").isVisible)
        opened.part(QWidget, "modelsPanel").hide()
        opened.tell_of_memory("20.0 MB of memory were given back.")
        opened.until("notice", lambda: opened.notice == "20.0 MB of memory were given back.")


@pytest.mark.usefixtures("soon")
def test_which_model_will_go_is_said_before_and_which_went_after(
    qtbot: QtBot,
    dressed_app: QApplication,
    smollm_catalog: Catalog,
    gemma_path: Path,
    tmp_path: Path,
) -> None:
    mine = tmp_path / "gemma.gguf"
    mine.symlink_to(gemma_path)
    paths = app_paths()
    paths.create()
    # Holds either of the two models, and not both.
    SettingsFile(paths.settings).save(Settings(memory_gb=1, n_ctx=24_576))
    with closing(OpenWindow(qtbot, dressed_app, smollm_catalog, [mine])) as opened:
        opened.until("eject", opened.part(QToolButton, "ejectButton").isEnabled)
        opened.accept(opened.open_settings())  # which puts the budget into force
        other = next(path for path in opened.model_paths if path != str(mine))
        opened.window.header.picker.open_list()
        opened.until("warning", lambda: "Loading it unloads" in badge(opened, other))
        opened.part(QWidget, "pickerPopup").hide()
        opened.window.header.picker.selected.emit(other)
        opened.until("notice", lambda: "unloaded to make room for" in opened.notice)
        assert re.search(
            r"^\S.* was unloaded to make room for .*, which freed [\d.]+ [MG]B\.$", opened.notice
        )


def test_a_model_that_is_too_large_leads_to_the_memory_settings(
    qtbot: QtBot,
    dressed_app: QApplication,
    smollm_catalog: Catalog,
    model_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = SimpleNamespace(total=16 * 10**9, available=900_000_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: full)
    with closing(OpenWindow(qtbot, dressed_app, smollm_catalog)) as opened:
        opened.window.header.picker.selected.emit(str(model_path))
        opened.until("refusal", lambda: "was not loaded" in opened.notice)
        assert re.search(
            r"The model needs [\d.]+ MB of this computer's memory, of which models may take"
            r" [\d.]+ MB\. More can be allowed in the settings\.$",
            opened.notice,
        )
        bar = opened.window.notifications
        ways = [button for button in bar.findChildren(QPushButton) if "…" in button.text()]
        assert [button.text() for button in ways] == ["Load options…", "Memory settings…"]
        ways[1].click()
        field = opened.part(QLineEdit, "memoryGb")
        opened.until("focus", field.hasFocus)
        opened.until("number", lambda: field.placeholderText() == "Automatic (4.0 GB)")
        note = opened.part(QLabel, "gpusNote")
        opened.until("devices", lambda: note.isHidden() or "No graphics card" in note.text())
        opened.accept(opened.part(SettingsDialog, "settingsDialog"))


@pytest.mark.usefixtures("soon")
def test_a_model_that_goes_because_memory_is_short_is_told(
    qtbot: QtBot,
    dressed_app: QApplication,
    catalog: Catalog,
    small_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = tmp_path / "mine.gguf"
    shutil.copy(small_path, mine)
    with closing(OpenWindow(qtbot, dressed_app, catalog, [mine])) as opened:
        opened.until("eject", opened.part(QToolButton, "ejectButton").isEnabled)
        full = SimpleNamespace(total=16 * 10**9, available=10**8)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: full)
        opened.until("notice", lambda: "mine was unloaded: other programs left" in opened.notice)
        assert re.search(r"of memory free\. That gives back [\d.]+ MB\.$", opened.notice)


@pytest.mark.usefixtures("soon")
def test_a_gpu_that_this_build_cannot_use_is_told_with_what_to_install(
    qtbot: QtBot,
    dressed_app: QApplication,
    catalog: Catalog,
    small_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nvml = NvmlProbe(ScriptedNvml(Gpu(name="NVIDIA Test")))
    monkeypatch.setattr(driver, "find_nvml", lambda: nvml)
    mine = tmp_path / "mine.gguf"
    shutil.copy(small_path, mine)
    with closing(OpenWindow(qtbot, dressed_app, catalog, [mine])) as opened:
        opened.until("eject", opened.part(QToolButton, "ejectButton").isEnabled)
        opened.until("notice", lambda: "GGML_CUDA" in opened.notice)
        assert opened.notice.startswith(
            "Models run on the CPU: this build of llama.cpp cannot use NVIDIA Test."
        )
