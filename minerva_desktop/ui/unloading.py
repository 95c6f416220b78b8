"""Unloads models that the person wants unloaded, and asks first where they are in use.

Glue between the notices of `MainWindow` and `EngineWorker`. Main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.model_actions import ModelPhase, ModelState
from minerva_desktop.paths import path_of, path_text
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from minerva_desktop.ui.tasks import UiTasks

UNLOAD_NOW = "unload-now"
UNLOAD_WHEN_IDLE = "unload-when-idle"
KEEP_LOADED = "keep-loaded"


class Unloading(QObject):
    """One notice for each model: the question, then what was decided."""

    def __init__(
        self,
        window: MainWindow,
        worker: EngineWorker,
        tasks: UiTasks,
        shown_name: Callable[[Path], str],
    ) -> None:
        """``shown_name`` is a model's name for people."""
        super().__init__(window)
        self._notifications = window.notifications
        self._worker = worker
        self._tasks = tasks
        self._shown_name = shown_name
        window.notifications.action_triggered.connect(self._on_notice_action)
        worker.model_changed.connect(self._on_model_changed)

    def begin(self, path: Path) -> None:
        """Unload a model, or ask, where that breaks off an answer in this window or what other
        programs asked for."""
        self._tasks.start(self._begin(path))

    async def _begin(self, path: Path) -> None:
        n_answers = await self._worker.n_answers(path)
        n_requests = await self._worker.requests.n_running(path)
        if n_answers or n_requests:
            notice = in_use_notice(path, self._shown_name(path), n_answers, n_requests)
            self._notifications.show_notice(notice)
        else:
            await self._worker.unload(path)

    @Slot(str)
    def _on_notice_action(self, callback_id: str) -> None:
        action, _, about = callback_id.partition(" ")
        if action == UNLOAD_NOW:
            self._tasks.start(self._worker.unload(path_of(about)))
        elif action == UNLOAD_WHEN_IDLE:
            path = path_of(about)
            self._notifications.show_notice(_waiting_notice(path, self._shown_name(path)))
            self._worker.unload_when_idle(path)
        elif action == KEEP_LOADED:
            self._worker.unload_when_idle(path_of(about), wanted=False)

    @Slot(object)
    def _on_model_changed(self, state: ModelState) -> None:
        if state.phase is ModelPhase.GONE:
            self._notifications.dismiss(_key(state.path))


def in_use_notice(path: Path, name: str, n_answers: int, n_requests: int) -> Notice:
    """The question about the model at ``path``, which so many answers in this window and requests
    of other programs use."""
    users = []
    if n_answers:
        users.append(
            "an answer in this window" if n_answers == 1 else f"{n_answers} answers in this window"
        )
    if n_requests:
        users.append(
            "a request of another program"
            if n_requests == 1
            else f"{n_requests} requests of other programs"
        )
    who = " and ".join(users)
    who = who[0].upper() + who[1:]
    if n_answers + n_requests == 1:
        text = f"{who} uses {name}. Unloading it now breaks that off."
        when_idle = "Unload when it is done"
    else:
        text = f"{who} use {name}. Unloading it now breaks them off."
        when_idle = "Unload when they are done"
    return _notice(
        path,
        NoticeKind.WARNING,
        text,
        (when_idle, UNLOAD_WHEN_IDLE),
        ("Unload anyway", UNLOAD_NOW),
        ("Cancel", KEEP_LOADED),
    )


def _waiting_notice(path: Path, name: str) -> Notice:
    text = f"{name} is unloaded once nothing uses it any more."
    now, keep = ("Unload now", UNLOAD_NOW), ("Keep it loaded", KEEP_LOADED)
    return _notice(path, NoticeKind.INFO, text, now, keep)


def _notice(path: Path, kind: NoticeKind, text: str, *actions: tuple[str, str]) -> Notice:
    about = path_text(path)
    buttons = tuple(NoticeAction(words, f"{action} {about}") for words, action in actions)
    return Notice(kind, text, actions=buttons, key=_key(path), stays=True)


def _key(path: Path) -> str:
    return f"unload {path_text(path)}"
