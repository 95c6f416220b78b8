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
from minerva_desktop.ui.backups_controller import BackupsController
from minerva_desktop.ui.chat_files_controller import ChatFilesController
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.tasks import UiTasks


class DroppedFiles(QObject):
    """Models go to the library, chats are imported, backups are asked about; what else there is
    goes with the message."""

    def __init__(
        self,
        window: MainWindow,
        worker: EngineWorker,
        models: ModelController,
        chat_files: ChatFilesController,
        backups: BackupsController,
        tasks: UiTasks,
    ) -> None:
        super().__init__(window)
        self._models = models
        self._chat_files = chat_files
        self._backups = backups
        self._tasks = tasks
        self._begun = asyncio.Event()
        self.attachments = AttachmentController(window, worker, models, tasks)
        window.files_dropped.connect(self.open)

    def begin(self) -> None:
        """Let files go; called once the start is over, well or not."""
        self._begun.set()

    @Slot(list)
    def open(self, files: Sequence[Path]) -> None:
        """Take these files, whoever they come from."""
        self._tasks.start(self._sort(files))

    async def _sort(self, files: Sequence[Path]) -> None:
        dropped = await asyncio.to_thread(sorted_drop, files)
        await self._begun.wait()  # the chat that they go to may not be open yet
        if dropped.models:
            self._models.add_files(dropped.models)
        if dropped.chats:
            self._chat_files.import_files(dropped.chats)
        for backup in dropped.backups:
            self._backups.offer(backup)
        if dropped.attachments:
            self.attachments.attach(dropped.attachments)
