"""How many tokens each file in the composer has, as the chosen model counts them. Main thread."""

from __future__ import annotations

import asyncio
from pathlib import Path

from PySide6.QtCore import QObject, Slot

from minerva_desktop.chat.parts import file_as_text
from minerva_desktop.errors import MinervaError
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.tasks import LatestTask, UiTasks


class AttachmentCounter(QObject):
    """Where no model is loaded, files have about as many as their size says."""

    def __init__(
        self, window: MainWindow, worker: EngineWorker, models: ModelController, tasks: UiTasks
    ) -> None:
        super().__init__(window)
        self._strip = window.composer.attachments
        self._worker = worker
        self._models = models
        self._counting = LatestTask(tasks)
        self._known: dict[tuple[str, Path], int] = {}  # by file and model
        self._counted_id: str | None = None  # of the file whose tokens are counted now
        self._strip.changed.connect(self._start)
        models.context_changed.connect(self._start)

    @Slot()
    def _start(self) -> None:
        items = self._strip.items
        if not items:
            self._known.clear()
        is_wanted = self._counted_id is None or any(item.id == self._counted_id for item in items)
        if not (self._counting.is_running and is_wanted):
            self._counted_id = None
            self._counting.start(self._count())

    async def _count(self) -> None:
        while await self._count_one():
            pass

    async def _count_one(self) -> bool:
        """Count a file that the chosen model has not counted yet; whether there was one."""
        path = self._models.current_path
        is_ready = path is not None and self._models.n_ctx is not None
        for item in self._strip.items:
            if item.part is None:
                continue
            if path is None or not is_ready:
                self._strip.set_tokens(item.id, 0)
                continue
            key = (item.id, path)
            if key not in self._known:
                self._counted_id = item.id
                try:
                    text = await asyncio.to_thread(file_as_text, item.part)  # 4 MB take a while
                    counted = await self._worker.count_text(path, text)
                except MinervaError:
                    counted = 0  # sending says what is wrong
                self._known[key] = counted or 0
                self._strip.set_tokens(item.id, self._known[key])
                return True
            self._strip.set_tokens(item.id, self._known[key])
        return False
