"""A display without a screen (Xvfb), for what starts the real app: end-to-end tests, benchmarks.

Linux only. Used on the main thread of the test or the benchmark.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

SCREEN = (1440, 960)  # px
_STOP_SECONDS = 5.0


class NoDisplayError(RuntimeError):
    """Xvfb is missing or did not start; the sentence says what to do."""


@contextmanager
def virtual_display(screen: tuple[int, int] = SCREEN) -> Iterator[str]:
    """Run Xvfb on a free display and yield its name, such as ``:7``; ``screen`` is in px.

    Raises `NoDisplayError`.
    """
    program = shutil.which("Xvfb")
    if program is None:
        raise NoDisplayError("Xvfb is not installed (Debian and Ubuntu: apt-get install xvfb)")
    width, height = screen
    reader, writer = os.pipe()
    # Without -noreset the server would start anew, and lose its keyboard, with each app's end.
    command = [program, "-displayfd", str(writer), "-screen", "0", f"{width}x{height}x24"]
    command += ["-dpi", "96", "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(
        command, pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(writer)
    try:
        with os.fdopen(reader, encoding="ascii") as numbers:
            number = numbers.readline().strip()
        if not number:
            raise NoDisplayError("Xvfb ended before it had a display")
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(_STOP_SECONDS)
