"""Code from an answer to a file: the dialog, and the work behind it. Main thread; the file is
written on another."""

from __future__ import annotations

import asyncio
from pathlib import Path

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QFileDialog

from minerva_desktop.app.text_file import save_text
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.notification_bar import Notice, NoticeKind
from minerva_desktop.ui.tasks import UiTasks

KEY = "code-file"


class CodeSaver(QObject):
    """Saves what the transcript of ``window`` asks for."""

    def __init__(self, window: MainWindow, tasks: UiTasks) -> None:
        super().__init__(window)
        self._window = window
        self._tasks = tasks
        self._code = ""
        self._folder = ""
        window.chat_view.events.save_requested.connect(self.ask_where)

    @Slot(str, str)
    def ask_where(self, code: str, name: str) -> None:
        """Let the person say where ``code`` goes, by default to ``name`` where the last went."""
        self._code = code
        dialog = QFileDialog(self._window, "Save code", self._folder)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.selectFile(name)
        dialog.fileSelected.connect(self._on_chosen)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(str)
    def _on_chosen(self, path: str) -> None:
        """The dialog has asked about a file that is there."""
        self._folder = str(Path(path).parent)
        self._tasks.start(self._save(Path(path), self._code))

    async def _save(self, path: Path, code: str) -> None:
        await asyncio.to_thread(save_text, path, code)
        text = f"Code saved to {path.name}."
        self._window.notifications.show_notice(Notice(NoticeKind.INFO, text, str(path), key=KEY))
