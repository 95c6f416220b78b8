"""How many threads compute, beside what else the machine does. Engine child, main thread.

ggml's threads wait for each other by spinning, about a thousand times a token. One that another
program keeps off its core holds up all others: with two threads on two cores and one busy
neighbour a token takes longer than with one thread (``bench.py engine --only neighbour``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import psutil

LOOK_SECONDS = 0.75  # between two looks; shorter, and the system's ticks of 10 ms would show
# Cores that must be free beyond those in use before there is one more thread, and the share of a
# core in use that others must take before there is one fewer: apart, or it would swing.
MORE_AT, FEWER_AT = 0.6, 0.5


class CpuTimes(NamedTuple):
    """Seconds of the cores that this process may use: how long they were busy in all, and with
    this process and its parent; ``at`` is `time.monotonic`."""

    at: float
    busy: float
    own: float
    n_cores: int


def read_cpu_times() -> CpuTimes:
    """As of now."""
    process = psutil.Process()
    cores = psutil.cpu_times(percpu=True)
    if hasattr(process, "cpu_affinity"):
        allowed = set(process.cpu_affinity())
        cores = [core for number, core in enumerate(cores) if number in allowed] or cores
    busy = sum(sum(core) - core.idle - getattr(core, "iowait", 0.0) for core in cores)
    # Linux counts what a guest machine takes twice: as such, and as user's time.
    busy -= sum(getattr(core, "guest", 0.0) + getattr(core, "guest_nice", 0.0) for core in cores)
    # The parent works on what comes from here: it is no neighbour, however much it streams.
    own = _seconds_of(process) + _seconds_of(process.parent())
    return CpuTimes(time.monotonic(), busy, own, len(cores))


def _seconds_of(process: psutil.Process | None) -> float:
    try:
        times = process.cpu_times() if process is not None else None
    except psutil.Error:
        times = None  # it has gone
    return times.user + times.system if times is not None else 0.0


def threads_beside(others: float, *, n_cores: int, current: int, most: int) -> int:
    """How many threads to use where others keep ``others`` of ``n_cores`` busy. ``current`` are in
    use; there are never more than ``most``, nor fewer than one."""
    free = n_cores - others
    if free < current - FEWER_AT:
        wanted = round(free)
    elif free > current + MORE_AT:
        wanted = int(free + 1.0 - MORE_AT)
    else:
        wanted = current
    return max(1, min(wanted, most))


class ThreadBalance:
    """Sets the number of threads by what other programs leave."""

    def __init__(
        self,
        most: int,
        use_threads: Callable[[int], None],
        read: Callable[[], CpuTimes] = read_cpu_times,
    ) -> None:
        """``most`` are in use now; ``use_threads`` is called with another number."""
        self._most = self._current = most
        self._use_threads = use_threads
        self._read = read
        self._last = read()

    def rested(self) -> None:
        """To be called before the first step after a pause: what others did while nothing was
        computed says nothing of what they do now. (A client that computes between its requests
        would have each prompt read with one thread fewer.)"""
        self._last = self._read()

    def look(self) -> None:
        """To be called before each step; reads the machine's times every `LOOK_SECONDS`."""
        if time.monotonic() - self._last.at < LOOK_SECONDS:
            return
        last, now = self._last, self._read()
        self._last = now
        others = max(0.0, (now.busy - last.busy) - (now.own - last.own)) / (now.at - last.at)
        wanted = threads_beside(others, n_cores=now.n_cores, current=self._current, most=self._most)
        if wanted != self._current:
            self._current = wanted
            self._use_threads(wanted)
