"""Which of a process's children is an engine with a model, and which only waits for one; and what
takes a right away from one."""

from __future__ import annotations

from contextlib import suppress

import psutil

# Runs the command that follows where nothing can be locked in memory, root's either (CAP_IPC_LOCK).
WITHOUT_LOCKS = """
import ctypes, os, resource, sys
PR_CAPBSET_DROP, CAP_IPC_LOCK = 24, 14
ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0)
resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]))
os.execv(sys.argv[1], sys.argv[1:])
"""


def engines_with_models(parent: psutil.Process) -> list[psutil.Process]:
    """The children that have mapped a GGUF file; a spare one has none yet."""
    return [child for child in parent.children(recursive=True) if _has_model(child)]


def has_ended(process: psutil.Process) -> bool:
    """Whether it runs no more. The system's first process, which gets the orphans, may take a
    while to clear away what is left of one."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _has_model(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return any(region.path.split(" (")[0].endswith(".gguf") for region in process.memory_maps())
    return False
