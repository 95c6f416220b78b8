"""Files that were dropped on the window, or handed to the app: where each of them goes.

Main thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.dropped import sorted_drop
from minerva_desktop.ui.attachment_controller import AttachmentController
from minerva_desktop.ui.chat_files_controller import ChatFilesController, is_chat_file
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.tasks import UiTasks


class DroppedFiles(QObject):
    """Models go to the library, chats are imported; what else is dropped goes with the message."""

    def __init__(
        self,
        window: MainWindow,
        worker: EngineWorker,
        models: ModelController,
        chat_files: ChatFilesController,
        tasks: UiTasks,
    ) -> None:
        super().__init__(window)
        self._models = models
        self._chat_files = chat_files
        self._tasks = tasks
        self.attachments = AttachmentController(window, worker, models, tasks)
        window.files_dropped.connect(self._on_dropped)

    @Slot(list)
    def open(self, files: Sequence[Path]) -> None:
        """Add models and chats that the system handed to the app."""
        chats = [path for path in files if is_chat_file(path)]
        models = [path for path in files if not is_chat_file(path)]
        if models:
            self._models.add_files(models)
        self._chat_files.import_files(chats)

    @Slot(list)
    def _on_dropped(self, files: list[Path]) -> None:
        self._tasks.start(self._sort(files))

    async def _sort(self, files: list[Path]) -> None:
        dropped = await asyncio.to_thread(sorted_drop, files)
        if dropped.models:
            self._models.add_files(dropped.models)
        if dropped.chats:
            self._chat_files.import_files(dropped.chats)
        if dropped.attachments:
            self.attachments.attach(dropped.attachments)
