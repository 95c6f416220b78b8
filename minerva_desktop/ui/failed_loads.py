"""Models that could not be loaded: the buttons of what is said of them, and what was asked of them.

Main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

from minerva_desktop.app.answer_words import is_of_options
from minerva_desktop.errors import MinervaError
from minerva_desktop.paths import path_of, path_text
from minerva_desktop.ui.model_notices import LOAD_ANYWAY, LOAD_OPTIONS, RETRY_LOAD, ModelNotices
from minerva_desktop.ui.notification_bar import NoticeAction, NotificationBar
from minerva_desktop.ui.offers import Work
from minerva_desktop.ui.tasks import UiTasks

Load = Callable[[Path, bool], Coroutine[Any, Any, bool]]


class FailedLoads(QObject):
    """``options_requested(path)`` where a person wants to load a model otherwise."""

    options_requested = Signal(str)

    def __init__(
        self, bar: NotificationBar, notices: ModelNotices, load: Load, tasks: UiTasks
    ) -> None:
        """``load`` loads a model, also beyond the budget if told to; whether it is loaded then."""
        super().__init__(bar)
        self._bar = bar
        self._notices = notices
        self._load = load
        self._tasks = tasks
        self._unasked: dict[Path, list[Work]] = {}
        bar.action_triggered.connect(self._on_action)

    def tell(self, error: MinervaError, path: Path) -> None:
        """Say why, and what helps."""
        about = path_text(path)
        actions = [NoticeAction("Try again", f"{RETRY_LOAD} {about}")]
        if is_of_options(error):
            actions.insert(0, NoticeAction("Load options…", f"{LOAD_OPTIONS} {about}"))
        self._notices.error(error, *actions, key=f"{RETRY_LOAD} {about}")

    def keep(self, path: Path, again: Work) -> None:
        """Do ``again`` once a button has the model at ``path`` loaded after all."""
        self._unasked.setdefault(path, []).append(again)

    def forget(self) -> None:
        """Another model was chosen: nothing is to be asked of those by itself any more, nor of one
        that is being loaded again."""
        for waited in self._unasked.values():
            waited.clear()

    def is_over(self, path: Path) -> None:
        """That one is loaded, whoever wanted it."""
        self._unasked.pop(path, None)
        self._bar.dismiss(f"{RETRY_LOAD} {path_text(path)}")

    @Slot(str)
    def _on_action(self, callback_id: str) -> None:
        action, _, path = callback_id.partition(" ")
        if action in (RETRY_LOAD, LOAD_ANYWAY):
            self._tasks.start(self._load_again(path_of(path), is_forced=action == LOAD_ANYWAY))
        elif action == LOAD_OPTIONS:
            self.options_requested.emit(path)

    async def _load_again(self, path: Path, *, is_forced: bool) -> None:
        waited = self._unasked.setdefault(path, [])
        if await self._load(path, is_forced):
            asked, waited[:] = list(waited), []  # once, however often a button was pressed
            for again in asked:
                self._tasks.start(again())
