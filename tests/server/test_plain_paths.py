"""Paths with slashes too many, and with the version twice or not at all."""

from __future__ import annotations

import anthropic
import openai
import pytest

from minerva_desktop.api_keys import NamedKey
from minerva_desktop.server.plain_paths import plain_path
from tests.server.fake_models import MODEL, chat_body, says, serving


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("/", "/"),
        ("//", "/"),
        ("/v1", "/v1"),
        ("/v1/", "/v1"),
        ("/docs/", "/docs"),
        ("/v1/models/", "/v1/models"),
        ("/v1//chat/completions", "/v1/chat/completions"),
        ("//v1/v1//messages/", "/v1/messages"),
        ("/v1/v1", "/v1"),
        ("/chat/completions", "/v1/chat/completions"),
        ("/models/org/name", "/v1/models/org/name"),
        ("/messages/count_tokens", "/v1/messages/count_tokens"),
        ("/v1/models/v1", "/v1/models/v1"),
        ("/v1x/models", "/v1x/models"),
        ("/v1/health/", "/health"),
        ("/v1/tokenize", "/tokenize"),
        ("/v1/models/health", "/v1/models/health"),
        ("/chats", "/chats"),
        ("/tokenize", "/tokenize"),
        ("*", "*"),
        ("", "/"),
    ],
)
def test_what_is_meant(written: str, meant: str) -> None:
    assert plain_path(written) == meant
    assert plain_path(meant) == meant


async def test_every_route_takes_a_slash_at_its_end() -> None:
    async with serving() as served:
        for path in ("/", "/v1", "/docs", "/health", "/metrics", "/props", "/v1/models"):
            plain, slashed = await served.http.get(path), await served.http.get(f"{path}/")
            assert (plain.status_code, slashed.status_code) == (200, 200), path
            assert plain.headers["content-type"] == slashed.headers["content-type"]
        asked = await served.http.post("/v1/chat/completions/", json=chat_body())
        assert asked.status_code == 200
        wrong = await served.http.post("/messages//", json={})
        assert wrong.json()["type"] == "error"  # in the words of that path


@pytest.mark.parametrize("base", ["/v1", "/v1/", "/v1//", "", "/", "/v1/v1"])
async def test_any_base_url_works(base: str) -> None:
    async with serving(says("Hi")) as served:
        async with openai.AsyncOpenAI(base_url=served.url + base, api_key="x") as client:
            answer = await client.chat.completions.create(
                model=MODEL.model_id, messages=[{"role": "user", "content": "Hi"}]
            )
            assert answer.choices[0].message.content == "Hi"
            assert (await client.models.list()).data[0].id == MODEL.model_id
        async with anthropic.AsyncAnthropic(base_url=served.url + base, api_key="x") as claude:
            message = await claude.messages.create(
                model=MODEL.model_id, messages=[{"role": "user", "content": "Hi"}], max_tokens=5
            )
            assert message.model == MODEL.model_id


async def test_no_way_of_writing_a_path_leads_around_the_key() -> None:
    async with serving(api_keys=(NamedKey.of("k", "sk-0123456789"),)) as served:
        for path in ("/v1//models", "/models", "/docs/../v1/models", "/v1/models/", "/metrics/"):
            assert (await served.http.get(path)).status_code == 401, path
        assert (await served.http.get("/docs/")).status_code == 200
