"""What is said beneath an answer before its first word: what it waits for, and how far that is.

Main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.answer_words import model_name
from minerva_desktop.app.model_actions import ModelPhase, ModelState
from minerva_desktop.chat.message import Message
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.engine_worker import EngineWorker


@dataclass(slots=True)
class _Running:
    """``model``: its file's name. ``is_settled``: no load of it changes the words any more."""

    model: str | None
    words: str = "Waiting for the model…"
    is_settled: bool = False
    is_stopping: bool = False


class AnswerStatus(QObject):
    """Follows all answers that run, those of chats that are not shown, too."""

    def __init__(
        self, view: ChatView, worker: EngineWorker, name_of: Callable[[Path], str]
    ) -> None:
        """``name_of`` gives a model's name for people."""
        super().__init__(view)
        self._view = view
        self._name_of = name_of
        self._running: dict[str, _Running] = {}
        worker.model_changed.connect(self._on_model_changed)
        worker.answer_waits.connect(self._on_waits)
        worker.answer_begun.connect(self._on_begun)
        worker.prefill_advanced.connect(self._on_prefill)

    def begin(self, answer: Message) -> None:
        """An answer was asked for."""
        self._running[answer.id] = _Running(answer.model)
        self.show_again(answer.id)

    def show_again(self, answer_id: str) -> None:
        """Its chat is shown, and nothing is written yet."""
        running = self._running.get(answer_id)
        if running is not None:
            self._view.set_status(answer_id, running.words)

    def stop(self, answer_id: str) -> None:
        """It was told to stop."""
        self._say(answer_id, "Stopping…")
        if answer_id in self._running:
            self._running[answer_id].is_stopping = True

    def end(self, answer_id: str) -> None:
        """It is over."""
        self._running.pop(answer_id, None)

    @Slot(object)
    def _on_model_changed(self, state: ModelState) -> None:
        if state.phase is not ModelPhase.LOADING:
            return
        words = f"Loading {self._name_of(state.path)}, {100 * state.fraction:.0f} %"
        for answer_id, running in self._running.items():
            if running.model == model_name(state.path) and not running.is_settled:
                self._say(answer_id, words)

    @Slot(str, object)
    def _on_waits(self, answer_id: str, models: tuple[Path, ...]) -> None:
        running = self._running.get(answer_id)
        if running is None:
            return
        running.is_settled = bool(models)
        names = " and ".join(self._name_of(path) for path in models)
        self._say(answer_id, f"Waiting for {names} to finish" if names else "Loading the model…")

    @Slot(str)
    def _on_begun(self, answer_id: str) -> None:
        if answer_id in self._running:
            self._running[answer_id].is_settled = True
            self._say(answer_id, "Reading the prompt…")

    @Slot(str, int, int)
    def _on_prefill(self, answer_id: str, done: int, total: int) -> None:
        if done < total:
            self._say(answer_id, f"Reading the prompt, {done:,} of {total:,} tokens")

    def _say(self, answer_id: str, words: str) -> None:
        running = self._running.get(answer_id)
        if running is not None and not running.is_stopping:
            running.words = words
            self._view.set_status(answer_id, words)
