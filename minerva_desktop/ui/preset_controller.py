"""Presets in the window: the one in force, choosing, keeping and forgetting them, and those that
new chats begin with.

Glue between the parameters panel, the presets' file and the open chat. Main thread.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.app.model_presets import (
    default_preset,
    follow_preset,
    new_chat_values,
    set_presets,
)
from minerva_desktop.app.services import Services
from minerva_desktop.chat.conversation import clean_text
from minerva_desktop.chat.presets import Preset, PromptLibrary
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import InvalidRequest, MinervaError, StoreError
from minerva_desktop.paths import path_text
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.notification_bar import Notice, NoticeKind
from minerva_desktop.ui.offers import Offers
from minerva_desktop.ui.preset_files import PresetFiles
from minerva_desktop.ui.preset_row import PresetState
from minerva_desktop.ui.tasks import UiTasks

NOTICE, CHOICE = "presets", "preset-choice"
FILE_NAME = "presets"


class PresetController(QObject):
    """``session`` is that of the open chat, ``open_chat`` shows the one of that id. Which preset a
    chat was given is known until the app ends; after that, the one that says what it has."""

    def __init__(
        self,
        window: MainWindow,
        services: Services,
        models: ModelController,
        tasks: UiTasks,
        session: Callable[[], ChatSession | None],
        open_chat: Callable[[str], Awaitable[None]],
    ) -> None:
        super().__init__(window)
        self._window = window
        self._services = services
        self._models = models
        self._tasks = tasks
        self._session = session
        self._panel = window.parameters
        self._row = window.parameters.presets
        self._chosen: dict[str, str] = {}  # the preset's name by the chat's id
        self._shown: str | None = None  # id of the chat in the panel
        self._is_kept: Callable[[], bool] = bool  # whether that chat can be opened again
        self._is_touched = False  # whether the person set something in that chat
        self._open_chat = open_chat
        self._offers = Offers("undo-preset:", window.notifications, tasks)
        self._files = PresetFiles(services.presets, tasks, self)
        self._files.told.connect(self._tell)
        self._files.imported.connect(self.refresh)
        self._connect()

    def _connect(self) -> None:
        panel, row = self._panel, self._row
        panel.changed.connect(self._on_changed)
        panel.replaced.connect(self._on_replaced)
        row.chosen.connect(self._on_chosen)
        row.new_named.connect(self._on_new_named)
        row.renamed.connect(self._on_renamed)
        row.updated.connect(self._on_updated)
        row.deleted.connect(self._on_deleted)
        row.default_chosen.connect(self._on_default_chosen)
        row.import_wanted.connect(self._on_import)
        row.exported.connect(self._on_exported)
        self._models.current_changed.connect(self._on_model_chosen)

    def tell_problem(self) -> None:
        """Say that the file of presets was damaged, if it was."""
        problem = self._services.presets.problem
        if problem is not None:
            self._window.notifications.show_notice(Notice(NoticeKind.WARNING, problem))

    @Slot()
    def refresh(self) -> None:
        """Show which preset is in force."""
        values = self._panel.values()
        base = self._base()
        current = self._in_force(values, base)
        by_default = default_preset(self._services, self._models.current_path)
        self._row.show_state(
            PresetState(
                names=tuple(each.name for each in self._library.presets),
                current=None if current is None else current.name,
                base=None if base is None else base.name,
                is_defaults=values == ("", SamplingParameters()),
                model=self._models.current_name,
                by_default=None if by_default is None else by_default.name,
            )
        )

    @property
    def _library(self) -> PromptLibrary:
        return self._services.presets.current

    def _base(self) -> Preset | None:
        """The preset that the open chat was given."""
        name = self._chosen.get(self._shown or "")
        return None if name is None else self._library.preset(name)

    @property
    def _choice(self) -> str:
        """The key of the notice that a preset replaced what the open chat had."""
        return f"{CHOICE}:{self._shown}"

    def _in_force(
        self, values: tuple[str, SamplingParameters], base: Preset | None
    ) -> Preset | None:
        if base is not None and base.is_in_force(*values):
            return base
        if values == ("", SamplingParameters()):
            return None
        # One without a prompt would be in force by chance.
        telling = (each for each in self._library.presets if each.system_prompt)
        return next((each for each in telling if each.is_in_force(*values)), None)

    def _note_chosen(self, name: str | None) -> None:
        self._chosen.pop(self._shown or "", None)
        if name is not None and self._shown is not None:
            self._chosen[self._shown] = name

    # -- the open chat ---------------------------------------------------------------------

    @Slot()
    def _on_changed(self) -> None:
        self._is_touched = True
        self.refresh()

    @Slot()
    def _on_replaced(self) -> None:
        """The panel shows another chat, or this one has other values."""
        session = self._session()
        shown = None if session is None else session.conversation.id
        if session is not None and shown != self._shown:
            kept = None if session.is_temporary else self._services.settings.current.new_chat_setup
            # What is offered is about the other chat, which may be there no more.
            (self._offers.hide if self._is_kept() else self._offers.dismiss)(self._choice)
            self._shown, self._is_touched = shown, kept is not None
            self._is_kept = lambda: not session.is_temporary and len(session.conversation) > 0
            if not len(session.conversation) and not self._is_touched:
                self._note_default()
        self.refresh()

    @Slot()
    def _on_model_chosen(self) -> None:
        """A chat that is still empty, and in which the person set nothing, begins as the new chats
        of the model do."""
        session = self._session()
        if session is not None and not len(session.conversation) and not self._is_touched:
            values = new_chat_values(self._services, self._models.current_path)
            self._note_default()
            self._panel.set_values(*values)
            self._tasks.start(session.configure(*values))
        self.refresh()

    def _note_default(self) -> None:
        preset = default_preset(self._services, self._models.current_path)
        self._note_chosen(None if preset is None else preset.name)

    # -- what the person does --------------------------------------------------------------

    @Slot(object)
    def _on_chosen(self, name: str | None) -> None:
        chat_id, values = self._shown, self._panel.values()
        before = self._chosen.get(chat_id or "")
        preset = None if name is None else self._library.preset(name)
        is_custom = self._in_force(values, self._base()) is None
        is_custom = is_custom and values != ("", SamplingParameters())
        self._note_chosen(name)
        if preset is None:
            self._panel.apply("", SamplingParameters())
        else:
            self._panel.apply(*preset.applied_to(*values))
        after = self._panel.values()

        async def undo() -> None:
            if chat_id is not None and chat_id != self._shown:
                await self._open_chat(chat_id)
            if self._panel.values() != after:  # what was typed since would be lost
                self._tell("The settings were changed since, so they stay as they are.", True)
                return
            self._note_chosen(before)
            self._panel.apply(*values)
            self.refresh()

        if is_custom and after != values:
            what = "The defaults" if preset is None else f"“{preset.name}”"
            words = f"{what} replaced the settings of this chat."
            self._offers.undo(words, undo, self._choice, is_last_chance=True)

    @Slot(str, bool, bool)
    def _on_new_named(self, name: str, keeps_prompt: bool, keeps_sampling: bool) -> None:
        prompt, sampling = self._panel.values()
        system_prompt = clean_text(prompt)
        if self._library.preset(name) is not None:
            self._row.show_problem(f"There is a “{name}” already: take another name.")
            return
        try:
            library = self._library.with_preset(
                Preset(
                    name=name,
                    system_prompt=system_prompt if keeps_prompt else None,
                    sampling=sampling if keeps_sampling else None,
                )
            )
        except InvalidRequest as error:
            self._row.show_problem(f"{error.message}.")
            return
        if self._save(library):
            self._note_chosen(name)
            self._row.end_naming()
            self.refresh()

    @Slot(str, str)
    def _on_renamed(self, old: str, new: str) -> None:
        try:
            library = self._library.renamed_preset(old, new)
        except InvalidRequest as error:
            self._row.show_problem(f"{error.message}.")
            return
        if self._save(library):
            self._follow(old, new)
            self._row.end_naming()
            self.refresh()

    @Slot(str)
    def _on_updated(self, name: str) -> None:
        before = self._library.preset(name)
        if before is None:
            return
        shown, sampling = self._panel.values()
        prompt = clean_text(shown)
        after = msgspec.structs.replace(
            before,
            system_prompt=None if before.system_prompt is None else prompt,
            sampling=None if before.sampling is None else sampling,
        )

        async def undo() -> None:
            if self._library.preset(name) is not None:
                self._save_preset(before)
                self.refresh()

        if self._save_preset(after):
            self._offers.undo(f"“{name}” was updated.", undo)
            self.refresh()

    @Slot(str)
    def _on_deleted(self, name: str) -> None:
        preset = self._library.preset(name)
        if preset is None:
            return
        place = self._library.presets.index(preset)
        chats = [chat for chat, chosen in self._chosen.items() if chosen == name]
        if not self._save(self._library.without_preset(name)):
            return
        models = self._follow(name, None)

        async def undo() -> None:
            library = self._library.put_back_preset(preset, place)
            if self._save(library):
                back = library.presets[min(place, len(library.presets) - 1)].name
                self._chosen.update(dict.fromkeys(chats, back))
                self._try_settings(lambda: set_presets(self._services.settings, models, back))
            self.refresh()

        self._offers.undo(f"The preset “{name}” was deleted.", undo)
        self.refresh()

    @Slot(object)
    def _on_default_chosen(self, name: str | None) -> None:
        path = self._models.current_path
        if path is not None:
            models = (path_text(path),)
            self._try_settings(lambda: set_presets(self._services.settings, models, name))
            self.refresh()

    @Slot()
    def _on_import(self) -> None:
        self._files.ask_import(self._window)

    @Slot(object)
    def _on_exported(self, name: str | None) -> None:
        chosen = tuple(each for each in self._library.presets if name in (None, each.name))
        self._files.ask_export(self._window, PromptLibrary(presets=chosen), name or FILE_NAME)

    # -- keeping, and taking back ----------------------------------------------------------

    def _follow(self, old: str, new: str | None) -> tuple[str, ...]:
        """A preset has another name, or is gone; the models (as `path_text`) that began with it."""
        for chat in [chat for chat, chosen in self._chosen.items() if chosen == old]:
            del self._chosen[chat]
            if new is not None:
                self._chosen[chat] = new
        models: list[str] = []
        self._try_settings(lambda: models.extend(follow_preset(self._services.settings, old, new)))
        return tuple(models)

    def _try_settings(self, change: Callable[[], None]) -> None:
        try:
            change()
        except StoreError as error:
            self._show(error)

    def _save_preset(self, preset: Preset) -> bool:
        try:
            library = self._library.with_preset(preset)
        except InvalidRequest as error:
            self._show(error)
            return False
        return self._save(library)

    def _save(self, library: PromptLibrary) -> bool:
        """Whether it is kept; what the disk says to that comes later."""
        try:
            self._services.presets.keep(library)
        except StoreError as error:
            self._show(error)
            return False
        self._tasks.start(self._services.presets.written())
        return True

    @Slot(str, bool)
    def _tell(self, words: str, went_well: bool) -> None:
        kind = NoticeKind.INFO if went_well else NoticeKind.ERROR
        self._window.notifications.show_notice(Notice(kind, words, key=NOTICE))

    def _show(self, error: MinervaError) -> None:
        notice = Notice(NoticeKind.ERROR, error.message, error.detail)
        self._window.notifications.show_notice(notice)
