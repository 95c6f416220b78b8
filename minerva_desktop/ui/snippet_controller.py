"""Snippets in the window: the list that “/” opens in the composer, and the dialog that changes
them. Main thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set

from PySide6.QtCore import QDate, QLocale, QObject, QTime, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from minerva_desktop.app.preset_file import PresetFile
from minerva_desktop.chat.presets import PromptLibrary, Snippet
from minerva_desktop.errors import StoreError
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.preset_files import PresetFiles
from minerva_desktop.ui.snippet_dialog import SnippetDialog, SnippetStore
from minerva_desktop.ui.snippet_popup import SELECTION, SnippetPopup
from minerva_desktop.ui.tasks import UiTasks

FILE_NAME = "snippets"


class SnippetController(QObject):
    """``imported``: a file brought presets or snippets."""

    imported = Signal()

    def __init__(
        self, window: MainWindow, icons: Icons, presets: PresetFile, tasks: UiTasks
    ) -> None:
        super().__init__(window)
        self._window = window
        self._icons = icons
        self._presets = presets
        self._tasks = tasks
        self._dialog: SnippetDialog | None = None
        self._files = PresetFiles(presets, tasks, self)
        self._files.told.connect(self._on_told)
        self._files.imported.connect(self._on_imported)
        editor = window.composer.findChild(MessageEdit, "composer")
        if not isinstance(editor, MessageEdit):
            raise TypeError("the composer has no text field")
        popup = SnippetPopup(editor, icons.themes, self._snippets, self._values)
        window.composer.unfilled = popup.hold
        popup.manage_wanted.connect(self._on_manage_wanted)

    def open_dialog(self, owner: QWidget) -> None:
        """Let the person change the snippets, over ``owner``."""
        if self._dialog is not None:
            return
        store = SnippetStore(lambda: self._presets.current, self._save)
        self._dialog = SnippetDialog(self._icons, store, owner)
        self._dialog.import_wanted.connect(self._on_import)
        self._dialog.export_wanted.connect(self._on_export)
        self._dialog.finished.connect(self._on_finished)
        self._dialog.open()

    def _snippets(self) -> Sequence[Snippet]:
        return self._presets.current.snippets

    def _values(self, names: Set[str]) -> Mapping[str, str]:
        """What fills places of these names now; one for which there is nothing is left to fill
        in."""
        makers: dict[str, Callable[[], str]] = {
            "date": _date,
            "time": _time,
            "clipboard": QGuiApplication.clipboard().text,  # may wait for another program
            SELECTION: self._selected_text,
        }
        values = {name: makers[name]() for name in names if name in makers}
        return {name: value for name, value in values.items() if value}

    def _selected_text(self) -> str:
        """What is selected in the transcript."""
        selection = self._window.chat_view.messages.selection
        return "" if selection is None else selection.text()

    def _save(self, library: PromptLibrary) -> bool:
        """Whether it is kept; what the disk says to that comes later."""
        try:
            self._presets.keep(library)
        except StoreError as error:
            if self._dialog is not None:
                self._dialog.tell(f"{error.message}.")
            return False
        self._tasks.start(self._write())
        return True

    async def _write(self) -> None:
        try:
            await self._presets.written()
        except StoreError as error:
            if self._dialog is None:
                raise
            self._dialog.tell(f"{error.message}.")

    @Slot()
    def _on_manage_wanted(self) -> None:
        self.open_dialog(self._window)

    @Slot()
    def _on_import(self) -> None:
        if self._dialog is not None:
            self._files.ask_import(self._dialog)

    @Slot()
    def _on_export(self) -> None:
        if self._dialog is not None:
            library = PromptLibrary(snippets=self._presets.current.snippets)
            self._files.ask_export(self._dialog, library, FILE_NAME)

    @Slot(str, bool)
    def _on_told(self, words: str, _went_well: bool) -> None:
        if self._dialog is not None:
            self._dialog.tell(words)

    @Slot()
    def _on_imported(self) -> None:
        if self._dialog is not None:
            self._dialog.show_all()
        self.imported.emit()

    @Slot()
    def _on_finished(self) -> None:
        dialog, self._dialog = self._dialog, None
        if dialog is not None:
            dialog.deleteLater()


def _date() -> str:
    return QLocale().toString(QDate.currentDate(), QLocale.FormatType.LongFormat)


def _time() -> str:
    return QLocale().toString(QTime.currentTime(), QLocale.FormatType.ShortFormat)
