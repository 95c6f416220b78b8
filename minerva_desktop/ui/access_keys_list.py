"""The API keys in the local server's window: their names, a new one, and Revoke. Main thread."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.app.access_keys import AccessKey
from minerva_desktop.ui.controls import ElidedLabel
from minerva_desktop.ui.theme import GRID

NO_KEYS = (
    "No keys: programs on this computer need none, and the network may not connect. Where the last "
    "key was just revoked, the server lets nobody in until it is switched on again."
)


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
        self._none = QLabel(NO_KEYS)
        self._none.setProperty("look", "muted")
        self._none.setWordWrap(True)
        self._rows = QVBoxLayout()
        self._rows.setSpacing(GRID)
        self._lay_out()
        self.set_keys(())

    def set_keys(self, keys: Sequence[AccessKey]) -> None:
        """Show these."""
        for old in self.findChildren(_KeyRow):
            self._rows.removeWidget(old)
            old.hide()
            old.deleteLater()
        for key in keys:
            row = _KeyRow(key)
            row.revoked.connect(self.revoked)
            self._rows.addWidget(row)
        self._none.setVisible(not keys)

    def show_new_key(self, key: str) -> None:
        """Show a key that was just made, until `forget_new_key`."""
        self._name.clear()
        self._problem.hide()
        self._new.show_key(key)

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
        box.addWidget(self._none)
        box.addLayout(self._rows)
        box.addWidget(self._new)
        box.addLayout(make)


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
        row = QHBoxLayout(self)
        row.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 2 * GRID)
        row.setSpacing(2 * GRID)
        row.addWidget(QLabel("Copy it now, it is not shown again:"))
        row.addWidget(self._field, 1)
        row.addWidget(copy)
        self.hide()

    def show_key(self, key: str) -> None:
        self._field.setText(key)
        self.show()

    def forget(self) -> None:
        self._field.clear()
        self.hide()

    @Slot()
    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._field.text())
