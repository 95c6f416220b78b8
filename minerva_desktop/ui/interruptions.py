"""What comes at the window's process from beside: signals, and exceptions that nobody caught. Main
thread."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from PySide6.QtCore import QSocketNotifier

_log = logging.getLogger(__name__)


@contextmanager
def reported_exceptions(tell: Callable[[BaseException], None]) -> Iterator[None]:
    """Qt only prints what a slot raises; ``tell`` is called with it, too."""
    before = sys.excepthook

    def report(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        before(kind, error, trace)
        _log.error("Unhandled", exc_info=error)
        if threading.current_thread() is threading.main_thread():
            tell(error)

    sys.excepthook = report
    try:
        yield
    finally:
        sys.excepthook = before


@contextmanager
def closed_by_signals(close: Callable[[], None]) -> Iterator[None]:
    """Ctrl+C in the terminal and `kill` call ``close``.

    Python runs signal handlers only between two of its own instructions, and Qt's loop may not
    execute one for long: the wake-up descriptor makes Qt call into Python.
    """
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    notifier = QSocketNotifier(reader.fileno(), QSocketNotifier.Type.Read)
    notifier.activated.connect(lambda: reader.recv(64))
    before_fd = signal.set_wakeup_fd(writer.fileno())
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: close()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        signal.set_wakeup_fd(before_fd)
        notifier.setEnabled(False)
        reader.close()
        writer.close()
