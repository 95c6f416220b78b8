"""Request ids, the access log, and who is let in by which key."""

from __future__ import annotations

import asyncio
import json
import logging
import re

import pytest

from minerva_desktop.api_keys import NamedKey
from minerva_desktop.errors import (
    EngineDied,
    GenerationTimeout,
    MinervaError,
    RequestCancelled,
)
from tests.patience import SECONDS
from tests.server.fake_models import MODEL, Served, chat_body, fails, says_and_goes_on, serving

CHAT = "/v1/chat/completions"
LOGGER = "minerva_desktop.server.access"
KEY, OTHER_KEY = "sk-canary-0123456789", "sk-other-9876543210"
KEYS = (NamedKey.of("laptop", KEY), NamedKey.of("Büro", OTHER_KEY))
MADE = re.compile(r"req-[0-9a-f]{32}")


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> _Lines:
    """The access log."""
    caplog.set_level(logging.INFO, LOGGER)
    return _Lines(caplog)


class _Lines:
    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def take(self) -> list[str]:
        records = [each for each in self._caplog.records if each.name == LOGGER]
        self._caplog.clear()
        return [each.getMessage() for each in records]


@pytest.mark.parametrize("given", ["abc", "A.b_c:d-1", "x" * 128])
async def test_a_sane_id_comes_back(given: str) -> None:
    async with serving() as served:
        answer = await served.http.get("/v1/models", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a/b", "a\tb", '"', "a,b"])
async def test_other_ids_are_replaced(given: str) -> None:
    async with serving() as served:
        answer = await served.http.get("/v1/models", headers={"X-Request-Id": given})
        twice = await served.http.get(
            "/v1/models", headers=[("X-Request-Id", "a"), ("X-Request-Id", "b")]
        )
    assert MADE.fullmatch(answer.headers["x-request-id"])
    assert MADE.fullmatch(twice.headers["x-request-id"])


async def test_every_answer_has_its_id() -> None:
    async with serving(api_keys=KEYS) as served:
        good = {"Authorization": f"Bearer {KEY}"}
        answers = [
            await served.http.get("/v1/models"),
            await served.http.get("/v1/models", headers={"Host": "evil.example"}),
            await served.http.get("/nothing", headers=good),
            await served.http.delete("/health", headers=good),
            await served.http.options("/health", headers=good),
            await served.http.post(CHAT, headers=good, content=b"{}"),
            await served.http.post(CHAT, headers=good, json={}),
            await served.http.post(CHAT, headers=good, json=chat_body(stream=True)),
            await served.http.get("/v1/models", headers=good | {"X": "x" * 40_000}),
        ]
        raw = await served.exchange(b"nonsense\r\n\r\n")
    statuses = [answer.status_code for answer in answers]
    assert statuses == [401, 403, 404, 405, 204, 415, 400, 200, 431]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == len(answers)
    assert all(MADE.fullmatch(each) for each in ids)
    assert re.search(rb"x-request-id: req-[0-9a-f]{32}\r\n", raw)


async def test_one_line_tells_of_a_request(lines: _Lines) -> None:
    async with serving(api_keys=KEYS) as served:
        headers = {"x-api-key": OTHER_KEY, "X-Request-Id": "mine"}
        answer = await served.http.get("/v1/models?secret=1", headers=headers)
        await served.http.get("/v1/models", headers={"X-Request-Id": "mine"})
    first, second = lines.take()
    n_bytes = len(answer.content)
    assert re.fullmatch(
        rf'127\.0\.0\.1 GET /v1/models 200 \d+\.\dms {n_bytes}B id=mine key="B\\xfcro"', first
    )
    assert re.fullmatch(
        r"127\.0\.0\.1 GET /v1/models 401 invalid_api_key \d+\.\dms \d+B id=mine", second
    )


async def test_a_refusal_is_logged_with_its_code_and_the_model_that_was_asked_for(
    lines: _Lines,
) -> None:
    async with serving(fails(EngineDied("It died"))) as served:
        for path, body in (
            (CHAT, chat_body()),
            (CHAT, chat_body(model="gpt\n\x1b[31m" + "x" * 100)),
            (CHAT, chat_body(temperature="canary-prompt")),
            ("/v1/messages", chat_body(max_tokens=None)),
            ("/tokenize", {"content": "Hi", "model": "none"}),
            (CHAT, {"messages": [], "model": 7}),
        ):
            await served.http.post(path, json=body)
        await served.http.get("/nothing")
        await served.http.delete(CHAT)
        await served.http.post(CHAT, json=chat_body(model='a" tokens=1+1 key="root'))
        await served.exchange(b"nonsense\r\n\r\n")
    found = [re.sub(r"\d+\.\dms \d+B id=\S+", "…", line) for line in lines.take()]
    start = f"127.0.0.1 POST {CHAT}"
    assert found[:9] == [
        f"{start} 503 engine_died … model={MODEL.model_id} tokens=0+0 cached=0",
        f"{start} 404 model_not_found … model=gpt\\n\\x1b[31m" + "x" * 91,
        f"{start} 400 invalid_request_error … model={MODEL.model_id}",
        f"127.0.0.1 POST /v1/messages 400 invalid_request_error … model={MODEL.model_id}",
        "127.0.0.1 POST /tokenize 404 model_not_found … model=none",
        f"{start} 400 invalid_request_error …",
        "127.0.0.1 GET /nothing 404 not_found …",
        f"127.0.0.1 DELETE {CHAT} 405 method_not_allowed …",
        f"{start} 404 model_not_found … model=\"a' tokens=1+1 key='root\"",
    ]
    assert found[9].startswith("127.0.0.1 - - 400 invalid_request_error id=req-")


async def test_neither_prompts_nor_keys_nor_line_breaks_get_into_the_log(
    lines: _Lines, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = chat_body(messages=[{"role": "user", "content": "canary-prompt"}])
    async with serving(api_keys=KEYS) as served:
        for key in (KEY, KEY + "x"):
            await served.http.post(CHAT, json=body, headers={"Authorization": f"Bearer {key}"})
        await served.http.get("/%0a127.0.0.1%20GET%20/%1b[31m", headers={"x-api-key": KEY})
        for raw in (
            b"canary-prompt \x1b[31m\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n" + KEY.encode() + b"\x00: b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nA:\x1b" + KEY.encode() + b"\x00\r\n\r\n",
        ):
            assert (await served.exchange(raw)).startswith(b"HTTP/1.1 400")
    text = "\n".join(
        each.getMessage() for each in caplog.records if not each.name.startswith("http")
    )
    assert "canary-prompt" not in text
    assert KEY not in text
    assert "\x1b" not in text
    assert len(lines.take()) == 6


async def test_what_a_client_left_is_told(lines: _Lines) -> None:
    async with serving(says_and_goes_on("Half")) as served:
        for stream in (False, True):
            reader, writer = await served.connect()
            raw = json.dumps(chat_body(stream=stream)).encode()
            head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
            writer.write(head.encode() + raw)
            served.pool.returned.clear()
            if stream:
                await reader.readuntil(b"Half")
            else:
                await asyncio.wait_for(served.engine.asked.wait(), SECONDS)
            writer.transport.abort()
            await asyncio.wait_for(served.pool.returned.wait(), SECONDS)
        found = (await served.http.get("/metrics")).text
    first, second = lines.take()
    assert f"POST {CHAT} 499 cancelled " in first
    assert f"POST {CHAT} 200 cancelled " in second
    for status in (499, 200):
        ended = f'end="cancelled",method="POST",path="{CHAT}",status="{status}"'
        assert f"minerva_requests_total{{{ended}}} 1.0" in found


@pytest.mark.parametrize(
    "error", [EngineDied("It died"), GenerationTimeout("Too late"), RequestCancelled("Stopped")]
)
@pytest.mark.parametrize("path", [CHAT, "/v1/messages", "/v1/responses", "/v1/completions"])
async def test_an_answer_that_broke_off_does_not_look_whole(
    lines: _Lines, error: MinervaError, path: str
) -> None:
    async with serving(fails(error, "Half")) as served:
        bodies: dict[str, dict[str, object]] = {
            CHAT: {"messages": [{"role": "user", "content": "x"}]},
            "/v1/messages": {"messages": [{"role": "user", "content": "x"}], "max_tokens": 9},
            "/v1/responses": {"input": "x", "store": False},
            "/v1/completions": {"prompt": "x"},
        }
        body = {"model": MODEL.model_id, "stream": True, **bodies[path]}
        answer = await served.http.post(path, json=body)
        assert answer.status_code == 200
        assert "Half" in answer.text
        found = (await served.http.get("/metrics")).text
    assert f"POST {path} 200 failed {error.code} " in lines.take()[0]
    ended = f'end="failed",method="POST",path="{path}",status="200"'
    assert f"minerva_requests_total{{{ended}}} 1.0" in found


async def test_an_error_that_is_the_whole_answer_is_complete(lines: _Lines) -> None:
    async with serving(fails(EngineDied("It died"))) as served:
        await served.http.post(CHAT, json=chat_body(stream=True))
    (line,) = lines.take()
    assert re.search(f"POST {CHAT} 503 engine_died [0-9.]+ms", line)


async def test_what_is_asked_all_the_time_is_not_logged(lines: _Lines) -> None:
    async with serving() as served:
        await served.http.get("/health")
        await served.http.get("/metrics")
    assert lines.take() == []


async def get(served: Served, *headers: tuple[str, str]) -> int:
    return (await served.http.get("/v1/models", headers=list(headers))).status_code


async def test_a_key_comes_in_either_header() -> None:
    bearer, plain = ("Authorization", f"Bearer {KEY}"), ("x-api-key", OTHER_KEY)
    async with serving(api_keys=KEYS) as served:
        assert await get(served, bearer) == 200
        assert await get(served, plain) == 200
        assert await get(served, bearer, ("x-api-key", "nonsense")) == 200
        assert await get(served, plain, ("Authorization", "Bearer nonsense")) == 200
        assert await get(served, plain, ("Authorization", "Basic bm9uc2Vuc2U=")) == 200
        assert await get(served, ("x-api-key", f"Bearer {KEY}")) == 401
        assert await get(served, ("x-api-key", "")) == 401
        assert await get(served, ("api-key", KEY)) == 401


async def test_keys_change_while_it_runs_and_a_locked_door_stays_locked() -> None:
    async with serving() as served:
        assert await get(served) == 200
        served.endpoint.use_api_keys(KEYS)
        assert await get(served) == 401
        assert await get(served, ("x-api-key", KEY)) == 200
        served.endpoint.use_api_keys(KEYS[1:])
        assert await get(served, ("x-api-key", KEY)) == 401
        assert await get(served, ("x-api-key", OTHER_KEY)) == 200
        served.endpoint.use_api_keys(())
        assert await get(served) == 401
        assert await get(served, ("x-api-key", OTHER_KEY)) == 401


async def test_bodies_of_all_requests_together_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("minerva_desktop.server.access.MAX_BODIES_BYTES", 3_000_000)
    body = chat_body(messages=[{"role": "user", "content": "x" * 2_000_000}])
    async with serving(says_and_goes_on()) as served:
        first = asyncio.create_task(served.http.post(CHAT, json=body))
        await asyncio.wait_for(served.engine.asked.wait(), SECONDS)
        second = await served.http.post(CHAT, json=body)
        assert second.status_code == 503
        assert second.json()["error"]["code"] == "queue_full"
        assert second.headers["retry-after"] == "1"
        first.cancel()
        await asyncio.wait_for(served.pool.returned.wait(), SECONDS)
        served.engine.asked.clear()
        third = asyncio.create_task(served.http.post(CHAT, json=body))
        await asyncio.wait_for(served.engine.asked.wait(), SECONDS)
        third.cancel()
        await asyncio.gather(first, third, return_exceptions=True)
