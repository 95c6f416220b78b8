"""One window for one data folder: a second start hands its files to the first, and ends.

The two talk over a local socket (a named pipe on Windows) that only the same user may open. What is
said: a little-endian uint32 length, then texts in the file system's encoding with NUL between them:
the desktop's activation token (empty where there is none), then absolute paths. The answer is
`TAKEN`. Main thread.
"""

from __future__ import annotations

import getpass
import hashlib
import logging
import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtNetwork import QLocalServer, QLocalSocket

TAKEN = b"taken"
# A first instance that does not answer within this hangs, or is about to end.
ANSWER_MS = 3000
MAX_BYTES = 4 * 1024 * 1024
# Under these names a desktop says which click started a program, so that its window may come to
# the front: XDG activation on Wayland, startup notification on X11.
TOKEN_VARIABLES = ("XDG_ACTIVATION_TOKEN", "DESKTOP_STARTUP_ID")

_LENGTH = struct.Struct("<I")
_log = logging.getLogger(__name__)


class SingleInstance(QObject):
    """The first instance's ear. ``called(token, paths)`` when another one was started."""

    called = Signal(str, list)

    def __init__(self, data: Path, parent: QObject | None = None) -> None:
        """``data`` is the folder that the instances would share."""
        super().__init__(parent)
        self._name = _socket_name(data)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._on_connection)

    def listen(self) -> None:
        """Begin to hear; called once `handed_over` found that nobody else does. Where that cannot
        be, a second start says that the chats are in use."""
        if self._server.listen(self._name):
            return
        # What a killed instance left behind is in the way.
        QLocalServer.removeServer(self._name)
        if not self._server.listen(self._name):
            _log.warning("Other starts cannot be heard: %s", self._server.errorString())

    def close(self) -> None:
        """Hear no more; another start opens its own window."""
        self._server.close()

    @Slot()
    def _on_connection(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            _Call(socket, self).heard.connect(self.called)


class _Call(QObject):
    """One connection, until all of its message is there."""

    heard = Signal(str, list)

    def __init__(self, socket: QLocalSocket, parent: QObject) -> None:
        super().__init__(parent)
        socket.setParent(self)
        self._socket = socket
        self._received = bytearray()
        socket.readyRead.connect(self._on_ready)
        socket.disconnected.connect(self.deleteLater)
        self._on_ready()  # what came before the signal was connected

    @Slot()
    def _on_ready(self) -> None:
        self._received += self._socket.readAll().data()
        if len(self._received) < _LENGTH.size:
            return
        (length,) = _LENGTH.unpack_from(self._received)
        if length > MAX_BYTES:
            self._socket.abort()
        elif len(self._received) >= _LENGTH.size + length:
            token, *paths = bytes(self._received[_LENGTH.size :][:length]).split(b"\0")
            self._received.clear()
            self._socket.write(TAKEN)
            self._socket.flush()
            self.heard.emit(os.fsdecode(token), [Path(os.fsdecode(path)) for path in paths])


def handed_over(data: Path, files: Sequence[Path], environment: Mapping[str, str]) -> bool:
    """Whether another instance with this ``data`` folder has taken ``files`` and comes to the
    front. Takes a few milliseconds; up to `ANSWER_MS` where one hangs."""
    socket = QLocalSocket()
    socket.connectToServer(_socket_name(data))
    if not socket.waitForConnected(ANSWER_MS):
        return False
    token = next(filter(None, map(environment.get, TOKEN_VARIABLES)), "")
    message = b"\0".join(os.fsencode(each) for each in [token, *map(str, files)])
    socket.write(_LENGTH.pack(len(message)) + message)
    answer = b""
    while len(answer) < len(TAKEN) and socket.waitForReadyRead(ANSWER_MS):
        answer += socket.readAll().data()
    socket.abort()
    return answer == TAKEN


def _socket_name(data: Path) -> str:
    """Of this user and folder; short, as the paths of sockets have to be (108 bytes on Linux)."""
    told = f"{getpass.getuser()}\0{data.resolve()}".encode("utf-8", "surrogateescape")
    return f"minerva-{hashlib.sha256(told).hexdigest()[:24]}"
