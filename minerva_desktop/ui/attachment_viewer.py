"""The text of an attached file, to be read, copied, or saved. Main thread."""

from __future__ import annotations

import time
from pathlib import Path

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtGui import QFontDatabase, QGuiApplication, QKeySequence, QShortcut, QTextCursor
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.app.attachments import attached_name
from minerva_desktop.chat.export_names import file_stem
from minerva_desktop.chat.parts import PDF, FilePart
from minerva_desktop.ui.attachment_chip import file_facts
from minerva_desktop.ui.controls import ElidedLabel
from minerva_desktop.ui.theme import GRID

SIZE = (720, 560)  # px
SLICE_SECONDS = 0.004  # of putting text in, between two looks at everything else
MAX_LINE = 2_000  # characters of a line, before it is broken: Qt lays out a line as a whole


class AttachmentViewer(QDialog):
    """``inline_wanted(id)``: the text is to become a part of the message, ``save_wanted(part,
    path)``: a file."""

    inline_wanted = Signal(str)
    save_wanted = Signal(object, Path)

    def __init__(self, part: FilePart, parent: QWidget, inline_id: str = "") -> None:
        """``inline_id``: of a file whose text can become a part of the message."""
        super().__init__(parent)
        self._part = part
        self._name = attached_name(part.name)
        self._inline_id = inline_id
        self._at = 0
        self.setObjectName("attachmentViewer")
        self.setWindowTitle(self._name)
        self.resize(*SIZE)
        self._text = QPlainTextEdit()
        self._text.setObjectName("attachmentText")
        self._text.setAccessibleName(f"Text of {self._name}")
        self._text.setReadOnly(True)
        self._text.setUndoRedoEnabled(False)
        if part.media_type != PDF:
            self._text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._show_more)
        self._lay_out()
        self._show_more()
        self._timer.start()
        self._text.setFocus()
        QShortcut(QKeySequence(QKeySequence.StandardKey.Save), self).activated.connect(self._save)

    def shows(self, part: FilePart, inline_id: str) -> bool:
        """Whether it is open, and about that file in that place."""
        is_same = self._part.text is part.text and self._part.name == part.name
        return self.isVisible() and is_same and self._inline_id == inline_id

    def _lay_out(self) -> None:
        name = ElidedLabel(self._name)
        name.setProperty("look", "title")
        facts = QLabel(self._facts())
        facts.setProperty("look", "muted")
        facts.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.setSpacing(2 * GRID)
        if self._inline_id:
            buttons.addWidget(_button("Put into the message", self._inline))
        buttons.addStretch(1)
        buttons.addWidget(_button("Copy", self._copy))
        buttons.addWidget(_button("Save as…", self._save))
        close = _button("Close", self.close)
        close.setDefault(True)
        buttons.addWidget(close)
        box = QVBoxLayout(self)
        box.setContentsMargins(5 * GRID, 4 * GRID, 5 * GRID, 4 * GRID)
        box.setSpacing(2 * GRID)
        for widget in (name, facts):
            box.addWidget(widget)
        box.addWidget(self._text, 1)
        box.addLayout(buttons)

    def _facts(self) -> str:
        text = self._part.text
        lines = text.count("\n") + (not text.endswith("\n"))
        count = "1 line" if lines == 1 else f"{lines:,} lines"
        kind = " · the text of the PDF" if self._part.media_type == PDF else ""
        return f"{file_facts(self._part)} · {count}{kind}"

    @Slot()
    def _show_more(self) -> None:
        """In slices, so that a large file never holds up the window."""
        text, deadline = self._part.text, time.perf_counter() + SLICE_SECONDS
        cursor = QTextCursor(self._text.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.beginEditBlock()
        while self._at < len(text) and time.perf_counter() < deadline:
            end = _piece_end(text, self._at)
            cursor.insertText(text[self._at : end])
            if text[end - 1] != "\n" and text[end : end + 1] not in {"", "\n"}:
                cursor.insertBlock()
            self._at = end
        cursor.endEditBlock()
        if self._at >= len(text):
            self._timer.stop()

    @Slot()
    def _inline(self) -> None:
        self.inline_wanted.emit(self._inline_id)
        self.close()

    @Slot()
    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._part.text)

    @Slot()
    def _save(self) -> None:
        name = file_stem(self._name)  # which names no folder
        if self._part.media_type == PDF or "." not in name:
            name += ".txt"
        dialog = QFileDialog(self, "Save the text")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.selectFile(name)
        dialog.fileSelected.connect(self._on_target)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(str)
    def _on_target(self, path: str) -> None:
        self.save_wanted.emit(self._part, Path(path))


def _piece_end(text: str, start: int) -> int:
    """Where the piece of ``text`` ends that is put in next: after a line, if one ends in time."""
    end = min(start + MAX_LINE, len(text))
    return end if end == len(text) else text.rfind("\n", start, end) + 1 or end


def _button(label: str, on_click: object) -> QPushButton:
    button = QPushButton(label)
    button.setAccessibleName(label)
    button.setAutoDefault(False)
    button.clicked.connect(on_click)
    return button
