"""Work that slots of the window start."""

from __future__ import annotations

import asyncio

import pytest

from minerva_desktop.errors import MinervaError
from minerva_desktop.ui.tasks import LatestTask, UiTasks


async def test_only_the_latest_goes_on_and_what_the_others_wait_for_is_given_up() -> None:
    errors: list[MinervaError] = []
    tasks = UiTasks(asyncio.get_running_loop(), errors.append)
    latest, other = LatestTask(tasks), LatestTask(tasks)
    answers = [asyncio.get_running_loop().create_future() for _ in range(4)]
    seen: list[str] = []

    async def wait_for(answer: asyncio.Future[str]) -> None:
        seen.append(await answer)

    latest.start(wait_for(answers[0]))
    other.start(wait_for(answers[1]))
    await asyncio.sleep(0)  # both wait
    latest.start(wait_for(answers[2]))  # never begins: the next comes at once
    latest.start(wait_for(answers[3]))
    was_running = latest.is_running
    await asyncio.sleep(0)
    assert [answer.cancelled() for answer in answers] == [True, False, False, False]
    assert was_running
    answers[1].set_result("other")
    answers[3].set_result("latest")
    await tasks.finish()
    assert sorted(seen) == ["latest", "other"]
    assert not latest.is_running
    latest.cancel()
    latest.start(wait_for(answers[2]))  # nothing starts after the end
    assert not latest.is_running
    assert errors == []


async def test_the_end_does_not_wait_for_what_never_comes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("minerva_desktop.ui.tasks.GRACE_SECONDS", 0.01)
    errors: list[MinervaError] = []
    tasks = UiTasks(asyncio.get_running_loop(), errors.append)
    never = asyncio.get_running_loop().create_future()

    async def wait_for_it() -> None:
        await never

    tasks.start(wait_for_it())
    await tasks.finish()
    assert never.cancelled()
    assert [message[:33] for message in caplog.messages] == ["A task of the window did not end:"]
    assert errors == []
