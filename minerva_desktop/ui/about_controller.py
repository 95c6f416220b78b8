"""Opens the About dialog, and does what it asks for. Main thread."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from minerva_desktop import __version__
from minerva_desktop.errors import StoreError
from minerva_desktop.paths import resources_dir
from minerva_desktop.ui import late_dialogs
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.tasks import UiTasks
from minerva_desktop.ui.update_controller import SHOW_CHANGES, UpdateController

if TYPE_CHECKING:
    from minerva_desktop.app.self_test import SelfTestEvent
    from minerva_desktop.app.updates import Release
    from minerva_desktop.ui.about_dialog import AboutDialog
    from minerva_desktop.ui.main_window import MainWindow
    from minerva_desktop.ui.self_test_process import SelfTestProcess


class AboutController(QObject):
    """One dialog at a time; the self-test ends with it."""

    def __init__(
        self,
        window: MainWindow,
        icons: Icons,
        updates: UpdateController,
        tasks: UiTasks,
        command: tuple[str, ...] = (),
    ) -> None:
        """``command`` runs the self-test; by default this app's own does."""
        super().__init__(window)
        self._window = window
        self._icons = icons
        self._updates = updates
        self._tasks = tasks
        self._command = command
        self._dialog: AboutDialog | None = None
        self._test: SelfTestProcess | None = None
        updates.told.connect(self._on_update)
        window.about_action.triggered.connect(self._on_about)
        window.sidebar.chat_actions.show_about.connect(self._on_about)
        window.shortcuts_action.triggered.connect(self._on_shortcuts)
        window.sidebar.chat_actions.show_shortcuts.connect(self._on_shortcuts)
        window.notifications.action_triggered.connect(self._on_notice_action)
        window.closing.connect(self._end_test)

    def open(self, owner: QWidget | None = None) -> None:
        """Show the dialog, over ``owner`` or the window."""
        if self._dialog is not None:
            self._dialog.raise_()
            return
        sent = self._updates.what_is_sent
        dialog = late_dialogs.about_dialog()(self._icons, __version__, sent, owner or self._window)
        dialog.address_wanted.connect(self._updates.open_page)
        dialog.copy_wanted.connect(self._copy)
        dialog.check_wanted.connect(self._on_check)
        dialog.test_wanted.connect(self._on_test)
        dialog.test_cancelled.connect(self._on_cancel)
        dialog.finished.connect(self._on_finished)
        self._dialog = dialog
        if self._updates.release is not None:
            self._show_release(self._updates.release)
        dialog.open()
        self._tasks.start(self._fill(dialog))

    @Slot()
    def _on_about(self) -> None:
        self.open()

    @Slot()
    def _on_shortcuts(self) -> None:
        self.open()
        if self._dialog is not None:
            self._dialog.show_shortcuts()

    async def _fill(self, dialog: AboutDialog) -> None:
        """The licences are many files, which are read elsewhere."""
        read = partial(late_dialogs.about_facts(), resources_dir() / "licences")
        try:
            parts, facts = await asyncio.to_thread(read)
        except StoreError as error:
            if dialog is self._dialog:
                dialog.licences.show_problem(error.message)
            return
        if dialog is self._dialog:
            dialog.show_parts(parts)
            dialog.show_facts(facts)

    @Slot(str)
    def _copy(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)

    @Slot()
    def _on_finished(self) -> None:
        self._end_test()
        if self._dialog is not None:
            self._dialog.deleteLater()
            self._dialog = None

    # -- updates ---------------------------------------------------------------------------

    @Slot()
    def _on_check(self) -> None:
        if self._dialog is not None:
            self._dialog.show_update("Asking…", is_busy=True)
        self._updates.check_now()

    @Slot(str, object)
    def _on_update(self, words: str, release: Release | None) -> None:
        if self._dialog is not None:
            self._dialog.show_update(words, release, is_busy=False)

    @Slot(str)
    def _on_notice_action(self, callback_id: str) -> None:
        if callback_id == SHOW_CHANGES:
            self.open()

    def _show_release(self, release: Release) -> None:
        self._on_update(f"Minerva {release.version} is there.", release)

    # -- the self-test ---------------------------------------------------------------------

    @Slot()
    def _on_test(self) -> None:
        if self._dialog is None:
            return
        if self._test is None:
            self._test = late_dialogs.self_test_process()(self, self._command)
            self._test.told.connect(self._on_told)
            self._test.stopped.connect(self._on_stopped)
        self._dialog.self_test.begin()
        self._test.start()

    @Slot()
    def _on_cancel(self) -> None:
        if self._test is not None:
            self._test.cancel()

    @Slot()
    def _end_test(self) -> None:
        if self._test is not None:
            self._test.end()

    @Slot(object)
    def _on_told(self, event: SelfTestEvent) -> None:
        if self._dialog is None:
            return
        page = self._dialog.self_test
        if event.begins is not None:
            page.show_begun(event.begins)
        if event.check is not None:
            page.show_check(event.check)
        if event.report is not None:
            page.show_report(event.report)

    @Slot(str)
    def _on_stopped(self, words: str) -> None:
        if self._dialog is not None:
            self._dialog.self_test.show_stopped(words)
