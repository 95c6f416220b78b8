"""Windows' installer asks to close Minerva before it replaces or deletes files that are in use: it
looks for a mark that lives as long as a process of the app. Imported on Windows only. Main thread.
"""

from __future__ import annotations

import ctypes
import sys

# The same as in `packaging/windows/minerva.iss`.
RUNNING_MARK = "MinervaDesktopRuns"


def show_that_minerva_runs() -> None:
    """Make the mark; the system takes it away with the process. Where it cannot be made, the
    installer does not ask."""
    if sys.platform == "win32":
        ctypes.WinDLL("kernel32").CreateMutexW(None, False, RUNNING_MARK)
