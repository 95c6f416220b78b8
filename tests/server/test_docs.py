from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fastapi import FastAPI
from starlette.routing import Route

from minerva_desktop.api_keys import NamedKey
from minerva_desktop.errors import (
    EngineDied,
    InferenceError,
    InvalidRequest,
    MinervaError,
    OutOfMemory,
    QueueFull,
)
from minerva_desktop.library.model_file import ModelFile
from minerva_desktop.server.activity import Activity
from minerva_desktop.server.api_description import REFERENCE, describe
from minerva_desktop.server.api_operations import OPERATIONS
from minerva_desktop.server.app import create_app
from minerva_desktop.server.auth import OPEN_PATHS, KeyRing
from minerva_desktop.server.config import EndpointConfig
from minerva_desktop.server.docs_style import STYLE
from minerva_desktop.server.lifetime import Lifetime
from minerva_desktop.server.metrics import Metrics
from minerva_desktop.server.operation import Operation
from minerva_desktop.server.schemas.chat import ChatCompletionRequest
from minerva_desktop.server.services import ServerContext
from tests.server.fake_models import MODEL, FakeCatalog, FakeEngine, FakePool, says, serving


def application() -> FastAPI:
    config = EndpointConfig()
    return create_app(
        ServerContext(
            FakePool(FakeEngine(says())),
            FakeCatalog(),
            config,
            Lifetime(),
            Activity(),
            Metrics(),
            KeyRing(()),
        )
    )


def routes(app: FastAPI) -> set[tuple[str, str]]:
    """Method and path of each. FastAPI keeps what was included as routers of their own."""
    found = set()
    waiting: list[Any] = list(app.routes)
    while waiting:
        route = waiting.pop()
        if isinstance(route, Route):
            found |= {(method, route.path) for method in route.methods or ()}
        else:
            waiting += route.original_router.routes
    return found


async def test_every_route_is_described_and_nothing_else() -> None:
    described = {(method, each.path) for each in OPERATIONS for method in each.methods}
    assert routes(application()) == described
    assert {each.path for each in OPERATIONS if each.is_open} == OPEN_PATHS


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        here = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return here.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


async def test_the_description_is_whole() -> None:
    async with serving() as served:
        answer = await served.http.get("/openapi.json")
        head = await served.http.head("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert (head.status_code, head.content) == (200, b"")
    api = answer.json()
    assert api["openapi"] == "3.1.0"
    schemas = api["components"]["schemas"]
    assert references(api) <= {REFERENCE + name for name in schemas}
    chat = api["paths"]["/v1/chat/completions"]["post"]
    body = chat["requestBody"]["content"]["application/json"]
    assert body["schema"] == {"$ref": REFERENCE + "ChatCompletionRequest"}
    example = ChatCompletionRequest.model_validate(body["example"])
    assert example.messages[0].role == "user"
    assert set(schemas["ChatCompletionRequest"]["required"]) == {"messages"}
    event = chat["responses"]["200"]["content"]["text/event-stream"]["schema"]
    data, done = event["properties"]["data"]["anyOf"]
    assert (data["contentMediaType"], done) == ("application/json", {"const": "[DONE]"})
    assert data["contentSchema"]["anyOf"] == [
        {"$ref": REFERENCE + name} for name in ("ChatCompletionChunk", "ErrorBody")
    ]
    assert {"400", "401", "403", "404", "413", "415", "503"} <= set(chat["responses"])
    one = api["paths"]["/v1/models/{name}"]["get"]
    assert [each["name"] for each in one["parameters"]] == ["name"]
    assert api["paths"]["/health"]["get"]["security"] == []
    assert api["security"] == [{"bearer": []}, {"x-api-key": []}, {}]
    async with serving(api_keys=(NamedKey.of("me", "secret-secret"),)) as served:
        locked = (await served.http.get("/openapi.json")).json()
    assert locked == {**api, "security": [{"bearer": []}, {"x-api-key": []}]}
    ids = [each["operationId"] for path in api["paths"].values() for each in path.values()]
    assert len(ids) == len(set(ids))


async def test_answers_are_as_the_description_says() -> None:
    async with serving() as served:
        api = (await served.http.get("/openapi.json")).json()
        schemas = api["components"]["schemas"]
        for path in ("/health", "/v1/models", f"/v1/models/{MODEL.model_id}"):
            template = "/v1/models/{name}" if path.endswith(MODEL.model_id) else path
            good = api["paths"][template]["get"]["responses"]["200"]
            name = good["content"]["application/json"]["schema"]["$ref"].removeprefix(REFERENCE)
            answer = (await served.http.get(path)).json()
            assert set(schemas[name]["required"]) <= set(answer) <= set(schemas[name]["properties"])


def test_two_types_of_one_name_are_noticed() -> None:
    class Answer(msgspec.Struct):
        model: str

    Answer.__name__ = "ChatCompletionRequest"
    wrong = Operation(
        path="/a",
        methods=("POST",),
        group="A",
        summary="A",
        request=ChatCompletionRequest,
        answer=Answer,
    )
    with pytest.raises(ValueError, match="ChatCompletionRequest"):
        describe([wrong])


class Page(HTMLParser):
    """The tags of a page, and the text in its code blocks."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.code: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br"}:
            self._open.append(tag)
        if tag == "pre":
            self.code.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "pre" in self._open:
            self.code[-1] += data


async def test_the_page_loads_nothing_and_may_load_nothing() -> None:
    async with serving() as served:
        answer = await served.http.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert answer.headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    )
    assert f"<style>{STYLE}</style>" in answer.text
    assert "@import" not in STYLE
    assert "url(" not in STYLE
    page = Page(answer.text)
    names = {name for name, _ in page.tags}
    assert names.isdisjoint({"script", "link", "img", "iframe", "object", "form", "input"})
    attributes = {name for _, given in page.tags for name in given}
    assert attributes.isdisjoint({"src", "style", "onclick", "srcset", "action"})
    targets = {given["href"] for name, given in page.tags if name == "a"}
    anchors = {f"#{given['id']}" for _, given in page.tags if "id" in given}
    assert targets - {"/openapi.json"} <= anchors


async def test_its_examples_run_against_this_endpoint() -> None:
    async with serving() as served:
        page = Page((await served.http.get("/docs")).text)
        curl = next(code for code in page.code if "chat/completions" in code)
        assert curl.startswith(f"curl {served.url}/v1/chat/completions")
        assert "Authorization" not in curl
        body = re.search(r"-d '(.*)'", curl, re.DOTALL)
        assert body is not None
        answer = await served.http.post("/v1/chat/completions", json=json.loads(body[1]))
        assert answer.status_code == 200
        assert answer.json()["model"] == MODEL.model_id
        program = next(code for code in page.code if "from openai" in code)
        assert f'base_url="{served.url}/v1"' in program
        compile(program, "example", "exec")


EMBEDDER = msgspec.structs.replace(
    MODEL, path=Path("/models/minilm.gguf"), capabilities=("embeddings",)
)
STANDS_FOR = "<code>EMBEDDING_MODEL</code> stands for a model that makes embeddings."


@pytest.mark.parametrize(
    ("models", "named"),
    [
        ([EMBEDDER, MODEL], (MODEL.model_id, "minilm")),
        ([MODEL], (MODEL.model_id, "EMBEDDING_MODEL")),
        ([EMBEDDER], ("MODEL", "minilm")),
        ([], ("MODEL", "EMBEDDING_MODEL")),
    ],
)
async def test_its_examples_ask_models_of_the_right_kind(
    models: list[ModelFile], named: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeCatalog, "models", lambda _: models)
    async with serving() as served:
        text = (await served.http.get("/docs")).text
    code = Page(text).code
    for path, model in zip(("chat/completions", "embeddings"), named, strict=True):
        (curl,) = [each for each in code if each.startswith("curl") and f"/v1/{path} " in each]
        assert f'"model": "{model}"' in curl
    (program,) = [each for each in code if "client.embeddings" in each]
    assert f'model="{named[1]}"' in program
    assert (STANDS_FOR in text) == (named[1] == "EMBEDDING_MODEL")


async def test_types_have_names_of_their_own_and_closed_fields_show_their_values() -> None:
    async with serving() as served:
        schemas = (await served.http.get("/openapi.json")).json()["components"]["schemas"]
        text = (await served.http.get("/docs")).text
    assert [name for name in schemas if "__" in name] == []
    assert "minerva_desktop" not in text
    assert "ResponseToolChoiceObject" in schemas
    shown = schemas["ChatCompletionRequest"]["properties"]["overflow"]["anyOf"][0]
    assert shown == {"type": "string", "enum": ["stop", "truncate_middle", "shift"]}
    assert "<code>&quot;float&quot;</code> or <code>&quot;base64&quot;</code>" in text
    assert schemas["ChatMessage"]["properties"]["role"]["enum"] == [
        "system", "developer", "user", "assistant", "tool"
    ]  # fmt: skip


async def test_the_page_tells_each_code_with_its_status() -> None:
    async with serving() as served:
        text = (await served.http.get("/docs")).text
    rows = set(re.findall(r'<td class="bad">(\d+) [^<]*</td><td><code>(\w+)</code>', text))
    assert {("500", "insufficient_memory"), ("503", "insufficient_memory")} <= rows
    assert {("400", "context_length_exceeded"), ("503", "queue_full")} <= rows
    http: tuple[type[MinervaError], ...] = (
        OutOfMemory,
        QueueFull,
        InvalidRequest,
        InferenceError,
        EngineDied,
    )
    assert rows >= {(str(each.http_status), each.code) for each in http}


async def test_without_a_key_the_page_does_not_tell_what_models_there_are() -> None:
    async with serving(api_keys=(NamedKey.of("a", "key"),)) as served:
        answer = await served.http.get("/docs")
        assert answer.status_code == 200
        assert MODEL.model_id not in answer.text
        assert "Authorization: Bearer $MINERVA_API_KEY" in Page(answer.text).code[0]
        assert (await served.http.get("/openapi.json")).status_code == 200
        foreign = await served.http.get("/docs", headers={"Host": "evil.example"})
        assert foreign.status_code == 403


async def test_a_models_name_cannot_write_into_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "</code><script>alert('1')</script>"
    evil = msgspec.structs.replace(MODEL, path=Path(f"/models/{name.replace('/', '∕')}.gguf"))
    monkeypatch.setattr(FakeCatalog, "models", lambda _: [evil])
    async with serving() as served:
        text = (await served.http.get("/docs")).text
    page = Page(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert any(evil.model_id in code.replace("'\\''", "'") for code in page.code)
