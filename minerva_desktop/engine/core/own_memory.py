"""Gives memory back that nobody needs: what a load leaves behind, what was freed. Engine child,
main thread.

These are no-ops where the system has no such thing; without them the child only is larger.
"""

from __future__ import annotations

import ctypes
import re
import sys
from pathlib import Path

import psutil

_MAPS = Path("/proc/self/maps")
_MADV_DONTNEED = 4  # <asm-generic/mman-common.h>
_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$")


def give_back_freed() -> None:
    """Return freed heap to the system.

    llama.cpp reads all of a file's metadata into strings and frees them once its vocabulary is
    made. glibc keeps their pages (measured: 2 MB with a vocabulary of 49,152 tokens, 12 MB with
    one of 256,000), since live strings lie between them.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)


def resident_bytes() -> int:
    """Memory of this process."""
    return int(psutil.Process().memory_info().rss)


def give_back_copied(path: Path) -> None:
    """Let go of the pages of the mapped model at ``path``, all its parts, as far as they are not
    used again.

    Where llama.cpp copies weights out of a mapped file (to a GPU, or rearranged for the CPU: its
    ``CPU_REPACK`` buffers) the pages that it read stay with the process, which then is up to twice
    as large. What is used again comes back from the system's cache with the first step (measured:
    17 ms for 250 MB).
    """
    if sys.platform != "linux":
        return
    begin = _PART.sub("", str(path))
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    try:
        lines = _MAPS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        span, _, _, _, _, *file = line.split(maxsplit=5)
        if file and _PART.sub("", file[0]) == begin:
            start, end = (int(address, 16) for address in span.split("-"))
            advise(start, end - start, _MADV_DONTNEED)
