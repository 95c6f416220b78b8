"""A bug of ours in the middle of a streamed answer: the client is told, and the log knows more."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from minerva_desktop.chat.served_request import RequestState
from minerva_desktop.engine.answer_parser import AnswerParser
from tests.server.fake_models import MODEL, chat_body, says, serving

ASK = [
    ("/v1/chat/completions", chat_body()),
    ("/v1/completions", {"prompt": "Hi"}),
    ("/v1/responses", {"input": "Hi"}),
    ("/v1/messages", chat_body(max_tokens=9)),
]
TOLD = "The endpoint failed at this request; its log says why"


def broken(parser: AnswerParser) -> Any:
    raise RuntimeError("a secret of ours")


@pytest.mark.parametrize(("path", "body"), ASK)
async def test_a_bug_ends_a_stream_with_an_error(
    path: str,
    body: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(AnswerParser, "finish", broken)
    async with serving(says("Half an ans")) as served:
        # Read to its end: a stream that is cut off raises here.
        answer = await served.http.post(path, json=body | {"stream": True})
        (record,) = served.activity.snapshot()
        metrics = (await served.http.get("/metrics")).text
    assert answer.status_code == 200
    assert "Half an ans" in answer.text
    *_, last = answer.text.strip().split("\n\n")
    assert TOLD in last
    assert "[DONE]" not in answer.text
    assert "secret" not in answer.text
    assert record.state is RequestState.FAILED
    ended = f'end="failed",method="POST",path="{path}",status="200"'
    assert f"minerva_requests_total{{{ended}}} 1.0" in metrics
    (told,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert told.exc_info is not None
    assert str(told.exc_info[1]) == "a secret of ours"
    assert served.pool.leases == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_before_the_first_event_it_is_an_http_error(
    stream: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(AnswerParser, "finish", broken)
    async with serving(says()) as served:
        body = {"prompt": "Hi", "model": MODEL.model_id, "stream": stream}
        answer = await served.http.post("/v1/completions", json=body)
    assert answer.status_code == 500
    assert answer.json()["error"]["message"] == TOLD
    assert any(each.exc_info for each in caplog.records)
