"""What PySide does with modules that are imported after it, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

IMPORT_AND_TELL = """
import linecache
from minerva_desktop.ui.import_scan import stop_import_scan
stop_import_scan()
import wave
print(any(name.endswith("wave.py") for name in linecache.cache))
"""


def test_pyside_leaves_the_sources_of_other_modules_alone() -> None:
    told = subprocess.run(
        [sys.executable, "-c", IMPORT_AND_TELL], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "False"


def test_without_it_the_sources_are_read() -> None:
    told = subprocess.run(
        [sys.executable, "-c", IMPORT_AND_TELL.replace("\nstop_import_scan()", "")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "True", "PySide no longer scans: import_scan.py can go"
