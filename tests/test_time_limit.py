"""What takes too long is ended, and only that."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from minerva_desktop.time_limit import AGAIN_SECONDS, BUSY, time_limit

LIMIT = 0.05  # s
linux = pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell")


def for_ever(
    step: Callable[[], object],
    limit: float = LIMIT,
    is_wanted: Callable[[], bool] | None = None,
) -> None:
    with time_limit(limit, TimeoutError, is_wanted):
        while True:
            step()


def wait(seconds: float) -> None:
    """As on a machine on which others compute."""
    threading.Event().wait(seconds)


def test_what_computes_for_longer_is_ended() -> None:
    began = time.thread_time()
    with pytest.raises(TimeoutError):
        for_ever(object)
    assert LIMIT <= time.thread_time() - began < 1.0


@linux
def test_what_has_to_wait_for_the_processor_is_not() -> None:
    with time_limit(LIMIT, TimeoutError):
        wait(3 * LIMIT)
        sum(range(1_000))


@linux
def test_what_never_ends_is_ended_though_it_computes_nothing() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        for_ever(lambda: wait(LIMIT / 10))
    assert time.monotonic() - began >= BUSY * LIMIT


def test_nothing_is_raised_once_it_is_over_however_early_the_time_was_up() -> None:
    for _ in range(20):
        with pytest.raises(TimeoutError):
            for_ever(object, 0.0)
    began = time.thread_time()
    while time.thread_time() - began < 4 * AGAIN_SECONDS:
        pass


def test_what_nobody_wants_any_more_is_ended() -> None:
    looks: list[None] = []

    def is_wanted() -> bool:
        looks.append(None)
        return len(looks) < 2

    began = time.thread_time()
    with pytest.raises(TimeoutError):
        for_ever(object, 60.0, is_wanted)
    assert len(looks) >= 2
    assert time.thread_time() - began < 5.0


def test_a_block_may_end_in_the_moment_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minerva_desktop.time_limit.LEAST_WAIT", 0.00002)
    limit, n_blocks, n_ended = 0.0003, 1_000, 0
    usual = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)  # as in an engine child
    try:
        for number in range(n_blocks):
            ends = time.thread_time() + number % 50 * limit / 8
            with suppress(TimeoutError), time_limit(limit, TimeoutError):
                while time.thread_time() < ends:
                    pass
                n_ended += 1
    finally:
        sys.setswitchinterval(usual)
    assert 0 < n_ended < n_blocks  # and none stood still
