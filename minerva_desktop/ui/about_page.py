"""The first page of the About dialog: version, parts, and whether there is a newer one. Main
thread."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QRectF, QSize, Signal, Slot
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.app.self_report import fact_rows
from minerva_desktop.app.updates import Release
from minerva_desktop.ui.changes_view import ChangesView
from minerva_desktop.ui.controls import ElidedLabel, plain_tip
from minerva_desktop.ui.forms import Form, dialog_button, plain_label
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

ICON_SIDE = 64  # px
WHAT_IT_IS = "Chat with language models that run on your own machine."
LICENCE = "Minerva is free software under the Apache License, version 2.0."
LINKS = (
    ("llama.cpp", "https://github.com/ggml-org/llama.cpp"),
    ("Qt", "https://www.qt.io"),
    ("SmolLM2", "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct"),
)


class AboutPage(QWidget):
    """Signals as `AboutDialog` has them."""

    address_wanted = Signal(str)
    check_wanted = Signal()
    copy_wanted = Signal(str)

    def __init__(self, icons: Icons, version: str, can_check: str) -> None:
        """``can_check`` is the tool tip of the button that checks; empty: there is nobody to
        ask, and no button."""
        super().__init__()
        self._icons = icons
        self._version = version
        self._facts: Mapping[str, Mapping[str, str]] = {}
        self._table = QWidget()  # makes room for what is new
        self._form = Form()
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setVerticalSpacing(GRID)
        self._table.setLayout(self._form)
        self._update = plain_label("updateStatus", "muted")
        self._check = dialog_button("Check for updates", "checkForUpdates")
        self._page = dialog_button("Download page", "openDownloadPage")
        self._page_address = ""
        self._changes = ChangesView(icons)
        self._copy = dialog_button("Copy report", "copyFacts")
        self._copy.setToolTip(plain_tip("Versions and machine, for a report of a fault"))
        self._copy.setEnabled(False)
        self._check.setToolTip(plain_tip(can_check))
        if not can_check:
            self._check.hide()
            self._update.hide()
        self._check.clicked.connect(self.check_wanted)
        self._page.clicked.connect(self._on_page)
        self._copy.clicked.connect(self._on_copy)
        self._page.hide()
        self._changes.hide()
        self._lay_out()

    def show_facts(self, facts: Mapping[str, Mapping[str, str]]) -> None:
        """Once."""
        self._facts = facts
        for entries in facts.values():
            for name, value in entries.items():
                label = ElidedLabel(value)
                label.setProperty("look", "muted")
                self._form.add_row(name, label)
        self._copy.setEnabled(True)

    def show_update(self, words: str, release: Release | None, *, is_busy: bool) -> None:
        """See `AboutDialog.show_update`."""
        self._update.setText(words)
        self._check.setEnabled(not is_busy)
        self._page_address = "" if release is None else release.page
        self._page.setVisible(bool(self._page_address))
        self._page.setToolTip(plain_tip(self._page_address))
        changes = "" if release is None else release.changes
        self._changes.setVisible(bool(changes.strip()))
        self._table.setVisible(not changes.strip())
        self._changes.show_markdown(changes)
        if not is_busy:
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, words))

    @Slot()
    def _on_page(self) -> None:
        self.address_wanted.emit(self._page_address)

    @Slot()
    def _on_copy(self) -> None:
        lines = (f"Minerva Desktop {self._version}", "", *fact_rows(self._facts))
        self.copy_wanted.emit("\n".join(lines).rstrip() + "\n")

    def _lay_out(self) -> None:
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4 * GRID)
        box.addLayout(self._head())
        box.addWidget(self._table)
        update = QHBoxLayout()
        update.setSpacing(2 * GRID)
        update.addWidget(self._check)
        update.addWidget(self._page)
        update.addWidget(self._update, 1)
        box.addLayout(update)
        box.addWidget(self._changes, 1)
        box.addStretch(0)
        licence = plain_label("ownLicence", "muted")
        licence.setText(LICENCE)
        box.addWidget(licence)
        box.addLayout(self._foot())

    def _head(self) -> QHBoxLayout:
        title = QLabel("Minerva Desktop")
        title.setProperty("look", "title")
        version = QLabel(f"Version {self._version}")
        version.setObjectName("aboutVersion")
        purpose = plain_label("aboutPurpose", "muted")
        purpose.setText(WHAT_IT_IS)
        words = QVBoxLayout()
        words.setSpacing(GRID)
        for label in (title, version, purpose):
            words.addWidget(label)
        row = QHBoxLayout()
        row.setSpacing(4 * GRID)
        row.addWidget(_AppMark(self._icons))
        row.addLayout(words, 1)
        return row

    def _foot(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(GRID)
        for name, address in LINKS:
            link = LinkButton(name, address)
            link.address_wanted.connect(self.address_wanted)
            row.addWidget(link)
        row.addStretch(1)
        row.addWidget(self._copy)
        return row


class LinkButton(QPushButton):
    """Words that lead into the browser; where to, its tool tip says."""

    address_wanted = Signal(str)

    def __init__(self, words: str, address: str) -> None:
        super().__init__(words.replace("&", "&&"))
        self._address = ""
        self.setProperty("look", "link")
        self.setAutoDefault(False)
        self.clicked.connect(self._on_click)
        self.set_address(words, address)

    def set_address(self, words: str, address: str) -> None:
        """Lead to ``address`` from now on."""
        self._address = address
        self.setText(words.replace("&", "&&"))
        self.setAccessibleName(f"{words}, opens in the browser")
        self.setToolTip(plain_tip(address))

    @Slot()
    def _on_click(self) -> None:
        self.address_wanted.emit(self._address)


class _AppMark(QWidget):
    """The app's icon."""

    def __init__(self, icons: Icons) -> None:
        super().__init__()
        self._icons = icons
        self.setFixedSize(QSize(ICON_SIDE, ICON_SIDE))

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._icons.paint(painter, "minerva", QRectF(self.rect()))
