"""`SingleInstance` on Qt's local sockets, which are named pipes on Windows. Main thread.

Used there; works everywhere, but takes QtNetwork into the process (see `unix_instance`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from minerva_desktop.ui import call_words
from minerva_desktop.ui.call_words import TAKEN, call_of, read_call, socket_name

_log = logging.getLogger(__name__)


class SingleInstance(QObject):
    """The first instance's ear. ``called(token, paths)`` when another one was started."""

    called = Signal(str, list)

    def __init__(self, data: Path, parent: QObject | None = None) -> None:
        """``data`` is the folder that the instances would share."""
        super().__init__(parent)
        self._name = socket_name(data)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._on_connection)

    def listen(self) -> bytes:
        """Begin to hear; called once `handed_over` found that nobody else does. Where that cannot
        be, a second start says that the chats are in use. Nothing is to be told to other starts:
        they know the pipe's name."""
        if self._server.listen(self._name):
            return b""
        # What a killed instance left behind is in the way.
        QLocalServer.removeServer(self._name)
        if not self._server.listen(self._name):
            _log.warning("Other starts cannot be heard: %s", self._server.errorString())
        return b""

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
        try:
            call = read_call(self._received)
        except ValueError as error:
            _log.warning("Another start was not understood: %s", error)
            self._socket.abort()
            return
        if call is not None:
            self._received.clear()
            self._socket.write(TAKEN)
            self._socket.flush()
            self.heard.emit(*call)


def handed_over(data: Path, files: Sequence[Path], environment: Mapping[str, str]) -> bool:
    """Whether another instance with this ``data`` folder has taken ``files`` and comes to the
    front. Takes a few milliseconds; up to `ANSWER_MS` where one hangs."""
    socket = QLocalSocket()
    socket.connectToServer(socket_name(data))
    if not socket.waitForConnected(call_words.ANSWER_MS):
        return False
    socket.write(call_of(files, environment))
    answer = b""
    while len(answer) < len(TAKEN) and socket.waitForReadyRead(call_words.ANSWER_MS):
        answer += socket.readAll().data()
    socket.abort()
    return answer == TAKEN
