"""What the processor is called, as the system has it. Blocks, on macOS for some ms; any thread."""

from __future__ import annotations

import platform
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

if sys.platform == "win32":
    import winreg

CPU_INFO = Path("/proc/cpuinfo")
MODEL_KEYS = ("model name", "cpu model", "cpu")  # of x86, MIPS and POWER; ARM's kernels tell none
SYSCTL = ("/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string")
REGISTRY_KEY = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
_FIRST_BYTES = 8192  # they hold the first processor; all of many would take milliseconds
_SECONDS = 5.0


def processor_name() -> str:
    """``AMD Ryzen 7 5800X (x86_64)``, or the architecture alone where the system tells no more."""
    if sys.platform == "win32":
        name = _from_registry()
    elif sys.platform == "darwin":
        name = _from_sysctl()
    else:
        name = name_in(CPU_INFO)
    name, machine = " ".join(name.split()), platform.machine()
    return f"{name} ({machine})" if name and name != machine else machine


def name_in(info: Path) -> str:
    """The first processor's model in a file like ``/proc/cpuinfo``; empty where it has none."""
    with suppress(OSError), info.open("rb", buffering=0) as file:
        for line in file.read(_FIRST_BYTES).decode("utf-8", "replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip().casefold() in MODEL_KEYS:
                return value.strip()
    return ""


def _from_sysctl() -> str:
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            SYSCTL, capture_output=True, text=True, timeout=_SECONDS, check=True, errors="replace"
        )
        return done.stdout
    return ""


def _from_registry() -> str:
    if sys.platform == "win32":  # once more, for the type checker
        with suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, REGISTRY_KEY) as key:
            return str(winreg.QueryValueEx(key, "ProcessorNameString")[0])
    return ""
