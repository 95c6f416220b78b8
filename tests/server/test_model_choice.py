"""Which model answers a request that names none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from minerva_desktop.library.model_file import ModelFile
from tests.server.fake_models import MODEL, OTHER_MODEL, FakeCatalog, Served, serving

ANTHROPIC = {"max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hi"}]},
    "/v1/completions": {"prompt": "Hi"},
    "/v1/responses": {"input": "Hi"},
    "/v1/responses/input_tokens": {"input": "Hi"},
    "/v1/messages": ANTHROPIC,
    "/v1/messages/count_tokens": {"messages": ANTHROPIC["messages"]},
    "/tokenize": {"content": "Hi"},
    "/detokenize": {"tokens": [72]},
    "/apply-template": {"messages": [{"role": "user", "content": "Hi"}]},
}
EMBEDDING = "/v1/embeddings"
EMBEDDER = msgspec.structs.replace(
    OTHER_MODEL, path=Path("/models/minilm.gguf"), capabilities=("embeddings",)
)


async def ask(served: Served, path: str) -> httpx.Response:
    return await served.http.post(path, json=BODIES.get(path, {"input": "Hi"}))


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> list[ModelFile]:
    models = [MODEL, OTHER_MODEL, EMBEDDER]
    monkeypatch.setattr(FakeCatalog, "models", lambda _: list(models))
    return models


@pytest.mark.parametrize("path", BODIES)
async def test_the_only_loaded_one_answers_on_every_path(
    path: str, library: list[ModelFile]
) -> None:
    async with serving() as served:
        served.pool.loaded_paths = [
            Path("/opened/by/its/path.gguf"),
            EMBEDDER.path,
            OTHER_MODEL.path,
        ]
        answer = await ask(served, path)
        assert answer.status_code == 200, answer.text
        assert answer.json().get("model", OTHER_MODEL.model_id) == OTHER_MODEL.model_id
        assert served.pool.lease_paths == [OTHER_MODEL.path]
        # Null and an empty name say no more than nothing.
        for name in (None, ""):
            named = await served.http.post(path, json={**BODIES[path], "model": name})
            assert named.status_code == 200
        assert served.pool.lease_paths == [OTHER_MODEL.path] * 3


async def test_embeddings_are_asked_of_those_that_make_them(library: list[ModelFile]) -> None:
    async with serving() as served:
        served.pool.loaded_paths = [MODEL.path]
        assert (await ask(served, EMBEDDING)).json()["model"] == EMBEDDER.model_id
        library.remove(EMBEDDER)
        none = await ask(served, EMBEDDING)
        assert (none.status_code, none.json()["error"]["param"]) == (400, "model")
        assert none.json()["error"]["message"] == "None of the models here makes embeddings"
        library.remove(OTHER_MODEL)
        # None there makes any: the engine of the one that there is says so.
        assert (await ask(served, EMBEDDING)).json()["model"] == MODEL.model_id


CHATTER = msgspec.structs.replace(OTHER_MODEL, capabilities=("completion",))


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("path", [path for path in BODIES if path.startswith("/v1/")])
async def test_a_model_for_embeddings_is_not_loaded_to_be_told_that_it_cannot_chat(
    path: str, streams: bool, library: list[ModelFile]
) -> None:
    async with serving() as served:
        body = {**BODIES[path], "model": EMBEDDER.model_id}
        if "count" not in path:
            body["stream"] = streams
        named = await served.http.post(path, json=body)
        library[:] = [EMBEDDER]
        alone = await ask(served, path)
        assert served.pool.lease_paths == []
    for answer in (named, alone):
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["message"] == "This model only makes embeddings; it cannot chat"
        assert error.get("param") or error["details"]["param"] == "model"


async def test_a_model_that_chats_is_not_loaded_to_be_told_that_it_makes_no_embeddings(
    library: list[ModelFile],
) -> None:
    library[:] = [CHATTER, EMBEDDER]
    async with serving() as served:
        answer = await served.http.post(EMBEDDING, json={"input": "Hi", "model": "other"})
        assert served.pool.lease_paths == []
        # What only looks at tokens may ask either.
        for path in ("/tokenize", "/detokenize", "/apply-template"):
            both = await served.http.post(path, json={**BODIES[path], "model": "minilm"})
            assert both.status_code == 200
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")
    assert answer.json()["error"]["message"] == "model: other makes no embeddings"


async def test_tokens_are_asked_of_the_only_loaded_one(library: list[ModelFile]) -> None:
    async with serving() as served:
        served.pool.loaded_paths = [EMBEDDER.path]
        await ask(served, "/tokenize")
        library.remove(OTHER_MODEL)
        served.pool.loaded_paths = [EMBEDDER.path, MODEL.path]
        await ask(served, "/detokenize")
        assert served.pool.lease_paths == [EMBEDDER.path, MODEL.path]


@pytest.mark.parametrize("path", BODIES)
async def test_where_several_could_answer_they_are_named(
    path: str, library: list[ModelFile]
) -> None:
    for loaded in ([OTHER_MODEL.path, MODEL.path], []):
        async with serving() as served:
            served.pool.loaded_paths = loaded
            answer = await ask(served, path)
            assert served.pool.lease_paths == []
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error.get("param") or error["details"]["param"] == "model"
        assert MODEL.model_id in error["message"]
        assert OTHER_MODEL.model_id in error["message"]
        assert EMBEDDER.model_id not in error["message"]


async def test_the_one_of_the_start_answers_whatever_is_loaded(library: list[ModelFile]) -> None:
    start = (EMBEDDER.path, OTHER_MODEL.path, MODEL.path)
    for loaded in ([MODEL.path, OTHER_MODEL.path], [MODEL.path], []):
        async with serving(start_models=start) as served:
            served.pool.loaded_paths = loaded
            answers = [await ask(served, path) for path in ("/v1/completions", EMBEDDING)]
        assert [answer.json()["model"] for answer in answers] == ["other", "minilm"]


async def test_props_are_told_of_one_of_several(library: list[ModelFile]) -> None:
    async with serving() as served:
        served.pool.loaded_paths = [OTHER_MODEL.path, MODEL.path]
        assert (await served.http.get("/props")).json()["model"] == OTHER_MODEL.model_id
        served.pool.loaded_paths = []
        assert (await served.http.get("/props")).json()["model"] == MODEL.model_id
