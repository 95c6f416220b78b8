"""Opens links in the browser; asks first where one may not lead where it seems to. Main thread."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QMessageBox, QWidget

from minerva_desktop.ui.chat_view.link_targets import doubt_about

MIN_BUTTON = 88  # px
SHOWN = 400  # characters of an address in the question


class LinkOpener(QObject):
    """For the links in ``view``."""

    def __init__(self, view: QWidget) -> None:
        super().__init__(view)
        self._view = view
        self._target = QUrl()
        self._copy: QAbstractButton | None = None

    def open(self, url: QUrl, texts: Sequence[str]) -> None:
        """Open ``url``, which links of these ``texts`` lead to; after asking, where one of them
        says otherwise or its address may be read as another."""
        target = bytes(url.toEncoded().data()).decode("ascii", "replace")
        doubts = [doubt_about(text, target) for text in texts or [""]]
        doubt = next((doubt for doubt in doubts if doubt), "")
        if not doubt:
            QDesktopServices.openUrl(url)
            return
        self._target = url
        shown = target if len(target) <= SHOWN else f"{target[:SHOWN]}…"
        question = QMessageBox(self._view.window())
        question.setObjectName("linkQuestion")
        question.setWindowTitle("Open this link?")
        question.setTextFormat(Qt.TextFormat.PlainText)
        question.setText("Open this link?")
        question.setInformativeText(f"{doubt}\n\n{shown}")
        question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        question.addButton("Open", QMessageBox.ButtonRole.AcceptRole)
        self._copy = question.addButton("Copy address", QMessageBox.ButtonRole.ActionRole)
        cancel = question.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
        question.setDefaultButton(cancel)
        question.setEscapeButton(cancel)
        for button in question.buttons():  # Qt measures them before the style sheet's font
            button.ensurePolished()
            button.setMinimumWidth(max(MIN_BUTTON, button.sizeHint().width()))
        question.buttonClicked.connect(self._on_answered)
        question.open()

    @Slot(QAbstractButton)
    def _on_answered(self, button: QAbstractButton) -> None:
        question = self.sender()
        if not isinstance(question, QMessageBox):
            return
        if button is self._copy:
            address = bytes(self._target.toEncoded().data()).decode("ascii", "replace")
            QGuiApplication.clipboard().setText(address)
        elif question.buttonRole(button) is QMessageBox.ButtonRole.AcceptRole:
            QDesktopServices.openUrl(self._target)
