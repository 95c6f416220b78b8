"""Files in the composer: chosen, dropped or pasted, read beside the window, counted, opened, taken
out. Main thread."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QPoint, Signal, Slot
from PySide6.QtWidgets import QFileDialog

from minerva_desktop.app.attachments import (
    TOO_MANY,
    FileReading,
    FileRefused,
    attached_name,
    pasted_part,
    refusal,
    refusal_words,
)
from minerva_desktop.app.text_file import save_text
from minerva_desktop.chat.parts import MAX_FILES, FilePart
from minerva_desktop.ui import late_dialogs
from minerva_desktop.ui.attachment_counter import AttachmentCounter
from minerva_desktop.ui.attachment_strip import AttachedFile
from minerva_desktop.ui.controls import PopupMenu
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.message_edit import MAX_INLINE
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.notification_bar import Notice, NoticeKind
from minerva_desktop.ui.offers import Offers
from minerva_desktop.ui.tasks import UiTasks

TOLD = "attachments-told"  # of the last one that was refused
TWICE = "attached-twice"
TOO_LONG = "pasted-too-long"  # why the last one became a file
PASTED = "pasted"


class AttachmentController(QObject):
    """What cannot be attached is refused with the reason; nothing that was typed is touched."""

    _page_read = Signal(str, int, int)  # from the reading thread

    def __init__(
        self, window: MainWindow, worker: EngineWorker, models: ModelController, tasks: UiTasks
    ) -> None:
        super().__init__(window)
        AttachmentCounter(window, worker, models, tasks)
        self._window = window
        self._composer = window.composer
        self._strip = window.composer.attachments
        self._models = models
        self._tasks = tasks
        self._offers = Offers("attachments:", window.notifications, tasks)
        self._readings: dict[str, FileReading] = {}
        self._removed: set[str] = set()  # files that their notices offer to bring back
        self._too_long = ""  # the file that `TOO_LONG` is about
        composer, strip = self._composer, self._strip
        composer.attach_requested.connect(self._on_attach_requested)
        composer.files_pasted.connect(self.attach)
        composer.image_pasted.connect(self._on_image_pasted)
        composer.long_text_pasted.connect(self._on_long_text)
        strip.changed.connect(self._on_changed)
        strip.cancelled.connect(self._on_cancelled)
        strip.removed.connect(self._on_removed)
        strip.opened.connect(self._on_opened)
        strip.menu_requested.connect(self._on_menu)
        strip.sent.connect(self._on_sent)
        strip.started_over.connect(self._offers.withdraw_all)
        window.chat_view.events.file_opened.connect(self._open)
        window.closing.connect(self.cancel_all)
        self._page_read.connect(self._on_page)

    # -- in --------------------------------------------------------------------------------

    @Slot()
    def _on_attach_requested(self) -> None:
        dialog = QFileDialog(self._window, "Attach files")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.filesSelected.connect(self._on_files_chosen)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(list)
    def _on_files_chosen(self, names: list[str]) -> None:
        self.attach([Path(name) for name in names])

    @Slot(list)
    def attach(self, paths: Sequence[Path]) -> None:
        """Read these files, one after the other, and have them go with the message."""
        room = max(0, MAX_FILES - len(self._strip.items))
        begun = [
            (self._strip.begin(attached_name(path.name or str(path))), path)
            for path in paths[:room]
        ]
        for item_id, path in begun:
            on_page = partial(self._page_read.emit, item_id)
            self._readings[item_id] = FileReading(path, on_page)
        refused = [refusal(path, TOO_MANY) for path in paths[room:]]
        self._tasks.start(self._read(begun, refused))
        self._composer.focus_editor()

    async def _read(self, begun: list[tuple[str, Path]], refused: list[FileRefused]) -> None:
        n_wanted, twice = len(begun) + len(refused), list[str]()
        for item_id, _ in begun:
            reading = self._readings.get(item_id)
            if reading is None:
                continue  # taken out before its turn
            try:
                part, note = await asyncio.to_thread(reading.run)
            except FileRefused as error:
                if item_id in self._readings:
                    refused.append(error)
                    self._strip.drop(item_id)
            else:
                if self._strip.has(part):
                    twice.append(part.name)
                    self._strip.drop(item_id)
                self._strip.finish(item_id, part, note)
            self._readings.pop(item_id, None)
        self._tell_twice(twice)
        self._tell_refused(refused, n_wanted)

    def _tell_twice(self, names: list[str]) -> None:
        """It would take its tokens twice, and say nothing more."""
        if names:
            words = f"“{names[0]}” is attached already."
            if len(names) > 1:
                words = f"{len(names):,} of the files are attached already."
            notice = Notice(NoticeKind.INFO, words, key=TWICE, is_of_chat=True)
            self._window.notifications.show_notice(notice)

    def _tell_refused(self, refused: Sequence[FileRefused], n_wanted: int) -> None:
        if not refused:
            return
        words, detail = refused[0].message, ""
        if len(refused) > 1:
            words = refusal_words(refused, n_wanted)
            detail = "\n".join(error.message for error in refused)
        notice = Notice(NoticeKind.WARNING, words, detail, key=TOLD, is_of_chat=True)
        self._window.notifications.show_notice(notice)

    @Slot(str, int, int)
    def _on_page(self, item_id: str, done: int, total: int) -> None:
        if item_id in self._readings:
            self._strip.show_progress(item_id, f"Reading page {done:,} of {total:,}")

    @Slot(str)
    def _on_cancelled(self, item_id: str) -> None:
        reading = self._readings.pop(item_id, None)
        if reading is not None:
            reading.cancel()
        self._composer.focus_editor()

    @Slot()
    def cancel_all(self) -> None:
        """Whatever is still being read is not wanted any more."""
        for item_id in list(self._readings):
            self._readings.pop(item_id).cancel()

    @Slot(object)
    def on_shown(self, _session: object) -> None:
        """Another chat is open: what was being read was for the one before."""
        if self._readings:
            n_lost = len(self._readings)
            self.cancel_all()
            lost = ("A file was", "it was")
            if n_lost > 1:
                lost = (f"{n_lost:,} files were", "they were")
            words = f"{lost[0]} not attached: the chat was left before {lost[1]} read."
            notice = Notice(NoticeKind.WARNING, words, key=TOLD)
            self._window.notifications.show_notice(notice)

    @Slot()
    def _on_image_pasted(self) -> None:
        name = self._models.current_name or "A language model"
        words = f"{name} cannot read images, so the image in the clipboard was not attached."
        notice = Notice(NoticeKind.WARNING, words, key=TOLD, is_of_chat=True)
        self._window.notifications.show_notice(notice)

    @Slot(str)
    def _on_long_text(self, text: str) -> None:
        taken = frozenset(item.name for item in self._strip.items)
        try:
            part = pasted_part(text, taken)
        except FileRefused as error:  # the clipboard still has it
            self._tell_refused([error], 1)
            return
        if len(self._strip.items) >= MAX_FILES:
            if len(text) <= MAX_INLINE:
                self._composer.insert_text(text)
            else:
                self._tell_refused([refusal(Path(part.name), TOO_MANY)], 1)
            return
        for key in (TOLD, TOO_LONG):  # what came before this was too long
            self._window.notifications.dismiss(key)
        item_id = self._strip.add(part)
        words = f"{len(text):,} characters were pasted as a file."
        if len(text) <= MAX_INLINE:
            work = partial(self._inline, item_id, part)
            self._offers.do(words, "Put into the message", work, PASTED)
        else:
            words += f" The message itself takes {MAX_INLINE:,} at once."
            self._too_long = item_id
            notices = self._window.notifications
            notices.show_notice(Notice(NoticeKind.INFO, words, key=TOO_LONG))

    # -- out -------------------------------------------------------------------------------

    @Slot()
    def _on_changed(self) -> None:
        if self._too_long and self._strip.item(self._too_long) is None:
            self._too_long = ""
            self._window.notifications.dismiss(TOO_LONG)
        for item_id in [each for each in self._removed if self._strip.item(each) is not None]:
            self._removed.discard(item_id)
            self._offers.hide(item_id)  # it is back

    @Slot()
    def _on_sent(self) -> None:
        """What was offered, or refused, was about a message that is gone."""
        self._offers.withdraw_all()
        for key in (TOLD, TWICE):
            self._window.notifications.dismiss(key)

    @Slot(object)
    def _on_removed(self, item: AttachedFile) -> None:
        if item.part is not None:
            self._offers.dismiss(PASTED)
            # No step of the window's Ctrl+Z: the composer has its own.
            work = partial(self._bring_back, item)
            self._offers.do(f"{item.name} removed", "Undo", work, item.id)
            self._removed.add(item.id)
        if not self._strip.items:
            self._composer.focus_editor()

    async def _bring_back(self, item: AttachedFile) -> None:
        self._strip.bring_back(item)
        self._composer.focus_editor()

    async def _inline(self, item_id: str, part: FilePart) -> None:
        self._put_inline(item_id, part)

    @Slot(str)
    def _on_inline(self, item_id: str) -> None:
        item = self._strip.item(item_id)
        if item is not None and item.part is not None:
            self._put_inline(item_id, item.part)

    def _put_inline(self, item_id: str, part: FilePart) -> None:
        """Also where Ctrl+Z took the file away again."""
        self._offers.dismiss(PASTED)
        if self._strip.item(item_id) is not None:
            self._strip.take(item_id)
        self._composer.insert_text(part.text)
        self._composer.focus_editor()

    # -- what is in it ---------------------------------------------------------------------

    @Slot(str)
    def _on_opened(self, item_id: str) -> None:
        item = self._strip.item(item_id)
        if item is not None and item.part is not None:
            can_inline = len(item.part.text) <= MAX_INLINE
            self._open(item.part, item_id if can_inline else "")

    @Slot(object)
    def _open(self, part: FilePart, inline_id: str = "") -> None:
        """Once: who clicks twice sees the one that is open."""
        viewers = self._window.findChildren(late_dialogs.attachment_viewer())
        open_one = next((each for each in viewers if each.shows(part, inline_id)), None)
        if open_one is not None:
            open_one.raise_()
            open_one.activateWindow()
            return
        viewer = late_dialogs.attachment_viewer()(part, self._window, inline_id)
        viewer.inline_wanted.connect(self._on_inline)
        viewer.save_wanted.connect(self._on_save)
        viewer.finished.connect(viewer.deleteLater)
        viewer.show()

    @Slot(object, Path)
    def _on_save(self, part: FilePart, path: Path) -> None:
        self._tasks.start(self._save(part, path))

    async def _save(self, part: FilePart, path: Path) -> None:
        await asyncio.to_thread(save_text, path, part.text)
        words = f"{part.name} saved as {path.name}."
        self._window.notifications.show_notice(Notice(NoticeKind.INFO, words, str(path)))

    @Slot(str, QPoint)
    def _on_menu(self, item_id: str, place: QPoint) -> None:
        item = self._strip.item(item_id)
        if item is None:
            return
        menu = PopupMenu(self._window)
        menu.setObjectName("attachmentMenu")
        if item.part is not None:
            menu.addAction("Open", lambda: self._on_opened(item_id))
            if len(item.part.text) <= MAX_INLINE:
                menu.addAction("Put into the message", lambda: self._on_inline(item_id))
        menu.addAction("Remove", lambda: self._strip.remove(item_id))
        menu.popup(place)
