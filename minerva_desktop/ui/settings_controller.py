"""The settings dialog in the window: opened, filled, and obeyed. Main thread."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QWidget

from minerva_desktop.app.services import Services
from minerva_desktop.errors import MinervaError, StoreError
from minerva_desktop.settings import Settings
from minerva_desktop.ui import late_dialogs
from minerva_desktop.ui.about_controller import AboutController
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_notices import MEMORY_SETTINGS
from minerva_desktop.ui.server_controller import ServerController
from minerva_desktop.ui.snippet_controller import SnippetController
from minerva_desktop.ui.tasks import UiTasks
from minerva_desktop.ui.theme import ThemeSource
from minerva_desktop.ui.update_controller import UpdateController

if TYPE_CHECKING:
    from minerva_desktop.ui.settings_dialog import SettingsDialog


class SettingsController(QObject):
    """Also puts into force what was chosen."""

    def __init__(
        self,
        window: MainWindow,
        services: Services,
        worker: EngineWorker,
        tasks: UiTasks,
        themes: ThemeSource,
        server: ServerController,
        snippets: SnippetController,
        updates: UpdateController,
        about: AboutController,
        show_error: Callable[[MinervaError], None],
    ) -> None:
        super().__init__(window)
        self._window = window
        self._services = services
        self._worker = worker
        self._tasks = tasks
        self._themes = themes
        self._server = server
        self._snippets = snippets
        self._updates = updates
        self._about = about
        self._show_error = show_error
        self._dialog: SettingsDialog | None = None
        window.settings_action.triggered.connect(self._on_settings)
        window.notifications.action_triggered.connect(self._on_notice_action)
        themes.text_size.changed.connect(self._on_text_size)

    def open(self) -> SettingsDialog:
        """Show the dialog."""
        dialog = late_dialogs.settings_dialog()(
            self._window.icons,
            self._services.settings.current,
            str(self._services.paths.data),
            os.cpu_count() or 1,
            self._window,
            update_words=self._updates.what_is_sent,
        )
        dialog.open_data_folder_requested.connect(self._open_data_folder)
        dialog.snippets_requested.connect(self._on_snippets)
        dialog.about_requested.connect(self._on_about)
        dialog.accepted.connect(self._on_accepted)
        dialog.finished.connect(self._on_finished)
        self._dialog = dialog
        dialog.open()
        self._tasks.start(self._show_budgets(dialog))
        return dialog

    def save(self, settings: Settings) -> None:
        """Keep ``settings``, or say why they cannot be."""
        try:
            self._services.settings.save(settings)
        except StoreError as error:
            self._show_error(error)

    async def _show_budgets(self, dialog: SettingsDialog) -> None:
        """Devices are asked of a child process, for which the dialog does not wait."""
        system = await self._worker.system_budget()
        if dialog is self._dialog:
            dialog.show_system_budget(system)
        gpus = await self._worker.gpu_budgets()
        system = await self._worker.system_budget()  # which Metal may use, as is known now
        if dialog is self._dialog:
            dialog.show_system_budget(system)
            dialog.show_gpus(gpus)

    @Slot()
    def _on_settings(self) -> None:
        self.open()

    @Slot(str)
    def _on_notice_action(self, callback_id: str) -> None:
        if callback_id == MEMORY_SETTINGS:
            self.open().focus_memory()

    @Slot()
    def _on_finished(self) -> None:
        if self._dialog is not None:
            self._dialog.deleteLater()
            self._dialog = None

    @Slot()
    def _on_accepted(self) -> None:
        if self._dialog is not None:
            self._apply(self._dialog.applied_to(self._services.settings.current))

    def _apply(self, settings: Settings) -> None:
        self._themes.set_choice(settings.theme)
        self._themes.text_size.set_percent(settings.text_size)
        self._window.composer.set_enter_sends(settings.send_with_enter)
        self._worker.use_settings(settings, self._services.paths.snapshots)
        if settings.server_port != self._services.settings.current.server_port:
            self._server.forget_failure()  # it was about the other port
        self.save(settings)
        self._updates.look()

    @Slot(int)
    def _on_text_size(self, percent: int) -> None:
        self._services.settings.remember(text_size=percent)

    @Slot()
    def _on_snippets(self) -> None:
        owner: QWidget = self._dialog or self._window
        self._snippets.open_dialog(owner)

    @Slot()
    def _on_about(self) -> None:
        self._about.open(self._dialog)

    @Slot()
    def _open_data_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._services.paths.data)))
