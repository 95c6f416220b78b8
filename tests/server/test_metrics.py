from __future__ import annotations

import re

import httpx
from prometheus_client.parser import text_string_to_metric_families

from minerva_desktop.api_keys import NamedKey
from minerva_desktop.server.activity import Activity
from minerva_desktop.server.metrics import Metrics
from minerva_desktop.server.request_info import RequestInfo
from tests.fakes import context_info
from tests.server.fake_models import COMPLETION, MODEL, chat_body, serving

CHAT = "/v1/chat/completions"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    """What Prometheus would understand."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


async def scrape(client: httpx.AsyncClient) -> Samples:
    return samples((await client.get("/metrics")).text)


async def test_requests_are_counted_by_template_method_and_status() -> None:
    async with serving() as served:
        await served.http.get("/v1/models/nothing")
        await served.http.get("/v1/models/other")
        await served.http.get("/v1/models/other")
        await served.http.post(CHAT, json=chat_body())
        await served.http.post(CHAT, json={})
        await served.http.get(CHAT)
        await served.http.get("/a")
        await served.http.get("/b?c")
        await served.http.request("BREW", "/v1/models")
        await served.http.get("/health", headers={"Host": "evil.example"})
        found = await scrape(served.http)

    def n(path: str, status: int, method: str = "GET") -> float | None:
        labels = {"path": path, "method": method, "status": str(status), "end": "complete"}
        return value(found, "minerva_requests_total", **labels)

    assert n("/v1/models/{name:path}", 404) == 1
    assert n("/v1/models/{name:path}", 200) == 2
    assert (n(CHAT, 200, "POST"), n(CHAT, 400, "POST"), n(CHAT, 405)) == (1, 1, 1)
    assert n("other", 404) == 2
    assert n("/v1/models", 405, "other") == 1
    assert n("other", 403) == 1
    assert value(found, "minerva_request_seconds_count", path=CHAT) == 3
    assert value(found, "minerva_request_seconds_bucket", path=CHAT, le="+Inf") == 3


async def test_the_loaded_models_and_their_memory() -> None:
    async with serving() as served:
        found = await scrape(served.http)
        weights = served.engine.get_context_info().weights_bytes
    model = MODEL.model_id
    assert value(found, "minerva_models_loaded") == 1
    assert value(found, "minerva_model_memory_bytes", model=model, kind="weights") == weights
    assert value(found, "minerva_model_memory_bytes", model=model, kind="kv") == 0
    assert value(found, "minerva_requests_running") == 0
    assert value(found, "minerva_requests_waiting") == 0


async def test_the_right_type_and_a_head_without_a_body() -> None:
    async with serving() as served:
        got = await served.http.get("/metrics")
        head = await served.http.head("/metrics")
    assert re.fullmatch(r"text/plain; version=\S+; charset=utf-8", got.headers["content-type"])
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]


async def test_the_key_is_needed() -> None:
    async with serving(api_keys=(NamedKey.of("a", "key"),)) as served:
        assert (await served.http.get("/metrics")).status_code == 401
        headers = {"Authorization": "Bearer key"}
        assert (await served.http.get("/metrics", headers=headers)).status_code == 200


def test_tokens_are_counted_by_model() -> None:
    metrics = Metrics()
    info = RequestInfo("id", "here", model="tiny")
    info.status = 200
    info.generations += [COMPLETION.timings, COMPLETION.timings]
    metrics.observe(info, path=CHAT, method="POST")
    found = samples(metrics.render((), ()).decode())
    assert value(found, "minerva_prompt_tokens_total", model="tiny") == 24
    assert value(found, "minerva_cached_prompt_tokens_total", model="tiny") == 8
    assert value(found, "minerva_generated_tokens_total", model="tiny") == 6
    assert value(found, "minerva_last_tokens_per_second", model="tiny") == 50
    assert value(found, "minerva_tokens_per_second_sum", model="tiny") == 100
    assert value(found, "minerva_first_token_seconds_sum", model="tiny") == 0.04
    assert value(found, "minerva_first_token_seconds_bucket", model="tiny", le="0.01") == 0
    assert value(found, "minerva_first_token_seconds_bucket", model="tiny", le="0.03") == 2


async def test_what_runs_and_what_waits() -> None:
    activity, metrics = Activity(), Metrics()
    with (
        activity.begin({}, dialect="chat", model="m", is_stream=False),
        activity.begin({}, dialect="embeddings", model="m", is_stream=False) as second,
    ):
        second.follow()
        found = samples(metrics.render(activity.snapshot(), ()).decode())
    assert value(found, "minerva_requests_waiting") == 1
    assert value(found, "minerva_requests_running") == 1


def test_an_unloaded_model_is_told_no_longer() -> None:
    metrics = Metrics()
    info = context_info(weights_bytes=5, n_ctx=1)
    assert b'model="m"' in metrics.render((), [("m", info)])
    assert b'model="m"' not in metrics.render((), ())


def test_endpoints_share_no_numbers() -> None:
    first, second = Metrics(), Metrics()
    info = RequestInfo("id", "here")
    first.observe(info, path="/a", method="GET")
    assert b'path="/a"' in first.render((), ())
    assert b'path="/a"' not in second.render((), ())
