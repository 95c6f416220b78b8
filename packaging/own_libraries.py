"""Runs first in the frozen app: what it starts gets the system's libraries again.

PyInstaller's starter points LD_LIBRARY_PATH at the app's own libraries. The loader has read it by
now; a browser or a file manager that the app opens would still go by it, and fail. Only the app's
own executable, which the engines run in, needs it: its starter is told to set it again.
"""

import os
import sys

if sys.platform == "linux":
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", "")
    os.environ.pop("LD_LIBRARY_PATH", None)
    if before:
        os.environ["LD_LIBRARY_PATH"] = before
    # Else a starter below this process takes it that all is set.
    os.environ["PYINSTALLER_RESET_ENVIRONMENT"] = "1"
