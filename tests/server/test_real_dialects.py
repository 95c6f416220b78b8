"""The responses and the messages API with the embedded model behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from pydantic import BaseModel

from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.server.config import EndpointConfig
from minerva_desktop.server.endpoint import Endpoint
from tests.pools import real_pool

QUESTION = "What is the capital of France? Answer in one word."


class City(BaseModel):
    name: str


@pytest.fixture
async def url(catalog: Catalog) -> AsyncIterator[str]:
    pool = real_pool(LoadOptions(n_ctx=512))
    endpoint = Endpoint(pool, catalog, EndpointConfig(port=0))
    yield await endpoint.start()
    await endpoint.stop()
    await pool.close()


async def test_responses(url: str, model_path: Path) -> None:
    asked: dict[str, Any] = {
        "model": model_path.stem,
        "input": QUESTION,
        "temperature": 0,
        "max_output_tokens": 16,
    }
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        whole = await client.responses.create(
            **asked, include=["message.output_text.logprobs"], top_logprobs=2
        )
        stream = await client.responses.create(**asked, stream=True)
        deltas = [
            event.delta async for event in stream if event.type == "response.output_text.delta"
        ]
        parsed = await client.responses.parse(
            model=model_path.stem,
            input="Name a city, in JSON.",
            text_format=City,
            temperature=0,
            max_output_tokens=64,
        )
        counted = await client.responses.input_tokens.count(model=model_path.stem, input=QUESTION)
    assert "Paris" in whole.output_text
    assert "".join(deltas) == whole.output_text
    assert deltas  # on a busy machine all of a short answer may come at once
    assert whole.usage is not None
    assert whole.usage.input_tokens == counted.input_tokens
    assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens
    part: Any = whole.output[0].content[0]
    assert "".join(each.token for each in part.logprobs) == whole.output_text
    assert len(part.logprobs) <= whole.usage.output_tokens
    assert all(len(each.top_logprobs) == 2 for each in part.logprobs)
    assert parsed.output_parsed is not None
    assert parsed.output_parsed.name


async def test_messages(url: str, model_path: Path) -> None:
    asked: dict[str, Any] = {
        "model": model_path.stem,
        "messages": [{"role": "user", "content": QUESTION}],
    }
    greedy = asked | {"max_tokens": 16, "extra_body": {"temperature": 0}}
    async with anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0) as client:
        counted = await client.messages.count_tokens(**asked)
        read = await client.messages.create(**greedy | {"max_tokens": 0})
        whole = await client.messages.create(**greedy)
        async with client.messages.stream(**greedy) as stream:
            texts = [text async for text in stream.text_stream]
            final = await stream.get_final_message()
        stopped = await client.messages.create(**greedy, stop_sequences=["zzz", "ris"])
        prefill: Any = [
            *asked["messages"],
            {"role": "assistant", "content": "The capital of France is Par"},
        ]
        goes_on = await client.messages.create(**(greedy | {"messages": prefill}))
    (block,) = whole.content
    assert block.type == "text"
    assert "Paris" in block.text
    assert "".join(texts) == block.text
    usage = whole.usage
    assert usage.input_tokens + (usage.cache_read_input_tokens or 0) == counted.input_tokens
    assert final.usage.output_tokens == usage.output_tokens
    assert (read.content, read.stop_reason, read.usage.output_tokens) == ([], "max_tokens", 0)
    assert read.usage.input_tokens == counted.input_tokens
    assert (usage.cache_read_input_tokens or 0) > 10  # what that read
    assert (final.usage.cache_read_input_tokens or 0) > 10
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "ris")
    (cut,) = stopped.content
    assert cut.type == "text"
    assert cut.text == block.text.partition("ris")[0]
    (more,) = goes_on.content
    assert more.type == "text"
    assert more.text.startswith("is")
