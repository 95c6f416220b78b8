"""How many cores of the processor this process, and its children, may use. Any thread."""

from __future__ import annotations

import psutil


def physical_cores() -> int:
    """Cores that this process may use, without hyper-threads (ggml's threads gain nothing
    from them)."""
    return min(psutil.cpu_count(logical=False) or usable_cores(), usable_cores())


def usable_cores() -> int:
    """Cores that this process may use, with hyper-threads."""
    process = psutil.Process()
    allowed = len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else 0
    return allowed or psutil.cpu_count() or 1
