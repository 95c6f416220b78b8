"""The window's application: Qt and asyncio on the main thread, from start to the last write.

`__main__` calls `run_window`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import qasync
from PySide6.QtCore import QEvent, QObject, Signal, Slot
from PySide6.QtGui import QFileOpenEvent
from PySide6.QtWidgets import QApplication

from minerva_desktop import __version__
from minerva_desktop.app.own_command import is_frozen
from minerva_desktop.app.services import Services
from minerva_desktop.errors import MinervaError, StoreError
from minerva_desktop.paths import resources_dir
from minerva_desktop.ui.about_controller import AboutController
from minerva_desktop.ui.backups_controller import BackupsController
from minerva_desktop.ui.caret_rest import CaretRest
from minerva_desktop.ui.chat_controller import ChatController
from minerva_desktop.ui.chat_files_controller import ChatFilesController
from minerva_desktop.ui.chat_view.preloading import import_highlighting, import_message_view
from minerva_desktop.ui.context_controller import ContextController
from minerva_desktop.ui.copy_notices import CopyNotices
from minerva_desktop.ui.dropped_files import DroppedFiles
from minerva_desktop.ui.engine_worker import EngineWorker, RuntimeFactory
from minerva_desktop.ui.failed_answers import FailedAnswers
from minerva_desktop.ui.first_exposure import first_exposure
from minerva_desktop.ui.first_start import FirstStart
from minerva_desktop.ui.garbage import MainThreadGarbage
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.interruptions import closed_by_signals, reported_exceptions
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.memory_controller import MemoryController
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.model_options_controller import ModelOptionsController
from minerva_desktop.ui.notification_bar import Notice, NoticeKind
from minerva_desktop.ui.opened_chats import OpenedChats
from minerva_desktop.ui.pictures import Pictures
from minerva_desktop.ui.preset_controller import PresetController
from minerva_desktop.ui.prompt_room import PromptRoom
from minerva_desktop.ui.replaced_app import ReplacedApp
from minerva_desktop.ui.server_controller import ServerController
from minerva_desktop.ui.settings_controller import SettingsController
from minerva_desktop.ui.single_instance import TOKEN_VARIABLES, SingleInstance
from minerva_desktop.ui.snippet_controller import SnippetController
from minerva_desktop.ui.stylesheet import apply_theme
from minerva_desktop.ui.tasks import UiTasks, unforeseen
from minerva_desktop.ui.theme import ThemeSource
from minerva_desktop.ui.unopened_chats import UnopenedChats
from minerva_desktop.ui.update_controller import UpdateController

SWITCH_SECONDS = 0.0005

_log = logging.getLogger(__name__)


class Application(QObject):
    """Builds the window and its controllers, and takes them down in the right order."""

    def __init__(
        self,
        qt: QApplication,
        loop: qasync.QEventLoop,
        services: Services,
        make_runtime: RuntimeFactory,
        files: Sequence[Path],
        *,
        freezes: bool = True,
    ) -> None:
        """``freezes``: see `MainThreadGarbage`."""
        super().__init__()
        self._qt = qt
        self._loop = loop
        self._services = services
        self._files = list(files)
        self._starting: asyncio.Task[None] | None = None
        settings = services.settings.current
        self._themes = ThemeSource(qt.styleHints(), settings.theme, settings.text_size)
        icons = Icons(resources_dir() / "icons", self._themes)
        apply_theme(qt, self._themes.theme)
        self._themes.changed.connect(self._on_theme_changed)
        self._icons = icons
        self.window = MainWindow(icons, settings)
        self._tasks = UiTasks(loop, self._show_error)
        self._worker = EngineWorker(make_runtime)
        self._models = ModelController(self.window, services, self._worker, self._tasks)
        self._options = ModelOptionsController(
            self.window, services, self._worker, self._models, self._tasks, self._themes
        )
        self._server = ServerController(self.window, icons, services, self._worker, self._tasks)
        self._memory = self._make_memory()
        self._models.refreshed.connect(self._memory.show_models)
        self._chats = self._make_chats(services)
        self._chat_parts = self._make_chat_parts()
        self._unopened = UnopenedChats(self.window, services.settings, self._chats.keep_unsent)
        self._unopened.wanted.connect(self._open_chats_again)
        self._updates = UpdateController(
            services.settings, self.window.notifications, self._tasks, self
        )
        self._settings = self._make_settings()
        if is_frozen():
            ReplacedApp(Path(sys.executable), self.window.notifications, qt)
        self._garbage = MainThreadGarbage(self, freezes=freezes)
        self._caret_rest = CaretRest(qt.styleHints(), self)
        # Of whichever text field has the keyboard.
        qt.inputMethod().cursorRectangleChanged.connect(self._caret_rest.wake)
        qt.focusChanged.connect(self._caret_rest.wake)
        self.window.composer.set_enter_sends(settings.send_with_enter)
        self.window.closing.connect(self._on_closing)

    def _make_memory(self) -> MemoryController:
        models = self._models
        return MemoryController(
            self.window,
            self._worker,
            self._tasks,
            models.name_of,
            lambda path: models.item_of(path).note,
            models.unloading.begin,
        )

    def _make_chats(self, services: Services) -> ChatController:
        window, worker, models, tasks = self.window, self._worker, self._models, self._tasks
        self._room = PromptRoom(window, worker, models, lambda: self._chats.session)
        return ChatController(window, services, worker, models, self._room, tasks)

    def _make_chat_parts(self) -> tuple[QObject, ...]:
        """What is about the open chat, or about all, beside the list and the transcript."""
        window, worker, models, tasks = self.window, self._worker, self._models, self._tasks
        chats = self._chats
        self._chat_files = ChatFilesController(
            window, tasks, lambda: chats.library, chats.list_again
        )
        window.sidebar.chat_actions.export.connect(self._chat_files.export)
        window.sidebar.chat_actions.import_chats.connect(self._chat_files.ask_for_files)
        failed = FailedAnswers(
            window, worker, models, tasks, lambda: chats.session, self._services.settings
        )
        chats.session_shown.connect(failed.on_shown)
        chats.branch_changed.connect(failed.on_shown)
        Pictures(window, tasks, lambda: chats.library)
        CopyNotices(window.notifications, window.chat_view.events)
        backups = BackupsController(window, tasks, lambda: chats.library, chats.begin_anew)
        self._dropped = DroppedFiles(window, worker, models, self._chat_files, backups, tasks)
        chats.session_shown.connect(self._dropped.attachments.on_shown)
        chats.session_shown.connect(backups.on_opened)
        chats.disk_trouble.connect(backups.show_trouble)
        window.add_guard(backups.must_stay)
        window.sidebar.chat_actions.show_backups.connect(backups.open_backups)
        opened = OpenedChats(worker, models, lambda: chats.library, tasks, self)
        chats.session_shown.connect(opened.on_shown)
        context = ContextController(
            window, worker, models, tasks, lambda: chats.session, lambda: chats.library
        )
        self._room.outgrown.connect(context.on_outgrown)
        context.asked_again.connect(self._room.asked_again)
        chats.session_shown.connect(context.on_shown)
        chats.branch_changed.connect(context.on_branch_changed)
        chats.session_shown.connect(self._room.show_held)
        self._presets = PresetController(
            window, self._services, models, tasks, lambda: chats.session, chats.open_chat
        )
        self._snippets = SnippetController(window, self._icons, self._services.presets, tasks)
        self._snippets.imported.connect(self._presets.refresh)
        return failed, opened, context, backups

    def _make_settings(self) -> SettingsController:
        about = AboutController(self.window, self._icons, self._updates, self._tasks)
        return SettingsController(
            self.window,
            self._services,
            self._worker,
            self._tasks,
            self._themes,
            self._server,
            self._snippets,
            self._updates,
            about,
            self._show_error,
        )

    def start(self) -> None:
        """Show the window, then bring it to life. Main thread, loop running."""
        self._garbage.start()
        self.window.show()
        self.window.composer.focus_editor()
        try:
            self._worker.start_and_wait()
        except Exception as error:  # noqa: BLE001 - the top of what the loop calls
            _log.exception("The engine's thread did not start")
            self._show_error(unforeseen(error))
        self._starting = self._loop.create_task(self._begin())

    def answer(self, instance: SingleInstance, first: FirstStart) -> None:
        """Be the one that other starts call, on ``instance`` that hears by now."""
        instance.called.connect(self._on_called)
        self.window.closing.connect(instance.close)
        self.window.closing.connect(first.release)
        self.window.stayed.connect(first.take)
        self.window.stayed.connect(lambda: first.write_down(instance.listen()))

    @Slot(str, list)
    def _on_called(self, token: str, files: list[Path]) -> None:
        if token:  # Qt looks for it there when a window asks to come to the front
            os.environ.update(dict.fromkeys(TOKEN_VARIABLES, token))
        self.window.come_to_front()
        for variable in TOKEN_VARIABLES:
            os.environ.pop(variable, None)
        if files:
            self.open_files(files)

    @Slot(list)
    def open_files(self, files: Sequence[Path]) -> None:
        """Take the files that the system handed to the app, as if they had been dropped."""
        self._dropped.open(files)

    async def _begin(self) -> None:
        """Each step is a task of its own: what goes wrong in one is told, and the others come all
        the same. Whoever waits for the beginning must not wait for ever."""
        for step in (self._come_up, self._open_chats, self._choose_model):
            await self._do(step())
        self._chats.begin()
        self._dropped.begin()
        for step in (self._open_to_others, self._prepare_code):
            await self._do(step())

    async def _do(self, step: Coroutine[Any, Any, None]) -> None:
        task = self._tasks.start(step)
        if task is not None:
            await task

    async def _come_up(self) -> None:
        settings = self._services.settings
        if settings.problem is not None:
            self._notify(NoticeKind.WARNING, settings.problem)
        self._presets.tell_problem()
        if self._files:
            self.open_files(self._files)
        handle = self.window.windowHandle()
        if handle is not None:
            await first_exposure(handle)
        # The window is up by now, and takes what is typed meanwhile.
        await asyncio.to_thread(import_message_view)

    async def _open_chats(self) -> None:
        note = self.window.sidebar.empty_note
        note.begin_opening()
        try:
            await self._chats.start(self._services.settings.current.conversation_id)
        except StoreError as error:
            self._unopened.tell(error)
        except Exception as error:  # noqa: BLE001 - the top of a task; it can be tried again
            _log.exception("The chats were not opened")
            self._unopened.tell(unforeseen(error))
        else:
            self._unopened.end()
        finally:
            note.end_opening()

    async def _choose_model(self) -> None:
        await self._models.start(self._services.settings.current.model)

    async def _open_to_others(self) -> None:
        self._server.start_if_wanted()
        self._updates.start()

    async def _prepare_code(self) -> None:
        # A code block would wait for its lexer and its colours, and hold up the window meanwhile.
        await asyncio.to_thread(import_highlighting)

    @Slot()
    def _open_chats_again(self) -> None:
        self._tasks.start(self._open_chats())

    @Slot(object)
    def _on_theme_changed(self, _theme: object) -> None:
        transcript = self.window.chat_view
        late = transcript.messages.set_aside(transcript.in_sight)
        apply_theme(self._qt, self._themes.theme, late)

    # -- the end ---------------------------------------------------------------------------

    @Slot()
    def _on_closing(self) -> None:
        self._loop.create_task(self._close())

    async def _close(self) -> None:
        self._updates.stop()
        self._settings.save(self.window.remembered(self._services.settings.current))
        if self._starting is not None:
            await asyncio.wait([self._starting])
        await self._saved(self._give_up_and_settle())
        if self.window.must_stay():  # the disk does not take what was written just now
            self.window.stay()
        else:
            await self._shut_down()

    async def _give_up_and_settle(self) -> None:
        await self._room.give_up_all()  # nobody would hear an answer, nor the disk of its question
        await self._chats.settle()

    async def _shut_down(self) -> None:
        # Once more, if the disk did not take the last change of them.
        self._tasks.start(self._services.presets.written())
        await self._saved(self._chats.close())
        await self._worker.close()
        await self._tasks.finish()
        self._garbage.stop()
        self._themes.changed.disconnect(self._on_theme_changed)  # its widgets are about to go
        self._qt.quit()

    async def _saved(self, work: Coroutine[Any, Any, None]) -> None:
        """Whatever goes wrong in it, the end comes: nobody could end a process without a window."""
        try:
            await work
        except Exception:  # noqa: BLE001 - the top of what the end does
            _log.exception("Not all could be saved at the end")

    # -- errors ----------------------------------------------------------------------------

    def _show_error(self, error: MinervaError) -> None:
        self._notify(NoticeKind.ERROR, error.told, error.detail)

    def _notify(self, kind: NoticeKind, text: str, detail: str = "") -> None:
        self.window.notifications.show_notice(Notice(kind, text, detail))

    def on_unhandled(self, error: BaseException) -> None:
        """Show an exception that a slot let through; main thread."""
        # Later: Qt may be in the middle of something that must not be disturbed by new widgets.
        self._loop.call_soon(self._show_error, unforeseen(error))


class _QtApplication(QApplication):
    """macOS hands over files by an event to the application.

    Not an event filter: that would take every event of every widget through Python.
    """

    file_opened = Signal(str)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QFileOpenEvent) and event.file():
            self.file_opened.emit(event.file())
            return True
        return super().event(event)


def run_window(services: Services, make_runtime: RuntimeFactory, files: Sequence[Path]) -> int:
    """Open the window and run until it is closed; the exit code."""
    # A busy thread (an import, say) keeps the interpreter's lock for 5 ms at a time by default. The
    # window's thread then came 98 ms late at worst while 300 tokens/s streamed in, now 17 ms.
    sys.setswitchinterval(SWITCH_SECONDS)
    qt = _QtApplication(sys.argv[:1])
    qt.setApplicationName("minerva-desktop")
    qt.setApplicationDisplayName("Minerva Desktop")
    qt.setApplicationVersion(__version__)
    qt.setDesktopFileName("minerva-desktop")
    qt.setQuitOnLastWindowClosed(False)  # the application quits when all is on disk
    first = FirstStart(services.paths.data)
    if first.is_taken_over(files, os.environ):
        return 0
    instance = SingleInstance(services.paths.data, qt)
    # Now: another start waits for it, and for the answer until the loop runs.
    first.write_down(instance.listen())
    loop = qasync.QEventLoop(qt)
    # qasync's own executor starts ten threads at its first use.
    loop.set_default_executor(ThreadPoolExecutor(2, thread_name_prefix="minerva-files"))
    asyncio.set_event_loop(loop)
    application = Application(qt, loop, services, make_runtime, files)
    application.answer(instance, first)
    qt.file_opened.connect(lambda name: application.open_files([Path(name)]))
    close = application.window.close_now
    with reported_exceptions(application.on_unhandled), closed_by_signals(close):
        loop.call_soon(application.start)
        with loop:
            loop.run_forever()
    return 0
