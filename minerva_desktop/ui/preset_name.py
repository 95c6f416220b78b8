"""Where the name of a preset is typed, in its row of the parameters panel. Main thread."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from minerva_desktop.chat.presets import MAX_NAME
from minerva_desktop.ui.controls import Switch
from minerva_desktop.ui.theme import GRID, ThemeSource

NOTHING_TO_KEEP = "A preset needs the system prompt, the sampling, or both."


class PresetName(QWidget):
    """``named`` carries the name when Enter or Save was pressed, ``left`` is Esc and Cancel."""

    named = Signal(str)
    left = Signal()

    def __init__(self, themes: ThemeSource) -> None:
        super().__init__()
        self._edit = QLineEdit()
        self._edit.setObjectName("presetName")
        self._edit.setAccessibleName("Name of the preset")
        self._edit.setMaxLength(MAX_NAME)
        self._prompt = Switch("System prompt", themes)
        self._prompt.setObjectName("presetKeepsPrompt")
        self._sampling = Switch("Sampling", themes)
        self._sampling.setObjectName("presetKeepsSampling")
        self._problem = QLabel()
        self._problem.setObjectName("presetProblem")
        self._problem.setTextFormat(Qt.TextFormat.PlainText)
        self._problem.setWordWrap(True)
        self._save = QPushButton("Save")
        self._save.setObjectName("savePreset")
        self._save.setProperty("look", "primary")
        self._cancel = QPushButton("Cancel")
        self._cancel.setObjectName("cancelPreset")
        self._lay_out()
        self._edit.returnPressed.connect(self._on_save)
        self._edit.textEdited.connect(self._on_edited)
        self._save.clicked.connect(self._on_save)
        self._cancel.clicked.connect(self.left)

    @property
    def keeps_prompt(self) -> bool:
        """Whether the system prompt becomes part of the preset."""
        return self._prompt.isChecked()

    @property
    def keeps_sampling(self) -> bool:
        """Whether the sampling does."""
        return self._sampling.isChecked()

    def begin(self, name: str, *, is_new: bool) -> None:
        """Let the person type, beginning with ``name``; a new preset can leave parts out."""
        self.show_problem("")
        self._edit.setText(name)
        self._edit.setPlaceholderText("Name of the new preset" if is_new else "New name")
        for part in (self._prompt, self._sampling):
            part.setChecked(True)
            part.setVisible(is_new)
        self.show()
        self._edit.setFocus(Qt.FocusReason.OtherFocusReason)
        self._edit.selectAll()

    def show_problem(self, words: str) -> None:
        """Why this is no name."""
        self._problem.setText(words)
        self._problem.setVisible(bool(words))
        self._edit.setAccessibleDescription(words)
        self._edit.setProperty("state", "failed" if words else "")
        self._edit.style().unpolish(self._edit)
        self._edit.style().polish(self._edit)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        else:
            super().keyPressEvent(event)

    @Slot()
    def _on_edited(self) -> None:
        self.show_problem("")

    @Slot()
    def _on_save(self) -> None:
        if self._prompt.isVisible() and not (self.keeps_prompt or self.keeps_sampling):
            self.show_problem(NOTHING_TO_KEEP)
        else:
            self.named.emit(self._edit.text().strip())

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.setSpacing(2 * GRID)
        buttons.addWidget(self._save)
        buttons.addWidget(self._cancel)
        buttons.addStretch(1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(2 * GRID)
        box.addWidget(self._edit)
        box.addWidget(self._problem)
        box.addWidget(self._prompt)
        box.addWidget(self._sampling)
        box.addLayout(buttons)
