"""Clients that are slow, too many, or speak something else: what a connection may cost."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import socket

import pytest

from minerva_desktop.server.config import ConnectionLimits
from tests.patience import SECONDS
from tests.server.fake_models import (
    COMPLETION,
    Served,
    chat_body,
    says,
    says_and_goes_on,
    serving,
)

CHAT = "/v1/chat/completions"
SHORT = 0.1  # seconds
CLOSE = b"\r\nConnection: close\r\n\r\n"
TELLING = (b"\r\n", b"\n", b"\x00", b"\xff", b": ", b" ", b"%", b"?", b"#", b"Host: a\r\n", b"-1")
TWO_LENGTHS = (
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\n{}\r\n0\r\n\r\n"
)


def head(served: Served, method: str = "POST", path: str = CHAT, **headers: str) -> bytes:
    """A request's head, for a JSON body."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{served.port}"]
    if method == "POST":
        lines.append("Content-Type: application/json")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def code_of(answer: bytes) -> str:
    code: str = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"]
    return code


def header_of(answer: bytes, name: str) -> str | None:
    for line in answer.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        key, _, value = line.decode().partition(": ")
        if key.lower() == name:
            return value
    return None


async def test_two_hundred_half_heads_are_hung_up_on_and_others_served_meanwhile() -> None:
    async with serving(limits=ConnectionLimits(head_s=0.5)) as served:
        slow = []
        for _ in range(200):  # one that says nothing for so long is hung up on without a word
            slow.append(await served.connect())
            slow[-1][1].write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nX-")
        answer = await served.http.post(CHAT, json=chat_body())
        assert answer.status_code == 200
        async with asyncio.timeout(SECONDS):
            for reader, _ in slow:
                late = await reader.read()
                assert (status_of(late), code_of(late)) == (408, "request_timeout")


async def test_a_drip_of_header_bytes_does_not_buy_time() -> None:
    async with serving(limits=ConnectionLimits(head_s=SHORT)) as served:
        reader, writer = await served.connect()

        async def drip() -> None:
            while True:
                writer.write(b"X")
                await asyncio.sleep(SHORT / 10)

        dripping = asyncio.create_task(drip())
        async with asyncio.timeout(SECONDS):
            answer = await reader.read()
        dripping.cancel()
        assert status_of(answer) == 408


async def test_a_client_that_says_nothing_is_hung_up_on_without_a_word() -> None:
    async with serving(limits=ConnectionLimits(head_s=SHORT)) as served:
        reader, _ = await served.connect()
        async with asyncio.timeout(SECONDS):
            assert await reader.read() == b""


async def test_the_second_head_of_a_connection_has_its_own_time() -> None:
    async with serving(limits=ConnectionLimits(head_s=SHORT)) as served:
        reader, writer = await served.connect()
        writer.write(head(served, "GET", "/health"))
        first = await reader.readuntil(b"}")
        writer.write(b"GET /health HTTP/1.1\r\n")
        async with asyncio.timeout(SECONDS):
            second = await reader.read()
        assert (status_of(first), status_of(second)) == (200, 408)


async def test_a_body_that_does_not_come_is_a_408() -> None:
    for limits in (ConnectionLimits(body_idle_s=SHORT), ConnectionLimits(body_s=SHORT)):
        async with serving(limits=limits) as served:
            async with asyncio.timeout(SECONDS):
                answer = await served.exchange(head(served, Content_Length="9") + b"{")
            assert (status_of(answer), code_of(answer)) == (408, "request_timeout")
            assert served.engine.prompts == []
            assert (await served.http.post(CHAT, json=chat_body())).status_code == 200


async def test_a_slow_body_that_comes_is_served() -> None:
    limits = ConnectionLimits(body_idle_s=5.0, head_s=SHORT)
    body = json.dumps(chat_body()).encode()
    async with serving(limits=limits) as served:
        reader, writer = await served.connect()
        writer.write(head(served, Content_Length=str(len(body)), Connection="close"))
        for byte in body:
            writer.write(bytes([byte]))
            await asyncio.sleep(2 * SHORT / len(body))
        answer = await reader.read()
    assert status_of(answer) == 200


async def test_a_reader_that_never_reads_costs_little_and_then_its_generation_ends() -> None:
    token = "x" * 1000
    async with serving(says_and_goes_on(), limits=ConnectionLimits(stall_s=0.3)) as served:
        reader, writer = await served.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        body = json.dumps(chat_body(stream=True)).encode()
        writer.write(head(served, Content_Length=str(len(body))) + body)
        await asyncio.wait_for(served.engine.asked.wait(), SECONDS)
        stream = served.engine.streams[0]
        async with asyncio.timeout(SECONDS):
            # Faster than the loop can send, so that what is unread is what waits for the client.
            while not served.engine.cancelled.is_set():
                stream.push_token(token)
                await asyncio.sleep(0)
            await served.pool.returned.wait()
        served.engine.script = says("Hi")
        assert (await served.http.post(CHAT, json=chat_body())).status_code == 200
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert not (await reader.read()).endswith(b"0\r\n\r\n")


async def test_a_slow_reader_gets_all_of_it_and_stalls_nobody() -> None:
    tokens = ["~" * 1000] * 3000
    async with serving(says_and_goes_on(*tokens), limits=ConnectionLimits(stall_s=1.0)) as served:
        reader, writer = await served.connect()
        body = json.dumps(chat_body(stream=True)).encode()
        writer.write(head(served, Content_Length=str(len(body)), Connection="close") + body)
        await asyncio.wait_for(served.engine.asked.wait(), SECONDS)
        served.engine.streams[0].finish(COMPLETION)
        n_read = 0
        while piece := await reader.read(65536):
            n_read += piece.count(b"~")
            await asyncio.sleep(0.02)
            if n_read < 100_000:
                served.engine.script = says("Hi")
                assert (await served.http.post(CHAT, json=chat_body())).status_code == 200
    assert n_read == 3_000_000


async def test_connections_beyond_the_limit_are_told_so() -> None:
    async with serving(limits=ConnectionLimits(max_connections=3)) as served:
        kept = [await served.connect() for _ in range(3)]
        answer = await served.exchange(b"")
        assert (status_of(answer), code_of(answer)) == (503, "too_many_connections")
        assert header_of(answer, "retry-after") == "1"
        kept[0][1].close()
        await kept[0][1].wait_closed()
        assert (await served.http.get("/health")).status_code == 200


async def test_far_beyond_the_limit_connections_are_dropped() -> None:
    async with serving(limits=ConnectionLimits(max_connections=1)) as served:
        kept = [await served.connect() for _ in range(80)]
        answers = []
        for reader, _ in kept[1:]:
            try:
                answers.append(await reader.read())
            except ConnectionResetError:
                answers.append(b"")
    assert {status_of(answer) for answer in answers if answer} == {503}
    assert b"" in answers


@pytest.mark.parametrize(
    ("request_head", "status", "code"),
    [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http_version_not_supported"),
        (b"GET /health HTTP/3.0\r\nHost: a\r\n\r\n", 505, "http_version_not_supported"),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 431, ""),
        (b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 101 + b"\r\n", 431, ""),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431, ""),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400, ""),
        (TWO_LENGTHS, 400, "invalid_request_error"),
        (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", 403, "forbidden"),
    ],
)
async def test_what_this_server_does_not_speak(request_head: bytes, status: int, code: str) -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        writer.write(request_head)
        writer.write(head(served, "GET", "/health", Connection="close"))
        async with asyncio.timeout(SECONDS):
            answer = await reader.read()
    assert status_of(answer) == status
    if code:
        assert f'"{code}"'.encode() in answer


async def test_http_2_gets_one_answer_and_time_to_read_it() -> None:
    loop, answer = asyncio.get_running_loop(), b""
    async with serving() as served:
        with socket.create_connection(("127.0.0.1", served.port)) as client:
            client.setblocking(False)
            await loop.sock_sendall(client, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4")
            while more := await loop.sock_recv(client, 4096):
                answer += more
            for _ in range(2):  # it still sends; were it hung up on, the first would say so
                await loop.sock_sendall(client, b"\0\0\0\0\0")
        listed = served.activity.snapshot()
    assert answer.count(b"HTTP/1.1 ") == 1
    assert (status_of(answer), header_of(answer, "connection")) == (505, "close")
    assert [request.status for request in listed] == [505]


async def test_a_head_without_an_end_is_not_collected() -> None:
    async with serving() as served:
        answer = await served.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000)
    assert (status_of(answer), code_of(answer)) == (431, "headers_too_large")


async def test_a_tls_handshake_is_told_to_use_http() -> None:
    async with serving() as served:
        answer = await served.exchange(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    assert status_of(answer) == 400
    assert b"http://" in answer


async def test_expect_100_continue() -> None:
    body = json.dumps(chat_body()).encode()
    async with serving() as served:
        reader, writer = await served.connect()
        writer.write(
            head(served, Content_Length=str(len(body)), Expect="100-continue", Connection="close")
        )
        interim = await reader.readuntil(b"\r\n\r\n")
        writer.write(body)
        final = await reader.read()
        assert (status_of(interim), status_of(final)) == (100, 200)
        # Nobody wants to read what is too large.
        huge = head(served, Content_Length=str(10**9), Expect="100-continue")
        assert status_of(await served.exchange(huge)) == 413


async def test_a_refusal_reaches_a_client_that_is_still_sending() -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        writer.write(head(served, Content_Length=str(50_000_000)))
        for _ in range(50):
            writer.write(b" " * 1_000_000)
            await writer.drain()
        async with asyncio.timeout(SECONDS):
            answer = await reader.read()
        assert (status_of(answer), code_of(answer)) == (413, "payload_too_large")
        assert header_of(answer, "connection") == "close"


async def test_nobody_is_listened_to_for_ever_after_a_refusal() -> None:
    async with serving() as served:
        _, writer = await served.connect()
        writer.write(head(served, Content_Length=str(10**12)))

        async def send_for_ever() -> None:
            while True:
                writer.write(b" " * 1_000_000)
                await writer.drain()

        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            await asyncio.wait_for(send_for_ever(), SECONDS)
        assert (await served.http.get("/health")).status_code == 200


async def test_a_chunked_body_is_read() -> None:
    body = json.dumps(chat_body()).encode()
    chunks = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in body) + b"0\r\n\r\n"
    async with serving() as served:
        request = head(served, Transfer_Encoding="chunked", Connection="close") + chunks
        assert status_of(await served.exchange(request)) == 200


async def test_upgrades_are_declined_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as served:
        for protocol in ("websocket", "h2c"):
            request = head(served, "GET", "/health", Upgrade=protocol, Connection="Upgrade, close")
            assert status_of(await served.exchange(request)) == 200
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


async def test_options_head_and_other_methods_on_every_path() -> None:
    paths = {
        CHAT: {"POST"},
        "/v1/models": {"GET", "HEAD"},
        "/health": {"GET", "HEAD"},
        "/metrics": {"GET", "HEAD"},
        "/docs": {"GET", "HEAD"},
        "/openapi.json": {"GET", "HEAD"},
    }
    async with serving() as served:
        for path, methods in paths.items():
            options = await served.http.options(path)
            assert options.status_code == 204, path
            assert set(options.headers["allow"].split(", ")) == methods
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"):
                answer = await served.http.request(method, path)
                if method not in methods:
                    assert answer.status_code == 405, (method, path)
                    assert set(answer.headers["allow"].split(", ")) == methods
                    if method != "HEAD":
                        assert answer.json()["error"]["code"] == "method_not_allowed"
            if "HEAD" in methods:
                head_answer = await served.http.head(path)
                assert (head_answer.status_code, head_answer.content) == (200, b"")
        star = await served.exchange(head(served, "OPTIONS", "*", Connection="close"))
        assert status_of(star) == 204


async def test_every_answer_forbids_guessing_its_type() -> None:
    async with serving() as served:
        for path in ("/health", "/nothing", "/docs"):
            answer = await served.http.get(path)
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert header_of(await served.exchange(b"nonsense\r\n\r\n"), "x-content-type-options") == (
            "nosniff"
        )


def mutated(request: bytes, chance: random.Random) -> bytes:
    """``request`` with some of its bytes changed, lost, doubled or exchanged for telling ones."""
    raw = bytearray(request)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(raw))
        match chance.randrange(4):
            case 0:
                raw[at] = chance.randrange(256)
            case 1:
                del raw[at : at + chance.randint(1, 8)]
            case 2:
                raw[at:at] = raw[at : at + chance.randint(1, 40)]
            case 3:
                raw[at:at] = chance.choice(TELLING)
    return bytes(raw)


async def test_mutated_requests_never_break_it(caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(8427)
    statuses = set()
    limits = ConnectionLimits(head_s=0.3, body_idle_s=0.3, idle_s=1)
    async with serving(limits=limits) as served:
        body = json.dumps(chat_body(stream=True)).encode()
        requests = [
            head(served, Content_Length=str(len(body))) + body,
            head(served, Transfer_Encoding="chunked") + b"2\r\n{}\r\n0\r\n\r\n",
            head(served, "GET", f"http://127.0.0.1:{served.port}/v1/models?a=b", X_Request_Id="a"),
            head(served, "OPTIONS", "*", Origin="null"),
        ]
        requests = [each.replace(b"\r\n\r\n", CLOSE, 1) for each in requests]

        async def ask(raw: bytes) -> None:
            reader, writer = await served.connect()
            writer.write(raw)
            answer = await reader.read()
            writer.close()
            if answer:
                statuses.add(status_of(answer))

        raws = [mutated(chance.choice(requests), chance) for _ in range(600)]
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*map(ask, raws))
        assert (await served.http.post(CHAT, json=chat_body())).status_code == 200
    assert {200, 400, 403, 404, 405, 408} <= statuses
    assert 500 not in statuses
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []
