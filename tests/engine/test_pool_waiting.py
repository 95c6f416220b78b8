"""Loads that wait for memory which running requests hold: with scripted engines, real ledgers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from minerva_desktop.devices.ledgers import CPU
from minerva_desktop.engine.pool import ModelPool
from minerva_desktop.engine.pool_entries import Patience
from minerva_desktop.engine.pool_events import GoneCause, ModelReady
from minerva_desktop.errors import LoadCancelled, OutOfMemory
from tests.fakes import ScriptedEngine
from tests.pools import Scripted, model, turns, until

# Of 100 bytes: no two of a, b and c fit together; two of the tiny ones fit beside each.
NEEDS = {
    "a": {CPU: 60}, "b": {CPU: 70}, "c": {CPU: 80}, "mid": {CPU: 35}, "huge": {CPU: 130},
    "tiny": {CPU: 10}, "tiny 2": {CPU: 10}, "tiny 3": {CPU: 10}, "mid 2": {CPU: 35},
}  # fmt: skip
A, B, C, MID, HUGE, TINY, TINY_2, TINY_3, MID_2 = map(model, NEEDS)


class Requests:
    """Requests at a pool of those models, in the order in which they got their engines."""

    def __init__(self) -> None:
        self.scripted = Scripted(NEEDS)
        self.got: list[str] = []
        self.patiences: dict[str, Patience] = {}
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def send(self, name: str, path: Path) -> None:
        """A request that runs until `end`; on return it runs, or waits."""
        self._ends[name] = asyncio.Event()
        self.patiences[name] = Patience()
        self._tasks[name] = asyncio.create_task(self._run(name, path))
        await turns(40)

    async def end(self, name: str) -> None:
        """Let it come to its end, and others take what that frees."""
        self._ends[name].set()
        await self._tasks[name]
        await turns(40)

    async def leave(self, name: str) -> None:
        """Its client goes away."""
        self._tasks[name].cancel()
        with pytest.raises(asyncio.CancelledError):
            await self._tasks[name]
        await turns(40)

    async def failure(self, name: str) -> BaseException | None:
        """What it ended with."""
        await asyncio.wait([self._tasks[name]])
        return self._tasks[name].exception()

    def waits_for(self, name: str) -> list[str]:
        """The models that are in its way."""
        return [path.name for path in self.patiences[name].waits_for]

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self.scripted.pool.close()
        assert self.scripted.allocated == 0

    async def _run(self, name: str, path: Path) -> None:
        async with self.scripted.pool.lease(path, patience=self.patiences[name]):
            self.got.append(name)
            await self._ends[name].wait()


@pytest.fixture
async def requests() -> AsyncIterator[Requests]:
    requests = Requests()
    yield requests
    await requests.close()


async def test_a_load_waits_for_the_requests_that_hold_its_memory(requests: Requests) -> None:
    await requests.send("a1", A)
    await requests.send("a2", A)
    await requests.send("b", B)
    assert (requests.got, requests.waits_for("b")) == (["a1", "a2"], ["a"])
    await requests.end("a1")
    assert requests.got == ["a1", "a2"]
    await requests.end("a2")
    assert (requests.got, requests.waits_for("b")) == (["a1", "a2", "b"], [])
    assert requests.scripted.pool.loaded() == [B]
    assert requests.scripted.gone() == [("a", GoneCause.ROOM)]


async def test_the_time_of_a_load_is_without_the_wait_for_its_memory(requests: Requests) -> None:
    await requests.send("a", A)
    await requests.send("b", B)
    began = time.monotonic()
    await until(lambda: time.monotonic() > began + 0.01)
    was_free = time.monotonic()
    await requests.end("a")
    await until(lambda: "b" in requests.got)
    ready = next(e for e in requests.scripted.events if isinstance(e, ModelReady) and e.path == B)
    assert 0.0 <= ready.seconds <= time.monotonic() - was_free


async def test_who_does_not_wait_is_refused_at_once_as_before(requests: Requests) -> None:
    await requests.send("a", A)
    with pytest.raises(OutOfMemory, match="60 bytes"):
        await requests.scripted.use(B)
    await requests.send("b", B)
    await requests.send("again", A)
    assert requests.waits_for("again") == ["b"]
    # A person is not kept by requests that wait.
    await requests.scripted.use(A, TINY)
    assert requests.scripted.pool.loaded() == [TINY, A]


async def test_what_was_in_the_way_is_known_when_the_time_is_over(requests: Requests) -> None:
    pool = requests.scripted.pool
    await requests.send("a", A)
    patience = Patience()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), pool.lease(B, patience=patience):
            raise AssertionError("there is no room")
    assert patience.waits_for == (A,)
    gated = Patience()
    await requests.send("c", C)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), pool.lease(A, patience=gated):
            raise AssertionError("it comes after the load that waits")
    assert gated.waits_for == (C,)


async def test_what_can_never_fit_is_refused_at_once(requests: Requests) -> None:
    await requests.send("a", A)
    await requests.send("huge", HUGE)
    failure = await requests.failure("huge")
    assert isinstance(failure, OutOfMemory)
    assert "60 bytes + 130 bytes > 100 bytes" in failure.message


async def test_nobody_waits_for_a_model_that_is_pinned(requests: Requests) -> None:
    pool = requests.scripted.pool
    pool.pin(A, pinned=True)
    await requests.send("a", A)
    await requests.send("b", B)
    failure = await requests.failure("b")
    assert isinstance(failure, OutOfMemory)
    assert failure.told.endswith("of the 100 bytes that models may take, while a must stay loaded")
    pool.pin(A, pinned=False)
    await requests.send("b again", B)
    assert requests.waits_for("b again") == ["a"]


async def test_new_requests_for_what_is_in_the_way_come_after_the_one_that_waits(
    requests: Requests,
) -> None:
    await requests.send("a1", A)
    await requests.send("b", B)
    await requests.send("a2", A)
    assert (requests.got, requests.waits_for("a2")) == (["a1"], ["b"])
    await requests.end("a1")
    assert requests.got == ["a1", "b"]
    await requests.end("b")
    assert requests.got == ["a1", "b", "a2"]


async def test_models_that_are_used_by_turns_keep_nobody_waiting(requests: Requests) -> None:
    await requests.send("mid", MID)
    await requests.send("mid 2", MID_2)
    await requests.send("c", C)  # which needs the memory of both
    await requests.end("mid")
    assert requests.waits_for("c") == ["mid 2"]
    await requests.send("mid again", MID)
    assert requests.waits_for("mid again") == ["c"]
    await requests.end("mid 2")
    assert requests.got == ["mid", "mid 2", "c"]
    await requests.end("c")
    assert requests.got == ["mid", "mid 2", "c", "mid again"]


async def test_a_model_that_is_pinned_is_in_nobodys_way_any_more(requests: Requests) -> None:
    pool = requests.scripted.pool
    await requests.send("mid", MID)
    await requests.send("mid 2", MID_2)
    await requests.send("a", A)  # for which either may go
    await requests.send("mid again", MID)
    assert (requests.waits_for("a"), requests.waits_for("mid again")) == (["mid", "mid 2"], ["a"])
    pool.pin(MID, pinned=True)
    await until(lambda: "mid again" in requests.got)
    assert requests.waits_for("a") == ["mid 2"]
    await requests.end("mid 2")
    assert requests.got == ["mid", "mid 2", "mid again", "a"]


async def test_who_waits_for_a_model_that_is_pinned_meanwhile_is_refused_then(
    requests: Requests,
) -> None:
    await requests.send("a", A)
    await requests.send("b", B)
    requests.scripted.pool.pin(A, pinned=True)
    failure = await requests.failure("b")
    assert isinstance(failure, OutOfMemory)
    assert failure.message.endswith("60 bytes + 70 bytes > 100 bytes, while a must stay loaded")


async def test_loads_get_memory_in_the_order_in_which_they_came(requests: Requests) -> None:
    await requests.send("a", A)
    await requests.send("c", C)  # the largest first: smaller ones must not keep it waiting
    await requests.send("b", B)
    await requests.send("a2", A)
    for name in ("a", "c", "b"):
        await requests.end(name)
    assert requests.got == ["a", "c", "b", "a2"]


async def test_one_that_leaves_its_room_to_those_before_it_need_not_wait(
    requests: Requests,
) -> None:
    await requests.send("a", A)
    await requests.send("b", B)
    await requests.send("tiny", TINY)
    assert requests.got == ["a", "tiny"]
    await requests.send("mid", MID)  # there is no room for it beside "b"
    assert requests.got == ["a", "tiny"]
    await requests.end("a")
    assert requests.got == ["a", "tiny", "b"]
    await requests.end("b")
    assert requests.got == ["a", "tiny", "b", "mid"]


async def test_small_ones_together_do_not_keep_a_large_one_from_its_turn(
    requests: Requests,
) -> None:
    await requests.send("a", A)
    await requests.send("c", C)
    for name, path in (("1", TINY), ("2", TINY_2), ("3", TINY_3)):
        await requests.send(name, path)
    assert requests.got == ["a", "1", "2"]
    await requests.end("a")
    assert requests.got == ["a", "1", "2", "c"]


async def test_a_client_that_leaves_frees_its_place(requests: Requests) -> None:
    await requests.send("a", A)
    await requests.send("c", C)
    await requests.send("mid", MID)
    assert requests.got == ["a"]
    await requests.leave("c")
    assert requests.got == ["a", "mid"]
    assert requests.scripted.gone() == [("c", GoneCause.ASKED)]
    await requests.end("a")
    assert set(requests.scripted.pool.loaded()) == {A, MID}  # nothing went for one who left


async def test_whenever_a_client_leaves_nothing_waits_for_nobody(requests: Requests) -> None:
    pool = requests.scripted.pool
    for n_turns in range(25):
        await requests.send("a", A)
        lease = asyncio.create_task(pool.lease(B, patience=Patience()).__aenter__())
        await turns(n_turns)
        lease.cancel()
        with pytest.raises(asyncio.CancelledError):
            await lease
        await requests.end("a")
        assert pool.loaded() == [A]


async def test_whenever_the_last_who_waits_leaves_a_person_is_refused(requests: Requests) -> None:
    await requests.send("a", A)
    for n_turns in range(25):
        client = asyncio.create_task(
            requests.scripted.pool.lease(B, patience=Patience()).__aenter__()
        )
        person = asyncio.create_task(requests.scripted.use(B))
        await turns(n_turns)
        client.cancel()
        await turns(40)
        assert person.done(), n_turns
        assert isinstance(person.exception(), OutOfMemory)
        await asyncio.gather(client, return_exceptions=True)


async def test_whenever_someone_insists_what_is_in_use_stays(requests: Requests) -> None:
    pool = requests.scripted.pool
    requests.scripted.choice_turns = 6
    await requests.send("a", A)
    for n_turns in range(25):
        await requests.scripted.use(MID)
        client = asyncio.create_task(_use(pool, HUGE, patience=Patience()))
        await turns(n_turns)
        async with pool.lease(MID) as mid:
            await _use(pool, HUGE, forced=True)
            assert mid.is_loaded(), n_turns
        await asyncio.gather(client, return_exceptions=True)
        await pool.unload(HUGE)


async def test_a_load_waits_as_long_as_anyone_waits_for_it(requests: Requests) -> None:
    await requests.send("a", A)
    await requests.send("b1", B)
    await requests.send("b2", B)
    await requests.leave("b1")
    await requests.end("a")
    assert requests.got == ["a", "b2"]


async def test_who_insists_ends_the_wait_of_all(requests: Requests) -> None:
    await requests.send("a", A)
    await requests.send("b", B)
    async with requests.scripted.pool.lease(B, forced=True):
        await turns(5)
        assert requests.got == ["a", "b"]
        assert requests.scripted.allocated == 130


async def test_a_wait_can_be_cancelled_and_the_pool_closed_meanwhile(requests: Requests) -> None:
    await requests.send("a", A)
    await requests.send("b", B)
    requests.scripted.pool.cancel_load(B)
    assert isinstance(await requests.failure("b"), LoadCancelled)
    await requests.send("b again", B)
    await requests.scripted.pool.close()
    assert isinstance(await requests.failure("b again"), LoadCancelled)


async def test_a_model_that_dies_makes_room(requests: Requests) -> None:
    await requests.send("a", A)
    await requests.send("b", B)
    requests.scripted.engines[0][1].die()
    await until(lambda: requests.got == ["a", "b"])


async def test_a_steady_stream_of_requests_starves_nobody() -> None:
    """Two clients a model, each of which asks again as soon as it was answered."""
    scripted = Scripted(NEEDS)
    answers = dict.fromkeys((A, B, C), 0)

    async def client(path: Path) -> None:
        while min(answers.values()) < 5:
            async with scripted.pool.lease(path, patience=Patience()):
                await turns(7)
                answers[path] += 1

    async with asyncio.timeout(20), AsyncExitStack() as stack:
        stack.push_async_callback(scripted.pool.close)
        await asyncio.gather(*(client(path) for path in (A, A, B, B, C, C)))
    assert max(answers.values()) <= 3 * min(answers.values())
    assert scripted.allocated == 0


async def _use(
    pool: ModelPool[ScriptedEngine],
    path: Path,
    *,
    forced: bool = False,
    patience: Patience | None = None,
) -> None:
    async with pool.lease(path, forced=forced, patience=patience):
        pass


async def test_a_listener_that_fails_keeps_nobody_from_a_model(
    requests: Requests, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_models: tuple[Path, ...]) -> None:
        raise RuntimeError("who listened is gone")

    await requests.send("a", A)
    deaf = asyncio.create_task(_use(requests.scripted.pool, B, patience=Patience(on_change=fail)))
    await turns(40)
    await requests.send("b", B)
    await requests.send("c", C)
    await requests.end("a")
    await deaf
    await requests.end("b")
    assert requests.got == ["a", "b", "c"]
    assert "who listened is gone" in caplog.text


async def test_who_joins_a_load_that_waits_is_told_for_what(requests: Requests) -> None:
    await requests.send("a1", A)
    await requests.send("b1", B)
    told: list[tuple[Path, ...]] = []
    joins = Patience(on_change=told.append)
    lease = asyncio.create_task(requests.scripted.pool.lease(B, patience=joins).__aenter__())
    await turns(40)
    assert told == [(A,)]
    await requests.end("a1")
    await lease
    assert told == [(A,), ()]
    assert requests.got == ["a1", "b1"]
