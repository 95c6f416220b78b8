"""The self-test as a process of its own: what ends it ends no chat. Main thread."""

from __future__ import annotations

import msgspec
from PySide6.QtCore import QObject, QProcess, Signal, Slot

from minerva_desktop.app.own_command import own_command
from minerva_desktop.app.self_test import SelfTestEvent

GONE_MS = 2000  # for a process that was killed
MAX_ERRORS = 16 * 1024  # bytes of the last words
CANCELLED = "Cancelled."


class SelfTestProcess(QObject):
    """``told`` carries each `SelfTestEvent`, the report once the process has ended and another can
    start; ``stopped`` why it ended before its report."""

    told = Signal(object)
    stopped = Signal(str)

    def __init__(self, parent: QObject, command: tuple[str, ...] = ()) -> None:
        """``command`` instead of this app's own."""
        super().__init__(parent)
        self._command = command or own_command("selftest", "--json-lines")
        self._process: QProcess | None = None
        self._report: SelfTestEvent | None = None
        self._is_cancelled = False
        self._errors = b""

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None

    def start(self) -> None:
        """Run it; no-op while it runs."""
        if self._process is not None:
            return
        self._report, self._is_cancelled = None, False
        self._errors = b""
        process = self._process = QProcess(self)
        process.readyReadStandardOutput.connect(self._on_output)
        process.readyReadStandardError.connect(self._on_errors)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        process.start(self._command[0], list(self._command[1:]))

    def cancel(self) -> None:
        """End it; its own children follow. ``stopped`` comes."""
        if self._process is not None:
            self._is_cancelled = True
            self._process.kill()

    def end(self) -> None:
        """End it and wait for that, as the window closes."""
        process = self._process
        if process is not None:
            self.cancel()
            process.waitForFinished(GONE_MS)

    @Slot()
    def _on_output(self) -> None:
        process = self._process
        while process is not None and process.canReadLine():
            line = process.readLine().data()
            try:
                event = msgspec.json.decode(line, type=SelfTestEvent)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue  # a library's stray print
            if event.report is not None:
                self._report = event
            else:
                self.told.emit(event)

    @Slot()
    def _on_errors(self) -> None:
        if self._process is not None:
            self._errors += bytes(self._process.readAllStandardError().data())
            self._errors = self._errors[-MAX_ERRORS:]

    @Slot()
    def _on_finished(self) -> None:
        self._on_output()
        self._on_errors()
        words = self._errors.decode("utf-8", "replace").strip().splitlines()
        self._gone(f"The self-test broke off: {words[-1] if words else 'it said nothing'}")

    @Slot(QProcess.ProcessError)
    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart and self._process is not None:
            self._gone(f"The self-test could not be started: {self._process.errorString()}")

    def _gone(self, words: str) -> None:
        if self._process is not None:
            self._process.deleteLater()
            self._process = None
        if self._report is not None:
            self.told.emit(self._report)
        else:
            self.stopped.emit(CANCELLED if self._is_cancelled else words)
