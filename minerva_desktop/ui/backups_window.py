"""The copies of all chats: when and why each was made, and the way back to one. Main thread.

`backups_controller` fills it and obeys its signals.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.app.chat_care import KeptCopy
from minerva_desktop.ui.controls import ElidedLabel
from minerva_desktop.ui.forms import ScrolledPage
from minerva_desktop.ui.theme import GRID
from minerva_desktop.units import format_bytes

SIZE = (560, 520)  # px
INTRO = (
    "All chats are copied each day while Minerva runs, and before each change of their format. "
    "The last seven of each kind are kept beside the chats."
)


class BackupsWindow(QDialog):
    """``restore_wanted`` carries the path of a copy; ``copy_wanted``: make one now,
    ``save_wanted``: in a file of the person's choice, ``file_wanted``: restore such a one;
    ``check_wanted``: look for damage."""

    restore_wanted = Signal(object)
    copy_wanted = Signal()
    save_wanted = Signal()
    file_wanted = Signal()
    check_wanted = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("backupsWindow")
        self.setWindowTitle("Backups of the chats")
        self.resize(*SIZE)
        self._none = _label("There is no copy yet. The first is made a minute after the start.")
        self._rows = QVBoxLayout()
        self._rows.setSpacing(GRID)
        self._status = _label("")
        self._status.setObjectName("backupsStatus")
        self._copy = _button("Back up now", "backUpNow", self.copy_wanted)
        self._save = _button("Save a copy…", "saveCopy", self.save_wanted)
        self._file = _button("Restore a file…", "restoreFile", self.file_wanted)
        self._check = _button("Check for damage", "checkChats", self.check_wanted)
        self._lay_out()
        self.set_copies(())

    def set_copies(self, copies: Sequence[KeptCopy]) -> None:
        """Show these, the newest first."""
        for old in self.findChildren(CopyRow):
            self._rows.removeWidget(old)
            old.hide()
            old.deleteLater()
        for copy in copies:
            row = CopyRow(copy)
            row.restore_wanted.connect(self.restore_wanted)
            self._rows.addWidget(row)
        self._none.setVisible(not copies)

    def show_status(self, words: str, *, is_busy: bool = False) -> None:
        """What goes on, or what came of it; nothing else can be begun while it goes on."""
        self._status.setText(words)
        self._status.setVisible(bool(words))
        for button in self.findChildren(QPushButton):
            button.setEnabled(not is_busy)

    def _lay_out(self) -> None:
        intro = _label(INTRO)
        column = QVBoxLayout()
        column.addWidget(self._none)
        column.addLayout(self._rows)
        rule = QFrame()
        rule.setObjectName("pageRule")
        rule.setFixedHeight(1)
        buttons = QHBoxLayout()
        buttons.setSpacing(2 * GRID)
        for button in (self._copy, self._save, self._file, self._check):
            buttons.addWidget(button)
        buttons.addStretch(1)
        box = QVBoxLayout(self)
        box.setContentsMargins(6 * GRID, 5 * GRID, 6 * GRID, 5 * GRID)
        box.setSpacing(3 * GRID)
        box.addWidget(intro)
        box.addWidget(ScrolledPage(column), 1)
        box.addWidget(rule)
        box.addWidget(self._status)
        box.addLayout(buttons)


class CopyRow(QWidget):
    """One copy. ``restore_wanted`` carries its path."""

    restore_wanted = Signal(object)

    def __init__(self, copy: KeptCopy) -> None:
        super().__init__()
        self._path = copy.path
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime(copy.created_at))
        facts = ElidedLabel(f"{copy.why}, {format_bytes(copy.n_bytes)}")
        facts.setProperty("look", "muted")
        restore = QPushButton("Restore")
        restore.setObjectName("restoreBackup")
        restore.setProperty("look", "ghost")
        restore.setAutoDefault(False)
        restore.setAccessibleName(f"Restore the chats of {made}")
        restore.clicked.connect(self._on_restore)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(3 * GRID)
        row.addWidget(QLabel(made))
        row.addWidget(facts, 1)
        row.addWidget(restore)

    @Slot()
    def _on_restore(self) -> None:
        self.restore_wanted.emit(self._path)


def _label(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("look", "muted")
    label.setWordWrap(True)
    return label


def _button(words: str, name: str, wanted: object) -> QPushButton:
    button = QPushButton(words)
    button.setObjectName(name)
    button.setAutoDefault(False)
    button.clicked.connect(wanted)
    return button
