"""Opens the load options of a model, tells how they would fit, and keeps them. Main thread."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.computed_states import doubt_states_of, forget_states_of
from minerva_desktop.app.context_cutting import larger_context
from minerva_desktop.app.model_questions import QUESTION
from minerva_desktop.app.services import Services
from minerva_desktop.errors import (
    InferenceError,
    InvalidRequest,
    MinervaError,
)
from minerva_desktop.paths import path_of, path_text
from minerva_desktop.settings import ModelOverrides
from minerva_desktop.ui import late_dialogs
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.model_notices import LARGER_CONTEXT
from minerva_desktop.ui.notification_bar import Notice, NoticeKind
from minerva_desktop.ui.tasks import LatestTask, UiTasks
from minerva_desktop.ui.theme import ThemeSource

if TYPE_CHECKING:
    from minerva_desktop.ui.model_options_dialog import ModelOptionsDialog
    from minerva_desktop.ui.template_page import TemplatePage


UNSEEN = (
    "The last question of a small chat is not in what it writes, so the model would not see it."
    " It writes:"
)
MAX_SHOWN = 300  # characters of that


class ModelOptionsController(QObject):
    """At most one dialog is open: it keeps the window from being used."""

    def __init__(
        self,
        window: MainWindow,
        services: Services,
        worker: EngineWorker,
        models: ModelController,
        tasks: UiTasks,
        themes: ThemeSource,
    ) -> None:
        super().__init__(window)
        self._window = window
        self._services = services
        self._worker = worker
        self._models = models
        self._tasks = tasks
        self._themes = themes
        self._path = Path()
        self._dialog: ModelOptionsDialog | None = None
        self._page: TemplatePage | None = None
        self._previewing = LatestTask(tasks)
        self._question = 0  # a new one makes the answers to those before it stale
        window.header.picker.options_requested.connect(self.open)
        window.notifications.action_triggered.connect(self._on_action)

    @Slot(str)
    def open(self, path: str) -> None:
        """Show the options of the model at ``path`` (a `path_text`)."""
        self._tasks.start(self._open(path_of(path)))

    @Slot(str)
    def _on_action(self, callback_id: str) -> None:
        action, _, rest = callback_id.partition(" ")
        if action == LARGER_CONTEXT:
            n_tokens, _, path = rest.partition(" ")
            self._tasks.start(self._open(path_of(path), int(n_tokens)))

    async def _open(self, path: Path, n_tokens: int = 0) -> None:
        """``n_tokens``: what a context is to be proposed for; 0: none is."""
        model = await self._services.models.model_at(path)
        if model is None:
            return
        settings = self._services.settings.current
        own = settings.models.get(path_text(path), ModelOverrides())
        template = None if model.makes_embeddings else await self._template_page(path, own)
        wider = msgspec.structs.replace(own, n_ctx=larger_context(n_tokens, model.n_ctx_train))
        proposed = await self._n_ctx_that_fits(path, wider) if n_tokens else None
        first = await self._first_context(path)
        if self._dialog is not None:
            return
        self._path = path
        self._dialog = late_dialogs.model_options_dialog()(
            model.name,
            own,
            settings,
            n_ctx_train=model.n_ctx_train or None,
            n_ctx_first=first,
            n_cores=os.cpu_count() or 1,
            template=template,
            parent=self._window,
        )
        self._dialog.options_changed.connect(self._on_options_changed)
        self._dialog.accepted.connect(self._on_accepted)
        self._dialog.finished.connect(self._on_finished)
        if proposed is not None:
            self._dialog.propose_context(proposed)
        self._dialog.open()

    async def _n_ctx_that_fits(self, path: Path, wider: ModelOverrides) -> int | None:
        """The context of ``wider``, or the largest of which there is memory; None: of none is."""
        try:
            fit = await self._worker.fit_of(path, wider)
        except MinervaError:
            return None  # the dialog asks again, and tells it
        if not fit.is_possible or wider.n_ctx is None:
            return None
        return min(wider.n_ctx, fit.n_ctx or wider.n_ctx)

    async def _first_context(self, path: Path) -> int | None:
        try:
            return await self._services.models.first_context(path)
        except MinervaError:
            return None  # loading it will tell

    async def _template_page(self, path: Path, own: ModelOverrides) -> TemplatePage | None:
        """None where the file cannot be read, which loading it will tell."""
        try:
            brought = await self._services.models.own_template(path)
        except MinervaError:
            return None
        page = late_dialogs.template_page()(brought, own.chat_template, self._themes)
        page.preview_wanted.connect(self._on_preview_wanted)
        self._page = page
        return page

    @Slot(str)
    def _on_preview_wanted(self, template: str) -> None:
        self._previewing.start(self._preview(self._path, template))

    async def _preview(self, path: Path, template: str) -> None:
        text, problem, is_fatal = None, "", False
        try:
            text = await self._worker.template_preview(path, template)
        except MinervaError as error:
            # One that only refuses the sample may take other chats.
            is_fatal = isinstance(error, InferenceError) or error.param == "chat_template"
            is_broken = isinstance(error, InferenceError) and error.detail
            problem = error.detail if is_broken else f"{error.message}. {error.detail}".strip()
        page = self._page
        if self._dialog is None or page is None:
            return
        if problem:
            page.show_problem(problem, is_fatal=is_fatal)
        elif text is None:
            page.show_not_loaded()
        elif QUESTION not in text:
            page.show_problem(f"{UNSEEN}\n\n{text[:MAX_SHOWN]}", is_fatal=False)
        else:
            page.show_preview(text)

    @Slot(object)
    def _on_options_changed(self, overrides: ModelOverrides) -> None:
        self._question += 1
        self._tasks.start(self._rate(self._question, overrides))

    async def _rate(self, question: int, overrides: ModelOverrides) -> None:
        try:
            fit = await self._worker.fit_of(self._path, overrides)
        except MinervaError as error:
            if self._dialog is not None and question == self._question:
                if isinstance(error, InvalidRequest):
                    self._dialog.refuse(error.message, error.param)
                else:  # the file's troubles are none of the options'
                    self._dialog.show_problem(error.message)
            return
        if self._dialog is not None and question == self._question:
            self._dialog.show_fit(fit)

    @Slot()
    def _on_accepted(self) -> None:
        if self._dialog is not None:
            self._tasks.start(self._keep(self._path, self._dialog.overrides()))

    @Slot()
    def _on_finished(self) -> None:
        self._previewing.cancel()
        dialog, self._dialog, self._page = self._dialog, None, None
        if dialog is not None:
            dialog.deleteLater()

    async def _keep(self, path: Path, overrides: ModelOverrides) -> None:
        """A model that is loaded is loaded anew, unless it answers just now: then after that."""
        settings = self._services.settings
        before = settings.current.models.get(path_text(path), ModelOverrides())
        try:
            settings.override(path, overrides)
            self._worker.use_settings(settings.current, self._services.paths.snapshots)
            if _cache_of(overrides) != _cache_of(before):
                await doubt_states_of(path, self._services.paths.snapshots)
            if overrides != before:
                await self._models.load_anew(path)
        except MinervaError as error:
            self._window.notifications.show_notice(
                Notice(NoticeKind.ERROR, error.message, error.detail)
            )
        if overrides.chat_template != before.chat_template:
            # After loading: an engine that ends saves what it computed.
            await forget_states_of(path, self._services.paths.snapshots)


def _cache_of(overrides: ModelOverrides) -> ModelOverrides:
    """What decides which states of chats a load can use."""
    return msgspec.structs.replace(
        overrides, n_gpu_layers=None, n_threads=None, chat_template=None, preset=None
    )
