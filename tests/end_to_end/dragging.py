"""A file manager that drags files onto a window: the X protocol XDND, version 5."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from Xlib import X, Xatom
from Xlib.display import Display
from Xlib.protocol.event import ClientMessage, SelectionNotify, SelectionRequest
from Xlib.xobject.drawable import Window

VERSION = 5
ACCEPTED = 1  # the flag of XdndStatus


class FileManager:
    """Drags from a window of its own, over a connection of its own."""

    def __init__(self, display_name: str) -> None:
        self._display = Display(display_name)
        root = self._display.screen().root
        self._window = root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)

    def close(self) -> None:
        """Disconnect."""
        self._display.close()

    def drop(self, files: Sequence[Path], target: Window) -> None:
        """Drop ``files`` in the middle of ``target``; return when it says that it has them."""
        target = self._display.create_resource_object("window", target.id)  # over this connection
        content = "".join(f"{file.as_uri()}\r\n" for file in files).encode()
        selection = self._atom("XdndSelection")
        self._window.set_selection_owner(selection, X.CurrentTime)
        own = self._window.id
        kinds = [self._atom("text/uri-list"), 0, 0]
        self._send(target, "XdndEnter", [own, VERSION << 24, *kinds])
        place = target.get_geometry()
        x, y = place.x + place.width // 2, place.y + place.height // 2
        copy = self._atom("XdndActionCopy")
        self._send(target, "XdndPosition", [own, 0, x << 16 | y, X.CurrentTime, copy])
        status = self._wait("XdndStatus", content)
        assert status[1] & ACCEPTED, "the window does not take the files"
        self._send(target, "XdndDrop", [own, 0, X.CurrentTime, 0, 0])
        finished = self._wait("XdndFinished", content)
        assert finished[1] & ACCEPTED, "the window did not take the files"

    def _atom(self, name: str) -> int:
        return int(self._display.intern_atom(name))

    def _send(self, target: Window, name: str, data: Sequence[int]) -> None:
        event = ClientMessage(window=target, client_type=self._atom(name), data=(32, list(data)))
        target.send_event(event)
        self._display.sync()

    def _wait(self, name: str, content: bytes) -> Sequence[int]:
        """The data of the target's next message of that name; what it asks for is given."""
        wanted = self._atom(name)
        while True:
            event = self._display.next_event()
            if isinstance(event, SelectionRequest):
                self._give(event, content)
            elif event.type == X.ClientMessage and event.client_type == wanted:
                return list(event.data[1])

    def _give(self, asked: SelectionRequest, content: bytes) -> None:
        """Answer a request for what is dragged."""
        kind = self._atom("text/uri-list")
        if asked.target == kind:
            asked.requestor.change_property(asked.property, kind, 8, content)
        elif asked.target == self._atom("TARGETS"):
            asked.requestor.change_property(asked.property, Xatom.ATOM, 32, [kind])
        answer = SelectionNotify(
            time=asked.time,
            requestor=asked.requestor,
            selection=asked.selection,
            target=asked.target,
            property=asked.property if asked.target == kind else X.NONE,
        )
        asked.requestor.send_event(answer)
        self._display.sync()
