"""Looking after the chats on disk, in the window: backups, damage, and a disk that does not take
them. Main thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtWidgets import QApplication, QFileDialog

from minerva_desktop.app.chat_care import ChatCare, SavingTrouble
from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.errors import MinervaError, StoreError
from minerva_desktop.ui import late_dialogs
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from minerva_desktop.ui.offers import Offers
from minerva_desktop.ui.tasks import UiTasks

if TYPE_CHECKING:
    from minerva_desktop.ui.backups_window import BackupsWindow

TROUBLE = "disk-trouble"
SAVE_ELSEWHERE = "save-elsewhere"
UNDO_RESTORE = "undo-restore"
SHOW_BACKUPS = "show-backups"
TELL_SECONDS = 30.0  # a screen reader says it each time
CLOSING = "close-with-trouble"
CLOSE_AGAIN = "close-once-written"
LOOK_MS = 20_000  # after the first chat is shown: the start is busy enough


class BackupsController(QObject):
    """``library`` is there once the chats are open; ``on_restored`` is awaited when all chats were
    replaced."""

    def __init__(
        self,
        window: MainWindow,
        tasks: UiTasks,
        library: Callable[[], ChatLibrary | None],
        on_restored: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        super().__init__(window)
        self._window = window
        self._tasks = tasks
        self._library = library
        self._on_restored = on_restored
        self._dialog: BackupsWindow | None = None
        self._trouble: SavingTrouble | None = None
        self._told_at = 0.0
        self._saved: SavingTrouble | None = None  # what was saved elsewhere
        self._before: Path | None = None  # the copy of what a restore replaced
        self._offers = Offers("backups:", window.notifications, tasks)
        window.notifications.action_triggered.connect(self._on_action)
        self._looks = QTimer(self)
        self._looks.setSingleShot(True)
        self._looks.setInterval(LOOK_MS)
        self._looks.timeout.connect(self._on_look)
        self._looking: asyncio.Task[list[str]] | None = None
        window.closing.connect(self._stop_looking)
        window.stayed.connect(self._look_again)

    # -- a large file, which the start does not look through -------------------------------------

    @Slot()
    def on_opened(self) -> None:
        """The chats are open, from the first time on that one is shown."""
        if self._looking is None and not self._looks.isActive():
            self._looks.start()

    @Slot()
    def _on_look(self) -> None:
        self._looking = asyncio.ensure_future(self._care().damage(is_quick=True))
        self._tasks.start(self._tell_damage(self._looking))

    @Slot()
    def _stop_looking(self) -> None:
        self._looks.stop()
        if self._looking is not None and self._looking.cancel():
            self._looking = None

    @Slot()
    def _look_again(self) -> None:
        if self._library() is not None:
            self.on_opened()

    async def _tell_damage(self, looking: asyncio.Task[list[str]]) -> None:
        await asyncio.wait([looking])
        if looking.cancelled() or not looking.result():
            return
        backups = (NoticeAction("Show backups", SHOW_BACKUPS),)
        words = _damage(looking.result())
        self._window.notifications.show_notice(Notice(NoticeKind.WARNING, words, actions=backups))

    # -- a disk that fails ---------------------------------------------------------------------

    def show_trouble(self, trouble: SavingTrouble | None) -> None:
        """The disk does not take what is written; None: it has all of it now."""
        bar = self._window.notifications
        begins, self._trouble = self._trouble is None, trouble
        if trouble is None:
            bar.dismiss(CLOSING)
            bar.show_notice(Notice(NoticeKind.INFO, "All chats are on disk again.", key=TROUBLE))
            return
        if not begins and not self._may_count_on():
            return
        self._told_at = time.monotonic()
        save = (NoticeAction("Save elsewhere…", SAVE_ELSEWHERE),)
        bar.show_notice(Notice(NoticeKind.ERROR, trouble.text, trouble.detail, save, key=TROUBLE))

    def _may_count_on(self) -> bool:
        """Whether the notice may tell how much waits by now. It is told with each write, and must
        not come back once it was closed, nor go from under the hand that is about to use it."""
        bar, focused = self._window.notifications, QApplication.focusWidget()
        is_shown = bar.shown is not None and bar.shown.key == TROUBLE
        in_use = bar.underMouse() or (focused is not None and bar.isAncestorOf(focused))
        return is_shown and not in_use and time.monotonic() - self._told_at > TELL_SECONDS

    def must_stay(self) -> bool:
        """Whether closing the window would lose what waits for the disk, which then is said."""
        trouble, saved = self._trouble, self._saved
        if trouble is None or (saved is not None and saved.text == trouble.text):
            return False
        self._window.notifications.show_notice(stays_open(trouble))
        return True

    async def _close_again(self) -> None:
        await self._care().try_again()
        self._window.close()

    def _ask_where(self, caption: str, on_chosen: Callable[[Path], object]) -> None:
        parent = self._dialog or self._window
        dialog = QFileDialog(parent, caption, "minerva-chats.sqlite3")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters(["Minerva's chats (*.sqlite3)"])
        dialog.setDefaultSuffix("sqlite3")
        # What is there is never replaced: it may be the only copy.
        dialog.setOption(QFileDialog.Option.DontConfirmOverwrite)
        dialog.fileSelected.connect(lambda name: on_chosen(Path(name)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def save_elsewhere(self, path: Path) -> None:
        """Write all chats, also what waits for the disk, to ``path``."""
        self._tasks.start(self._save_elsewhere(path))

    async def _save_elsewhere(self, path: Path) -> None:
        saved = self._trouble
        await self._care().save_elsewhere(path)
        self._saved = saved
        self._window.notifications.dismiss(CLOSING)
        text = f"All chats, also what waits for the disk, are in {path.name}."
        self._window.notifications.show_notice(Notice(NoticeKind.INFO, text, str(path)))

    def _care(self) -> ChatCare:
        library = self._library()
        if library is None:
            raise StoreError("The chats are not open")
        return library.care

    # -- backups -------------------------------------------------------------------------------

    @Slot()
    def open_backups(self) -> None:
        """Show the copies."""
        if self._dialog is None:
            dialog = late_dialogs.backups_window()(self._window)
            dialog.restore_wanted.connect(self._on_restore)
            dialog.copy_wanted.connect(self._on_copy)
            dialog.save_wanted.connect(self._on_save)
            dialog.file_wanted.connect(self._on_file)
            dialog.check_wanted.connect(self._on_check)
            dialog.finished.connect(self._on_finished)
            self._dialog = dialog
        self._dialog.open()
        self._tasks.start(self._list())

    @Slot()
    def _on_finished(self) -> None:
        if self._dialog is not None:
            self._dialog.deleteLater()
            self._dialog = None

    async def _list(self) -> None:
        copies = await self._care().copies()
        if self._dialog is not None:
            self._dialog.set_copies(copies)

    @Slot(object)
    def _on_restore(self, path: Path) -> None:
        self._tasks.start(self._busy("Bringing the chats back…", self._restore(path)))

    def offer(self, path: Path) -> None:
        """Ask whether the chats of a file are to take the place of all that are here."""
        words = (
            f"“{path.name}” is a copy of all chats. Restoring it replaces those that are here,"
            " which are backed up first."
        )
        self._offers.ask(words, "Restore", partial(self._restore_offered, path), str(path))

    async def _restore_offered(self, path: Path) -> None:
        await self._busy("Bringing the chats back…", self._restore(path))

    @Slot()
    def _on_file(self) -> None:
        dialog = QFileDialog(self._dialog or self._window, "Restore all chats from a copy")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilters(["Minerva's chats (*.sqlite3)", "All files (*)"])
        dialog.fileSelected.connect(lambda name: self._on_restore(Path(name)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    async def _restore(self, path: Path) -> str:
        replaced = await self._care().restore(path)
        self._before = None if replaced is None else replaced.path
        await self._on_restored()
        self._window.notifications.undo_steps.clear()  # of chats that are not these
        if self._dialog is not None:
            self._dialog.accept()
        undo = (NoticeAction("Undo", UNDO_RESTORE),) if self._before else ()
        text = "The chats of the backup are here. Those before them were backed up, too."
        self._window.notifications.show_notice(Notice(NoticeKind.INFO, text, actions=undo))
        return ""

    @Slot()
    def _on_copy(self) -> None:
        self._tasks.start(self._busy("Copying all chats…", self._copy(None)))

    @Slot()
    def _on_save(self) -> None:
        self._ask_where(
            "Save a copy of all chats",
            lambda path: self._tasks.start(self._busy("Copying all chats…", self._copy(path))),
        )

    async def _copy(self, target: Path | None) -> str:
        made = await self._care().copy(target)
        await self._list()
        return f"All chats are in {made.name}."

    @Slot()
    def _on_check(self) -> None:
        self._tasks.start(self._busy("Looking through all chats…", self._check()))

    async def _check(self) -> str:
        problems = await self._care().damage()
        if not problems:
            return "There is no damage."
        return _damage(problems)

    async def _busy(self, words: str, work: Coroutine[Any, Any, str]) -> None:
        """Do ``work`` while the window says ``words``, and show what it returns there."""
        if self._dialog is not None:
            self._dialog.show_status(words, is_busy=True)
        try:
            said = await work
        except MinervaError as error:
            said = error.message
            if self._dialog is None:
                raise
        if self._dialog is not None:
            self._dialog.show_status(said)

    @Slot(str)
    def _on_action(self, callback_id: str) -> None:
        if callback_id == SAVE_ELSEWHERE:
            self._ask_where("Save all chats elsewhere", self.save_elsewhere)
        elif callback_id == SHOW_BACKUPS:
            self.open_backups()
        elif callback_id == CLOSING:
            self._window.close_now()
        elif callback_id == CLOSE_AGAIN:
            self._tasks.start(self._close_again())
        elif callback_id == UNDO_RESTORE and self._before is not None:
            self._tasks.start(self._busy("", self._restore(self._before)))


def stays_open(trouble: SavingTrouble) -> Notice:
    """Why the window was not closed, and what to do."""
    text = (
        "Minerva is still open, because the last changes to the chats are not on disk and would be"
        " lost. Save them elsewhere, or make room on the disk."
    )
    actions = (
        NoticeAction("Try again", CLOSE_AGAIN),
        NoticeAction("Save elsewhere…", SAVE_ELSEWHERE),
        NoticeAction("Close and lose them", CLOSING),
    )
    return Notice(NoticeKind.ERROR, text, trouble.text, actions=actions, key=CLOSING, stays=True)


def _damage(problems: list[str]) -> str:
    more = f" and {len(problems) - 1:,} more" if len(problems) > 1 else ""
    return (
        f"The file with your chats is damaged: {problems[0]}{more}. Start Minerva again: it then "
        "recovers what can be read, and keeps the damaged file. What is missing then may be in a "
        "backup."
    )
