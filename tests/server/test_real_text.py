"""Completions, embeddings and tokens from real models, asked by the official client."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import openai
import pytest
import pytest_asyncio
from openai.types import Completion

from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.server.config import EndpointConfig
from minerva_desktop.server.endpoint import Endpoint
from tests.engine.model_files import StoredTensor
from tests.engine.models import write_with_weights
from tests.infill_model import INFILL
from tests.pools import RealPool, real_pool
from tests.server.fake_models import plain_client

# On the loop of the endpoint that they share.
on_its_loop = pytest.mark.asyncio(loop_scope="module")
N_CTX = 512
PROMPTS = ["The capital of France is", "Once upon a time", "The sea is"]
GREEDY: dict[str, Any] = {"temperature": 0, "max_tokens": 8}


class Served(NamedTuple):
    client: openai.AsyncOpenAI
    http: httpx.AsyncClient
    pool: RealPool
    url: str

    async def ask(self, path: str, **body: Any) -> Any:
        answer = await self.http.post(self.url + path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()


@asynccontextmanager
async def _serving(catalog: Catalog) -> AsyncIterator[Served]:
    pool = real_pool(LoadOptions(n_ctx=N_CTX))
    endpoint = Endpoint(pool, catalog, EndpointConfig(port=0))
    url = await endpoint.start()
    async with (
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client,
        plain_client() as http,
    ):
        yield Served(client, http, pool, url)
    await endpoint.stop()
    await pool.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(
    model_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    """With the embedded model loaded, for those that ask it only."""
    catalog = Catalog(tmp_path_factory.mktemp("library") / "models.json", embedded=model_path)
    async with _serving(catalog) as served:
        async with served.pool.lease(model_path):
            pass
        yield served


@pytest.fixture
async def fresh(catalog: Catalog) -> AsyncIterator[Served]:
    """With nothing loaded, for those that have a model of their own."""
    async with _serving(catalog) as served:
        yield served


@on_its_loop
async def test_completions(served: Served, model_path: Path) -> None:
    create, model = served.client.completions.create, model_path.stem
    alone = [
        (await create(model=model, prompt=prompt, **GREEDY)).choices[0].text for prompt in PROMPTS
    ]
    assert "Paris" in alone[0]
    together = await create(model=model, prompt=PROMPTS, **GREEDY)
    assert [choice.text for choice in together.choices] == alone
    tokens = [(await served.ask("/tokenize", content=prompt))["tokens"] for prompt in PROMPTS]
    by_tokens = await create(model=model, prompt=tokens, echo=True, **GREEDY)
    echoed = [prompt + text for prompt, text in zip(PROMPTS, alone, strict=True)]
    assert [choice.text for choice in by_tokens.choices] == echoed
    streamed = ["", "", ""]
    async for chunk in await create(model=model, prompt=PROMPTS, stream=True, **GREEDY):
        for choice in chunk.choices:
            streamed[choice.index] += choice.text
    assert streamed == alone
    assert by_tokens.usage is not None
    assert by_tokens.usage.prompt_tokens == sum(len(each) for each in tokens)
    default = await create(model=model, prompt="The sea is", extra_body={"ignore_eos": True})
    assert default.choices[0].finish_reason == "length"
    assert default.usage is not None
    assert default.usage.completion_tokens == 16


@on_its_loop
async def test_choices_logprobs_and_stops(served: Served, model_path: Path) -> None:
    create, model = served.client.completions.create, model_path.stem
    asked: dict[str, Any] = {"model": model, "prompt": "The sea is", "max_tokens": 8}
    both = await create(**asked, seed=5, n=2)
    other = await create(**asked, seed=6)
    assert both.choices[0].text != both.choices[1].text == other.choices[0].text
    whole = await create(**asked, temperature=0, logprobs=3)
    choice = whole.choices[0]
    found = choice.logprobs
    assert found is not None
    assert found.tokens is not None
    assert found.text_offset is not None
    assert found.token_logprobs is not None
    assert found.top_logprobs is not None
    assert "".join(found.tokens) == choice.text
    starts = [*found.text_offset, len(choice.text)]
    assert [choice.text[a:b] for a, b in itertools.pairwise(starts)] == found.tokens
    for token, value, top in zip(
        found.tokens, found.token_logprobs, found.top_logprobs, strict=True
    ):
        assert value <= 0
        assert len(top) == 3
        assert max(top, key=lambda name: top[name]) == token
        assert top[token] == value
    third = found.tokens[2]
    stopped = await create(**asked, temperature=0, stop=third, logprobs=0)
    assert stopped.choices[0].text == choice.text[: choice.text.index(third)]
    assert stopped.choices[0].finish_reason == "stop"
    assert stopped.choices[0].logprobs is not None
    assert stopped.choices[0].logprobs.tokens == found.tokens[:2]


@on_its_loop
async def test_tokens_that_end_inside_a_character_are_echoed_whole(
    served: Served, model_path: Path
) -> None:
    create, model = served.client.completions.create, model_path.stem
    tokens = (await served.ask("/tokenize", content="Read 日本"))["tokens"]
    with_pieces = await served.ask("/tokenize", content="Read 日", with_pieces=True)
    cut = len(with_pieces["tokens"]) - 1  # inside the character
    assert with_pieces["tokens"][cut]["piece"] == [0xA5]
    asked: dict[str, Any] = {"model": model, "prompt": tokens[:cut], "echo": True, **GREEDY}
    bias = {"logit_bias": {tokens[cut]: 100}, "max_tokens": 1}
    for logprobs in (None, 0):
        answer = await create(**asked | bias, logprobs=logprobs)
        assert answer.choices[0].text == "Read 日"
        streamed = await create(**asked | bias, logprobs=logprobs, stream=True)
        assert "".join([chunk.choices[0].text async for chunk in streamed]) == "Read 日"
        found = answer.choices[0].logprobs
        assert (found is None) is (logprobs is None)
        assert found is None or (found.text_offset or [])[-2:] == [len("Read "), len("Read ")]


@on_its_loop
async def test_prompts_are_scored_as_evaluation_harnesses_ask(
    served: Served, model_path: Path
) -> None:
    create, model = served.client.completions.create, model_path.stem
    asked: dict[str, Any] = {"model": model, "echo": True, "logprobs": 1, "temperature": 0}
    scored = await create(**asked, prompt=PROMPTS, max_tokens=0)
    assert [choice.text for choice in scored.choices] == PROMPTS
    assert [choice.finish_reason for choice in scored.choices] == ["length"] * 3
    assert scored.usage is not None
    assert scored.usage.completion_tokens == 0
    tokens = [(await served.ask("/tokenize", content=prompt))["tokens"] for prompt in PROMPTS]
    # lm-evaluation-harness sends tokens, asks for one more, and leaves its number out.
    by_tokens = await create(**asked, prompt=tokens, max_tokens=1, seed=1234)
    for ids, choice, other in zip(tokens, scored.choices, by_tokens.choices, strict=True):
        found, again = choice.logprobs, other.logprobs
        assert found is not None
        assert again is not None
        assert found.token_logprobs is not None
        assert found.top_logprobs is not None
        assert again.tokens is not None
        assert again.token_logprobs is not None
        assert len(found.token_logprobs) == len(ids) == len(again.tokens) - 1
        assert found.token_logprobs[0] is found.top_logprobs[0] is None
        assert found.token_logprobs == again.token_logprobs[:-1]
        assert found.tokens == again.tokens[:-1]
        assert "".join(again.tokens) == other.text
        streamed: list[float | None] = []
        text = ""
        async for chunk in await create(**asked, prompt=ids, max_tokens=0, stream=True):
            text += chunk.choices[0].text
            part = chunk.choices[0].logprobs
            streamed += (part.token_logprobs or []) if part is not None else []
        assert (text, streamed) == (choice.text, found.token_logprobs)
    paris, lyon = await asyncio.gather(
        *(create(**asked, prompt=PROMPTS[0] + name, max_tokens=0) for name in (" Paris", " Lyon"))
    )
    assert _last(paris) > _last(lyon) + 2


def _last(answer: Completion) -> float:
    """The log-probability of a prompt's last token."""
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.token_logprobs is not None
    return logprobs.token_logprobs[-1]


async def test_a_suffix(fresh: Served, catalog: Catalog, infill_path: Path) -> None:
    infill = catalog.add(infill_path).model_id
    before, behind = "def f(x):\n    y =", "\n    return y"
    create = fresh.client.completions.create
    filled = await create(model=infill, prompt=before, suffix=behind, **GREEDY)
    tokens = [
        (await fresh.ask("/tokenize", content=text, model=infill))["tokens"]
        for text in (before, behind)
    ]
    marks = [*INFILL.values()]
    by_hand = await create(
        model=infill, prompt=[marks[0], *tokens[0], marks[1], *tokens[1], marks[2]], **GREEDY
    )
    assert filled.choices[0].text == by_hand.choices[0].text
    listed = await fresh.client.models.retrieve(infill)
    assert listed.model_dump()["meta"]["capabilities"] == ["chat", "infill"]
    with pytest.raises(openai.BadRequestError, match="fills in the middle") as caught:
        await create(model=catalog.default().model_id, prompt=before, suffix=behind)
    assert caught.value.param == "suffix"


REFUSED: tuple[tuple[dict[str, object], str], ...] = (
    ({"prompt": "word " * 2 * N_CTX}, "prompt"),
    ({"prompt": [5, 49_152]}, "prompt"),
    ({"prompt": [5, 49_152], "echo": True}, "prompt"),
    ({"prompt": ""}, "prompt"),
    ({"prompt": ["Hi", ""]}, "prompt"),
    ({"json_schema": {"type": "nothing"}}, "json_schema"),
    ({"overflow": "truncate_middle"}, "overflow"),
    ({"max_tokens": -1, "overflow": "shift"}, "overflow"),
)


@on_its_loop
async def test_the_engine_refuses_by_our_names(served: Served, model_path: Path) -> None:
    for fields, param in REFUSED:
        for stream in (False, True):
            body = {"model": model_path.stem, "prompt": "Hi", "stream": stream, **fields}
            answer = await served.http.post(f"{served.url}/v1/completions", json=body)
            assert answer.status_code == 400, answer.text
            assert answer.json()["error"]["param"] == param


async def test_embeddings_that_are_no_numbers(
    fresh: Served, catalog: Catalog, embedding_model: Path, tmp_path: Path
) -> None:
    """JSON has no word for them, and clients cannot do anything with what stands for them."""

    def spoil(tensor: StoredTensor) -> None:
        if tensor.name == "token_embd_norm.weight":
            tensor.data[...] = 0xFF  # all bits of a number: NaN

    path = tmp_path / "broken.gguf"
    write_with_weights(path, embedding_model, spoil)
    model = catalog.add(path).model_id
    for encoding in ("float", "base64"):
        body = {"model": model, "input": ["a", "b"], "encoding_format": encoding}
        answer = await fresh.http.post(f"{fresh.url}/v1/embeddings", json=body)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (500, "inference_failed")
        assert "no numbers (NaN) for text 1 of 2: its file is damaged" in error["message"]


async def test_embeddings(fresh: Served, catalog: Catalog, embedding_model: Path) -> None:
    model = catalog.add(embedding_model).model_id
    texts = ["A cat sleeps on the sofa.", "The tax return is due in April.", "é" * 20]
    create = fresh.client.embeddings.create
    answer = await create(model=model, input=texts)
    engine = fresh.pool.loaded_engine(embedding_model)
    assert engine is not None
    wanted = await engine.embed(texts)
    assert [list(each) for each in wanted.vectors] == [each.embedding for each in answer.data]
    assert [len(each.embedding) for each in answer.data] == [384] * 3
    assert answer.usage.prompt_tokens == sum(wanted.n_tokens)
    floats = await create(model=model, input=texts, encoding_format="float")
    assert [each.embedding for each in floats.data] == [each.embedding for each in answer.data]
    tokens = (await fresh.ask("/tokenize", content=texts[0], add_special=True))["tokens"]
    by_tokens = await create(model=model, input=tokens)
    assert by_tokens.data[0].embedding == pytest.approx(answer.data[0].embedding, abs=1e-5)
    few = (await create(model=model, input=texts[0], dimensions=100)).data[0].embedding
    assert math.fsum(value * value for value in few) == pytest.approx(1.0, abs=1e-6)
    scale = few[0] / answer.data[0].embedding[0]
    assert few == pytest.approx([scale * each for each in answer.data[0].embedding[:100]], abs=1e-6)
    listed = await fresh.client.models.retrieve(model)
    assert listed.model_dump()["meta"]["capabilities"] == ["embeddings"]
    assert await _refused(fresh, model=model, input=texts, dimensions=385) == "dimensions"
    assert await _refused(fresh, model=model, input=["a", "word " * 600]) == "input"
    assert await _refused(fresh, model=model, input=[[1], [10**6]]) == "input"
    chat = catalog.default().model_id
    assert await _refused(fresh, model=chat, input="a") == "model"
    with pytest.raises(openai.BadRequestError, match="only makes embeddings"):
        await fresh.client.completions.create(model=model, prompt="a")


async def _refused(served: Served, **fields: Any) -> str | None:
    with pytest.raises(openai.BadRequestError) as caught:
        await served.client.embeddings.create(**fields)
    return caught.value.param


async def test_tokens_templates_and_what_is_said_of_a_loaded_model(
    fresh: Served, model_path: Path
) -> None:
    text = "Hello 🦉<|im_end|>"
    loading = asyncio.create_task(fresh.ask("/tokenize", content=text, with_pieces=True))
    while not fresh.pool.pids():
        await asyncio.sleep(0)
    listed = (await fresh.client.models.list()).data
    assert listed[0].model_dump()["meta"]["loaded"] is False
    assert not loading.done()
    pieces = (await loading)["tokens"]
    assert pieces[-1] == {"id": 2, "piece": "<|im_end|>"}
    raw = b"".join(
        each["piece"].encode() if isinstance(each["piece"], str) else bytes(each["piece"])
        for each in pieces
    )
    assert raw.decode() == text
    assert any(isinstance(each["piece"], list) for each in pieces)
    tokens = [each["id"] for each in pieces]
    assert await fresh.ask("/detokenize", tokens=tokens) == {"content": text}
    spelled = await fresh.ask("/tokenize", content=text, parse_special=False)
    assert 2 not in spelled["tokens"]

    messages = [{"role": "user", "content": "Name a river."}]
    prompt = (await fresh.ask("/apply-template", messages=messages))["prompt"]
    assert prompt.endswith("Name a river.<|im_end|>\n<|im_start|>assistant\n")
    ends = [
        await fresh.ask("/apply-template", messages=messages, add_generation_prompt=False),
        await fresh.ask(
            "/apply-template", messages=[*messages, {"role": "assistant", "content": "The"}]
        ),
    ]
    assert [end["prompt"] for end in ends] == [
        prompt.removesuffix("<|im_start|>assistant\n"),
        f"{prompt}The",
    ]
    chat = await fresh.ask(
        "/v1/chat/completions", model=model_path.stem, messages=messages, **GREEDY
    )
    plain = await fresh.ask("/v1/completions", model=model_path.stem, prompt=prompt, **GREEDY)
    assert plain["choices"][0]["text"] == chat["choices"][0]["message"]["content"]

    meta = (await fresh.client.models.retrieve(model_path.stem)).model_dump()["meta"]
    assert (meta["n_ctx"], meta["n_ctx_train"], meta["capabilities"]) == (N_CTX, 8192, ["chat"])
    props = (await fresh.http.get(f"{fresh.url}/props")).json()
    assert "<|im_start|>" in props["chat_template"]
    assert props["default_generation_settings"]["n_ctx"] == N_CTX
    assert str(model_path.parent) not in str(props)
