"""The page of the About dialog that runs the self-test and shows what it found. Main thread."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QFontDatabase
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QProgressBar, QVBoxLayout, QWidget

from minerva_desktop.app.self_report import Check, SelfTestReport, title
from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.forms import dialog_button, plain_label
from minerva_desktop.ui.theme import GRID

INTRO = (
    "Checks Minerva's files, your folders, the chats (they are only read), the engine, an answer "
    "of the model that comes with Minerva, and the window. It takes some seconds. The report "
    "holds no names, paths or chats of yours."
)
N_CHECKS = 8


class SelfTestPage(QWidget):
    """``run_wanted`` and ``cancelled`` by its one button, ``copy_wanted`` with the report."""

    run_wanted = Signal()
    cancelled = Signal()
    copy_wanted = Signal(str)

    def __init__(self, version: str) -> None:
        super().__init__()
        self._version = version
        self._is_running = False
        self._report = ""
        self._run = dialog_button("Run self-test", "runSelfTest")
        self._copy = dialog_button("Copy report", "copyReport")
        self._copy.setToolTip(plain_tip("For a report of a fault"))
        self._bar = QProgressBar()
        self._bar.setObjectName("selfTestProgress")
        self._bar.setAccessibleName("Progress of the self-test")
        self._bar.setRange(0, N_CHECKS)
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(GRID)
        self._status = plain_label("selfTestStatus", "muted")
        self._text = QPlainTextEdit()
        self._text.setObjectName("selfTestReport")
        self._text.setAccessibleName("Report of the self-test")
        self._text.setReadOnly(True)
        self._text.setTabChangesFocus(True)
        self._text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._run.clicked.connect(self._on_run)
        self._copy.clicked.connect(self._on_copy)
        self._lay_out()
        self._show_state(running=False)

    def begin(self) -> None:
        """It runs from now on."""
        self._report = ""
        self._bar.setValue(0)
        self._text.setPlainText(title(self._version) + "\n")
        self._status.setText("Starting…")
        self._show_state(running=True)

    def show_begun(self, name: str) -> None:
        """A check began."""
        self._status.setText(f"Checking: {name}…")

    def show_check(self, check: Check) -> None:
        """A check ended."""
        self._bar.setValue(self._bar.value() + 1)
        self._text.appendPlainText(check.line)

    def show_report(self, report: SelfTestReport) -> None:
        """All is done."""
        self._report = report.text
        self._text.setPlainText(report.text)
        self._end(report.verdict)

    def show_stopped(self, words: str) -> None:
        """It ended without a report."""
        self._end(words)

    def _end(self, words: str) -> None:
        self._status.setText(words)
        self._show_state(running=False)
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, words))

    def _show_state(self, *, running: bool) -> None:
        self._is_running = running
        self._run.setText("Cancel" if running else "Run self-test")
        self._bar.setVisible(running)
        self._copy.setEnabled(bool(self._report))

    @Slot()
    def _on_run(self) -> None:
        if self._is_running:
            self.cancelled.emit()
        else:
            self.run_wanted.emit()

    @Slot()
    def _on_copy(self) -> None:
        self.copy_wanted.emit(self._report + "\n")

    def _lay_out(self) -> None:
        intro = plain_label("selfTestIntro", "muted")
        intro.setText(INTRO)
        buttons = QHBoxLayout()
        buttons.setSpacing(2 * GRID)
        buttons.addWidget(self._run)
        buttons.addWidget(self._status, 1)
        buttons.addWidget(self._copy)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(3 * GRID)
        box.addWidget(intro)
        box.addWidget(self._text, 1)
        box.addWidget(self._bar)
        box.addLayout(buttons)
