"""A message box for a start that failed, with nothing of the app behind it."""

from __future__ import annotations

from PySide6.QtWidgets import QApplication, QMessageBox


def show_failure(title: str, text: str) -> None:
    """Show it until it is closed. Main thread; the app need not have got to its `QApplication`."""
    application = QApplication.instance() or QApplication(["minerva-desktop"])
    box = QMessageBox(QMessageBox.Icon.Critical, title, text)
    box.setObjectName("failedStart")
    box.exec()
    del application
