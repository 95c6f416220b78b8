"""One error, in the shape that the clients of each path read."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

import pytest
from anthropic.types import ErrorResponse
from starlette.types import Receive

from minerva_desktop.errors import (
    AppReplaced,
    ContextLimitExceeded,
    EngineDied,
    Forbidden,
    GenerationTimeout,
    InferenceError,
    InvalidRequest,
    LoadCancelled,
    MemoryInUse,
    MinervaError,
    ModelLoadError,
    ModelNotFound,
    ModelUnloaded,
    OutOfMemory,
    QueueFull,
    RequestCancelled,
    Unauthorized,
)
from minerva_desktop.server.errors import (
    LOADS_AGAIN,
    ModelStillLoads,
    PayloadTooLarge,
    error_response,
)
from minerva_desktop.server.request_info import request_info


async def answer(error: MinervaError, path: str, request_id: str = "") -> tuple[Any, Any, Any]:
    """Status, headers and body of what goes to a client of ``path``."""
    sent: list[MutableMapping[str, Any]] = []
    scope: dict[str, Any] = {"type": "http", "path": path, "client": None}
    request_info(scope).request_id = request_id

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    receive: Receive = send  # type: ignore[assignment]
    await error_response(error)(scope, receive, send)
    start, body = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    assert headers["content-length"] == str(len(body["body"]))
    assert headers["content-type"] == "application/json"
    return start["status"], headers, json.loads(body["body"])


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (InvalidRequest("No", param="a"), 400, "invalid_request_error"),
        (Unauthorized("No"), 401, "authentication_error"),
        (Forbidden("No"), 403, "permission_error"),
        (ModelNotFound("No"), 404, "not_found_error"),
        (GenerationTimeout("No"), 408, "timeout_error"),
        (PayloadTooLarge("No"), 413, "request_too_large"),
        (RequestCancelled("No"), 499, "api_error"),
        (OutOfMemory("No"), 500, "api_error"),
        (MemoryInUse("No"), 503, "overloaded_error"),
        (QueueFull("No"), 503, "overloaded_error"),
        (EngineDied("No"), 503, "api_error"),
        (ModelUnloaded("No"), 503, "api_error"),
    ],
)
async def test_anthropics_types(error: MinervaError, status: int, kind: str) -> None:
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        told, headers, body = await answer(error, path, "req-7")
        assert told == status
        assert headers["request-id"] == "req-7"
        details = {"error_code": error.code} | ({"param": "a"} if error.param else {})
        message = "No" + (LOADS_AGAIN if isinstance(error, EngineDied) else "")
        assert body == {
            "type": "error",
            "error": {"type": kind, "message": message, "details": details},
            "request_id": "req-7",
        }
        if kind != "request_too_large":  # the client's own types lack it
            ErrorResponse.model_validate(body)


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/messages2", "/", "/v1/chat/completions"])
async def test_everywhere_else_they_are_openais(path: str) -> None:
    status, headers, body = await answer(Unauthorized("No"), path, "req-7")
    assert status == 401
    assert headers["www-authenticate"] == "Bearer"
    assert "request-id" not in headers
    assert body == {
        "error": {
            "message": "No",
            "type": "authentication_error",
            "param": None,
            "code": "invalid_api_key",
        }
    }


async def test_headers_that_belong_to_an_error_go_with_it_in_either_shape() -> None:
    for path in ("/v1/messages", "/v1/responses"):
        for error in (QueueFull("No"), MemoryInUse("No"), EngineDied("No")):
            _, headers, _ = await answer(error, path)
            assert int(headers["retry-after"]) > 0
            assert "x-should-retry" not in headers


async def test_clients_are_told_where_no_second_try_helps() -> None:
    for final in (
        OutOfMemory,
        ModelLoadError,
        GenerationTimeout,
        ModelUnloaded,  # by a person, as a load is cancelled: that counts
        LoadCancelled,
        AppReplaced,  # though it is an `EngineDied`
    ):
        _, headers, _ = await answer(final("No"), "/v1/responses")
        assert headers["x-should-retry"] == "false"
        assert "retry-after" not in headers
    for kind in (ModelStillLoads, InferenceError, EngineDied):
        _, headers, _ = await answer(kind("No"), "/v1/responses")
        assert "x-should-retry" not in headers


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
async def test_a_prompt_that_is_too_long_is_told_in_the_words_that_clients_look_for(
    path: str,
) -> None:
    for error in (ContextLimitExceeded.of(5, 6), ContextLimitExceeded("No. It is a pity.")):
        _, _, body = await answer(error, path)
        message = body["error"]["message"]
        assert message.startswith(error.message.rstrip("."))
        assert "prompt is too long" in message
        assert "maximum context length" in message
        assert ".." not in message
