"""The API keys in the local server's window: their names, a new one, and Revoke. Main thread."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.app.access_keys import AccessKey
from minerva_desktop.ui.controls import ElidedLabel
from minerva_desktop.ui.theme import GRID

NO_KEYS = (
    "No keys: programs on this computer need none, and the network may not connect. With the first "
    "key every program has to send one, on this computer too. Where the last key was just revoked, "
    "the server lets nobody in until it is switched on again."
)
SOME_KEYS = "Every program has to send one of these keys, on this computer too."
FIRST_KEY = "From now on programs without a key are refused, on this computer too."
SHOWN_ROWS = 3  # of the keys; the others are scrolled to


class AccessKeysList(QWidget):
    """``key_wanted`` carries the name of a key to be made, ``revoked`` that of one to forget."""

    key_wanted = Signal(str)
    revoked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._name = QLineEdit()
        self._name.setObjectName("newKeyName")
        self._name.setAccessibleName("Name of a new API key")
        self._name.setPlaceholderText("Name of a new key")
        self._name.setFixedWidth(64 * GRID)
        self._name.returnPressed.connect(self._on_create)
        self._create = QPushButton("Create key")
        self._create.setObjectName("createKey")
        self._create.setAutoDefault(False)
        self._create.clicked.connect(self._on_create)
        self._problem = QLabel()
        self._problem.setObjectName("keyProblem")
        self._problem.setProperty("state", "failed")
        self._problem.hide()
        self._new = _NewKey()
        self._rule = QLabel()
        self._rule.setObjectName("keyRule")
        self._rule.setProperty("look", "muted")
        self._rule.setWordWrap(True)
        self._keys: tuple[AccessKey, ...] | None = None
        self._rows = _KeyRows()
        self._lay_out()
        self.set_keys(())

    def set_keys(self, keys: Sequence[AccessKey]) -> None:
        """Show these."""
        if tuple(keys) == self._keys:
            return  # a row made anew would lose the keyboard
        self._keys = tuple(keys)
        rows = [_KeyRow(key) for key in keys]
        for row in rows:
            row.revoked.connect(self.revoked)
        self._rows.show_rows(rows)
        self._rule.setText(SOME_KEYS if keys else NO_KEYS)

    def show_new_key(self, key: str) -> None:
        """Show a key that was just made, until `forget_new_key`."""
        self._name.clear()
        self._problem.hide()
        self._new.show_key(key, is_first=not self._keys)

    def forget_new_key(self) -> None:
        """Nobody needs to see it any more."""
        self._new.forget()

    def show_problem(self, words: str) -> None:
        """Why a key was not made or not revoked."""
        self._problem.setText(words)
        self._problem.show()

    @Slot()
    def _on_create(self) -> None:
        self._problem.hide()
        self.key_wanted.emit(self._name.text())

    def _lay_out(self) -> None:
        title = QLabel("API keys")
        title.setProperty("look", "heading")
        make = QHBoxLayout()
        make.setSpacing(2 * GRID)
        make.addWidget(self._name)
        make.addWidget(self._create)
        make.addWidget(self._problem)
        make.addStretch(1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 2 * GRID, 0, 0)
        box.setSpacing(2 * GRID)
        box.addWidget(title)
        box.addWidget(self._rule)
        box.addWidget(self._rows)
        box.addWidget(self._new)
        box.addLayout(make)


class _KeyRows(QScrollArea):
    """The keys, as high as its first rows: there may be many, and requests want room, too."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("keyRows")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.viewport().setAutoFillBackground(False)

    def show_rows(self, rows: Sequence[_KeyRow]) -> None:
        """Show these instead."""
        page = QWidget()
        page.setAutoFillBackground(False)
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID)
        for row in rows:
            column.addWidget(row)
        self.setWidget(page)
        shown = rows[:SHOWN_ROWS]
        heights = [row.sizeHint().height() for row in shown]
        self.setFixedHeight(sum(heights) + GRID * max(0, len(heights) - 1))
        self.setVisible(bool(rows))


class _KeyRow(QWidget):
    """One key. ``revoked`` carries its name."""

    revoked = Signal(str)

    def __init__(self, key: AccessKey) -> None:
        super().__init__()
        self._key = key
        name = ElidedLabel(key.name)
        made = time.strftime("%Y-%m-%d", time.localtime(key.created))
        facts = QLabel(f"…{key.ends_with}, made {made}")
        facts.setProperty("look", "muted")
        revoke = QPushButton("Revoke")
        revoke.setProperty("look", "ghost")
        revoke.setAutoDefault(False)
        revoke.setAccessibleName(f"Revoke the key {key.name}")
        revoke.clicked.connect(self._on_revoke)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2 * GRID)
        row.addWidget(name)
        row.addWidget(facts)
        row.addStretch(1)
        row.addWidget(revoke)

    @Slot()
    def _on_revoke(self) -> None:
        self.revoked.emit(self._key.name)


class _NewKey(QFrame):
    """A new key, to be copied now."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("optionsFit")
        self.setProperty("tone", "success")
        self._field = QLineEdit()
        self._field.setObjectName("newKey")
        self._field.setReadOnly(True)
        self._field.setAccessibleName("The new API key")
        copy = QPushButton("Copy")
        copy.setObjectName("copyNewKey")
        copy.setAutoDefault(False)
        copy.clicked.connect(self._copy)
        self._first = QLabel(FIRST_KEY)
        self._first.setObjectName("firstKeyNote")
        self._first.setWordWrap(True)
        row = QHBoxLayout()
        row.setSpacing(2 * GRID)
        row.addWidget(QLabel("Copy it now, it is not shown again:"))
        row.addWidget(self._field, 1)
        row.addWidget(copy)
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 2 * GRID)
        column.setSpacing(2 * GRID)
        column.addLayout(row)
        column.addWidget(self._first)
        self.hide()

    def show_key(self, key: str, *, is_first: bool) -> None:
        self._field.setText(key)
        self._first.setVisible(is_first)
        self.show()

    def forget(self) -> None:
        self._field.clear()
        self.hide()

    @Slot()
    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._field.text())
