"""Two real models that do not fit into the memory together, asked for at once over HTTP."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import openai

from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.runtime import Runtime

OPTIONS = LoadOptions(n_ctx=512)
FIRST, SECOND = "first", "second"


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
