"""The chosen model's name where a person is about to write. Main thread."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_controller import ModelController

MAX_NAME = 40  # characters of a model's name in the composer


class ModelHints(QObject):
    """In the composer's placeholder, and in the transcript of an empty chat."""

    def __init__(self, window: MainWindow, models: ModelController) -> None:
        super().__init__(window)
        self._window = window
        self._models = models
        models.current_changed.connect(self._on_model_chosen)
        models.refreshed.connect(self._on_model_chosen)  # it may have another template

    @Slot()
    def _on_model_chosen(self) -> None:
        name = self._models.current_name
        short = name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
        self._window.composer.set_placeholder(f"Message {short}".strip())
        self._window.chat_view.set_empty_hint(
            "What is on your mind?" if name else "Add a model to begin",
            self._what_answers(short) if name else "",
        )

    def _what_answers(self, name: str) -> str:
        path = self._models.current_path
        if path is not None and self._models.item_of(path).lacks_template:
            return f"{name} brings no chat template: what it answers may make no sense."
        return f"{name} answers, on this computer alone."
