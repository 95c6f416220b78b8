"""Requests over HTTP that wait: for a real model's turn, and for another model to go, where two do
not fit into the memory together."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.runtime import Runtime
from minerva_desktop.server.config import EndpointConfig
from minerva_desktop.server.endpoint import Endpoint
from tests.pools import real_pool
from tests.server.fake_models import plain_client

OPTIONS = LoadOptions(n_ctx=512)
FIRST, SECOND = "first", "second"
ENDLESS = SamplingParameters(ignore_eos=True)
FOUR = SamplingParameters(ignore_eos=True, max_tokens=4)


async def test_a_request_waits_until_another_model_is_no_longer_in_use(
    catalog: Catalog, model_path: Path, tmp_path: Path
) -> None:
    for name in (FIRST, SECOND):
        copy = tmp_path / f"{name}.gguf"
        shutil.copy(model_path, copy)
        catalog.welcome(copy)
    runtime = Runtime(catalog, OPTIONS)
    runtime.keeps_spare = False
    plan = await runtime.fit_of(tmp_path / f"{FIRST}.gguf")
    runtime.set_memory_budget(sum(plan.choice.needs.values()) * 3 // 2)
    url = await runtime.endpoint.start(port=0)
    ended: list[str] = []

    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:

        async def ask(model: str, max_tokens: int) -> Any:
            answer = await client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": "Tell a story."}],
                max_tokens=max_tokens,
                extra_body={"ignore_eos": True},
            )
            ended.append(model)
            return answer

        stream = await client.chat.completions.create(
            model=FIRST,
            messages=[{"role": "user", "content": "Tell a long story."}],
            max_tokens=24,
            stream=True,
            extra_body={"ignore_eos": True},
        )
        await anext(stream)
        waiting = asyncio.create_task(ask(SECOND, 4))
        n_chunks = len([chunk async for chunk in stream])
        ended.append(FIRST)
        answer = await waiting
    assert n_chunks >= 5
    assert ended == [FIRST, SECOND]
    assert (answer.model, answer.usage.completion_tokens) == (SECOND, 4)
    assert [path.stem for path in runtime.pool.loaded()] == [SECOND]
    await runtime.close()


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"queue_timeout_s": 0.1}, "it took 0.1 s in the queue, and at most"),
        (
            {"first_token_timeout_s": 0.1},
            "it took 0.1 s before its first token, and at most",
        ),
    ],
)
async def test_a_request_that_waits_too_long_behind_another_leaves_the_queue(
    small_catalog: Catalog, small_path: Path, limits: dict[str, float], told: str, is_stream: bool
) -> None:
    pool = real_pool(LoadOptions(n_ctx=32768, n_parallel=1))
    config = EndpointConfig(port=0, keep_alive_s=0.01)  # so that a stream begins before
    endpoint = Endpoint(pool, small_catalog, msgspec.structs.replace(config, **limits))
    url = await endpoint.start()
    body = {"prompt": "Hi", "max_tokens": 4, "stream": is_stream}
    async with plain_client() as http, pool.lease(small_path) as engine:
        before = engine.generate("Once", sampling=ENDLESS)
        await anext(aiter(before))  # without a limit; it has the only place
        answer = await http.post(f"{url}/v1/completions", json=body)
        assert not before.is_finished
        before.cancel()
        done = await engine.generate("Hi", sampling=FOUR).wait_completion()
    assert answer.status_code == (200 if is_stream else 408)
    error = json.loads(answer.text.split("data: ")[-1])["error"]
    assert error["code"] == "generation_timeout"
    assert told in error["message"]
    assert done.timings.completion_tokens == 4
    await endpoint.stop()
    await pool.close()
