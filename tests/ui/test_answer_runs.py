"""Answers that make way, with a real model: whoever wants one goes first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from minerva_desktop.app.generation import AnswerRequest
from minerva_desktop.chat.completion import Completion, FinishReason
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.errors import LoadCancelled, MinervaError
from minerva_desktop.ui.answer_runs import AnswerEvents, AnswerRuns
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


@pytest.fixture
async def pool(small_path: Path) -> AsyncIterator[RealPool]:
    pool = real_pool(LoadOptions(n_ctx=4096))
    async with pool.lease(small_path):
        pass
    yield pool
    await pool.close()


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
