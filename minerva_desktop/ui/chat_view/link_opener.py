"""Opens links in the browser; asks first where one may not lead where it seems to, and says so
where nothing opens it. Main thread."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QMessageBox, QWidget

from minerva_desktop.ui.chat_view.link_targets import doubt_about

MIN_BUTTON = 88  # px
SHOWN = 400  # characters of an address in the question
NO_PROGRAM = "This computer has no program for it, or that could not be started."


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
        self._target = url
        doubts = (doubt_about(text, self._address) for text in texts or [""])
        doubt = next(filter(None, doubts), "")
        if doubt:
            self._show("Open this link?", doubt, can_open=True)
        else:
            self._open()

    def _open(self) -> None:
        if not QDesktopServices.openUrl(self._target):
            self._show("The link was not opened", NO_PROGRAM, can_open=False)

    @property
    def _address(self) -> str:
        return bytes(self._target.toEncoded().data()).decode("ascii", "replace")

    def _show(self, title: str, words: str, *, can_open: bool) -> None:
        """Say ``words`` about the link and where it leads."""
        target = self._address
        shown = target if len(target) <= SHOWN else f"{target[:SHOWN]}…"
        question = QMessageBox(self._view.window())
        question.setObjectName("linkQuestion")
        question.setWindowTitle(title)
        question.setTextFormat(Qt.TextFormat.PlainText)
        question.setText(title)
        question.setInformativeText(f"{words}\n\n{shown}")
        question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if can_open:
            question.addButton("Open", QMessageBox.ButtonRole.AcceptRole)
        self._copy = question.addButton("Copy address", QMessageBox.ButtonRole.ActionRole)
        label = "Cancel" if can_open else "Close"
        cancel = question.addButton(label, QMessageBox.ButtonRole.RejectRole)
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
            QGuiApplication.clipboard().setText(self._address)
        elif question.buttonRole(button) is QMessageBox.ButtonRole.AcceptRole:
            self._open()
