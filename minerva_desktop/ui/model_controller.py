"""Models in the window: the picker, loading and ejecting, dropped files.

Glue between the widgets of `MainWindow`, the library and `EngineWorker`. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QFileDialog

from minerva_desktop.app.answer_words import model_name
from minerva_desktop.app.model_actions import ModelPhase, ModelState, lacks_template, shown_names
from minerva_desktop.app.services import Services
from minerva_desktop.chat.conversation import clean_text
from minerva_desktop.errors import (
    LoadCancelled,
    MinervaError,
    ModelLoadError,
    ModelNotFound,
    OutOfMemory,
)
from minerva_desktop.paths import path_of, path_text
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.expected_context import expected_n_ctx
from minerva_desktop.ui.failed_loads import FailedLoads
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_list import PickerItem
from minerva_desktop.ui.model_notices import ModelNotices
from minerva_desktop.ui.offers import Work
from minerva_desktop.ui.tasks import UiTasks
from minerva_desktop.ui.unloading import Purpose, Unloading

NO_MODEL = "no-model"


class ModelController(QObject):
    """``current_changed`` when another model is chosen; ``context_changed`` with the context of
    the chosen one in tokens, or None; ``engine_died`` with the error and the path when a loaded
    model went by itself; ``refreshed`` when the library was read again."""

    current_changed = Signal()
    context_changed = Signal(object)
    engine_died = Signal(object, object)
    refreshed = Signal()

    def __init__(
        self,
        window: MainWindow,
        services: Services,
        worker: EngineWorker,
        tasks: UiTasks,
    ) -> None:
        super().__init__(window)
        self._window = window
        self._models = services.models
        self._settings = services.settings
        self._worker = worker
        self._tasks = tasks
        self._items: list[PickerItem] = []
        self._ready: dict[Path, int] = {}  # n_ctx in tokens of each loaded model
        self._current: Path | None = None
        self._n_choices = 0  # how often a model was chosen
        self._settled: Path | None = None  # the last one chosen that was loaded, or of the start
        self._names: dict[Path, str] = {}
        self._notices = ModelNotices(window.notifications, self.shown_name)
        self._failed = FailedLoads(window.notifications, self._notices, self._load_again, tasks)
        self.unloading = Unloading(window, worker, tasks, self.shown_name)
        self.unloading.removable.connect(self._on_removable)
        picker, header = window.header.picker, window.header
        self.unloading.asked.connect(picker.close_list)  # the question is beneath it
        picker.selected.connect(self._on_selected)
        picker.opened.connect(self._look_again)
        window.status.memory_clicked.connect(self._look_again)
        picker.add_requested.connect(self._on_add_requested)
        picker.remove_requested.connect(self._on_remove_requested)
        header.eject_requested.connect(self._on_eject)
        header.cancel_requested.connect(self._on_cancel_load)
        self._failed.options_requested.connect(picker.options_requested)
        worker.model_changed.connect(self._on_model_changed)
        worker.memory_given_back.connect(self._notices.given_back)
        worker.load_waits.connect(self._on_load_waits)

    @property
    def current_path(self) -> Path | None:
        """The chosen model; None when there is none at all."""
        return self._current

    @property
    def current_name(self) -> str:
        """Its name for people."""
        return self._names.get(self._current, "") if self._current else ""

    def name_of(self, path: Path) -> str | None:
        """A model's name for people; None when it is not in the library."""
        return self._names.get(path)

    def in_place_of(self, path: Path) -> Path:
        """That model, or where it cannot be opened, one by that name, or the chosen one."""
        there = [path_of(item.path) for item in self._items if not item.problem]
        if path in there:
            return path
        named = (each for each in there if model_name(each) == model_name(path))
        return next(named, None) or self._current or path

    def item_of(self, path: Path) -> PickerItem:
        """What the picker shows of a model: nothing of one that is not in the library."""
        wanted = PickerItem(path_text(path), "")
        return next((item for item in self._items if item.path == wanted.path), wanted)

    @property
    def n_ctx(self) -> int | None:
        """Context of the chosen model in tokens, once it is loaded."""
        return self.n_ctx_of(self._current) if self._current else None

    def n_ctx_of(self, path: Path) -> int | None:
        """Context of a model in tokens, while it is loaded."""
        return self._ready.get(path)

    def loads(self, path: Path) -> bool:
        """Whether that model is loaded, and not only as it was before a load of it was refused."""
        return path in self._ready and not self._failed.is_back(path)

    def expected_n_ctx(self, path: Path) -> int:
        """The context in tokens that a model which is not loaded can be expected to get."""
        return expected_n_ctx(self._settings.current, self._items, path)

    async def load_for(self, path: Path, again: Work) -> bool:
        """Load a model for what is asked of it; whether it is loaded then. What goes wrong is told,
        and ``again`` done once a button of that notice has it loaded after all, unless another is
        chosen meanwhile."""
        choice = self._n_choices
        if await self._load(path, choice) and choice == self._n_choices:
            self._failed.keep(path, again)
        return path in self._ready

    def choose_named(self, name: str) -> None:
        """Choose the model with the file ``name``, if it is in the library and can chat. It is
        loaded with the next message: what a chat was had with need not be wanted now."""
        for path in self._names:
            if model_name(path) == name and not self.item_of(path).makes_embeddings:
                if path != self._current:
                    self._choose(path)
                return

    async def start(self, preferred: str | None) -> None:
        """Fill the picker and choose the model of last time, or the embedded one."""
        await self.refresh()
        if self._models.problem:
            self._notices.warn(self._models.problem)
        chosen = await self._choose_first(preferred)
        if chosen is None:
            return
        # By name: the embedded model moves with the installation.
        last = None if preferred is None else path_of(preferred)
        if last is not None and chosen.name != last.name:
            cannot_chat = self.item_of(last).makes_embeddings
            self._notices.other_than_last(last, self.current_name, cannot_chat=cannot_chat)

    async def refresh(self) -> None:
        """Read the library again."""
        entries = await self._models.entries()
        self._names = shown_names([entry.model for entry in entries])
        items = [
            PickerItem(
                path=path_text(entry.model.path),
                name=self._names[entry.model.path],
                size_bytes=entry.model.size,
                quantisation=entry.model.quantisation,
                n_ctx=entry.model.n_ctx_train or None,
                loaded=entry.model.path in self._ready,
                problem=entry.problem or "",
                note=entry.note or "",
                makes_embeddings=entry.model.makes_embeddings,
                lacks_template=lacks_template(entry.model, self._settings.current),
                removable=not entry.model.embedded,
            )
            for entry in entries
        ]
        if items != self._items:
            self._items = items
            self._window.header.picker.set_models(items)
        names = {model_name(entry.model.path): entry.model.name for entry in entries}
        self._window.chat_view.set_model_names(names)
        self.refreshed.emit()

    @Slot()
    def _look_again(self) -> None:
        """Files come and go while the app runs."""
        self._tasks.start(self.refresh())

    @Slot(list)
    def add_files(self, paths: Sequence[Path]) -> None:
        """Add files in place and load the last good one."""
        self._tasks.start(self._add(list(paths)))

    async def _add(self, paths: list[Path]) -> None:
        known = set(self._names)
        outcome = await self._models.add(paths)
        for error in outcome.refused:
            self._notices.error(error)
        await self.refresh()
        if outcome.added:
            added = outcome.added[-1].path
            if self.item_of(added).makes_embeddings:
                self._notices.embeddings(added, self.current_name)
            else:
                await self._try_added(added, is_new=added not in known)

    async def _try_added(self, added: Path, *, is_new: bool) -> None:
        """Choose and load what was added; a new file that llama.cpp refuses does not stay."""
        self._choose(added)
        choice = self._n_choices
        try:
            await self._worker.load(added)
        except LoadCancelled:
            self._take_back(added, choice)
        except OutOfMemory:
            return  # told by the pool's event; it is a good model, and stays chosen
        except MinervaError as error:
            if is_new and isinstance(error, ModelLoadError):
                await self._models.remove(added)
                await self.refresh()
            self._take_back(added, choice)
            self._failed.tell(error, added, again=False)

    def _take_back(self, path: Path, choice: int) -> None:
        """The chat has its last loaded model again, unless a person chose another meanwhile, or
        this one anew: ``choice`` is which of theirs it was."""
        if choice == self._n_choices and self._current == path != self._settled:
            self._choose(self._settled if self._settled in self._names else None)

    def _choose(self, path: Path | None) -> None:
        if self._current is not None and path != self._current:
            self._worker.stop_waiting(self._current)  # nobody wants that load any more
        if path != self._current:
            self._failed.forget(self._current)
        self._current = path
        self._n_choices += 1
        if path is not None:
            self._window.notifications.dismiss(NO_MODEL)
        name = None if path is None else path_text(path)
        self._settings.remember(model=name)
        self._window.header.picker.set_current(name or "")
        self._window.header.set_can_configure(path is not None)
        self._window.header.set_can_eject(path in self._ready)
        self._window.header.hide_progress()
        self.current_changed.emit()
        self.context_changed.emit(self.n_ctx)

    @Slot(str)
    def _on_selected(self, path: str) -> None:
        chosen = path_of(path)
        if self.item_of(chosen).makes_embeddings:
            self._notices.embeddings(chosen, self.current_name)
            return
        self._choose(chosen)
        self._tasks.start(self._load(chosen, self._n_choices))

    async def _load(self, path: Path, choice: int, *, forced: bool = False) -> bool:
        """Whether it failed, of which a notice tells."""
        if choice != self._n_choices:
            return False  # another was chosen before this one's turn came
        try:
            await self._worker.load(path, forced=forced)
        except LoadCancelled:
            self._take_back(path, choice)
            return False
        except OutOfMemory:
            return True  # told by the pool's event
        except MinervaError as error:
            self._failed.tell(error, path)
            return True
        if self._failed.is_back(path):  # and is wanted as it is again, of which no event tells
            self._failed.is_over(path, is_back=False)
            await self.refresh()
        return False

    async def load_anew(self, path: Path) -> None:
        """Its load options were changed: it is loaded with them where it is loaded, or could not
        be, as a notice says. What goes wrong is told."""
        if self._failed.is_wanted(path):
            await self._failed.try_again(path)
        elif await self._worker.is_loaded(path):
            await self._load(path, self._n_choices)

    async def _load_again(self, path: Path, is_forced: bool) -> bool:
        """Whether it is loaded, and none was chosen meanwhile."""
        choice = self._n_choices
        await self._load(path, choice, forced=is_forced)
        return path in self._ready and choice == self._n_choices

    @Slot()
    def _on_add_requested(self) -> None:
        dialog = QFileDialog(self._window, "Add models")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.setNameFilters(["GGUF models (*.gguf)", "All files (*)"])
        dialog.filesSelected.connect(self._on_files_picked)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(list)
    def _on_files_picked(self, names: list[str]) -> None:
        self.add_files([Path(name) for name in names])

    @Slot(str)
    def _on_remove_requested(self, path: str) -> None:
        self.unloading.begin(path_of(path), Purpose.REMOVE)

    @Slot(object)
    def _on_removable(self, path: Path) -> None:
        self._tasks.start(self._remove(path))

    async def _remove(self, path: Path) -> None:
        await self._models.remove(path)
        await self.refresh()
        if path == self._current:
            await self._choose_first(None)

    async def _choose_first(self, preferred: str | None) -> Path | None:
        """Choose ``preferred`` or what comes nearest to it; None where no model can chat."""
        try:
            chosen = (await self._models.first_choice(preferred)).path
        except ModelNotFound as error:
            self._choose(None)
            self._notices.error(error, key=NO_MODEL)
            return None
        self._settled = chosen
        self._choose(chosen)
        return chosen

    @Slot()
    def _on_eject(self) -> None:
        if self._current is not None:
            self.unloading.begin(self._current)

    @Slot()
    def _on_cancel_load(self) -> None:
        if self._current is not None:
            self._worker.stop_waiting(self._current)  # its load may not have begun yet
            self._worker.cancel_load(self._current)

    @Slot(object)
    def _on_model_changed(self, state: ModelState) -> None:
        if state.phase is ModelPhase.READY:
            self._failed.is_over(state.path, is_back=state.is_back)
        if state.phase is ModelPhase.READY and state.n_ctx is not None:
            self._ready[state.path] = state.n_ctx
            if state.path == self._current:
                self._settled = state.path
            if state.unloaded:
                self._notices.eviction(state)
        elif state.phase is ModelPhase.GONE:
            was_ready = self._ready.pop(state.path, None) is not None
            if state.is_relief:
                self._notices.gone(state)
            elif isinstance(state.error, OutOfMemory):
                self._failed.tell_too_large(state.error, state.path)
            elif state.error is not None and was_ready:
                self.engine_died.emit(state.error, state.path)
            elif state.is_lost:
                self._notices.gone(state)  # whoever waits for a load that fails is told of that
        if state.path == self._current:
            self._show_state(state)
        if state.phase is not ModelPhase.LOADING:
            self._tasks.start(self.refresh())

    @Slot(object, object)
    def _on_load_waits(self, path: Path, models: tuple[Path, ...]) -> None:
        if path != self._current or path in self._ready:
            return
        names = " and ".join(self.shown_name(each) for each in models)
        if names:
            self._window.header.show_waiting(f"Waiting for {names} to finish")
        else:
            self._window.header.show_progress(0.0)

    def shown_name(self, path: Path) -> str:
        """A model's name for people, also when it is not in the library."""
        return self._names.get(path) or clean_text(path.stem)

    def _show_state(self, state: ModelState) -> None:
        header = self._window.header
        if state.phase is ModelPhase.LOADING:
            header.show_progress(state.fraction)
            return
        header.hide_progress()
        header.set_can_eject(state.phase is ModelPhase.READY)
        self.context_changed.emit(state.n_ctx)

    def open_options(self, name: str | None) -> None:
        """Show the load options of the model with the file ``name``, or of the chosen one where
        the library has none by that name."""
        named = [path for path in self._names if model_name(path) == name]
        path = self._current if self._current in named or not named else named[0]
        if path is not None:
            self._window.header.picker.options_requested.emit(path_text(path))
