"""Memory in the window: the gauge, the panel of loaded models, and the picker's fit badges.

Glue between the widgets of `MainWindow` and `EngineWorker`. Main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace
from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.loaded_models import LoadedModel, TimeToLive
from minerva_desktop.app.memory import UNKNOWN_MEMORY, MemoryReading
from minerva_desktop.app.model_actions import ModelFit, ModelPhase, ModelState
from minerva_desktop.errors import InvalidRequest, MinervaError, ModelLoadError
from minerva_desktop.paths import path_of
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.memory_shares import ColourSlots
from minerva_desktop.ui.model_list import FitTone, PickerFit
from minerva_desktop.ui.notification_bar import Notice, NoticeKind
from minerva_desktop.ui.tasks import UiTasks

REFUSED = "Won’t load"


class MemoryController(QObject):
    """Shows measurements and estimates, and obeys the panel."""

    def __init__(
        self,
        window: MainWindow,
        worker: EngineWorker,
        tasks: UiTasks,
        name_of: Callable[[Path], str | None],
        note_of: Callable[[Path], str],
        unload: Callable[[Path], None],
    ) -> None:
        """``name_of``: a model's name in the library; None where it is not in there. ``note_of``:
        what became of its file. ``unload`` begins to unload one."""
        super().__init__(window)
        self._window = window
        self._worker = worker
        self._tasks = tasks
        self._name_of = name_of
        self._note_of = note_of
        self._unload = unload
        self._colours = ColourSlots()
        self._reading = UNKNOWN_MEMORY
        self._models: tuple[LoadedModel, ...] = ()
        self._told_of_gpu = False
        self._round = 0  # of fit badges; a new one ends the one before
        panel, picker = window.models_panel, window.header.picker
        panel.pin_toggled.connect(self._on_pin)
        panel.unload_requested.connect(self._on_unload)
        panel.time_chosen.connect(self._on_time)
        panel.look_wanted.connect(worker.list_models)
        picker.opened.connect(self._rate_models)
        worker.memory_measured.connect(self._on_memory)
        worker.models_listed.connect(self._on_models)
        worker.model_changed.connect(self._on_model_changed)
        worker.settings_used.connect(self._on_settings)

    @Slot(object)
    def _on_memory(self, reading: MemoryReading) -> None:
        self._reading = reading
        if reading.unused_gpu is not None and not self._told_of_gpu:
            self._told_of_gpu = True
            self._window.notifications.show_notice(Notice(NoticeKind.WARNING, reading.unused_gpu))
        self._show()

    @Slot(object)
    def _on_models(self, models: Sequence[LoadedModel]) -> None:
        self._models = tuple(models)
        self.show_models()

    @Slot()
    def show_models(self) -> None:
        """Show what is loaded, with what the library says of it now."""
        self._models = tuple(
            replace(
                model,
                name=self._name_of(model.path) or model.name,
                note=self._note_of(model.path),
            )
            for model in self._models
        )
        self._show()

    def _show(self) -> None:
        shares = self._colours.shares(self._models, self._reading)
        self._window.status.set_memory(shares)
        self._window.models_panel.set_shares(shares)

    # -- the panel -------------------------------------------------------------------------

    @Slot(object, bool)
    def _on_pin(self, path: Path, pinned: bool) -> None:
        self._worker.pin(path, pinned=pinned)

    @Slot(object)
    def _on_unload(self, path: Path) -> None:
        self._unload(path)

    @Slot(object, object)
    def _on_time(self, path: Path, choice: TimeToLive) -> None:
        self._worker.set_time_to_live(path, choice)

    # -- the picker's badges ---------------------------------------------------------------

    @Slot(object)
    def _on_model_changed(self, state: ModelState) -> None:
        if state.phase is not ModelPhase.LOADING and self._window.header.picker.is_open:
            self._rate_models()

    @Slot()
    def _on_settings(self) -> None:
        """No badge stays that is about a load with other options."""
        self._window.header.picker.forget_fits()
        if self._window.header.picker.is_open:
            self._rate_models()

    @Slot()
    def _rate_models(self) -> None:
        self._round += 1
        self._tasks.start(self._rate(self._round, self._window.header.picker.ratable))

    async def _rate(self, number: int, paths: Sequence[str]) -> None:
        """One after the other: each reads a file's header, and the person waits for none."""
        for path in paths:
            try:
                fit = self._picker_fit(await self._worker.fit_of(path_of(path)))
            except InvalidRequest as error:
                fit = _refused(f"{error.message.rstrip('.')}. Change that in its load options")
            except ModelLoadError as error:
                fit = _refused(error.message)
            except MinervaError:
                fit = None  # what is wrong is said when it is loaded
            if number != self._round or not self._window.header.picker.is_open:
                return
            self._window.header.picker.set_fit(path, fit)

    def _picker_fit(self, fit: ModelFit) -> PickerFit:
        tone: FitTone = "success" if fit.is_as_wished else "warning"
        names = tuple(self._name_of(path) or path.stem for path in fit.unloads)
        return PickerFit(fit.label, tone if fit.is_possible else "danger", fit.detail, names)


def _refused(why: str) -> PickerFit:
    return PickerFit(REFUSED, "danger", why, is_refused=True)
