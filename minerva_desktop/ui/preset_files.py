"""Presets and snippets to a file of one's own, and from one: the dialogs, and the work behind them.
Main thread; files are read and written on another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QFileDialog, QWidget

from minerva_desktop.app.preset_file import (
    NewerPresets,
    PresetFile,
    read_presets,
    write_presets,
)
from minerva_desktop.chat.presets import PromptLibrary
from minerva_desktop.errors import InvalidRequest, MinervaError, StoreError
from minerva_desktop.ui.tasks import UiTasks

FILTERS = ("Presets and snippets (*.json)", "All files (*)")
SHOWN_NAMES = 4
_NO_FILE_NAME = str.maketrans(dict.fromkeys('/\\:*?"<>|', "-"))


class PresetFiles(QObject):
    """``told`` carries what was done, in a sentence, or why it was not; ``imported`` is emitted
    when there is something new."""

    told = Signal(str, bool)  # whether it went well
    imported = Signal()

    def __init__(self, presets: PresetFile, tasks: UiTasks, parent: QObject) -> None:
        super().__init__(parent)
        self._presets = presets
        self._tasks = tasks
        self._exported = PromptLibrary()

    def ask_import(self, owner: QWidget) -> None:
        """Let the person pick files, and add what they have."""
        dialog = QFileDialog(owner, "Import presets and snippets")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        self._open(dialog, self._on_import)

    def ask_export(self, owner: QWidget, library: PromptLibrary, name: str) -> None:
        """Let the person say where ``library`` goes, by default to ``name``.json."""
        self._exported = library
        dialog = QFileDialog(owner, "Export")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("json")
        dialog.selectFile(f"{name.translate(_NO_FILE_NAME).strip('. ') or 'presets'}.json")
        self._open(dialog, self._on_export)

    def _open(self, dialog: QFileDialog, on_picked: Callable[[list[str]], None]) -> None:
        dialog.setNameFilters(FILTERS)
        dialog.filesSelected.connect(on_picked)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(list)
    def _on_import(self, names: list[str]) -> None:
        self._tasks.start(self._import([Path(name) for name in names]))

    @Slot(list)
    def _on_export(self, names: list[str]) -> None:
        self._tasks.start(self._export(Path(names[0]), self._exported))

    async def _import(self, paths: list[Path]) -> None:
        failed, renamed = "", list[str]()
        n_presets = n_snippets = 0
        for path in paths:
            try:
                read = await asyncio.to_thread(read_presets, path)
                before = self._presets.current
                self._presets.add(read)
            except NewerPresets as error:
                failed += f"{error.message}. "
            except InvalidRequest as error:
                failed += f"{error.message}. Nothing was imported from this file: correct it, "
                failed += "and import it again. "
            except MinervaError as error:
                failed += f"{error.message}. "
            else:
                presets = self._presets.current.presets[len(before.presets) :]
                snippets = self._presets.current.snippets[len(before.snippets) :]
                n_presets += len(presets)
                n_snippets += len(snippets)
                renamed += [each.name for each in presets if each not in read.presets]
                renamed += [each.name for each in snippets if each not in read.snippets]
        try:
            await self._presets.written()
        except StoreError as error:
            failed += f"{error.message}. "
        if n_presets or n_snippets:
            self.imported.emit()
            words = f"{failed}{_counted(n_presets, n_snippets)} added.{_renamed(renamed)}"
        else:
            words = failed.strip() or "There was nothing new in there."
        self.told.emit(words, not failed)

    async def _export(self, path: Path, library: PromptLibrary) -> None:
        try:
            await asyncio.to_thread(write_presets, path, library)
        except MinervaError as error:
            self.told.emit(f"{error.message}.", False)
        else:
            self.told.emit(f"Exported to {path.name}.", True)


def _renamed(names: list[str]) -> str:
    """What names that were taken have become."""
    if not names:
        return ""
    shown = ", ".join(f"“{name}”" for name in names[:SHOWN_NAMES])
    more = f" and {len(names) - SHOWN_NAMES:,} more" if len(names) > SHOWN_NAMES else ""
    return f" Another thing had the name already, so there is now: {shown}{more}."


def _counted(n_presets: int, n_snippets: int) -> str:
    words = [
        f"{count} {noun}{'' if count == 1 else 's'}"
        for count, noun in ((n_presets, "preset"), (n_snippets, "snippet"))
        if count
    ]
    verb = "was" if n_presets + n_snippets == 1 else "were"
    return f"{' and '.join(words)} {verb}"
