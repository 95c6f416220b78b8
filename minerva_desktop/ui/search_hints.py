"""What can be typed into the search besides words: its filters, and their values. Main thread."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from minerva_desktop.ui.theme import GRID

MAX_VALUES = 8
FILTERS = (
    ("model:", "of a model"),
    ("folder:", "in a folder"),
    ("tag:", "with a tag"),
    ("pinned:yes", "pinned chats"),
    ("after:", "from 2026-03-31 on"),
    ("before:", "before 2026-03"),
)
STEPS = {
    Qt.Key.Key_Up.value: -1,
    Qt.Key.Key_Down.value: 1,
    Qt.Key.Key_Home.value: -len(FILTERS) - MAX_VALUES,
    Qt.Key.Key_End.value: len(FILTERS) + MAX_VALUES,
}
DATES = ("today", "yesterday", "7d", "30d", "this year", "last year")
_LAST = re.compile(
    r'(?:^|\s)(model|folder|tag|pinned|after|before):("?)([^"\s]*|(?<=")[^"]*)$', re.IGNORECASE
)


class Hint(NamedTuple):
    """``text`` is what the search field is to hold, ``label`` what stands for it."""

    text: str
    label: str
    meaning: str = ""


class FilterValues(NamedTuple):
    """What the filters can be given, in the order to show."""

    models: Sequence[str] = ()
    folders: Sequence[str] = ()
    tags: Sequence[str] = ()


def hints_for(text: str, values: FilterValues) -> list[Hint]:
    """What may come next: the filters where nothing is typed, the values of one that is being
    typed; else nothing."""
    if not text.strip():
        return [Hint(name, name, meaning) for name, meaning in FILTERS]
    match = _LAST.search(text)
    if match is None:
        return []
    name, typed = match[1].lower(), match[3].casefold()
    known = {
        "model": values.models,
        "folder": values.folders,
        "tag": values.tags,
        "pinned": ("yes", "no"),
        "after": DATES,
        "before": DATES,
    }[name]
    fitting = [value for value in known if typed in value.casefold() and typed != value.casefold()]
    before = text[: match.start(1)]
    return [Hint(f"{before}{name}:{_quoted(value)} ", value) for value in fitting[:MAX_VALUES]]


def _quoted(value: str) -> str:
    plain = value.replace('"', "")
    return f'"{plain}"' if any(character.isspace() for character in plain) else plain


class SearchHints(QFrame):
    """A card over the list: for Tab one stop, in which ↑ and ↓ go from button to button. ``chosen``
    carries the text for the search field, ``left`` is Esc, ``focus_left`` says that the focus went
    from one of its buttons."""

    chosen = Signal(str)
    left = Signal()
    focus_left = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("searchHints")
        self.setAccessibleName("Search filters")
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(GRID, GRID, GRID, GRID)
        self._box.setSpacing(0)
        self._shown: list[Hint] = []
        self._buttons: list[_HintButton] = []
        self._field: QWidget | None = None
        self.hide()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        by = STEPS.get(event.key(), 0)
        at = next((at for at, each in enumerate(self._buttons) if each.hasFocus()), None)
        if event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        elif event.key() == Qt.Key.Key_Up and at == 0 and self._field is not None:
            self._field.setFocus(Qt.FocusReason.OtherFocusReason)
        elif by and at is not None:
            to = max(0, min(at + by, len(self._buttons) - 1))
            self._make_stop(to)
            self._buttons[to].setFocus(Qt.FocusReason.TabFocusReason)
        else:
            super().keyPressEvent(event)

    def _make_stop(self, number: int) -> None:
        """Have Tab lead to that button, and to no other."""
        for at, button in enumerate(self._buttons):
            policy = Qt.FocusPolicy.StrongFocus if at == number else Qt.FocusPolicy.ClickFocus
            button.setFocusPolicy(policy)

    def show_hints(self, hints: Sequence[Hint], field: QWidget) -> None:
        """Offer these, to which Tab leads from ``field``; none hides the card."""
        if list(hints) != self._shown:
            self._shown = list(hints)
            while (item := self._box.takeAt(0)) is not None:
                widget = item.widget()
                if widget is not None:
                    widget.hide()
                    widget.deleteLater()
            self._buttons = []
            before = field
            for hint in hints:
                button = _HintButton(hint)
                button.chosen.connect(self.chosen)
                button.focus_left.connect(self.focus_left)
                self._box.addWidget(button)
                button.show()
                self.setTabOrder(before, button)
                before = button
                self._buttons.append(button)
            self._box.activate()
        self._field = field
        self._make_stop(0)
        self.setVisible(bool(hints))
        self.resize(self.width(), self.sizeHint().height())
        self.raise_()


class _HintButton(QPushButton):
    """A hint: what to type, and what it means beside it."""

    chosen = Signal(str)
    focus_left = Signal()

    def __init__(self, hint: Hint) -> None:
        super().__init__()
        self._hint = hint
        self.setObjectName("hintButton")
        self.setProperty("look", "ghost")
        self.setAccessibleName(f"{hint.label} {hint.meaning}".strip())
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setText(hint.label.replace("&", "&&"))
        if hint.meaning:
            meaning = QLabel(hint.meaning, self)
            meaning.setProperty("look", "muted")
            meaning.move(22 * GRID, 2 * GRID - 1)
        self.clicked.connect(self._emit)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in STEPS:
            event.ignore()  # not as Tab, which is what they are to a button
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.focus_left.emit()

    @Slot()
    def _emit(self) -> None:
        self.chosen.emit(self._hint.text)
