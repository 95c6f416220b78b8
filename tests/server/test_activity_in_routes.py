"""The list of requests as a route fills it: its cancel, and what log and metrics make of it."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import APIRouter, Request
from starlette.responses import Response

from minerva_desktop.api_keys import NamedKey
from minerva_desktop.chat.served_request import RequestState
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.server.access import AccessLayer
from minerva_desktop.server.activity import Activity
from minerva_desktop.server.app import create_app
from minerva_desktop.server.auth import KeyRing
from minerva_desktop.server.config import EndpointConfig
from minerva_desktop.server.lifetime import Lifetime
from minerva_desktop.server.metrics import Metrics
from minerva_desktop.server.services import ServerContext
from minerva_desktop.server.sse import EventSink, EventStream
from tests.server.fake_models import (
    COMPLETION,
    FakeCatalog,
    FakeEngine,
    FakePool,
    chat_body,
    says,
    serving,
)


class Work:
    """An application with one more route, which streams what the test lets its model say."""

    def __init__(self) -> None:
        self.activity = Activity()
        self.metrics = Metrics()
        self.tokens = TokenStream()
        self._context = ServerContext(
            FakePool(FakeEngine(says())),
            FakeCatalog(),
            EndpointConfig(),
            Lifetime(),
            self.activity,
            self.metrics,
            KeyRing(()),
        )

    def router(self) -> APIRouter:
        router = APIRouter()

        @router.post("/work")
        async def work(request: Request) -> Response:
            async def produce(sink: EventSink) -> None:
                with self.activity.begin(
                    request.scope, dialect="chat", model="tiny", is_stream=True
                ) as active:
                    active.follow(self.tokens)
                    async for batch in self.tokens.batches():
                        await sink.send(f"data: {''.join(batch)}\n\n".encode())

            return EventStream(produce, self._context.lifetime, self._context.config, {})

        return router

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(self._context)
        app.include_router(self.router())
        transport = httpx.ASGITransport(AccessLayer(app, self.metrics, self.activity))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1:8427"
        ) as client:
            yield client


async def test_cancelling_a_stream_ends_it_with_an_error_event() -> None:
    work = Work()
    async with work.client() as client:
        asked = asyncio.create_task(client.post("/work"))
        while not work.activity.snapshot():
            await asyncio.sleep(0)
        work.tokens.push_token("Half")
        while work.activity.snapshot()[0].state is not RequestState.DECODING:
            await asyncio.sleep(0)
        work.activity.cancel(work.activity.snapshot()[0].number)
        answer = await asked
    assert answer.status_code in {200, 499}
    assert '"code":"request_cancelled"' in answer.text
    assert work.activity.snapshot()[0].state is RequestState.CANCELLED
    text = work.metrics.render(work.activity.snapshot(), ()).decode()
    assert 'minerva_generated_tokens_total{model="tiny"} 1.0' in text


async def test_model_and_tokens_get_into_log_and_metrics(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "minerva_desktop.server.access")
    work = Work()
    work.tokens.push_token("All")
    work.tokens.finish(COMPLETION)
    async with work.client() as client:
        assert (await client.post("/work")).status_code == 200
    (line,) = (each.getMessage() for each in caplog.records if each.name.endswith("access"))
    assert re.search(r"POST /work 200 .* model=tiny tokens=12\+3 cached=4$", line)
    text = work.metrics.render((), ()).decode()
    assert 'minerva_prompt_tokens_total{model="tiny"} 12.0' in text
    ended = 'end="complete",method="POST",path="/work",status="200"'
    assert f"minerva_requests_total{{{ended}}} 1.0" in text


async def test_a_count_waits_for_its_model_no_longer_than_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    states = []

    async def count_tokens(engine: FakeEngine, turns: object, *, chat: object = None) -> int:
        states.append(served.activity.snapshot()[0].state)
        return 3

    monkeypatch.setattr(FakeEngine, "count_tokens", count_tokens)
    async with serving() as served:
        for path, body in (
            ("/v1/messages/count_tokens", chat_body()),
            ("/v1/responses/input_tokens", {"input": "Hi"}),
        ):
            answer = await served.http.post(path, json=body)
            assert answer.json()["input_tokens"] == 3, path
    assert states == [RequestState.PREFILL] * 2


async def test_refused_requests_are_listed_with_their_status_and_words() -> None:
    async with serving(api_keys=(NamedKey.of("laptop", "sk-right"),)) as served:
        right = {"x-api-key": "sk-right"}

        async def post(path: str, body: object, headers: dict[str, str]) -> None:
            answer = await served.http.post(path, json=body, headers=headers)
            error = answer.json()["error"]
            told.append((answer.status_code, error["message"]))

        told: list[tuple[int, str]] = []
        await post("/chat/completions", chat_body(model="nope"), right)
        await post("/v1/chat/completions", chat_body(max_tokens=0), right)
        await post("/v1/responses", {}, right)
        await post("/v1/messages", chat_body(), {"x-api-key": "sk-wrong"})
        await post("/v1/chat/complete", chat_body(), right)
        await post("/tokenize", {}, right)
        assert (await served.http.get("/favicon.ico", headers=right)).status_code == 404
        answer = await served.http.post("/v1/chat/completions", json=chat_body(), headers=right)
        assert answer.status_code == 200
        done, *refused = served.activity.snapshot()
    assert done.state is RequestState.FINISHED
    assert [(each.status, each.error) for each in reversed(refused)] == told[:5]
    assert [each.status for each in reversed(refused)] == [404, 400, 400, 401, 404]
    assert [each.dialect for each in reversed(refused)] == [
        "chat", "chat", "responses", "messages", "/v1/chat/complete",
    ]  # fmt: skip
    assert [each.key_name for each in refused] == ["laptop", None, "laptop", "laptop", "laptop"]
    assert refused[-1].model == "nope"
    assert all(each.state is RequestState.FAILED and not each.has_prompt for each in refused)
