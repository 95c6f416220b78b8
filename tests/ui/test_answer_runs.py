"""Answers that make way, with a real model: whoever wants one goes first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from minerva_desktop.app.asides import Asides
from minerva_desktop.app.generation import AnswerRequest
from minerva_desktop.app.model_questions import idle_parameters
from minerva_desktop.app.titles import Titles
from minerva_desktop.chat.completion import Completion, FinishReason
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.errors import LoadCancelled, MinervaError
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.ui.answer_runs import AnswerEvents, AnswerRuns
from tests.app.desk import Desk
from tests.pools import RealPool, real_pool

HI = (ChatTurn(Role.USER, "Hi"),)
ENDLESS = SamplingParameters(temperature=0.0, ignore_eos=True)
SHORT = SamplingParameters(temperature=0.0, max_tokens=4)


class Heard:
    """What `AnswerRuns` tells."""

    def __init__(self) -> None:
        self.n_tokens = 0
        self.ends: dict[str, Completion | MinervaError | None] = {}
        self.changed = asyncio.Event()
        self.events = AnswerEvents(
            waits=lambda *_: None,
            begun=lambda _: None,
            tokens=self._on_tokens,
            prefill=lambda *_: None,
            finished=self._on_end,
            failed=self._on_end,
        )

    async def until_tokens(self) -> None:
        """Wait for some more tokens."""
        seen = self.n_tokens
        while self.n_tokens == seen:
            self.changed.clear()
            await self.changed.wait()

    async def end(self, answer_id: str) -> Completion | MinervaError | None:
        """Wait for the end of an answer."""
        while answer_id not in self.ends:
            self.changed.clear()
            await self.changed.wait()
        return self.ends[answer_id]

    def _on_tokens(self, _answer_id: str, n_tokens: int, _parts: object) -> None:
        self.n_tokens += n_tokens
        self.changed.set()

    def _on_end(self, answer_id: str, end: Completion | MinervaError | None) -> None:
        self.ends[answer_id] = end
        self.changed.set()


class Titling:
    """`Titles` whose `Asides` ask a real model, as the window's do, without its threads."""

    def __init__(self, pool: RealPool, desk: Desk) -> None:
        self.begun: list[str] = []
        self.ends: list[Completion | MinervaError] = []
        self.n_looks = 0
        self.changed = asyncio.Event()
        self._pool = pool
        self._asides = Asides(self)
        events = AnswerEvents(
            waits=lambda *_: None,
            begun=self._on_begun,
            tokens=lambda *_: None,
            prefill=lambda *_: None,
            finished=self._on_finished,
            failed=self._on_failed,
        )
        self._runs = AnswerRuns(pool, events, lambda: None)
        self.start_answer = self._runs.start
        self.cancel_answer = self._runs.cancel
        self.titles = Titles(self._asides, self.idle_parameters, desk.library.open_session)

    async def idle_parameters(self, path: Path) -> int | None:
        """As the window's engine."""
        self.n_looks += 1
        self.changed.set()
        return await idle_parameters(self._pool, path)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for more of that which is counted."""
        while not is_so():
            self.changed.clear()
            await self.changed.wait()

    def _on_begun(self, answer_id: str) -> None:
        self.begun.append(answer_id)
        self.changed.set()

    def _note_end(self, end: Completion | MinervaError) -> None:
        self.ends.append(end)
        self.changed.set()

    def _on_finished(self, answer_id: str, completion: Completion | None) -> None:
        assert completion is not None
        self._note_end(completion)
        self._asides.on_answer_finished(answer_id, completion)

    def _on_failed(self, answer_id: str, error: MinervaError) -> None:
        self._note_end(error)
        self._asides.on_answer_failed(answer_id, error)


@pytest.fixture
async def pool(small_path: Path) -> AsyncIterator[RealPool]:
    pool = real_pool(LoadOptions(n_ctx=4096))
    async with pool.lease(small_path):
        pass
    yield pool
    await pool.close()


def _made_way(end: Completion | MinervaError | None) -> bool:
    """As cancelled, if the engine still had the time."""
    if isinstance(end, Completion):
        return end.finish_reason is FinishReason.CANCELLED
    return isinstance(end, LoadCancelled)


def _title(path: Path) -> AnswerRequest:
    return AnswerRequest("title", path, HI, ENDLESS, thinks=False, makes_way=True)


async def test_it_ends_where_a_client_of_the_endpoint_wants_a_model(
    pool: RealPool, small_path: Path
) -> None:
    heard = Heard()
    runs = AnswerRuns(pool, heard.events, lambda: None)
    runs.start(_title(small_path))
    await heard.until_tokens()
    async with pool.lease(small_path) as engine:
        await engine.generate("One two", 4).text()
    end = await heard.end("title")
    assert isinstance(end, Completion)
    assert end.finish_reason is FinishReason.CANCELLED
    runs.start(_title(small_path))
    await heard.until_tokens()
    runs.start(AnswerRequest("chat", small_path, HI, SHORT))
    chat = await heard.end("chat")
    assert isinstance(chat, Completion)
    assert chat.finish_reason is FinishReason.LENGTH
    await asyncio.gather(*runs.running())


async def test_it_does_not_begin_where_its_model_is_used_or_not_loaded(
    pool: RealPool, small_path: Path
) -> None:
    heard = Heard()
    runs = AnswerRuns(pool, heard.events, lambda: None)
    async with pool.lease(small_path):
        runs.start(_title(small_path))
        assert isinstance(await heard.end("title"), LoadCancelled)
    await pool.unload(small_path)
    heard.ends.clear()
    runs.start(_title(small_path))
    assert isinstance(await heard.end("title"), LoadCancelled)
    assert pool.loaded() == []


async def test_it_makes_way_for_whoever_unloads_its_model(pool: RealPool, small_path: Path) -> None:
    heard = Heard()
    runs = AnswerRuns(pool, heard.events, lambda: None)
    runs.start(_title(small_path))
    await heard.until_tokens()
    await pool.unload(small_path)
    assert _made_way(await heard.end("title"))
    await asyncio.gather(*runs.running())


async def test_a_chat_that_is_opened_is_warmed_up_all_the_same(
    pool: RealPool, small_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    ended_before: list[bool] = []

    async def warm_up(*_: object) -> None:
        ended_before.append("title" in heard.ends)

    monkeypatch.setattr("minerva_desktop.ui.answer_runs.warm_up", warm_up)
    runs = AnswerRuns(pool, heard.events, lambda: None)
    runs.start(_title(small_path))
    await heard.until_tokens()
    runs.warm_up(AnswerRequest("w", small_path, HI, SHORT, "chat"))
    await asyncio.gather(*runs.running())
    assert ended_before == [True]


async def test_a_title_is_tried_again_once_a_model_that_was_ejected_is_back(
    pool: RealPool, small_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DELAY_SECONDS", "RETRY_SECONDS", "MIN_PARAMETERS"):
        monkeypatch.setattr(f"minerva_desktop.app.titles.{name}", 0)
    desk = Desk(await ChatStore.open(tmp_path / "chats.sqlite3"), tmp_path / "snapshots")
    session = desk.new_session()
    await desk.answered(session, "how do tides work", "The moon pulls.")
    await desk.library.titles.close()
    titling = Titling(pool, desk)
    titling.titles.add(session, small_path)
    titling.titles.go_on()
    await titling.until(lambda: len(titling.begun) == 1)
    await pool.unload(small_path)
    await titling.until(lambda: len(titling.ends) == 1)
    assert list(map(_made_way, titling.ends)) == [True]
    n_looks = titling.n_looks
    await titling.until(lambda: titling.n_looks > n_looks + 1)
    async with pool.lease(small_path):
        pass
    assert titling.titles.task is not None
    await asyncio.wait([titling.titles.task])
    assert len(titling.begun) == 2
    assert list(map(_made_way, titling.ends)) == [True, False]
    assert isinstance(titling.ends[1], Completion)
    await desk.library.close()
