"""The endpoint with the embedded model behind it, asked by the official client; a small one is
behind it where nothing depends on what is said."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import openai
import pytest
from pydantic import BaseModel, Field

from minerva_desktop import __version__
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.server.activity import Activity
from minerva_desktop.server.config import EndpointConfig
from minerva_desktop.server.endpoint import Endpoint
from tests.pools import RealPool, real_pool

QUESTION = "What is the capital of France? Answer in one word."
N_CTX = 512


@pytest.fixture
async def pool() -> AsyncIterator[RealPool]:
    pool = real_pool(LoadOptions(n_ctx=N_CTX))
    yield pool
    await pool.close()


@pytest.fixture
def activity() -> Activity:
    return Activity()


@pytest.fixture
async def client(
    pool: RealPool, catalog: Catalog, small_path: Path, activity: Activity
) -> AsyncIterator[openai.AsyncOpenAI]:
    catalog.add(small_path)
    endpoint = Endpoint(pool, catalog, EndpointConfig(port=0), activity)
    url = await endpoint.start()
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client
    await endpoint.stop()


async def test_a_model_is_loaded_on_demand_and_answers(
    client: openai.AsyncOpenAI, pool: RealPool, model_path: Path
) -> None:
    listed, _small = (await client.models.list()).data
    assert listed.model_dump()["meta"]["loaded"] is False
    answer = await client.chat.completions.create(
        model=listed.id,
        messages=[{"role": "user", "content": QUESTION}],
        temperature=0,
        max_tokens=24,
    )
    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason in {"stop", "length"}
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 10
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.model_dump()["timings"]["predicted_per_second"] > 0
    build = f"minerva-{__version__}(-[0-9a-f]{{7,}})?"
    assert re.fullmatch(f"{build}-{re.escape(listed.id)}", answer.system_fingerprint or "")
    assert pool.loaded() == [model_path]
    assert (await client.models.retrieve(listed.id)).model_dump()["meta"]["loaded"] is True


async def test_streamed_and_not_the_greedy_answer_is_the_same(
    client: openai.AsyncOpenAI, model_path: Path
) -> None:
    messages: list[openai.types.chat.ChatCompletionMessageParam] = [
        {"role": "user", "content": QUESTION}
    ]
    longer = {"ignore_eos": True}  # than a reader can be held up beside busy processes
    whole = await client.chat.completions.create(
        model=model_path.stem, messages=messages, temperature=0, max_tokens=64, extra_body=longer
    )
    stream = await client.chat.completions.create(
        model=model_path.stem,
        messages=messages,
        temperature=0,
        max_tokens=64,
        extra_body=longer,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert len(chunks) > 4


async def test_a_prompt_over_the_context_is_refused_with_numbers(
    client: openai.AsyncOpenAI, small_path: Path
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(
            model=small_path.stem,
            messages=[{"role": "user", "content": "word " * 2 * N_CTX}],
            stream=True,
        )
    assert caught.value.code == "context_length_exceeded"
    assert str(N_CTX) in caught.value.message


class Capital(BaseModel):
    city: str
    inhabitants: Annotated[int, Field(gt=0)]


async def test_an_answer_is_parsed_by_the_client(
    client: openai.AsyncOpenAI, model_path: Path
) -> None:
    asked: dict[str, Any] = {
        "model": model_path.stem,
        "messages": [{"role": "user", "content": "The capital of France, in JSON."}],
        "temperature": 0,
        "max_tokens": 128,
        "response_format": Capital,
    }
    whole = await client.chat.completions.parse(**asked)
    async with client.chat.completions.stream(**asked) as stream:
        kinds = [event.type async for event in stream]
        streamed = await stream.get_final_completion()
    parsed = whole.choices[0].message.parsed
    assert parsed is not None
    assert parsed.inhabitants > 0
    assert streamed.choices[0].message.parsed == parsed
    assert kinds.count("content.delta") > 2
    assert "content.done" in kinds


async def test_a_model_that_is_unloaded_ends_its_stream_with_an_error(
    client: openai.AsyncOpenAI, pool: RealPool, small_path: Path
) -> None:
    stream = await client.chat.completions.create(
        model=small_path.stem,
        messages=[{"role": "user", "content": "Count from one to one thousand."}],
        max_tokens=400,
        stream=True,
    )
    seen = aiter(stream)
    await anext(seen)
    await pool.unload(small_path)
    with pytest.raises(openai.APIError):
        _ = [chunk async for chunk in seen]


async def test_the_prompt_that_is_shown_is_the_one_that_the_model_got(
    client: openai.AsyncOpenAI, pool: RealPool, activity: Activity, small_path: Path
) -> None:
    """While it is answered, and afterwards: without the turns that did not fit."""
    system: Any = {"role": "system", "content": "Be brief."}
    turns: list[Any] = [
        {"role": ("user", "assistant")[n % 2], "content": f"{n} " * 20} for n in range(19)
    ]
    shown: list[str] = []
    n_dropped = 0
    stream = await client.chat.completions.create(
        model=small_path.stem,
        messages=[system, *turns],
        max_tokens=4,
        stream=True,
        extra_body={"overflow": "truncate_middle"},
    )
    async for chunk in stream:
        n_dropped = chunk.model_dump().get("dropped_messages", n_dropped)
        if not shown:
            shown.append(await activity.prompt(activity.snapshot()[0].number))
    shown.append(await activity.prompt(activity.snapshot()[0].number))
    engine = pool.loaded_engine(small_path)
    assert engine is not None
    left = [ChatTurn(Role(each["role"]), each["content"]) for each in (system, *turns[n_dropped:])]
    assert 0 < n_dropped < len(turns)
    assert n_dropped % 2 == 0
    assert shown == [await engine.apply_template(left)] * 2
