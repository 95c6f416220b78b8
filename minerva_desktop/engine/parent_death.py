"""Wakes an engine child when its parent dies, so that even a stopped one then ends.

A child ends by itself when its stdin ends, unless it is stopped (SIGSTOP, a debugger's, a
terminal's): then nothing in it runs, and it would keep its memory for ever. Linux only; on macOS
a stopped child outlives its parent until something continues it, and Windows has no such state.
"""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1


def wake_when_the_parent_dies() -> None:
    """Have the kernel continue this process when the thread that started it ends.

    SIGCONT rather than SIGKILL: the child then sees the end of its stdin, and still saves its
    chats; and where only that thread ends and the parent lives on, nothing happens. A parent that
    is dead already is seen by the end of stdin, too.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGCONT))
