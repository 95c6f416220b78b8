"""The name of a child's model among its arguments, where `ps` and `top` show it. Linux only.

A child is often started before it is known which model it will get, so it is started with a
`PLACEHOLDER` as its last argument, in whose place it later writes the name: elsewhere the
arguments of a running process cannot be changed, and stay as they are.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

PLACEHOLDER = " " * 96
# Of /proc/self/stat, behind the command's name in parentheses: where the arguments begin.
_ARG_START = 45


def show_in_process_list(name: str) -> None:
    """Write ``name`` in place of the placeholder. Nothing happens where that is not possible. Any
    thread."""
    room = PLACEHOLDER.encode()
    shown = os.fsencode(name)[: len(room)].ljust(len(room))
    with suppress(OSError, ValueError, IndexError):
        begin = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[_ARG_START])
        at = Path("/proc/self/cmdline").read_bytes().rindex(room)
        memory = os.open("/proc/self/mem", os.O_RDWR)
        try:
            os.pwrite(memory, shown, begin + at)
        finally:
            os.close(memory)
