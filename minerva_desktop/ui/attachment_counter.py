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
from minerva_desktop.ui.tasks import UiTasks


class AttachmentCounter(QObject):
    """Where no model is loaded, files have about as many as their size says."""

    def __init__(
        self, window: MainWindow, worker: EngineWorker, models: ModelController, tasks: UiTasks
    ) -> None:
        super().__init__(window)
        self._strip = window.composer.attachments
        self._worker = worker
        self._models = models
        self._tasks = tasks
        self._known: dict[tuple[str, Path], int] = {}  # by file and model
        self._is_counting = False
        self._strip.changed.connect(self._start)
        models.context_changed.connect(self._start)

    @Slot()
    def _start(self) -> None:
        if not self._strip.items:
            self._known.clear()
        elif not self._is_counting:
            self._is_counting = True
            self._tasks.start(self._count())

    async def _count(self) -> None:
        try:
            while await self._count_one():
                pass
        finally:
            self._is_counting = False

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
