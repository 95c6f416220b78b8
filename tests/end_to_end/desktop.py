"""A desktop for one test: a display, a bus for accessibility, a keyboard and a window manager's
few duties.

Everything that reaches the app is a real X event, and everything that is read from it is what a
screen reader gets. No part of the app knows of it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from Xlib import XK, X
from Xlib.display import Display
from Xlib.error import BadWindow
from Xlib.ext import xtest
from Xlib.protocol.event import ClientMessage
from Xlib.xobject.drawable import Window

from virtual_display import virtual_display

Found = TypeVar("Found")

WAIT_SECONDS = 60.0
SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 0.3  # seconds between two looks
_BUS_SETTINGS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:abstract=minerva-test-{name}</listen>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


def wait_for(what: str, look: Callable[[], Found | None], seconds: float = WAIT_SECONDS) -> Found:
    """Look until there is something, and return it; fails the test after ``seconds``.

    To look through a window keeps the app and the bus busy, too: they get as long for themselves.
    """
    began = time.monotonic()
    deadline = began + seconds
    while not (found := look()):
        looked = time.monotonic()
        assert looked < deadline, f"after {seconds:.0f} s there is still no {what}"
        time.sleep(min(max(looked - began, SHORTEST_PAUSE), LONGEST_PAUSE))
        began = time.monotonic()
    return found


@dataclass(frozen=True)
class Geometry:
    """Place on the screen and size, in px."""

    x: int
    y: int
    width: int
    height: int


class Desktop:
    """The display and the bus, and what a person and a window manager do there."""

    def __init__(self, display_name: str, bus_address: str) -> None:
        self.display_name = display_name
        self.bus_address = bus_address
        self._display = Display(display_name)

    def close(self) -> None:
        """Disconnect."""
        self._display.close()

    # -- the keyboard ----------------------------------------------------------------------

    def type_text(self, text: str) -> None:
        """Press the keys of ``text`` (ASCII), one after the other."""
        for character in text:
            self._press(XK.string_to_keysym(_KEY_NAMES.get(character, character)))

    def press(self, keys: str) -> None:
        """Press one key by its X name, such as ``Return``, or with others held, such as
        ``Control_L+Shift_L+n``."""
        *held, key = keys.split("+")
        self._press(XK.string_to_keysym(key), [XK.string_to_keysym(each) for each in held])

    def _press(self, keysym: int, modifiers: Sequence[int] = ()) -> None:
        codes = list(self._display.keysym_to_keycodes(keysym))
        assert codes, f"the keyboard has no key for keysym {keysym:#x}"
        keycode, level = min(codes, key=lambda code: code[1])
        held = [*modifiers, XK.XK_Shift_L] if level == 1 else list(modifiers)
        held = [self._display.keysym_to_keycode(each) for each in held]
        for kind, keys in ((X.KeyPress, [*held, keycode]), (X.KeyRelease, [keycode, *held[::-1]])):
            for code in keys:
                xtest.fake_input(self._display, kind, code)
        self._display.sync()

    # -- windows ---------------------------------------------------------------------------

    def windows(self, title: str) -> list[Window]:
        """The windows of that title that are on the screen."""
        return [window for window, _, name in self._shown() if name == title]

    def popups(self) -> set[int]:
        """The menus and other popups that are open, by their numbers."""
        return {window.id for window, is_popup, _ in self._shown() if is_popup}

    def _shown(self) -> Iterator[tuple[Window, bool, str | None]]:
        """What is on the screen: a window, whether no window manager has a say, and its title."""
        for window in self._display.screen().root.query_tree().children:
            with suppress(BadWindow):  # it went meanwhile
                found = window.get_attributes()
                if found.map_state == X.IsViewable:
                    yield window, bool(found.override_redirect), window.get_wm_name()

    def window(self, title: str) -> Window:
        """Wait for the one window of that title."""
        return wait_for(f"window “{title}”", lambda: self.windows(title))[0]

    def focus(self, window: Window) -> None:
        """Give it the keyboard."""
        window.set_input_focus(X.RevertToParent, X.CurrentTime)
        self._display.sync()

    def focus_nothing(self) -> None:
        """Take the keyboard away, as when another program's window gets it."""
        self._display.set_input_focus(X.NONE, X.RevertToParent, X.CurrentTime)
        self._display.sync()

    def place(self, window: Window, geometry: Geometry) -> None:
        """Move and resize a window, as by dragging its frame."""
        window.configure(x=geometry.x, y=geometry.y, width=geometry.width, height=geometry.height)
        self._display.sync()

    def geometry(self, window: Window) -> Geometry:
        """Where a window is."""
        found = window.get_geometry()
        return Geometry(found.x, found.y, found.width, found.height)

    def ask_to_close(self, window: Window) -> None:
        """What the close button in the frame does."""
        protocols = self._display.intern_atom("WM_PROTOCOLS")
        delete = self._display.intern_atom("WM_DELETE_WINDOW")
        data = (32, [delete, X.CurrentTime, 0, 0, 0])
        window.send_event(ClientMessage(window=window, client_type=protocols, data=data))
        self._display.sync()


_KEY_NAMES = {" ": "space", ".": "period", ",": "comma", "?": "question", "!": "exclam"}


@contextmanager
def running_desktop() -> Iterator[Desktop]:
    """A desktop that ends with the block."""
    with virtual_display() as display_name, _bus() as address:
        desktop = Desktop(display_name, address)
        try:
            yield desktop
        finally:
            desktop.close()


@contextmanager
def _bus() -> Iterator[str]:
    """A message bus of its own; its address."""
    program = shutil.which("dbus-daemon")
    assert program, "dbus-daemon is not installed (Debian and Ubuntu: apt-get install dbus)"
    with tempfile.TemporaryDirectory(prefix="bus-") as folder:
        settings = Path(folder) / "bus.conf"
        # An abstract socket: the path of one in a test's folder would be over 108 bytes.
        settings.write_text(_BUS_SETTINGS.format(name=uuid.uuid4().hex), encoding="ascii")
        with subprocess.Popen(
            [program, f"--config-file={settings}", "--nofork", "--print-address=1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as daemon:
            assert daemon.stdout is not None
            address = daemon.stdout.readline().strip()
            assert address, "dbus-daemon did not start"
            try:
                yield address
            finally:
                daemon.terminate()
