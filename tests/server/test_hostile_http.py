from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from minerva_desktop.server.json_body import MAX_BODY_BYTES, MAX_QUICK_BYTES, parse_json_object
from tests.patience import SECONDS
from tests.server.fake_models import MODEL, Served, chat_body, serving

CHAT = "/v1/chat/completions"


async def post(
    served: Served, content: bytes | AsyncIterator[bytes], **headers: str
) -> httpx.Response:
    headers = {"Content-Type": "application/json"} | headers
    return await served.http.post(CHAT, content=content, headers=headers)


def error_of(raw: bytes) -> dict[str, str]:
    error: dict[str, str] = json.loads(raw.partition(b"\r\n\r\n")[2])["error"]
    return error


async def test_a_huge_body_is_refused_by_its_announcement() -> None:
    async with serving() as served:
        head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {64 * 1024**2}\r\n\r\n"
        answer = await served.exchange(head.encode())
    assert answer.startswith(b"HTTP/1.1 413")
    assert error_of(answer)["code"] == "payload_too_large"


async def test_a_huge_body_without_a_length_is_refused_while_it_comes() -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 8 * MAX_BODY_BYTES:
            sent += 65536
            yield b" " * 65536

    async with serving() as served:
        answer = await post(served, body())
    assert answer.status_code == 413
    assert f"8.4 MB ({MAX_BODY_BYTES:,} bytes)" in answer.json()["error"]["message"]
    assert served.engine.prompts == []


async def test_a_body_at_the_limit_is_read() -> None:
    body = json.dumps(chat_body(messages=[{"role": "user", "content": "x" * (2 * 1024**2)}]))
    async with serving() as served:
        assert (await post(served, body.encode().ljust(MAX_BODY_BYTES))).status_code == 200
        assert (await post(served, body.encode().ljust(MAX_BODY_BYTES + 1))).status_code == 413


async def test_only_json_is_taken() -> None:
    body = json.dumps(chat_body()).encode()
    async with serving() as served:
        for media_type in ("text/plain", "application/x-www-form-urlencoded", "", "json"):
            answer = await post(served, body, **{"Content-Type": media_type})
            assert answer.status_code == 415, media_type
            assert answer.json()["error"]["code"] == "unsupported_media_type"
        assert served.engine.prompts == []


async def test_a_charset_beside_json_is_fine() -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    async with serving() as served:
        answer = await post(served, json.dumps(chat_body()).encode(), **headers)
    assert answer.status_code == 200


HOSTILE_BODIES = (
    b"",
    b"[" * 100_000,
    b'{"messages":' + b"[" * 1_000_000,
    b'{"model": NaN}',
    b'{"model": "m", "model": "n"}',
    b'{"model": "\\ud800", "messages": [{"role": "user", "content": "Hi"}]}',
    b'{"model": "m", "messages": [{"role": "user", "content": "\\udfff"}]}',
    b'{"model": "m", "messages": [{"role": "\\u0000", "content": "Hi"}]}',
    b'{"model": "m", "messages": {"0": {"role": "user", "content": "Hi"}}}',
    b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}], "n": 1000}',
    b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1e9}',
    b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}], "temperature": 1e999}',
    b'{"model": "m", "messages": [' + b'{"role":"user","content":"Hi"},' * 100_000 + b"{}]}",
)
NO_HTTP = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
    b"\x00" * 50,
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
)


async def test_hostile_json_is_a_400_and_quick() -> None:
    async with serving() as served:
        for body in HOSTILE_BODIES:
            async with asyncio.timeout(SECONDS):
                answer = await post(served, body)
            assert answer.status_code == 400, body[:80]
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
        assert served.engine.prompts == []
        assert (await post(served, json.dumps(chat_body()).encode())).status_code == 200


MANY_KEYS = b"{" + b",".join(b'"k%d":1' % number for number in range(150_000)) + b"}"


def costly_bodies() -> Iterator[bytes]:
    """Each is refused, some only after what they ask for was done."""
    yield b'{"model":"x","messages":[' + b"{}," * 2_600_000 + b"{}]}"
    yield MANY_KEYS
    yield json.dumps(chat_body(logit_bias={str(token): 1 for token in range(10_000)})).encode()
    emoji = [{"role": "user", "content": "\U0001f600" + "x" * 80}] * 30_000
    yield json.dumps(chat_body(messages=emoji)).encode()  # each escaped, as two halves
    for data in ("data:," + "%41" * 1_400_000, "A " * 4_000_000, "data:," + "```a" * 1_000_000):
        texts = (("a.txt", data), ("a.png", "data:image/png,"))
        files = [
            {"type": "file", "file": {"filename": name, "file_data": text}} for name, text in texts
        ]
        yield json.dumps(chat_body(messages=[{"role": "user", "content": files}])).encode()


async def test_costly_bodies_do_not_hold_the_loop_that_carries_the_streams() -> None:
    """The loop stands still, too, while a thread keeps the interpreter to itself. How long that is
    on a busy machine, what is read in one go tells."""
    began = time.thread_time()
    json.loads(MANY_KEYS)
    in_one_go = time.thread_time() - began

    async with serving() as served:

        async def longest_turn(body: bytes) -> float:
            """Seconds of processor that this process took between two turns of the loop."""
            before, longest = time.process_time(), 0.0
            asked = asyncio.create_task(post(served, body))
            while not asked.done():
                await asyncio.sleep(0)
                now = time.process_time()
                before, longest = now, max(longest, now - before)
            assert asked.result().status_code == 400
            return longest

        # What other tests left is not to be looked through while these are read. Nor later: a
        # thread that did would free what is left of windows, which is the main thread's affair.
        gc.freeze()
        for body in costly_bodies():
            assert await longest_turn(body) < in_one_go / 2, body[:80]


async def test_what_is_read_in_a_moment_does_not_wait_for_what_takes_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_let_go = threading.Event()

    def held_if_large(body: bytes) -> dict[str, Any]:
        if len(body) > MAX_QUICK_BYTES:
            is_let_go.wait(SECONDS)
        return parse_json_object(body)

    monkeypatch.setattr("minerva_desktop.server.json_body.parse_json_object", held_if_large)
    large, quick, tiny = (
        json.dumps(chat_body(messages=[{"role": "user", "content": "x" * n}])).encode()
        for n in (MAX_QUICK_BYTES, 40_000, 10)
    )
    async with serving() as served:
        held = [asyncio.create_task(post(served, large)) for _ in range(2)]
        answers = [await post(served, quick), await post(served, tiny)]
        for text in ("hi", "hi" * 2_000):  # the answer of the longer one is written in a thread
            asked = {"model": MODEL.model_id, "content": text, "with_pieces": True}
            answers.append(await served.http.post("/tokenize", json=asked))
        assert not any(each.done() for each in held)
        is_let_go.set()
        answers += await asyncio.gather(*held)
    assert [answer.status_code for answer in answers] == [200] * 6


async def test_what_is_no_http_gets_an_error_in_our_shape() -> None:
    async with serving() as served:
        for raw in NO_HTTP:
            async with asyncio.timeout(SECONDS):
                answer = await served.exchange(raw)
            assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n"), raw[:80]
            assert b"\r\ndate: " in answer
            assert error_of(answer)["type"] == "invalid_request_error"


async def test_a_broken_chunk_ends_its_connection_only() -> None:
    async with serving() as served:
        head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
        head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        answer = await served.exchange(head.encode() + b"2\r\n{}\r\nnot a length\r\n")
        assert answer.startswith(b"HTTP/1.1 400")
        assert (await post(served, json.dumps(chat_body()).encode())).status_code == 200


async def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_no_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as served:
        _, writer = await served.connect()
        head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
        head += "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        writer.write(head.encode())
        await writer.drain()
        await served.http.get("/health")
        writer.transport.abort()
        await served.http.get("/health")
    assert served.engine.prompts == []
    assert "Traceback" not in caplog.text
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_three_requests_in_one_packet() -> None:
    async with serving() as served:
        request = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
        answer = await served.exchange(
            f"{request}\r\n{request}\r\n{request}Connection: close\r\n\r\n".encode()
        )
    assert answer.count(b'"status":"ok"') == 3
