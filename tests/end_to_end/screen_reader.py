"""What a screen reader gets of a running app: its tree of accessible objects, over AT-SPI.

Qt publishes the tree on the bus that ``AT_SPI_BUS_ADDRESS`` names; a bus alone is enough, the
desktop's accessibility service is not needed. Objects are found by their Qt object names, the last
part of their ``AccessibleId``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jeepney import (
    DBusAddress,
    MessageType,
    new_method_call,
)
from jeepney.io.blocking import (
    DBusConnection,
    open_dbus_connection,
)

_ROOT = "/org/a11y/atspi/accessible/root"
_ACCESSIBLE = "org.a11y.atspi.Accessible"
_TEXT = "org.a11y.atspi.Text"
_BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
_CALL_SECONDS = 30.0
# Of AtspiStateType: keys go to it; it is on the screen; it is not hidden (it may be scrolled away).
_FOCUSED, _SHOWING, _VISIBLE = 12, 25, 30


class NoAnswerError(Exception):
    """The object is gone, or its app is."""


@dataclass(frozen=True)
class Part:
    """An accessible object of an app."""

    app: str
    path: str


class ScreenReader:
    """Reads all apps of one bus. One thread.

    What never changes of an object is asked for once: most of the time of a test went there.
    """

    def __init__(self, bus_address: str) -> None:
        self._connection: DBusConnection = open_dbus_connection(bus_address)
        self._names: dict[Part, str] = {}
        self._with_text: dict[Part, bool] = {}

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def apps(self) -> list[str]:
        """The bus names of the apps that are there, the first one first."""
        (names,) = self._call(*_BUS, "ListNames")
        others = [n for n in names if n.startswith(":") and n != self._connection.unique_name]
        return sorted(others, key=lambda name: int(name.rpartition(".")[2]))

    def find(self, app: str, name: str) -> Part | None:
        """The object with that Qt object name; None when there is none."""
        return next(self._named(Part(app, _ROOT), name), None)

    def find_in(self, part: Part, name: str) -> list[Part]:
        """All objects with that Qt object name below ``part``, in the order of the tree."""
        return list(self._named(part, name))

    def label(self, part: Part) -> str:
        """What a person hears first of it: its accessible name."""
        return str(self._property(part, _ACCESSIBLE, "Name"))

    def text(self, part: Part) -> str:
        """All text in it and below it that is not hidden, in the order of the tree."""
        found = [self._own_text(each) for each in self._walk(part, visible_only=True)]
        return "\n".join(text for text in found if text)

    def is_showing(self, part: Part) -> bool:
        """Whether it is on the screen."""
        return _SHOWING in self._states(part)

    def has_focus(self, part: Part) -> bool:
        """Whether keys go to it."""
        return _FOCUSED in self._states(part)

    def has_focus_in(self, part: Part) -> bool:
        """Whether keys go to it or to something in it."""
        return any(self.has_focus(each) for each in self._walk(part))

    def _named(self, top: Part, name: str) -> Iterator[Part]:
        return (part for part in self._walk(top) if self._name(part) == name)

    def _walk(self, part: Part, *, visible_only: bool = False) -> Iterator[Part]:
        if visible_only and _VISIBLE not in self._states(part):
            return
        yield part
        (children,) = self._call(part.app, part.path, _ACCESSIBLE, "GetChildren")
        for app, path in children:
            yield from self._walk(Part(app, path), visible_only=visible_only)

    def _name(self, part: Part) -> str:
        if part not in self._names:
            told = str(self._property(part, _ACCESSIBLE, "AccessibleId"))
            self._names[part] = told.rpartition(".")[2]
        return self._names[part]

    def _own_text(self, part: Part) -> str:
        if part not in self._with_text:
            (interfaces,) = self._call(part.app, part.path, _ACCESSIBLE, "GetInterfaces")
            self._with_text[part] = _TEXT in interfaces
        if not self._with_text[part]:
            return self.label(part)
        (text,) = self._call(part.app, part.path, _TEXT, "GetText", "ii", (0, -1))
        return str(text)

    def _states(self, part: Part) -> set[int]:
        (words,) = self._call(part.app, part.path, _ACCESSIBLE, "GetState")
        bits = words[0] | words[1] << 32
        return {bit for bit in range(64) if bits >> bit & 1}

    def _property(self, part: Part, interface: str, name: str) -> object:
        properties = "org.freedesktop.DBus.Properties"
        ((_, value),) = self._call(part.app, part.path, properties, "Get", "ss", (interface, name))
        return value

    def _call(
        self,
        app: str,
        path: str,
        interface: str,
        method: str,
        signature: str | None = None,
        arguments: tuple[object, ...] = (),
    ) -> tuple[Any, ...]:
        address = DBusAddress(path, bus_name=app, interface=interface)
        message = new_method_call(address, method, signature, arguments)
        try:
            reply = self._connection.send_and_get_reply(message, timeout=_CALL_SECONDS)
        except (TimeoutError, ConnectionError) as error:
            raise NoAnswerError(method) from error
        if reply.header.message_type is MessageType.error:
            raise NoAnswerError(f"{method}: {reply.body}")
        return tuple(reply.body)
