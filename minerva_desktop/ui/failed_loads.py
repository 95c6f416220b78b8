"""Models that could not be loaded: the buttons of what is said of them, and what was asked of them.

Main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

from minerva_desktop.app.answer_words import is_of_options
from minerva_desktop.errors import MinervaError, OutOfMemory
from minerva_desktop.paths import path_of, path_text
from minerva_desktop.ui.model_notices import (
    LOAD_ANYWAY,
    LOAD_OPTIONS,
    RETRY_LOAD,
    TOO_LARGE,
    ModelNotices,
)
from minerva_desktop.ui.notification_bar import NoticeAction, NotificationBar
from minerva_desktop.ui.offers import Work
from minerva_desktop.ui.tasks import UiTasks

Load = Callable[[Path, bool], Coroutine[Any, Any, bool]]


class FailedLoads(QObject):
    """A notice of one goes when it is no longer so, or no longer matters: the model is loaded after
    all, or another is chosen. ``options_requested(path)`` where a person wants to load a model
    otherwise."""

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
        self._told: dict[str, Path] = {}  # of which models there are notices, by their identities
        self._led: set[Path] = set()  # from a notice to the load options of these
        self._refused: tuple[Path, OutOfMemory] | None = None  # the last one that was too large
        self._back: set[Path] = set()  # those that are loaded as they were before they were refused
        bar.action_triggered.connect(self._on_action)
        bar.closed.connect(self._on_closed)

    def tell(self, error: MinervaError, path: Path, *, again: bool = True) -> None:
        """Say why, and what helps; ``again``: trying that again may."""
        about = path_text(path)
        key = f"{RETRY_LOAD} {about}"
        actions = [NoticeAction("Try again", key)] if again else []
        if is_of_options(error):
            actions.insert(0, NoticeAction("Load options…", f"{LOAD_OPTIONS} {about}"))
        self._told[key] = path
        self._notices.not_loaded(error, path, *actions, key=key)

    def tell_too_large(self, error: OutOfMemory, path: Path) -> None:
        """Say what it needs, whoever wanted it, and what helps."""
        self._refused = path, error
        self._told[TOO_LARGE] = path
        self._notices.ways_out(error, path)

    def is_wanted(self, path: Path) -> bool:
        """Whether a notice says that it could not be loaded, or led to its load options."""
        return path in self._led or path in self._told.values()

    def is_back(self, path: Path) -> bool:
        """Whether it was last loaded only as it was, and not as it was wanted."""
        return path in self._back

    def keep(self, path: Path, again: Work) -> None:
        """Do ``again`` once a button has the model at ``path`` loaded after all."""
        self._unasked.setdefault(path, []).append(again)

    def forget(self, left: Path | None) -> None:
        """Another model was chosen than ``left``: nothing is to be asked of those by itself any
        more, nor of one that is being loaded again."""
        for waited in self._unasked.values():
            waited.clear()
        self._led.clear()
        for identity in [each for each, path in self._told.items() if path == left]:
            self._bar.dismiss(identity)

    def is_over(self, path: Path, *, is_back: bool) -> None:
        """That one is loaded, whoever wanted it; ``is_back``: only as it was, and what was wanted
        is refused as before."""
        self._unasked.pop(path, None)
        self._led.discard(path)
        refused = self._refused
        (self._back.add if is_back else self._back.discard)(path)
        if not is_back:
            self._refused = None
            self._bar.dismiss(TOO_LARGE)
            self._bar.dismiss(f"{RETRY_LOAD} {path_text(path)}")
        elif refused is not None and refused[0] == path:
            self._refused = None
            self._notices.ways_out(refused[1], path, is_back=True)

    async def try_again(self, path: Path, *, is_forced: bool = False) -> None:
        """Load it, and do what waited for that; ``is_forced``: beyond the memory for models."""
        waited = self._unasked.setdefault(path, [])
        if await self._load(path, is_forced):
            asked, waited[:] = list(waited), []  # once, however often a button was pressed
            for again in asked:
                self._tasks.start(again())

    @Slot(str)
    def _on_closed(self, identity: str) -> None:
        self._told.pop(identity, None)

    @Slot(str)
    def _on_action(self, callback_id: str) -> None:
        action, _, path = callback_id.partition(" ")
        if action in (RETRY_LOAD, LOAD_ANYWAY):
            self._tasks.start(self.try_again(path_of(path), is_forced=action == LOAD_ANYWAY))
        elif action == LOAD_OPTIONS:
            self._led.add(path_of(path))
            self.options_requested.emit(path)
