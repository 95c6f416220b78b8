"""A terminal of the test's own, with a command in it, as a person sits before it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
from collections.abc import Sequence
from types import TracebackType

WAIT_SECONDS = 60.0  # for what is sure to come

# Makes its stdin the terminal that Ctrl+C comes from.
_WITH_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """Runs ``command``. ``shown`` is all that it has shown; ``stdout``: a file that gets its
    answers instead."""

    def __init__(self, command: Sequence[str], *, stdout: int | None = None) -> None:
        self._keyboard, screen = pty.openpty()
        self.shown = ""
        self._looked_at = 0
        self.process = subprocess.Popen(
            [sys.executable, "-c", _WITH_TERMINAL, *command],
            stdin=screen,
            stdout=screen if stdout is None else stdout,
            stderr=screen,
            start_new_session=True,
            env=os.environ | {"TERM": "xterm-256color", "INPUTRC": os.devnull},
        )
        os.close(screen)

    def press(self, keys: str) -> None:
        """Of ordinary keys, or as a paste; surrogates for bytes that are no text."""
        os.write(self._keyboard, keys.encode(errors="surrogateescape"))

    def wait_for(self, text: str) -> str:
        """Until it shows ``text``, after what was waited for before; what it showed up to it."""
        while text not in self.shown[self._looked_at :]:
            assert self._read(), f"no {text!r} in {self.shown!r}"
        start = self._looked_at
        self._looked_at = self.shown.index(text, start) + len(text)
        return self.shown[start : self._looked_at]

    def end(self) -> int:
        """Wait for the end of the command; its exit code."""
        while self._read():
            pass
        return self.process.wait(WAIT_SECONDS)

    def is_as_usual(self) -> bool:
        """Whether it shows what is typed, line by line, and Ctrl+C is a signal."""
        _, _, _, local, _, _, keys = termios.tcgetattr(self._keyboard)
        usual = termios.ECHO | termios.ICANON | termios.ISIG
        return bool(local & usual == usual and keys[termios.VINTR] == b"\x03")

    def _read(self) -> bool:
        ready, _, _ = select.select([self._keyboard], [], [], WAIT_SECONDS)
        assert ready, f"nothing more after {self.shown!r}"
        try:
            part = os.read(self._keyboard, 65536)
        except OSError:  # nobody has it open any more
            part = b""
        self.shown += part.decode("utf-8", "replace")
        return bool(part)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._keyboard)
