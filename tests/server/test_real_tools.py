"""Forced calls of the embedded model, as the official client gets them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from minerva_desktop.engine.answer_parts import MAX_ALIKE_FORCED
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.server.config import EndpointConfig
from minerva_desktop.server.endpoint import Endpoint
from tests.pools import real_pool

SCHEMA = {
    "type": "object",
    "properties": {"day": {"type": "string", "format": "date"}},
    "required": ["day"],
}


@pytest.fixture
async def client(catalog: Catalog) -> AsyncIterator[openai.AsyncOpenAI]:
    pool = real_pool(LoadOptions(n_ctx=1024))
    endpoint = Endpoint(pool, catalog, EndpointConfig(port=0))
    url = await endpoint.start()
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client
    await endpoint.stop()
    await pool.close()


async def test_forced_calls_are_whole_or_cut_and_never_content(
    client: openai.AsyncOpenAI, model_path: Path
) -> None:
    asked: dict[str, Any] = {
        "model": model_path.stem,
        "messages": [{"role": "user", "content": "Which day is it?"}],
        "tools": [{"type": "function", "function": {"name": "day", "parameters": SCHEMA}}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "temperature": 0,
    }
    whole = await client.chat.completions.create(**asked, max_tokens=128, stop=["}", "\n", '"'])
    (choice,) = whole.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    call: Any = choice.message.tool_calls[0]
    assert len(json.loads(call.function.arguments)["day"]) == len("2026-01-01")
    for limit in (1, 3, 6):
        cut = await client.chat.completions.create(**asked, max_tokens=limit)
        assert cut.choices[0].finish_reason == "length"
        assert not cut.choices[0].message.content
    # Small models that have to call do nothing else, for as long as they may.
    several = await client.chat.completions.create(
        **{**asked, "parallel_tool_calls": True, "tool_choice": "required"}, max_tokens=600
    )
    assert several.choices[0].finish_reason == "tool_calls"
    calls: Any = several.choices[0].message.tool_calls
    assert max(Counter(call.function.arguments for call in calls).values()) <= MAX_ALIKE_FORCED
    named = await client.chat.completions.create(
        **asked | {"tool_choice": {"type": "function", "function": {"name": "day"}}},
        max_tokens=128,
    )
    assert named.choices[0].message.tool_calls is not None
    assert len(named.choices[0].message.tool_calls) == 1
    names = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
    bad = {"type": "object", "properties": {"a": names}}
    strict = {"name": "day", "parameters": bad, "strict": True}
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(
            **{**asked, "tool_choice": "auto", "tools": [{"type": "function", "function": strict}]}
        )
    assert caught.value.param == "tools[0].function.parameters"
    assert "#/properties/a/uniqueItems" in caught.value.message
