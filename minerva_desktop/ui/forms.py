"""What the pages of settings are made of: sections, labelled fields, rows of choices.

Used by `settings_dialog` and `model_options_dialog`. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.settings import MAX_GB
from minerva_desktop.ui.controls import (
    ElidedLabel,
    plain_tip,
)
from minerva_desktop.ui.number_fields import CheckedField, DecimalField, NumberField, WholeField
from minerva_desktop.ui.theme import GRID

FIELD_WIDTH = 42 * GRID  # holds "Automatic (999.9 GB)"
SCROLL_ROOM = 3 * GRID  # at the right of a page, where the scroll bar may be
AUTOMATIC = "Automatic"
MIN_PAGE_HEIGHT = 240  # px
SPARED_HEIGHT = 160  # px of the screen or window, for a dialog's frame and its buttons


class Form(QGridLayout):
    """Labels and fields on one baseline; `QFormLayout` puts a label a little above the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.setHorizontalSpacing(6 * GRID)
        self.setVerticalSpacing(3 * GRID)
        self.setColumnStretch(1, 1)

    def add_section(self, title: str, hint: str = "") -> None:
        """A heading, with a hint beside it."""
        self.addWidget(_section(title, hint), self.rowCount(), 0, 1, 2)

    def add_row(self, text: str, field: QWidget, hint: str = "", *, row: int | None = None) -> None:
        """``field`` with its label before and a hint behind it, in the next row or a reserved
        one. A `CheckedField` says there what is wrong with what it holds."""
        row = self.rowCount() if row is None else row
        if text:
            label = QLabel(text)
            label.setBuddy(field)
            self.addWidget(label, row, 0)
        if hint or isinstance(field, CheckedField):
            self.addLayout(_with_hint(field, hint), row, 1)
        else:
            self.addWidget(field, row, 1)

    def reserve(self, n_rows: int) -> int:
        """Keep room for rows that come later; the first of them. Rows that stay empty take none."""
        first = self.rowCount()
        self.setRowMinimumHeight(first + n_rows - 1, 0)
        return first

    def add_whole(self, layout: QLayout) -> None:
        """Something as wide as the page."""
        self.addLayout(layout, self.rowCount(), 0, 1, 2)


class ScrolledPage(QScrollArea):
    """A form or list that scrolls where the screen, or the window that its dialog belongs to, is
    too low for it."""

    def __init__(self, form: QLayout) -> None:
        super().__init__()
        page = self._page = QWidget()
        rows = self._rows = QVBoxLayout(page)
        rows.setContentsMargins(0, 0, SCROLL_ROOM, 4 * GRID)
        rows.addLayout(form)
        rows.addStretch(1)
        self.verticalScrollBar().rangeChanged.connect(self._make_room)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.viewport().setAutoFillBackground(False)
        page.setAutoFillBackground(False)
        self.setWidget(page)

    @Slot(int, int)
    def _make_room(self, _first: int, last: int) -> None:
        """The scroll bar comes into the margin: no field gets narrower for it."""
        taken = self.verticalScrollBar().sizeHint().width() if last else 0
        self._rows.setContentsMargins(0, 0, max(0, SCROLL_ROOM - taken), 4 * GRID)

    def sizeHint(self) -> QSize:
        size = self._page.sizeHint()
        return QSize(size.width(), min(size.height(), self._room()))

    def minimumSizeHint(self) -> QSize:
        return QSize(self._page.minimumSizeHint().width(), MIN_PAGE_HEIGHT)

    def _room(self) -> int:
        room = self.screen().availableGeometry().height()
        owner = self.window().parentWidget()
        if owner is not None:
            room = min(room, owner.window().height())
        return max(MIN_PAGE_HEIGHT, room - SPARED_HEIGHT)


class SegmentedChoice(QFrame):
    """A few values in one row of buttons, one of which is pressed. ``chosen`` is what the person
    did."""

    chosen = Signal()

    def __init__(
        self,
        name: str,
        label: str,
        choices: Sequence[tuple[str, str]],
        current: str,
        *,
        is_dense: bool = False,
    ) -> None:
        """``choices`` are pairs of a value and the words on its button; ``is_dense``: there are
        many, of few letters."""
        super().__init__()
        self.setObjectName("segmented")
        self.setProperty("dense", is_dense)
        self.setAccessibleName(label)
        self._values = tuple(value for value, _ in choices)
        self._group = QButtonGroup(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(2, 2, 2, 2)
        row.setSpacing(2)
        for index, (value, words) in enumerate(choices):
            button = QPushButton(words)
            button.setObjectName(f"{name}{value.capitalize()}")
            button.setCheckable(True)
            button.setChecked(value == current)
            button.setAutoDefault(False)
            button.setAccessibleName(f"{label}: {words}")
            self._group.addButton(button, index)
            row.addWidget(button, 1)
        self._group.idClicked.connect(self.chosen)

    def value(self) -> str:
        """That of the button that is pressed."""
        return self._values[self._group.checkedId()]

    def set_value(self, value: str) -> None:
        """Press a button without a ``chosen`` signal."""
        self._group.button(self._values.index(value)).setChecked(True)


class _Hint(ElidedLabel):
    """What stands behind a field: its hint, or what is wrong with it."""

    def __init__(self, hint: str) -> None:
        super().__init__(hint)
        self._hint = hint
        self.setObjectName("fieldHint")
        self.setProperty("look", "muted")

    @Slot(str)
    def show_problem(self, problem: str) -> None:
        """Say what a number must be; empty: nothing is wrong."""
        self.set_full_text(problem or self._hint)
        self.setProperty("state", "failed" if problem else "")
        self.style().unpolish(self)
        self.style().polish(self)


def cores_hint(n_cores: int) -> str:
    """What stands behind a number of CPU threads."""
    return f"at most {n_cores} {'is' if n_cores == 1 else 'are'} used"


def number_field(
    name: str,
    label: str,
    value: int | None,
    minimum: int,
    maximum: int,
    meaning_of_empty: str = AUTOMATIC,
) -> WholeField:
    """A whole number that may be left empty."""
    edit = WholeField(minimum, maximum, meaning_of_empty)
    _dress(edit, name, label)
    edit.set_value(value)
    return edit


def gigabytes_field(
    name: str,
    label: str,
    value: float | None,
    minimum: float,
    meaning_of_empty: str = AUTOMATIC,
) -> DecimalField:
    """An amount of memory in GB that may be left empty."""
    return decimal_field(name, label, value, minimum, MAX_GB, meaning_of_empty)


def decimal_field(
    name: str,
    label: str,
    value: float | None,
    minimum: float,
    maximum: int,
    meaning_of_empty: str = AUTOMATIC,
) -> DecimalField:
    """A number, which may have fractions, that may be left empty."""
    edit = DecimalField(minimum, maximum, meaning_of_empty)
    _dress(edit, name, label)
    edit.set_value(value)
    return edit


def _dress(edit: NumberField, name: str, label: str) -> None:
    edit.setObjectName(name)
    edit.setAccessibleName(label)
    edit.setToolTip(plain_tip(edit.range_text))
    edit.setFixedWidth(FIELD_WIDTH)


def _with_hint(edit: QWidget, hint: str) -> QHBoxLayout:
    label = _Hint(hint)
    if isinstance(edit, CheckedField):
        edit.problem_changed.connect(label.show_problem)
        label.show_problem(edit.problem)  # what was stored may be wrong already
    row = QHBoxLayout()
    row.setSpacing(2 * GRID)
    row.addWidget(edit)
    row.addWidget(label, 1)
    return row


def _section(title: str, hint: str = "") -> QWidget:
    holder = QWidget()
    row = QHBoxLayout(holder)
    row.setContentsMargins(0, 2 * GRID, 0, 0)
    row.setSpacing(2 * GRID)
    label = QLabel(title)
    label.setProperty("look", "heading")
    row.addWidget(label)
    note = QLabel(hint)
    note.setProperty("look", "muted")
    row.addWidget(note, 1)
    return holder


def plain_label(name: str, look: str = "") -> QLabel:
    """An empty label for words that are never taken for markup; ``look`` as the style sheet has."""
    label = QLabel()
    label.setObjectName(name)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    if look:
        label.setProperty("look", look)
    return label


def dialog_button(text: str, name: str) -> QPushButton:
    """A button that Enter in another field does not press."""
    button = QPushButton(text)
    button.setObjectName(name)
    button.setAutoDefault(False)
    return button
