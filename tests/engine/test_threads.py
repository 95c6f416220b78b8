from __future__ import annotations

import pytest

from minerva_desktop.engine.core.threads import CpuTimes, ThreadBalance, threads_beside


@pytest.mark.parametrize(
    ("others", "n_cores", "current", "most", "wanted"),
    [
        (0.0, 2, 2, 2, 2),
        (0.3, 2, 2, 2, 2),  # the window that shows the answer
        (1.0, 2, 2, 2, 1),
        (0.67, 2, 2, 2, 1),  # a neighbour's share beside two spinning threads
        (0.3, 2, 1, 2, 2),  # it went away
        (0.6, 2, 1, 2, 1),
        (5.0, 2, 1, 2, 1),
        (0.0, 16, 1, 8, 8),  # eight cores with two threads each
        (4.0, 16, 8, 8, 8),
        (12.0, 16, 8, 8, 4),
    ],
)
def test_threads_beside_other_programs(
    others: float, n_cores: int, current: int, most: int, wanted: int
) -> None:
    assert threads_beside(others, n_cores=n_cores, current=current, most=most) == wanted


def test_the_balance_tells_only_of_changes() -> None:
    # Each pair of looks is a second apart: how busy two cores were, and our own part of it.
    times = iter(
        [
            CpuTimes(0.0, 10.0, 5.0, 2),
            CpuTimes(1.0, 12.0, 7.0, 2),
            CpuTimes(2.0, 14.0, 8.2, 2),
            CpuTimes(3.0, 16.0, 9.2, 2),
            CpuTimes(4.0, 17.0, 10.2, 2),
        ]
    )
    told: list[int] = []
    balance = ThreadBalance(2, told.append, lambda: next(times))
    for _ in range(4):
        balance.look()
    assert told == [1, 2]


def test_what_others_did_in_a_pause_does_not_count() -> None:
    times = iter(
        [
            CpuTimes(0.0, 10.0, 5.0, 2),
            CpuTimes(9.0, 28.0, 5.0, 2),  # both cores were busy, and not with us
            CpuTimes(10.0, 30.0, 7.0, 2),
        ]
    )
    told: list[int] = []
    balance = ThreadBalance(2, told.append, lambda: next(times))
    balance.rested()
    balance.look()
    assert told == []
    assert next(times, None) is None


def test_it_looks_at_most_now_and_then() -> None:
    looks = []

    def read() -> CpuTimes:
        looks.append(1)
        return CpuTimes(1e12, 0.0, 0.0, 2)

    balance = ThreadBalance(2, lambda _: None, read)
    balance.look()
    assert len(looks) == 1
