"""`GET /v1/models` and `GET /props`: what is said of models, loaded and not."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import anthropic
import msgspec
import pytest

from minerva_desktop import __version__
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.server.config import EndpointConfig
from minerva_desktop.server.endpoint import Endpoint
from minerva_desktop.server.model_description import model_object
from tests.library.gguf_writer import write_gguf
from tests.patience import SECONDS
from tests.server.fake_models import (
    MODEL,
    OTHER_MODEL,
    FakeEngine,
    FakePool,
    chat_body,
    plain_client,
    says,
    serving,
)

PLAIN = {"model": MODEL.model_id, "prompt": "Hi"}


async def test_what_is_said_of_a_loaded_model_and_of_one_that_is_not() -> None:
    async with serving() as served:
        loaded, other = (await served.http.get("/v1/models")).json()["data"]
    assert loaded["meta"] == {
        "size_bytes": 1_000_000,
        "quantisation": "Q4_0",
        "parameters": "1B",
        "architecture": "llama",
        "n_ctx": 2048,
        "n_ctx_train": 2048,
        "capabilities": ["chat", "embeddings"],
        "chat_template_guessed": False,
        "aliases": [],
        "loaded": True,
    }
    assert other["meta"] == {
        "size_bytes": 5,
        "quantisation": None,
        "parameters": None,
        "architecture": "gemma3",
        "n_ctx": None,
        "n_ctx_train": None,
        "capabilities": None,
        "chat_template_guessed": True,
        "aliases": [],
        "loaded": False,
    }


async def test_the_models_as_anthropics_client_lists_them() -> None:
    async with serving() as served:
        # It refuses what lacks a field that its types have.
        client = anthropic.AsyncAnthropic(
            base_url=served.url, api_key="none", max_retries=0, _strict_response_validation=True
        )
        async with client:
            page = await client.models.list()
            one = await client.models.retrieve(MODEL.model_id)
    assert [model.id for model in page.data] == [MODEL.model_id, OTHER_MODEL.model_id]
    assert (page.first_id, page.last_id, page.has_more) == (page.data[0].id, page.data[1].id, False)
    assert (one.type, one.display_name) == ("model", MODEL.model_id)
    assert one.lifecycle == "active"
    assert one.created_at.timestamp() == MODEL.modified_ns // 1_000_000_000


@pytest.mark.parametrize(
    ("seconds", "said"), [(300_000_000_000, "9999-12-31T23:59:59Z"), (-1, "1970-01-01T00:00:00Z")]
)
def test_a_file_of_any_date_can_be_listed(seconds: int, said: str) -> None:
    """Some file systems take them all, and one such file took the whole list with it."""
    file = msgspec.structs.replace(MODEL, modified_ns=seconds * 1_000_000_000)
    assert model_object(file, None).created_at == said


async def test_the_list_does_not_wait_for_a_model_that_loads() -> None:
    async with serving() as served:
        served.pool.may_load.clear()
        loading = asyncio.create_task(served.http.post("/v1/completions", json=PLAIN))
        await asyncio.wait_for(served.pool.leased.wait(), SECONDS)
        async with asyncio.timeout(SECONDS):
            for path in ("/v1/models", f"/v1/models/{MODEL.model_id}", "/props", "/health"):
                assert (await served.http.get(path)).status_code == 200
        assert not loading.done()
        served.pool.may_load.set()
        assert (await loading).status_code == 200


async def test_props_of_the_model_that_is_taken_by_default() -> None:
    async with serving() as served:
        served.engine.can_infill = True
        answer = (await served.http.get("/props")).json()
        head = await served.http.head("/props")
    assert head.status_code == 200
    params = answer["default_generation_settings"].pop("params")
    assert answer.pop("models") == [
        answer | {"default_generation_settings": {"n_ctx": 2048, "params": params}}
    ]
    assert answer == {
        "model": MODEL.model_id,
        "loaded": True,
        "default_generation_settings": {"n_ctx": 2048},
        "total_slots": 1,
        "n_ctx": 2048,
        "n_ctx_train": 2048,
        "chat_template": "{{ messages }}",
        "chat_template_guessed": False,
        "modalities": {"vision": False, "audio": False},
        "capabilities": ["chat", "embeddings", "infill"],
        "answer_format": {"tools": "none", "reasoning": "none"},
        "build_info": f"minerva-{__version__}-0c1e570",
    }
    assert (params["temperature"], params["top_k"], params["seed"]) == (0.8, 40, -1)
    assert (params["max_tokens"], params["stop"], params["grammar"]) == (-1, [], "")


async def test_what_props_call_the_defaults_may_be_sent() -> None:
    async with serving() as served:
        params = (await served.http.get("/props")).json()["default_generation_settings"]["params"]
        answer = await served.http.post("/v1/completions", json=PLAIN | params)
        assert answer.status_code == 200
        assert "x-minerva-ignored-fields" not in answer.headers
        await served.http.post("/v1/completions", json=PLAIN | {"max_tokens": -1})
        first, second = served.engine.samplings
    assert first == second


@pytest.mark.parametrize(
    ("query", "ids", "has_more"),
    [
        ("limit=1", [MODEL.model_id], True),
        ("limit=2", [MODEL.model_id, OTHER_MODEL.model_id], False),
        (f"limit=1&after_id={MODEL.model_id}", [OTHER_MODEL.model_id], False),
        (f"limit=1&before_id={OTHER_MODEL.model_id}", [MODEL.model_id], False),
        (f"before_id={MODEL.model_id}", [], False),
        ("zap=1", [MODEL.model_id, OTHER_MODEL.model_id], False),
    ],
)
async def test_models_are_listed_in_pages(query: str, ids: list[str], has_more: bool) -> None:
    async with serving() as served:
        answer = await served.http.get(f"/v1/models?{query}")
    listed = answer.json()
    assert ([each["id"] for each in listed["data"]], listed["has_more"]) == (ids, has_more)
    assert listed["last_id"] == (ids[-1] if ids else None)
    assert answer.headers.get("x-minerva-ignored-fields") == ("zap" if "zap" in query else None)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=²", "limit"),
        ("after_id=nothing", "after_id"),
        ("before_id=a&after_id=b", "before_id"),
    ],
)
async def test_a_page_that_cannot_be_is_refused_by_name(query: str, param: str) -> None:
    async with serving() as served:
        answer = await served.http.get(f"/v1/models?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_anthropics_client_pages_through_the_models() -> None:
    async with (
        serving() as served,
        anthropic.AsyncAnthropic(base_url=served.url, api_key="none", max_retries=0) as client,
    ):
        found = [model.id async for model in client.models.list(limit=1)]
    assert found == [MODEL.model_id, OTHER_MODEL.model_id]


async def test_props_of_a_model_that_is_not_loaded_load_nothing() -> None:
    async with serving() as served:
        answer = await served.http.get("/props", params={"model": OTHER_MODEL.model_id, "zap": "1"})
        assert served.pool.leased.is_set() is False
        unknown = await served.http.get("/props", params={"model": "/etc/passwd"})
        twice = await served.http.get("/props?model=a&model=b")
        empty = await served.http.get("/props?model=")
        nothing = await served.http.get("/props")
        assert empty.json() == nothing.json()
    props = answer.json()
    assert (props["model"], props["loaded"], props["n_ctx"]) == ("other", False, None)
    assert props["default_generation_settings"]["params"]["top_p"] == 0.95
    assert [each["model"] for each in props["models"]] == [MODEL.model_id]
    assert answer.headers["x-minerva-ignored-fields"] == "zap"
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    assert twice.status_code == 400


async def test_no_answer_tells_where_models_lie() -> None:
    async with serving() as served:
        for path in ("/v1/models", f"/v1/models/{MODEL.model_id}", "/props", "/health"):
            assert "/models/" not in (await served.http.get(path)).text.replace("/v1/models", "")


async def test_a_path_is_a_name_that_nobody_has(tmp_path: Path) -> None:
    """The one that holds a whole model too: nothing on the disk is looked at for a request."""
    catalog = Catalog(tmp_path / "models.json", embedded=None)
    catalog.add(write_gguf(tmp_path / "known.gguf"))
    stray = write_gguf(tmp_path / "stray.gguf")
    pipe = tmp_path / "pipe.gguf"
    os.mkfifo(pipe)  # to open it would wait for ever
    pool = FakePool(FakeEngine(says()))
    endpoint = Endpoint(pool, catalog, EndpointConfig(port=0))
    url = await endpoint.start()
    async with plain_client() as http:
        for name in (
            str(stray),
            stray.name,
            str(pipe),
            "../stray.gguf",
            f"{tmp_path}/./known.gguf",
        ):
            for path, body in (
                ("/v1/chat/completions", chat_body()),
                ("/v1/completions", PLAIN),
                ("/v1/embeddings", {"input": "a"}),
                ("/tokenize", {"content": "a"}),
                ("/detokenize", {"tokens": [1]}),
                ("/apply-template", {"messages": [{"role": "user", "content": "a"}]}),
            ):
                async with asyncio.timeout(SECONDS):
                    answer = await http.post(url + path, json=body | {"model": name})
                assert answer.status_code == 404, (name, path)
                assert answer.json()["error"]["code"] == "model_not_found"
    await endpoint.stop()
    assert pool.lease_paths == []


async def test_an_alias_names_a_model(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "models.json", embedded=None)
    model = catalog.add(write_gguf(tmp_path / "known.gguf"))
    catalog.add_alias(model.path, "openai/gpt-4o")
    pool = FakePool(FakeEngine(says("Hi")))
    endpoint = Endpoint(pool, catalog, EndpointConfig(port=0))
    url = await endpoint.start()
    async with plain_client() as http:
        (listed,) = (await http.get(f"{url}/v1/models")).json()["data"]
        one = (await http.get(f"{url}/v1/models/openai/gpt-4o")).json()
        answer = await http.post(f"{url}/v1/completions", json=PLAIN | {"model": "openai/gpt-4o"})
    await endpoint.stop()
    assert (listed["id"], listed["meta"]["aliases"]) == ("known", ["openai/gpt-4o"])
    assert one == listed
    assert answer.json()["model"] == "known"
    assert pool.lease_paths == [model.path]
    assert msgspec.json.decode((tmp_path / "models.json").read_bytes())["models"][0]["aliases"] == [
        "openai/gpt-4o"
    ]
