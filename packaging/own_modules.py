"""Runs early in the frozen app: it goes on reading its modules from the file that it was started
from, also after an update has put another one in its place.

PyInstaller opens the executable by name for each module, at places that it knows from the start.
Those of another version have other things there: whatever the app imports late (what an answer is
read with, most dialogs) could not be loaded any more. Linux alone: elsewhere an executable that
runs cannot be replaced.
"""

import sys
from contextlib import suppress
from pathlib import Path

# The kernel's name for the file that runs, whatever has become of its name.
RUNNING = "/proc/self/exe"

if sys.platform == "linux":
    archive = sys.modules["pyimod02_importers"].pyz_archive
    with suppress(FileNotFoundError):  # a system that does not show its processes
        if Path(RUNNING).samefile(archive._filename):  # it is not where something emulates
            archive._filename = RUNNING
