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

    @Slot()
    def _on_model_chosen(self) -> None:
        name = self._models.current_name
        short = name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
        self._window.composer.set_placeholder(f"Message {short}".strip())
        self._window.chat_view.set_empty_hint(
            "What is on your mind?" if name else "Add a model to begin",
            f"{short} answers, on this computer alone." if name else "",
        )
