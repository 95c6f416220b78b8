"""Whether this processor can run Qt, whose wheels are built for x86-64-v2: on an older one they end
the process with SIGILL. All else of Minerva is content with less. Any thread.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from minerva_desktop.errors import UnsupportedProcessor

CPU_INFO = Path("/proc/cpuinfo")
# The kernel's names for what v2 adds, and those of the processors' makers.
_NEEDED = MappingProxyType(
    {
        "pni": "SSE3",
        "ssse3": "SSSE3",
        "sse4_1": "SSE4.1",
        "sse4_2": "SSE4.2",
        "popcnt": "POPCNT",
        "cx16": "CMPXCHG16B",
    }
)
_FIRST_BYTES = 8192  # they hold the first processor; all of many would take milliseconds


def require_window_processor(info: Path = CPU_INFO) -> None:
    """Raises `UnsupportedProcessor` where the window cannot be shown. Linux on x86-64 only."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return
    known = _known_features(info)
    lacking = [name for flag, name in _NEEDED.items() if flag not in known] if known else []
    if lacking:
        raise UnsupportedProcessor(
            f"Minerva's window needs a processor with {', '.join(lacking)}, as nearly all have that"
            " were made since 2011; this one has not. In a terminal minerva chat and minerva serve"
            " work without a window"
        )


def _known_features(info: Path) -> frozenset[str]:
    """Empty where the kernel does not tell."""
    with suppress(OSError), info.open("rb", buffering=0) as file:
        for line in file.read(_FIRST_BYTES).split(b"\n"):
            name, _, value = line.partition(b":")
            if name.strip() == b"flags":
                return frozenset(value.decode("ascii", "replace").split())
    return frozenset()
