"""How the endpoint ends what runs: at once, after a grace, or in a hurry."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from tests.patience import SECONDS
from tests.server.fake_models import COMPLETION, Served, chat_body, says_and_goes_on, serving

CHAT = "/v1/chat/completions"
LONG = 10 * SECONDS  # that no test waits for


async def begin(served: Served, *, stream: bool) -> asyncio.Task[httpx.Response]:
    """An answer that has begun and does not end by itself."""
    asked = asyncio.create_task(served.http.post(CHAT, json=chat_body(stream=stream)))
    await asyncio.wait_for(served.engine.asked.wait(), SECONDS)
    return asked


async def test_a_grace_lets_running_answers_end_well() -> None:
    for stream in (False, True):
        async with serving(says_and_goes_on("Half")) as served:
            asked = await begin(served, stream=stream)
            stopping = asyncio.create_task(served.endpoint.stop(LONG))
            await asyncio.sleep(0)
            served.engine.streams[0].push_token(" and whole")
            served.engine.streams[0].finish(COMPLETION)
            answer = await asked
            async with asyncio.timeout(SECONDS):
                await stopping
        assert answer.status_code == 200
        assert "endpoint_stopped" not in answer.text
        if stream:
            assert answer.text.endswith("data: [DONE]\n\n")
        else:
            assert answer.json()["choices"][0]["message"]["content"] == "Half and whole"


async def test_during_the_grace_nobody_new_gets_in() -> None:
    async with serving(says_and_goes_on("Half")) as served:
        idle_reader, idle_writer = await served.connect()
        idle_writer.write(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode())
        await idle_reader.readuntil(b"}")
        asked = await begin(served, stream=True)
        port = served.port
        stopping = asyncio.create_task(served.endpoint.stop(LONG))
        async with asyncio.timeout(SECONDS):
            assert await idle_reader.read() == b""
        with pytest.raises(OSError, match=str(port)):
            await asyncio.open_connection("127.0.0.1", port)
        assert not stopping.done()
        served.endpoint.hurry()
        async with asyncio.timeout(SECONDS):
            await stopping
        answer = await asked
    assert json.loads(answer.text.split("data: ")[-1])["error"]["code"] == "endpoint_stopped"


async def test_a_grace_that_is_over_ends_the_answer_with_an_error_event() -> None:
    async with serving(says_and_goes_on("Half")) as served:
        asked = await begin(served, stream=True)
        async with asyncio.timeout(SECONDS):
            await served.endpoint.stop(0.1)
        answer = await asked
        assert served.engine.cancelled.is_set()
        assert served.pool.leases == 0
    assert "Half" in answer.text
    assert json.loads(answer.text.split("data: ")[-1])["error"]["code"] == "endpoint_stopped"


async def test_nothing_to_wait_for_is_no_wait() -> None:
    async with serving() as served:
        assert (await served.http.get("/health")).status_code == 200
        async with asyncio.timeout(SECONDS):
            await served.endpoint.stop(LONG)


async def test_a_client_that_lingers_does_not_hold_up_the_stop() -> None:
    async with serving() as served:
        _, writer = await served.connect()
        writer.write(b"nonsense\r\n\r\n")
        await served.http.get("/health")
        async with asyncio.timeout(SECONDS):
            await served.endpoint.stop(LONG)
