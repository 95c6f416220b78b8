"""Unloads models that the person wants unloaded or removed, and asks first where they are in use.

Glue between the notices of `MainWindow` and `EngineWorker`. Main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from minerva_desktop.app.loaded_models import LoadedModel
from minerva_desktop.app.model_actions import ModelPhase, ModelState
from minerva_desktop.paths import path_of, path_text
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from minerva_desktop.ui.tasks import UiTasks

NOW = "now"
WHEN_IDLE = "when-idle"
KEEP = "keep"


class Purpose(Enum):
    """What is to become of a model; the value stands in the callback ids of its notices."""

    UNLOAD = "unload"
    REMOVE = "remove"  # from the library, too

    @property
    def verb(self) -> str:
        """As the first word of a button."""
        return self.value.capitalize()


class Unloading(QObject):
    """One notice for each model: the question, then what was decided.

    ``removable`` carries the path of a model that was to be removed, once it is unloaded; ``asked``
    comes with each question."""

    removable = Signal(object)
    asked = Signal()

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
        self._unwanted: set[Path] = set()  # once nothing uses them
        self._to_remove: set[Path] = set()  # those of them that leave the list, too
        window.notifications.action_triggered.connect(self._on_notice_action)
        worker.model_changed.connect(self._on_model_changed)
        worker.models_listed.connect(self._on_models_listed)

    def begin(self, path: Path, purpose: Purpose = Purpose.UNLOAD) -> None:
        """Unload a model, or ask, where that breaks off an answer in this window or what other
        programs asked for."""
        self._tasks.start(self._begin(path, purpose))

    async def _begin(self, path: Path, purpose: Purpose) -> None:
        n_answers, n_requests = await self._users(path)
        if n_answers or n_requests:
            name = self._shown_name(path)
            notice = in_use_notice(path, name, n_answers, n_requests, purpose)
            self._notifications.show_notice(notice)
            self.asked.emit()
        else:
            await self._unload(path, purpose)

    async def _users(self, path: Path) -> tuple[int, int]:
        """Answers in this window, and requests of other programs."""
        n_answers = await self._worker.n_answers(path)
        return n_answers, await self._worker.requests.n_running(path)

    async def _unload(self, path: Path, purpose: Purpose) -> None:
        self._unwanted.discard(path)
        self._to_remove.discard(path)  # told below, also where it was not loaded
        await self._worker.unload(path)
        self._notifications.dismiss(_key(path))
        if purpose is Purpose.REMOVE:
            self.removable.emit(path)

    @Slot(str)
    def _on_notice_action(self, callback_id: str) -> None:
        action, _, about = callback_id.partition(" ")
        verb, _, when = action.partition("-")
        purpose = next((each for each in Purpose if each.value == verb), None)
        if purpose is None or when not in (NOW, WHEN_IDLE, KEEP):
            return  # somebody else's
        path = path_of(about)
        self._unwanted.discard(path)
        if purpose is Purpose.UNLOAD and when != KEEP:
            self._to_remove.discard(path)  # the later decision counts
        if when == NOW:
            self._tasks.start(self._unload(path, purpose))
        elif when == WHEN_IDLE:
            notice = _waiting_notice(path, self._shown_name(path), purpose)
            self._notifications.show_notice(notice)
            if purpose is Purpose.REMOVE:
                self._to_remove.add(path)
            self._unwanted.add(path)
            self._worker.unload_when_idle(path)
        else:
            self._to_remove.discard(path)
            self._worker.unload_when_idle(path, wanted=False)

    @Slot(object)
    def _on_model_changed(self, state: ModelState) -> None:
        if state.phase is ModelPhase.READY and state.path in self._unwanted:
            # Who uses it had yet to load it when that was decided: only a loaded one can be told.
            self._worker.unload_when_idle(state.path)
        elif state.phase is ModelPhase.GONE:
            self._unwanted.discard(state.path)
            self._notifications.dismiss(_key(state.path))
            if state.path in self._to_remove:
                self._to_remove.discard(state.path)
                self.removable.emit(state.path)

    @Slot(object)
    def _on_models_listed(self, models: Sequence[LoadedModel]) -> None:
        """Who was to load a model may be gone before it did, of which nothing else would tell."""
        for path in self._unwanted.difference(model.path for model in models):
            self._tasks.start(self._unload_unused(path))

    async def _unload_unused(self, path: Path) -> None:
        if not any(await self._users(path)) and path in self._unwanted:
            purpose = Purpose.REMOVE if path in self._to_remove else Purpose.UNLOAD
            await self._unload(path, purpose)


def in_use_notice(
    path: Path,
    name: str,
    n_answers: int,
    n_requests: int,
    purpose: Purpose = Purpose.UNLOAD,
) -> Notice:
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
    use, that, it_is = (
        ("uses", "that", "it is") if n_answers + n_requests == 1 else ("use", "them", "they are")
    )
    doing = "Unloading" if purpose is Purpose.UNLOAD else "Removing"
    return _notice(
        path,
        purpose,
        NoticeKind.WARNING,
        f"{who} {use} {name}. {doing} it now breaks {that} off.",
        (f"{purpose.verb} when {it_is} done", WHEN_IDLE),
        (f"{purpose.verb} anyway", NOW),
        ("Cancel", KEEP),
    )


def _waiting_notice(path: Path, name: str, purpose: Purpose) -> Notice:
    if purpose is Purpose.UNLOAD:
        done, keep = "unloaded", "Keep it loaded"
    else:
        done, keep = "removed from the list", "Keep it"
    text = f"{name} is {done} once nothing uses it any more."
    return _notice(path, purpose, NoticeKind.INFO, text, (f"{purpose.verb} now", NOW), (keep, KEEP))


def _notice(
    path: Path, purpose: Purpose, kind: NoticeKind, text: str, *actions: tuple[str, str]
) -> Notice:
    about = path_text(path)
    buttons = tuple(
        NoticeAction(words, f"{purpose.value}-{when} {about}") for words, when in actions
    )
    return Notice(kind, text, actions=buttons, key=_key(path), stays=True)


def _key(path: Path) -> str:
    return f"unload {path_text(path)}"
