"""What is no HTTP, or no whole request, is listed, logged and counted once, by one id."""

from __future__ import annotations

import json
import logging

import pytest

from minerva_desktop.chat.served_request import RequestState
from minerva_desktop.server.config import ConnectionLimits
from tests.server.fake_models import Served, serving
from tests.server.test_connections import CHAT, CLOSE, SHORT, head, header_of, status_of


def body_of(answer: bytes) -> dict[str, object]:
    body: dict[str, object] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return body


async def counted(served: Served) -> list[str]:
    text = (await served.http.get("/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith("minerva_requests_total{")]
    return [line for line in lines if "/metrics" not in line]


def logged_ids(caplog: pytest.LogCaptureFixture) -> list[str]:
    lines = [each.getMessage() for each in caplog.records if each.name.endswith("server.access")]
    ids = [line.partition(" id=")[2].partition(" ")[0] for line in lines if "/metrics" not in line]
    return [each for each in ids if each]


@pytest.mark.parametrize(
    ("raw", "status", "words"),
    [
        (b"nonsense\r\n\r\n", 400, "This is no valid HTTP/1.1 request"),
        (b"GET / HTTP/1.1\r\nHost a\r\n\r\n", 400, "This is no valid HTTP/1.1 request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "use http://, not https"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000, 431, "The request's head is too"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 101 + CLOSE[2:], 431, "more than 100"),
        (b"GET / HTTP/1.1\r\nHo", 408, "The request's head did not come within"),
    ],
)
async def test_what_is_no_http_has_its_row(
    caplog: pytest.LogCaptureFixture, raw: bytes, status: int, words: str
) -> None:
    caplog.set_level(logging.INFO)
    async with serving(limits=ConnectionLimits(head_s=SHORT)) as served:
        answer = await served.exchange(raw)
        (row,) = served.activity.snapshot()
        counts = await counted(served)
    assert (status_of(answer), row.status, row.state) == (status, status, RequestState.FAILED)
    assert words in row.error
    assert row.client == "127.0.0.1"
    assert [row.request_id] == logged_ids(caplog) == [header_of(answer, "x-request-id")]
    (count,) = counts
    assert f'status="{status}"' in count
    assert count.endswith(" 1.0")


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        ({"Content_Length": "9"}, 408),  # of which one comes
        ({"Transfer_Encoding": "chunked"}, 400),  # which it is not
    ],
)
async def test_half_a_body_has_one_row_and_one_id(
    caplog: pytest.LogCaptureFixture, rest: dict[str, str], status: int
) -> None:
    caplog.set_level(logging.INFO)
    async with serving(limits=ConnectionLimits(body_idle_s=SHORT)) as served:
        for path in (CHAT, "/v1/messages"):
            caplog.clear()
            request = head(served, path=path, X_Request_Id="mine", **rest)
            answer = await served.exchange(request + b"{\r\n"[: 1 if status == 408 else 3])
            await served.http.get("/metrics")  # its route has ended by then
            row = served.activity.snapshot()[0]
            assert (status_of(answer), row.status, row.state) == (
                *(status, status),
                RequestState.FAILED,
            )
            assert header_of(answer, "x-request-id") == row.request_id == "mine"
            assert logged_ids(caplog) == ["mine"]
            error = body_of(answer)["error"]
            assert isinstance(error, dict)
            assert row.error == error["message"]
            assert body_of(answer).get("request_id") == ("mine" if path != CHAT else None)
        assert [each.dialect for each in served.activity.snapshot()] == ["messages", "chat"]
        ends = [line for line in await counted(served) if 'end="complete"' in line]
        assert sum(float(line.rpartition(" ")[2]) for line in ends) == 2


async def test_a_client_that_leaves_in_the_middle_of_its_body_has_a_row(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with serving() as served:
        _, writer = await served.connect()
        writer.write(head(served, Content_Length="9", X_Request_Id="mine") + b"{")
        await writer.drain()
        await served.http.get("/v1/models")
        writer.transport.abort()
        await served.http.get("/v1/models")
        (row,) = served.activity.snapshot()
    assert (row.status, row.state, row.request_id) == (499, RequestState.CANCELLED, "mine")
    assert row.error == "The client went away before its request was whole"
    assert logged_ids(caplog).count("mine") == 1


async def test_a_broken_body_of_a_request_for_the_head_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with serving() as served:
        answer = await served.exchange(
            head(served, "HEAD", Transfer_Encoding="chunked", X_Request_Id="mine") + b"zz\r\n"
        )
        await served.http.get("/metrics")  # its route has ended by then
        (row,) = served.activity.snapshot()
    assert status_of(answer) == 400
    assert answer.endswith(b"\r\n\r\n")
    assert row.error.startswith("This is no valid HTTP/1.1 request")
    assert logged_ids(caplog) == ["mine"]
    assert " 400 invalid_request_error " in caplog.text
    assert [each.message for each in caplog.records if each.levelno >= logging.ERROR] == []
