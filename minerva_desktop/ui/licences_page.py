"""The page of the About dialog that names the parts of others and shows their licences. Main
thread."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QHBoxLayout,
    QListWidget,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.app.third_parties import ThirdParty
from minerva_desktop.ui.about_page import LinkButton
from minerva_desktop.ui.controls import ElidedLabel
from minerva_desktop.ui.forms import plain_label
from minerva_desktop.ui.theme import GRID

NAMES_WIDTH = 46 * GRID


class LicencesPage(QWidget):
    """``address_wanted`` carries the page of a part."""

    address_wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._parts: tuple[ThirdParty, ...] = ()
        self._names = QListWidget()
        self._names.setObjectName("licenceNames")
        self._names.setAccessibleName("Parts of Minerva that others made")
        self._names.setFixedWidth(NAMES_WIDTH)
        self._names.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._title = ElidedLabel()
        self._title.setObjectName("licenceTitle")
        self._title.setProperty("look", "heading")
        self._licence = plain_label("licenceName", "muted")
        self._page = LinkButton("", "")
        self._page.setObjectName("licencePage")
        self._text = QPlainTextEdit()
        self._text.setObjectName("licenceText")
        self._text.setAccessibleName("Licence")
        self._text.setReadOnly(True)
        self._text.setTabChangesFocus(True)
        self._names.currentRowChanged.connect(self._on_row)
        self._page.address_wanted.connect(self.address_wanted)
        self._lay_out()

    def show_parts(self, parts: Sequence[ThirdParty]) -> None:
        """Show these, the first one open."""
        self._parts = tuple(parts)
        self._names.clear()
        self._names.addItems([part.name for part in parts])
        if parts:
            self._names.setCurrentRow(0)

    def show_problem(self, words: str) -> None:
        """Why there is nothing to show."""
        self._licence.setText(words)

    @Slot(int)
    def _on_row(self, row: int) -> None:
        if not 0 <= row < len(self._parts):
            return
        part = self._parts[row]
        self._title.set_full_text(f"{part.name} {part.version}")
        self._licence.setText(part.licence)
        self._page.set_address(part.homepage, part.homepage)
        self._page.setVisible(bool(part.homepage))
        self._text.setPlainText(part.text)

    def _lay_out(self) -> None:
        self._page.hide()
        link = QHBoxLayout()
        link.addWidget(self._page)
        link.addStretch(1)
        right = QVBoxLayout()
        right.setSpacing(GRID)
        right.addWidget(self._title)
        right.addWidget(self._licence)
        right.addLayout(link)
        right.addWidget(self._text, 1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4 * GRID)
        row.addWidget(self._names)
        row.addLayout(right, 1)
