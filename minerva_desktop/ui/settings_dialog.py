"""The settings a person can change, on one page.

The main window opens it with `QDialog.open`, and on ``accepted`` stores what
`SettingsDialog.applied_to` returns. Main thread.
"""

from __future__ import annotations

import msgspec
from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.app.memory_budgets import DeviceBudget, GpuMemories, chosen_gb, with_gpu_gb
from minerva_desktop.load_limits import MAX_GPU_LAYERS, MAX_N_CTX, MAX_THREADS, MIN_N_CTX
from minerva_desktop.settings import (
    DEFAULT_PORT,
    MIN_MEMORY_GB,
    TEXT_SIZES,
    Settings,
    ThemeChoice,
    UpdateSettings,
)
from minerva_desktop.ui.controls import (
    ElidedLabel,
    Switch,
    plain_tip,
    set_sign,
)
from minerva_desktop.ui.forms import (
    AUTOMATIC,
    SCROLL_ROOM,
    Form,
    ScrolledPage,
    SegmentedChoice,
    cores_hint,
    dialog_button,
    gigabytes_field,
    number_field,
    plain_label,
)
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.number_fields import DecimalField, all_right
from minerva_desktop.ui.theme import GRID
from minerva_desktop.units import format_bytes

WIDTH = 540  # px; "GB of disk; 0 turns it off" fits behind a field
MAX_GPUS = 16  # that get a row
MIN_PORT, MAX_PORT = 1, 65535
FOLDER_SIGN = 16  # px
ABOUT = "Versions, licences and the self-test"


class SettingsDialog(QDialog):
    """Shows ``settings``; ``accepted`` is OK, ``rejected`` Cancel and Esc."""

    open_data_folder_requested = Signal()
    snippets_requested = Signal()
    about_requested = Signal()

    def __init__(
        self,
        icons: Icons,
        settings: Settings,
        data_folder: str,
        n_cores: int,
        parent: QWidget | None = None,
        *,
        update_words: str = "",
    ) -> None:
        """``update_words``: whom a check for updates asks, and what it sends; empty: there is
        nobody to ask, and no switch."""
        super().__init__(parent)
        self._icons = icons
        self._settings = settings
        self.setObjectName("settingsDialog")
        self.setWindowTitle("Settings")
        self.setMinimumWidth(WIDTH)
        self._theme = SegmentedChoice(
            "theme",
            "Theme",
            [(each.value, each.value.capitalize()) for each in ThemeChoice],
            settings.theme.value,
        )
        self._text_size = _make_text_size(settings.text_size)
        self._enter = Switch("Send with Enter", icons.themes)
        self._enter.setObjectName("sendWithEnter")
        self._enter.setChecked(settings.send_with_enter)
        self._enter.setToolTip(plain_tip("Off: Enter starts a new line, Ctrl+Enter sends"))
        self._make_load_fields(settings)
        self._memory = gigabytes_field(
            "memoryGb", "System memory for models in GB", settings.memory_gb, MIN_MEMORY_GB
        )
        self._gpus: dict[DeviceBudget, DecimalField] = {}
        self._gpus_note = QLabel("Looking for graphics cards…")
        self._gpus_note.setObjectName("gpusNote")
        self._gpus_note.setProperty("look", "muted")
        self._gpus_note.setWordWrap(True)
        self._snapshots = gigabytes_field(
            "snapshotGb", "Disk for long chats in GB", settings.snapshot_gb, 0
        )
        self._port = number_field(
            "serverPort", "Server port", settings.server_port, MIN_PORT, MAX_PORT
        )
        self._port.setPlaceholderText(str(DEFAULT_PORT))
        self._updates = self._make_switch(settings.updates) if update_words else None
        self._form = Form()
        self._lay_out(n_cores, data_folder, update_words)

    def _make_load_fields(self, settings: Settings) -> None:
        self._n_ctx = number_field(
            "nCtx", "Context size in tokens", settings.n_ctx, MIN_N_CTX, MAX_N_CTX
        )
        self._layers = number_field(
            "nGpuLayers", "Layers on the GPU", settings.n_gpu_layers, 0, MAX_GPU_LAYERS
        )
        self._threads = number_field("nThreads", "CPU threads", settings.n_threads, 1, MAX_THREADS)

    def _make_switch(self, updates: UpdateSettings) -> Switch:
        switch = Switch("Check for updates once a day", self._icons.themes)
        switch.setObjectName("checkUpdates")
        switch.setChecked(updates.enabled)
        return switch

    def show_system_budget(self, budget: DeviceBudget) -> None:
        """Say what models may take of the system's memory where nothing is chosen."""
        self._memory.setPlaceholderText(_automatic(budget))

    def show_gpus(self, found: GpuMemories) -> None:
        """Offer the budgets of the graphics cards, or say why there are none; once."""
        before, budgets = self._memory, found.budgets
        for number, budget in enumerate(budgets[:MAX_GPUS], start=1):
            short = "GPU" if len(budgets) == 1 else f"GPU {number}"
            field = gigabytes_field(
                f"gpuMemoryGb{number}",
                f"Memory of {budget.name} for models in GB",
                chosen_gb(self._settings, budget),
                0,
                _automatic(budget),
            )
            self._gpus[budget] = field
            hint = f"GB {budget.hint}, {budget.name}"
            self._form.add_row(short, field, hint, row=self._gpu_rows + number)
            self.setTabOrder(before, field)
            before = field
        if budgets:
            self._gpus_note.hide()
        elif found.problem:
            self._gpus_note.setText(f"Which graphics cards there are is not known. {found.problem}")
        else:
            self._gpus_note.setText("No graphics card with its own memory was found")
        # New widgets count once they are shown, which Qt does at its loop's next turn.
        QTimer.singleShot(0, self, self._grow)

    @Slot()
    def _grow(self) -> None:
        self._page.updateGeometry()
        self.resize(self.sizeHint().expandedTo(self.size()))

    def accept(self) -> None:
        """OK waits until each number can be taken: what cannot is marked, with its range."""
        numbers = (self._n_ctx, self._layers, self._threads, self._memory)
        if all_right([*numbers, *self._gpus.values(), self._snapshots, self._port]):
            super().accept()
        elif (wrong := self.focusWidget()) is not None:
            self._page.ensureWidgetVisible(wrong)

    def focus_memory(self) -> None:
        """Lead to the budgets."""
        self._memory.setFocus(Qt.FocusReason.OtherFocusReason)
        self._page.ensureWidgetVisible(self._memory)

    def applied_to(self, settings: Settings) -> Settings:
        """``settings`` with what the page shows now; what it does not show stays as it was. Raises
        `ValueError` for a number that `accept` would not take."""
        port = self._port.value()
        return msgspec.structs.replace(
            settings,
            theme=ThemeChoice(self._theme.value()),
            text_size=self._chosen_text_size(),
            n_ctx=self._n_ctx.value(),
            n_gpu_layers=self._layers.value(),
            n_threads=self._threads.value(),
            memory_gb=self._memory.value(),
            gpu_gb=with_gpu_gb(
                settings, {budget: field.value() for budget, field in self._gpus.items()}
            ),
            snapshot_gb=self._snapshots.value(),
            server_port=DEFAULT_PORT if port is None else port,
            send_with_enter=self._enter.isChecked(),
            updates=self._chosen_updates(settings),
        )

    def _chosen_text_size(self) -> int:
        """One that is none of the steps stays unless another is chosen."""
        before, chosen = self._settings.text_size, int(self._text_size.value())
        return before if chosen == _nearest(before) else chosen

    def _chosen_updates(self, settings: Settings) -> UpdateSettings:
        if self._updates is None:
            return settings.updates
        return msgspec.structs.replace(settings.updates, enabled=self._updates.isChecked())

    def _lay_out(self, n_cores: int, data_folder: str, update_words: str) -> None:
        form = self._form
        form.add_section("Window")
        form.add_row("Theme", self._theme)
        form.add_row("Text size in %", self._text_size)
        form.add_row("", self._make_writing_row())
        form.add_section("Model", "Used the next time a model is loaded")
        form.add_row("Context size", self._n_ctx, "tokens, in steps of 256")
        form.add_row("Layers on the GPU", self._layers, "0 uses the CPU alone")
        form.add_row("CPU threads", self._threads, cores_hint(n_cores))
        form.add_section("Memory for models", "Where it is not enough, idle models are unloaded")
        form.add_row("System", self._memory, "GB")
        self._gpu_rows = form.reserve(MAX_GPUS + 1)
        form.addWidget(self._gpus_note, self._gpu_rows, 1)
        form.add_section("Local server")
        form.add_row("Port", self._port, "on this computer only")
        form.add_section("Data")
        form.add_row("Fast resume", self._snapshots, "GB of disk; 0 turns it off")
        form.add_whole(self._make_folder_row(data_folder))
        form.add_section("About" if self._updates is None else "Updates")
        form.add_whole(self._make_about_row())
        if update_words:
            note = plain_label("updatesNote", "muted")
            note.setText(update_words)
            form.addWidget(note, form.rowCount(), 0, 1, 2)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        buttons.setContentsMargins(0, 0, SCROLL_ROOM, 0)  # in line with the fields
        rule = QFrame()
        rule.setObjectName("pageRule")
        rule.setFixedHeight(1)
        self._page = ScrolledPage(form)
        box = QVBoxLayout(self)
        box.setContentsMargins(6 * GRID, 4 * GRID, 6 * GRID, 5 * GRID)
        box.setSpacing(0)
        box.addWidget(self._page, 1)
        box.addWidget(rule)
        box.addSpacing(4 * GRID)
        box.addWidget(buttons)

    def _make_writing_row(self) -> QWidget:
        button = QPushButton("Manage snippets…")
        button.setObjectName("manageSnippets")
        button.setAutoDefault(False)
        button.setToolTip(plain_tip("Texts that “/” and their names put into a message"))
        button.clicked.connect(self.snippets_requested)
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._enter)
        row.addStretch(1)
        row.addWidget(button)
        return holder

    def _make_about_row(self) -> QHBoxLayout:
        about = dialog_button("About Minerva…", "aboutMinerva")
        about.clicked.connect(self.about_requested)
        row = QHBoxLayout()
        if self._updates is None:
            row.addWidget(_muted(ABOUT), 1)
        else:
            row.addWidget(self._updates)
            row.addStretch(1)
        row.addWidget(about)
        return row

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


def _make_text_size(percent: int) -> SegmentedChoice:
    sizes = [str(size) for size in TEXT_SIZES]
    choice = SegmentedChoice(
        "textSize",
        "Text size in percent",
        [(size, size) for size in sizes],
        str(_nearest(percent)),
        is_dense=True,
    )
    choice.setToolTip(plain_tip("Of what you read and write in a chat"))
    return choice


def _nearest(percent: int) -> int:
    return min(TEXT_SIZES, key=lambda size: abs(size - percent))


def _muted(words: str) -> ElidedLabel:
    label = ElidedLabel(words)
    label.setProperty("look", "muted")
    return label


def _automatic(budget: DeviceBudget) -> str:
    return f"{AUTOMATIC} ({format_bytes(budget.automatic)})"
