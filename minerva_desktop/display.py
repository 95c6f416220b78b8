"""Whether there is a display to open the window on: without one, Qt ends the process with SIGABRT
and advice that does not help. Any thread.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from minerva_desktop.errors import NoDisplay

# How the environment says where windows go.
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET")


def require_display(environment: Mapping[str, str]) -> None:
    """Raises `NoDisplay` where there is none, as in a session over ssh. Linux only."""
    if sys.platform == "linux" and not has_display(environment):
        raise NoDisplay(
            "There is no display to open the window on: use minerva chat or minerva serve"
        )


def has_display(environment: Mapping[str, str]) -> bool:
    """What ``environment`` tells of that; True, too, where Qt is to draw without one."""
    wanted = environment.get("QT_QPA_PLATFORM", "")
    names = [each.partition(":")[0] for each in wanted.split(";")] if wanted else []
    if any(name != "xcb" and not name.startswith("wayland") for name in names):
        return True
    if any(environment.get(name) for name in _DISPLAYS):
        return True
    session = environment.get("XDG_SESSION_TYPE", "")
    folder = environment.get("XDG_RUNTIME_DIR", "")
    # Where that is asked for, Qt tries Wayland's usual socket.
    is_wayland = session == "wayland" or wanted.startswith("wayland")
    return is_wayland and folder != "" and Path(folder, "wayland-0").exists()
