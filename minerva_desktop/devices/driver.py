"""Whether this machine has NVIDIA's driver, told without loading anything of it.

`memory` asks, on its thread; `nvml` says the same words when the driver's library is missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

NO_DRIVER = "No NVIDIA driver is installed."
# Where it shows itself: the kernel's module, its library (perhaps without the module), WSL's
# bridge to the one of Windows, Windows.
DRIVER_SIGNS = (
    "/proc/driver/nvidia",
    "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
    "/usr/lib64/libnvidia-ml.so.1",
    "/usr/lib/libnvidia-ml.so.1",
    "/dev/dxg",
    os.path.expandvars(r"%SystemRoot%\System32\nvml.dll"),
)


def has_driver(signs: Iterable[str | Path]) -> bool:
    """Whether any of the files ``signs`` is there; some microseconds."""
    return any(Path(sign).exists() for sign in signs)
