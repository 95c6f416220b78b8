"""Clients that leave while a slow model works for them, which has room for one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from minerva_desktop.chat.served_request import RequestRecord, RequestState
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.server.activity import Activity
from minerva_desktop.server.config import EndpointConfig
from minerva_desktop.server.endpoint import Endpoint
from tests.pools import real_pool
from tests.slow_engines import slow_engines

# More than any machine computes in the time that the next answer is given.
LONG: dict[str, Any] = {"max_tokens": 3_000, "extra_body": {"ignore_eos": True}, "stream": True}
PATIENCE_S = 10


class Watched:
    """A client, and the endpoint's list of requests."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.activity = Activity(self._changed)
        self.client: openai.AsyncOpenAI
        self._change = asyncio.Event()

    def _changed(self) -> None:
        self._change.set()

    async def until(self, holds: Callable[[tuple[RequestRecord, ...]], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds(self.activity.snapshot()):
                await self._change.wait()
                self._change.clear()

    async def ask(self, text: str, **fields: Any) -> Any:
        return await self.client.chat.completions.create(
            model=self.model, messages=[{"role": "user", "content": text}], **fields
        )

    async def ended(self) -> RequestRecord:
        """The first request that is over, once one is and the next one is answered."""
        await self.until(lambda records: records[-1].status is not None)
        async with asyncio.timeout(PATIENCE_S):
            answer = await self.ask("Hi", max_tokens=2)
        assert answer.usage.completion_tokens == 2
        return self.activity.snapshot()[-1]


@asynccontextmanager
async def serving(catalog: Catalog, model: str) -> AsyncIterator[Watched]:
    pool = real_pool(LoadOptions(n_ctx=4096, n_parallel=1, n_batch=64))
    watched = Watched(model)
    endpoint = Endpoint(pool, catalog, EndpointConfig(port=0), watched.activity)
    url = await endpoint.start()
    try:
        async with openai.AsyncOpenAI(
            base_url=f"{url}/v1", api_key="none", max_retries=0
        ) as watched.client:
            yield watched
    finally:
        await endpoint.stop()
        await pool.close()


@pytest.fixture
async def watched(
    small_catalog: Catalog, small_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Watched]:
    slow_engines(monkeypatch)
    async with serving(small_catalog, small_path.stem) as served:
        yield served


async def test_closing_a_stream_frees_the_model_for_the_next(watched: Watched) -> None:
    stream = await watched.ask("Count to one thousand.", **LONG)
    await anext(chunk async for chunk in stream if chunk.choices[0].delta.content)
    await stream.close()
    record = await watched.ended()
    assert record.state is RequestState.CANCELLED
    assert 0 < record.generated_tokens < LONG["max_tokens"]


async def test_a_client_that_leaves_in_the_queue_is_forgotten(watched: Watched) -> None:
    stream = await watched.ask("Count to one thousand.", **LONG)
    await anext(chunk async for chunk in stream if chunk.choices[0].delta.content)
    waiting = asyncio.create_task(watched.ask("And I?", max_tokens=5))
    await watched.until(lambda records: records[-1].state is RequestState.QUEUED)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await watched.until(lambda records: records[-1].status is not None)
    queued = watched.activity.snapshot()[-1]
    assert (queued.state, queued.generated_tokens) == (RequestState.CANCELLED, 0)
    assert watched.activity.snapshot()[0].status is None, "the other goes on"
    await stream.close()
    await watched.ended()


async def test_a_client_that_leaves_during_prefill_ends_it(watched: Watched) -> None:
    body = {"ignore_eos": True, "return_progress": True}
    stream = await watched.ask("word " * 3_500, **{**LONG, "max_tokens": 50, "extra_body": body})
    progress = await anext(
        chunk.prompt_progress async for chunk in stream if hasattr(chunk, "prompt_progress")
    )
    assert progress["processed"] < progress["total"]
    await stream.close()
    record = await watched.ended()
    assert (record.state, record.generated_tokens) == (RequestState.CANCELLED, 0)
    assert record.read_tokens < progress["total"]
