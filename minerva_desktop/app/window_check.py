"""Has a process of its own draw the main window where nobody sees it, and reads what it tells.

The process is this app with ``--window-check``: whoever asks need not load Qt, and lives on when
drawing ends a process. On any asyncio loop.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec

from minerva_desktop.app.own_command import own_command
from minerva_desktop.engine.process import describe_exit
from minerva_desktop.errors import MinervaError

ARGUMENT = "--window-check"
MAX_SECONDS = 120.0  # a slow machine with a cold disk takes ten
MIN_COLOURS = 16  # of a window that was drawn; an empty one has one or two


class DrawnWindow(msgspec.Struct, frozen=True, kw_only=True):
    """What the process tells. ``n_colours`` are those of the picture; ``blank_icons`` drew nothing;
    ``platforms``: on what this Qt can show windows."""

    qt: str
    pyside: str
    width: int
    height: int
    n_colours: int
    n_icons: int
    n_fonts: int
    blank_icons: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()

    @property
    def problem(self) -> str:
        """What is wrong with the picture; empty: nothing is."""
        if self.blank_icons:
            return f"these icons are blank: {', '.join(self.blank_icons)}"
        if self.n_colours < MIN_COLOURS:
            return f"the window stayed empty ({self.n_colours} colours)"
        return "" if self.n_fonts else "there is no font"


def drawing_environment(environment: Mapping[str, str], system: str) -> dict[str, str]:
    """The variables of a process that draws unseen, on ``system`` (as `sys.platform` names it)."""
    drawing = {**environment, "QT_QPA_PLATFORM": "offscreen"}
    if system == "win32":
        # Offscreen, Qt looks for fonts in its own folder alone there, which has none.
        windows = environment.get("WINDIR") or environment.get("SYSTEMROOT") or "C:\\Windows"
        drawing.setdefault("QT_QPA_FONTDIR", f"{windows}\\Fonts")
    return drawing


async def draw_window(command: Sequence[str] | None = None) -> DrawnWindow:
    """The window, drawn by ``command``, by default this app's own. Raises `MinervaError` when it
    could not be."""
    environment = drawing_environment(os.environ, sys.platform)
    try:
        process = await asyncio.create_subprocess_exec(
            *(command or own_command(ARGUMENT)),
            stdin=subprocess.DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env=environment,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise MinervaError(f"The process that draws could not be started: {error}") from error
    try:
        async with asyncio.timeout(MAX_SECONDS):
            out, err = await process.communicate()
    except TimeoutError:
        raise MinervaError(f"Nothing was drawn within {MAX_SECONDS:.0f} s") from None
    finally:
        with suppress(ProcessLookupError):
            if process.returncode is None:
                process.kill()
                await process.wait()
    return _told(process.returncode or 0, out, err)


def _told(code: int, out: bytes, err: bytes) -> DrawnWindow:
    lines = out.splitlines()
    try:
        if code == 0 and lines:
            return msgspec.json.decode(lines[-1], type=DrawnWindow)
    except msgspec.DecodeError as error:
        raise MinervaError(f"What the process that draws told is unclear: {error}") from error
    words = err.decode("utf-8", "replace").strip()
    last = words.splitlines()[-1] if words else "it said nothing"
    raise MinervaError(
        f"The process that draws ended with {describe_exit(code)}: {last}", detail=words
    )
