"""Loads that nobody wants any more: which of them end, and when."""

from __future__ import annotations

import asyncio
from pathlib import Path

from minerva_desktop.ui.picked_loads import PickedLoads

A, B = Path("/models/a.gguf"), Path("/models/b.gguf")


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def _ends(task: asyncio.Task[None]) -> bool:
    """Whether ``task`` was cancelled; it is over afterwards in any case."""
    was_asked = bool(task.cancelling())
    task.cancel()
    await asyncio.wait([task])
    return was_asked


async def test_all_that_wait_for_a_model_end_when_it_is_given_up() -> None:
    picked = PickedLoads()
    first, second, other = (asyncio.create_task(_for_ever()) for _ in range(3))
    for path, task in ((A, first), (A, second), (B, other)):
        picked.begin(path, task)
        picked.note_wait(task, waits=True)
    picked.give_up(A)
    assert [await _ends(task) for task in (first, second, other)] == [True, True, False]


async def test_one_that_comes_to_wait_later_ends_then_and_one_that_loads_goes_on() -> None:
    picked = PickedLoads()
    late, loading = asyncio.create_task(_for_ever()), asyncio.create_task(_for_ever())
    for task in (late, loading):
        picked.begin(A, task)
    picked.note_wait(loading, waits=True)
    picked.note_wait(loading, waits=False)
    picked.give_up(A)
    assert not late.cancelling()
    picked.note_wait(late, waits=True)
    assert await _ends(late)
    assert not await _ends(loading)
    picked.end(A, late)
    picked.give_up(B)  # nobody loads it


async def test_one_that_is_picked_again_is_wanted_again() -> None:
    # Its end would take back the choice that was made since.
    picked = PickedLoads()
    first, again = asyncio.create_task(_for_ever()), asyncio.create_task(_for_ever())
    picked.begin(A, first)
    picked.give_up(A)
    picked.begin(A, again)
    picked.note_wait(first, waits=True)
    picked.note_wait(again, waits=True)
    assert [await _ends(task) for task in (first, again)] == [False, False]
