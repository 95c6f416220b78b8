"""The official clients against a real `minerva serve`, as a person starts it: the command line, the
process, its models' processes and the network between, all at once. What they say does not matter
here, so a small model says it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
import pytest_asyncio

from minerva_desktop.paths import HOME_VARIABLE
from tests.app.pdf_files import write_pdf
from tests.commands.served import Served, serve

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "sk-process-0123456789"
SMALL, EMBEDDER = "small", "all-MiniLM-L6-v2-Q8_0"
COLOURS = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": ["red", "green"]}},
    "required": ["colour"],
    "additionalProperties": False,
}
HELLO: Any = [{"role": "user", "content": "Say something."}]
GREEDY: Any = {"model": SMALL, "messages": HELLO, "temperature": 0, "max_tokens": 12}
PAINT: Any = {"name": "paint", "description": "Paint it.", "parameters": COLOURS}


def alike(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(
    small_path: Path, embedding_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    environment = {HOME_VARIABLE: str(tmp_path_factory.mktemp("home")), "MINERVA_API_KEY": KEY}
    models = ("--model", str(small_path), "--model", str(embedding_model))
    async with serve(*models, "--n-ctx", "1024", "--parallel", "2", **environment) as running:
        await asyncio.to_thread(int)  # starts the loop's thread, in which the clients look around
        yield running
        assert running.process.returncode is None


@pytest_asyncio.fixture(loop_scope="module")
async def client(served: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    url = f"{served.url}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def claude(served: Served) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=served.url, api_key=KEY, max_retries=0) as client:
        yield client


async def test_its_models_are_listed(client: openai.AsyncOpenAI) -> None:
    models = {model.id: model async for model in client.models.list()}
    assert {SMALL, EMBEDDER} <= set(models)
    assert (await client.models.retrieve(SMALL)).id == SMALL


async def test_a_chat_whole_and_streamed(client: openai.AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(**GREEDY)
    stream = await client.chat.completions.create(
        **GREEDY, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)
    assert text
    assert whole.choices[0].message.content == text
    assert whole.usage is not None
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens == 12
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason == "length"


async def test_a_forced_call_whole_and_streamed(client: openai.AsyncOpenAI) -> None:
    asked: Any = GREEDY | {
        "tools": [{"type": "function", "function": PAINT}],
        "tool_choice": {"type": "function", "function": {"name": "paint"}},
        "max_tokens": 128,
    }
    whole = await client.chat.completions.create(**asked)
    pieces, names = "", []
    async for chunk in await client.chat.completions.create(**asked, stream=True):
        for call in chunk.choices[0].delta.tool_calls or ():
            assert call.function is not None
            names += [call.function.name] if call.function.name else []
            pieces += call.function.arguments or ""
    assert whole.choices[0].finish_reason == "tool_calls"
    calls: Any = whole.choices[0].message.tool_calls
    (made,) = calls
    assert (made.function.name, names) == ("paint", ["paint"])
    assert json.loads(pieces) == json.loads(made.function.arguments)
    assert json.loads(pieces)["colour"] in {"red", "green"}


async def test_a_response_whole_and_streamed(client: openai.AsyncOpenAI) -> None:
    asked: Any = {"model": SMALL, "input": "Hi", "temperature": 0, "max_output_tokens": 12}
    whole = await client.responses.create(**asked)
    events = [event async for event in await client.responses.create(**asked, stream=True)]
    text = "".join(each.delta for each in events if each.type == "response.output_text.delta")
    assert whole.output_text == text != ""
    assert (events[0].type, events[-1].type) == ("response.created", "response.incomplete")
    assert whole.usage is not None
    counted = await client.responses.input_tokens.count(model=SMALL, input="Hi")
    assert whole.usage.input_tokens == counted.input_tokens


async def test_a_text_goes_on(client: openai.AsyncOpenAI) -> None:
    asked: Any = {"model": SMALL, "prompt": ["Once", "Twice"], "temperature": 0, "max_tokens": 4}
    answer = await client.completions.create(**asked, echo=True)
    assert [choice.text[: len("Once")] for choice in answer.choices] == ["Once", "Twic"]


async def test_embeddings_as_numbers_and_as_base64(
    served: Served, client: openai.AsyncOpenAI
) -> None:
    texts = ["a cat", "a kitten", "the stock market"]
    # The client itself asks for base64, and decodes it.
    found = await client.embeddings.create(model=EMBEDDER, input=texts)
    cat, kitten, market = (each.embedding for each in found.data)
    assert len(cat) == 384
    assert alike(cat, kitten) > alike(cat, market) + 0.2
    body = {"model": EMBEDDER, "input": texts[0]}
    plain = await served.http.post("/v1/embeddings", json=body, headers={"x-api-key": KEY})
    assert plain.json()["data"][0]["embedding"] == pytest.approx(cat, abs=1e-3)


async def test_a_pdf_is_read_by_a_process_of_its_own(
    client: openai.AsyncOpenAI, tmp_path: Path
) -> None:
    pdf = base64.b64encode(write_pdf(tmp_path / "a.pdf", "word " * 60).read_bytes()).decode()
    part = {"type": "file", "file": {"filename": "a.pdf", "file_data": pdf}}
    asked: Any = GREEDY | {"messages": [{"role": "user", "content": [part]}]}
    answer = await client.chat.completions.create(**asked)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 60


async def test_a_message_whole_and_streamed(claude: anthropic.AsyncAnthropic) -> None:
    asked: Any = {"model": SMALL, "messages": HELLO}
    greedy: Any = asked | {"max_tokens": 12, "extra_body": {"temperature": 0}}
    counted = await claude.messages.count_tokens(**asked)
    whole = await claude.messages.create(**greedy)
    async with claude.messages.stream(**greedy) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        final = await stream.get_final_message()
    (block,) = whole.content
    assert block.type == "text"
    assert block.text == text != ""
    assert final.usage.output_tokens == whole.usage.output_tokens == 12
    assert final.stop_reason == whole.stop_reason == "max_tokens"
    read = whole.usage.input_tokens + (whole.usage.cache_read_input_tokens or 0)
    assert read == counted.input_tokens


async def test_a_message_that_has_to_call(claude: anthropic.AsyncAnthropic) -> None:
    asked: Any = {
        "model": SMALL,
        "messages": HELLO,
        "max_tokens": 128,
        "extra_body": {"temperature": 0},
        "tools": [{"name": "paint", "input_schema": COLOURS}],
        "tool_choice": {"type": "tool", "name": "paint"},
    }
    async with claude.messages.stream(**asked) as stream:
        final = await stream.get_final_message()
    (block,) = final.content
    assert block.type == "tool_use"
    assert block.input in ({"colour": "red"}, {"colour": "green"})
    assert final.stop_reason == "tool_use"


async def test_errors_are_those_that_the_clients_know(
    client: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic
) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        await client.chat.completions.create(**GREEDY | {"model": "nothing"})
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as wrong:
        await client.chat.completions.create(**GREEDY | {"top_p": 7})
    assert wrong.value.param == "top_p"
    with pytest.raises(openai.AuthenticationError):
        await client.with_options(api_key="sk-other").chat.completions.create(**GREEDY)
    with pytest.raises(anthropic.NotFoundError):
        await claude.messages.create(model="nothing", messages=HELLO, max_tokens=1)
    with pytest.raises(anthropic.AuthenticationError):
        await claude.with_options(api_key="sk-other").models.list()
