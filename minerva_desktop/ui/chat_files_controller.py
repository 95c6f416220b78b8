"""Chats to files and back, in the window: file dialogs, what was done, and a way to stop it.

Main thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QStandardPaths, Slot
from PySide6.QtWidgets import QFileDialog

from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.app.export_targets import ExportFormat, format_of, target_for
from minerva_desktop.chat.conversation import ConversationSummary
from minerva_desktop.errors import InvalidRequest, StoreError
from minerva_desktop.ui.code_saver import CodeSaver
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from minerva_desktop.ui.tasks import UiTasks
from minerva_desktop.units import format_bytes

if TYPE_CHECKING:
    from minerva_desktop.app.chat_import import ChatImport, ImportProgress, ImportReport

PROGRESS = "chat-files"
STOP = "chat-files-stop"
UNDO_IMPORT = "undo-import:"
OPEN_IMPORTED = "open-imported:"
# The dialog's filters, by what they make.
FILTERS = {
    "Markdown (*.md)": ExportFormat.MARKDOWN,
    "Web page (*.html)": ExportFormat.HTML,
    "Minerva chats, to be imported again (*.json)": ExportFormat.JSON,
}
SEVERAL = {
    "Minerva chats, to be imported again (*.json)": ExportFormat.JSON,
    "Markdown files in an archive (*.zip)": ExportFormat.MARKDOWN,
    "Web pages in an archive (*.zip)": ExportFormat.HTML,
}


class ChatFilesController(QObject):
    """``library`` is there once the chats are open; ``on_imported`` is called with new chats."""

    def __init__(
        self,
        window: MainWindow,
        tasks: UiTasks,
        library: Callable[[], ChatLibrary | None],
        on_imported: Callable[[], None],
    ) -> None:
        super().__init__(window)
        self._window = window
        self._tasks = tasks
        self._library = library
        self._on_imported = on_imported
        self._running: asyncio.Task[None] | None = None
        self._importing: ChatImport | None = None  # what runs, where that is an import
        self._import_files: list[Path] = []  # of it
        self._imported: dict[str, list[str]] = {}  # new chats, by the callback id of their Undo
        window.notifications.action_triggered.connect(self._on_action)
        CodeSaver(window, tasks)  # the other thing of a chat that goes to a file; the window's own

    # -- to files --------------------------------------------------------------------------

    @Slot(list)
    def export(self, conversation_ids: Sequence[str]) -> None:
        """Ask where to, and write these chats; all of them where none is given."""
        self._tasks.start(self._ask_where(list(conversation_ids)))

    async def _ask_where(self, conversation_ids: list[str]) -> None:
        library = self._library()
        if library is None:
            raise StoreError("The chats are not open, so none can be exported")
        chats = [*await library.summaries(), *await library.summaries(is_archived=True)]
        if conversation_ids:
            wanted = set(conversation_ids)
            chats = [chat for chat in chats if chat.id in wanted]
        if not chats:
            raise InvalidRequest("There are no chats to export")
        filters = FILTERS if len(chats) == 1 else SEVERAL
        today = time.strftime("%Y-%m-%d")
        first = next(iter(filters.values()))
        name = target_for(chats, first, None, today).path.with_suffix("").name
        place = QStandardPaths.StandardLocation.DocumentsLocation
        dialog = QFileDialog(self._window, "Export chats", QStandardPaths.writableLocation(place))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters(list(filters))

        def suggest(chosen: str) -> None:
            dialog.setDefaultSuffix(_suffix(chosen))
            dialog.selectFile(f"{name}.{_suffix(chosen)}")

        suggest(next(iter(filters)))
        dialog.filterSelected.connect(suggest)
        dialog.fileSelected.connect(
            lambda path: self._write(chats, filters[dialog.selectedNameFilter()], Path(path))
        )
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _write(self, chats: list[ConversationSummary], kind: ExportFormat, path: Path) -> None:
        if len(chats) == 1:
            kind = format_of(path) or kind  # who types another ending wants that
        self.write(chats, kind, path)

    def write(self, chats: list[ConversationSummary], kind: ExportFormat, path: Path) -> None:
        """Write ``chats`` to ``path``, which the file dialog has asked about if it is there."""
        library = self._library()
        if library is not None:
            self._begin(self._export(library, chats, kind, path))

    async def _export(
        self, library: ChatLibrary, chats: list[ConversationSummary], kind: ExportFormat, path: Path
    ) -> None:
        # For start-up time: it takes Markdown and Pygments, 0.1 s.
        from minerva_desktop.app.chat_files import ChatExport

        def on_progress(n_written: int) -> None:
            self._tell_progress(f"Exporting {_chats(len(chats))}: {n_written:,} written")

        self._tell_progress(f"Exporting {_chats(len(chats))}…")
        export = ChatExport(library.store, kind, replaces=True, on_progress=on_progress)
        target = target_for(chats, kind, path, time.strftime("%Y-%m-%d"))
        written = await export.to_target(chats, target)
        missing = f" {export.n_missing:,} images were not there." if export.n_missing else ""
        text = f"{_chats(len(chats))} exported to {written[0].name}.{missing}"
        self._tell(Notice(NoticeKind.INFO, text, str(written[0]), key=PROGRESS))

    # -- from files ------------------------------------------------------------------------

    @Slot()
    def ask_for_files(self) -> None:
        """Let the person choose what to import."""
        dialog = QFileDialog(self._window, "Import chats")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.setNameFilters(["Chats (*.json *.zip)", "All files (*)"])
        dialog.filesSelected.connect(self._on_files_chosen)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(list)
    def _on_files_chosen(self, names: list[str]) -> None:
        self.import_files([Path(name) for name in names])

    @Slot(list)
    def import_files(self, paths: Sequence[Path]) -> None:
        """Take in the chats of these files, behind those that are being taken in."""
        library = self._library()
        if not paths:
            return
        if library is None:
            text = "The chats are not open, so none can be imported."
            self._tell(Notice(NoticeKind.ERROR, text, key=PROGRESS))
        elif self._importing is not None:
            self._importing.add(paths)
            self._import_files += paths
        else:
            # For start-up time, as above.
            from minerva_desktop.app.chat_import import ChatImport

            work = ChatImport(library.store, self._on_import_progress, library.open_session)
            if self._begin(self._import(work, list(paths))):
                self._importing, self._import_files = work, list(paths)

    async def _import(self, work: ChatImport, paths: list[Path]) -> None:
        self._tell_progress(f"Importing {paths[0].name}…")
        try:
            await work.run(paths)
        except asyncio.CancelledError:
            self._tell_report(work.report, "Stopped. ")
            raise
        finally:
            self._importing = None
            self._on_imported()  # what came before an end of any kind stays
        self._tell_report(work.report)

    def _on_import_progress(self, done: ImportProgress) -> None:
        first, *others = self._import_files
        what = f"{1 + len(others):,} files" if others else first.name
        share = f"{done.percent} % of {format_bytes(done.of_bytes)}"
        self._tell_progress(f"Importing {what}: {_chats(done.n_chats)}, {share}")

    def _tell_report(self, report: ImportReport, begin: str = "") -> None:
        """Ctrl+Z deletes the new chats, also when the notice is gone."""
        undo = f"{UNDO_IMPORT}{len(self._imported)}" if report.imported_ids else ""
        notice = _report_notice(report, undo, begin)
        self._tell(notice)
        if undo:
            self._imported[undo] = report.imported_ids
            self._window.notifications.undo_steps.add(notice.text, undo, notice.identity)

    # -- what runs -------------------------------------------------------------------------

    def _begin(self, work: Coroutine[Any, Any, None]) -> bool:
        """Whether nothing else runs."""
        if self._running is not None and not self._running.done():
            work.close()
            self._tell(Notice(NoticeKind.WARNING, "Chats are being exported or imported already."))
            return False
        self._running = asyncio.ensure_future(work)
        self._tasks.start(self._watch(self._running))
        return True

    async def _watch(self, work: asyncio.Task[None]) -> None:
        await asyncio.wait([work])
        if work.cancelled():
            shown = self._window.notifications.shown
            if shown is not None and shown.stays and shown.key == PROGRESS:
                self._window.notifications.dismiss(PROGRESS)
        elif work.exception() is not None:
            self._window.notifications.dismiss(PROGRESS)
            work.result()

    @Slot(str)
    def _on_action(self, callback_id: str) -> None:
        if callback_id == STOP and self._running is not None:
            self._importing = None  # what comes now does not join it
            self._running.cancel()
        elif callback_id in self._imported:
            self._window.sidebar.chat_actions.delete.emit(self._imported[callback_id])
        elif callback_id.startswith(OPEN_IMPORTED):
            self._window.sidebar.opened.emit(callback_id.removeprefix(OPEN_IMPORTED), "")

    def _tell_progress(self, text: str) -> None:
        actions = (NoticeAction("Stop", STOP),)
        self._tell(Notice(NoticeKind.INFO, text, actions=actions, key=PROGRESS, stays=True))

    def _tell(self, notice: Notice) -> None:
        self._window.notifications.show_notice(notice)


def _report_notice(report: ImportReport, undo: str, begin: str) -> Notice:
    """``undo`` is the callback id of what deletes the new chats, where there are some."""
    n_new = len(report.imported_ids)
    parts = [f"{_chats(n_new)} imported"] if n_new or not report.problems else []
    n_grown = len(report.grown_ids)
    if n_grown:
        parts.append(f"{n_grown:,} {'has' if n_grown == 1 else 'have'} new messages")
    if report.n_present:
        trash = f", {report.n_in_trash:,} of them in the trash" if report.n_in_trash else ""
        parts.append(f"{report.n_present:,} were here already{trash}")
    if report.n_missing:
        parts.append(f"{report.n_missing:,} attachments are not in the file")
    if report.n_empty:
        parts.append(f"{report.n_empty:,} {'was' if report.n_empty == 1 else 'were'} empty")
    if len(report.problems) == 1 and not n_new:
        parts.append(report.problems[0])
    elif report.problems:
        things = "file or chat" if len(report.problems) == 1 else "files or chats"
        parts.append(f"{len(report.problems):,} {things} could not be imported")
    kind = NoticeKind.WARNING if report.problems else NoticeKind.INFO
    actions: tuple[NoticeAction, ...] = ()
    changed = [*report.imported_ids, *report.grown_ids]
    if len(changed) == 1:
        actions = (NoticeAction("Open", OPEN_IMPORTED + changed[0]),)
    if undo:
        label = "Undo the new chats" if n_grown else "Undo"  # what chats grew by stays
        actions += (NoticeAction(label, undo),)
    text = begin + "; ".join(parts).rstrip(".") + "."
    detail = "\n".join(report.problems)
    return Notice(kind, text, detail, actions, key=PROGRESS, is_last_chance=bool(undo))


def _chats(count: int) -> str:
    return "1 chat" if count == 1 else f"{count:,} chats"


def _suffix(name_filter: str) -> str:
    """``md`` of ``Markdown (*.md)``."""
    return name_filter.rpartition("*.")[2].rstrip(")")
