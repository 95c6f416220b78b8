"""`SingleInstance` on a Unix socket. Main thread.

Qt's own local sockets are in QtNetwork, which nothing else here needs: it would take 2.9 MB of the
window's memory (measured, PySide 6.11.3).
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from PySide6.QtCore import QObject, QSocketNotifier, Signal, Slot

from minerva_desktop.ui import call_words
from minerva_desktop.ui.call_words import DEAF, LOCK_NAME, TAKEN, call_of, read_call, socket_name

BACKLOG = 16  # starts that wait to be heard
PIECE = 65_536  # bytes

_log = logging.getLogger(__name__)


class SingleInstance(QObject):
    """The first instance's ear. ``called(token, paths)`` when another one was started."""

    called = Signal(str, list)

    def __init__(self, data: Path, parent: QObject | None = None) -> None:
        """``data`` is the folder that the instances would share."""
        super().__init__(parent)
        self._path = _socket_path(data)
        self._socket: socket.socket | None = None
        self._notifier: QSocketNotifier | None = None

    def listen(self) -> bytes:
        """Begin to hear; called once `handed_over` found that nobody else does. What
        `FirstStart.write_down` is to tell other starts: where it hears, or that it cannot (`DEAF`):
        then a second start says at once that the chats are in use."""
        ear = socket.socket(socket.AF_UNIX)
        try:
            ear.setblocking(False)
            self._bind(ear)
            self._path.chmod(0o600)  # before anybody can be heard
            ear.listen(BACKLOG)
        except OSError as error:
            ear.close()
            _log.warning("Other starts cannot be heard: %s", error)
            return DEAF
        self._socket = ear
        self._notifier = QSocketNotifier(ear.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._on_connection)
        return os.fsencode(self._path)

    def _bind(self, ear: socket.socket) -> None:
        try:
            ear.bind(str(self._path))
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not _is_dead(self._path):
                raise
            self._path.unlink()  # what a killed instance left behind
            ear.bind(str(self._path))

    def close(self) -> None:
        """Hear no more; another start opens its own window. Idempotent."""
        if self._socket is None or self._notifier is None:
            return
        with suppress(OSError):  # somebody tidied up
            self._path.unlink()
        self._notifier.setEnabled(False)
        self._socket.close()
        self._socket = self._notifier = None
        for call in self.findChildren(_Call):
            call.end()

    @Slot()
    def _on_connection(self) -> None:
        while self._socket is not None:
            try:
                caller, _ = self._socket.accept()
            except OSError:  # nobody waits any more
                return
            call = _Call(caller, self)
            call.heard.connect(self.called)
            call.read()  # what came before the signal was connected


class _Call(QObject):
    """One connection, until all of its message is there."""

    heard = Signal(str, list)

    def __init__(self, caller: socket.socket, parent: QObject) -> None:
        super().__init__(parent)
        caller.setblocking(False)
        self._caller = caller
        self._received = bytearray()
        self._notifier = QSocketNotifier(caller.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self.read)

    @Slot()
    def read(self) -> None:
        """Take what has come by now."""
        try:
            while piece := self._caller.recv(PIECE):
                self._received += piece
                call = read_call(self._received)
                if call is not None:
                    self._caller.send(TAKEN)
                    self.end()
                    self.heard.emit(*call)
                    return
        except BlockingIOError:
            return
        except (OSError, ValueError) as error:
            _log.warning("Another start was not understood: %s", error)
        self.end()

    def end(self) -> None:
        """Hang up."""
        self._notifier.setEnabled(False)
        self._caller.close()
        self.deleteLater()


def handed_over(data: Path, files: Sequence[Path], environment: Mapping[str, str]) -> bool:
    """Whether another instance with this ``data`` folder has taken ``files`` and comes to the
    front. Takes a millisecond; up to `ANSWER_MS` where one hangs."""
    path = _written_down(data) or _socket_path(data)
    until = time.monotonic() + call_words.ANSWER_MS / 1000
    answer = b""
    try:
        if path.stat().st_uid != os.getuid():
            return False  # another user's, in a folder that all may write to
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(call_words.ANSWER_MS / 1000)
            caller.connect(str(path))
            caller.sendall(call_of(files, environment))
            while len(answer) < len(TAKEN):
                caller.settimeout(max(0.001, until - time.monotonic()))
                piece = caller.recv(len(TAKEN))
                if not piece:
                    return False
                answer += piece
    except OSError:  # nobody is there, or one that hangs
        return False
    return answer == TAKEN


def _is_dead(path: Path) -> bool:
    """Whether nobody hears there: its process was killed."""
    with socket.socket(socket.AF_UNIX) as caller:
        caller.setblocking(False)
        try:
            caller.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def _written_down(data: Path) -> Path | None:
    """Where the first instance says that it hears; None where it says nothing."""
    with suppress(OSError):
        place = (data / LOCK_NAME).read_bytes()
        return Path(os.fsdecode(place)) if place.startswith(b"/") else None
    return None


def _socket_path(data: Path) -> Path:
    return Path(tempfile.gettempdir(), socket_name(data))
