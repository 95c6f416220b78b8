"""The settings a person can change, on one page.

The main window opens it with `QDialog.open`, and on ``accepted`` stores what
`SettingsDialog.applied_to` returns. Main thread.
"""

from __future__ import annotations

import msgspec
from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.settings import DEFAULT_PORT, Settings, ThemeChoice
from minerva_desktop.ui.controls import ElidedLabel, Switch, plain_tip, set_sign
from minerva_desktop.ui.forms import Form, SegmentedChoice, number_field
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

SHORTCUT = "Ctrl+,"
WIDTH = 480  # px
MIN_N_CTX, MAX_N_CTX = 256, 10_485_760  # tokens
MAX_GPU_LAYERS = 1000
MAX_SNAPSHOT_GB = 10_000
MAX_MEMORY_GB = 100_000
MIN_PORT, MAX_PORT = 1, 65535
FOLDER_SIGN = 16  # px


class SettingsDialog(QDialog):
    """Shows ``settings``; ``accepted`` is OK, ``rejected`` Cancel and Esc."""

    open_data_folder_requested = Signal()

    def __init__(
        self,
        icons: Icons,
        settings: Settings,
        data_folder: str,
        max_threads: int,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._icons = icons
        self.setObjectName("settingsDialog")
        self.setWindowTitle("Settings")
        self.setMinimumWidth(WIDTH)
        self._theme = SegmentedChoice(
            "theme",
            "Theme",
            [(each.value, each.value.capitalize()) for each in ThemeChoice],
            settings.theme.value,
        )
        self._enter = Switch("Send with Enter", icons.themes)
        self._enter.setObjectName("sendWithEnter")
        self._enter.setChecked(settings.send_with_enter)
        self._enter.setToolTip(plain_tip("Off: Enter starts a new line, Ctrl+Enter sends"))
        self._n_ctx = number_field(
            "nCtx", "Context size in tokens", settings.n_ctx, MIN_N_CTX, MAX_N_CTX
        )
        self._layers = number_field(
            "nGpuLayers", "Layers on the GPU", settings.n_gpu_layers, 0, MAX_GPU_LAYERS
        )
        self._threads = number_field("nThreads", "CPU threads", settings.n_threads, 1, max_threads)
        self._memory = number_field(
            "memoryGb", "Memory for models in GB", settings.memory_gb, 1, MAX_MEMORY_GB
        )
        self._gpu_memory = number_field(
            "gpuMemoryGb", "Memory of each GPU in GB", settings.gpu_memory_gb, 1, MAX_MEMORY_GB
        )
        self._snapshots = number_field(
            "snapshotGb", "Disk for long chats in GB", settings.snapshot_gb, 0, MAX_SNAPSHOT_GB
        )
        self._port = number_field(
            "serverPort", "Server port", settings.server_port, MIN_PORT, MAX_PORT
        )
        self._port.setPlaceholderText(str(DEFAULT_PORT))
        self._lay_out(data_folder)

    def applied_to(self, settings: Settings) -> Settings:
        """``settings`` with what the page shows now; what it does not show stays as it was."""
        port = self._port.value()
        return msgspec.structs.replace(
            settings,
            theme=ThemeChoice(self._theme.value()),
            n_ctx=self._n_ctx.value(),
            n_gpu_layers=self._layers.value(),
            n_threads=self._threads.value(),
            memory_gb=self._memory.value(),
            gpu_memory_gb=self._gpu_memory.value(),
            snapshot_gb=self._snapshots.value(),
            server_port=DEFAULT_PORT if port is None else port,
            send_with_enter=self._enter.isChecked(),
        )

    def _lay_out(self, data_folder: str) -> None:
        form = Form()
        form.add_section("Window")
        form.add_row("Theme", self._theme)
        form.add_row("", self._enter)
        form.add_section("Model", "Used the next time a model is loaded")
        form.add_row("Context size", self._n_ctx, "tokens")
        form.add_row("Layers on the GPU", self._layers, "0 uses the CPU alone")
        form.add_row("CPU threads", self._threads)
        form.add_row("Memory for models", self._memory, "GB; beyond it idle ones are unloaded")
        form.add_row("Memory of each GPU", self._gpu_memory, "GB for models")
        form.add_section("Local server")
        form.add_row("Port", self._port, "on this computer only")
        form.add_section("Data")
        form.add_row("Fast resume", self._snapshots, "GB of disk; 0 turns it off")
        form.add_whole(self._make_folder_row(data_folder))
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        box = QVBoxLayout(self)
        box.setContentsMargins(6 * GRID, 4 * GRID, 6 * GRID, 5 * GRID)
        box.setSpacing(5 * GRID)
        box.addLayout(form)
        box.addStretch(1)
        box.addWidget(buttons)

    def _make_folder_row(self, data_folder: str) -> QHBoxLayout:
        path = ElidedLabel(data_folder)
        path.setObjectName("dataFolder")
        button = QPushButton("Open folder")
        set_sign(button, self._icons.icon("folder", "muted"), FOLDER_SIGN)
        button.setObjectName("openDataFolder")
        button.setAutoDefault(False)
        button.setToolTip(plain_tip("Chats, settings and downloaded models are here"))
        button.clicked.connect(self.open_data_folder_requested)
        row = QHBoxLayout()
        row.setSpacing(3 * GRID)
        row.addWidget(path, 1)
        row.addWidget(button)
        return row


def make_settings_action(icons: Icons, parent: QWidget) -> QAction:
    """The action that opens the settings; the main window connects it."""
    action = QAction(icons.icon("settings", "muted"), "Settings", parent)
    action.setObjectName("settingsAction")
    action.setShortcut(SHORTCUT)
    action.setMenuRole(QAction.MenuRole.PreferencesRole)
    action.setToolTip(plain_tip("Settings", SHORTCUT))
    return action
