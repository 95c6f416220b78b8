"""Whether this machine has NVIDIA's driver, told without loading anything of it.

`memory` is given what is found here, on its thread, and an engine child asks; `nvml` says the same
words when the driver's library is missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minerva_desktop.devices.nvml import NvmlProbe

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


def find_nvml(signs: Iterable[str | Path] = DRIVER_SIGNS) -> NvmlProbe | None:
    """The NVIDIA driver's probe; None when none of the files ``signs`` is there, at no cost.

    The answer holds for as long as the app runs: a driver that is installed meanwhile is seen at
    the next start. Engines that are running would not use it either.
    """
    if not has_driver(signs):
        return None
    # `pynvml` takes 0.1 s to import and 5 MB to keep: only who has the driver pays for it.
    from minerva_desktop.devices.nvml import NvmlProbe

    return NvmlProbe()
