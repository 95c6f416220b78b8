"""`POST /v1/completions` with a scripted model behind it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest

from minerva_desktop import __version__
from minerva_desktop.chat.completion import (
    Completion,
    FinishReason,
    Timings,
    TokenLogprob,
)
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.errors import ContextLimitExceeded, EngineDied, InvalidRequest, QueueFull
from tests.patience import SECONDS
from tests.server.answers import with_scores
from tests.server.fake_models import (
    COMPLETION,
    MODEL,
    Served,
    fails,
    says,
    says_and_goes_on,
    serving,
)

PATH = "/v1/completions"


def body(**fields: object) -> dict[str, object]:
    return {"model": MODEL.model_id, "prompt": "The sea", **fields}


async def ask(served: Served, **fields: object) -> httpx.Response:
    return await served.http.post(PATH, json=body(**fields))


def events(text: str) -> list[dict[str, Any]]:
    lines = [line for line in text.split("\n\n") if line.startswith("data: {")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


async def test_the_official_client_gets_a_whole_answer() -> None:
    async with serving() as served, served.openai() as client:
        answer = await client.completions.create(
            model=MODEL.model_id, prompt="The sea", temperature=0, seed=3
        )
    assert answer.id.startswith("cmpl-")
    assert answer.object == "text_completion"
    assert answer.model == MODEL.model_id
    assert answer.system_fingerprint == f"minerva-{__version__}-0c1e570-{MODEL.model_id}"
    (choice,) = answer.choices
    assert (choice.index, choice.text) == (0, "Hello, world")
    assert (choice.finish_reason, choice.logprobs) == ("stop", None)
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (12, 3)
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 4
    assert answer.model_dump()["timings"]["predicted_per_second"] == 50.0
    assert served.engine.prompts == ["The sea"]
    sampling = served.engine.samplings[0]
    assert sampling is not None
    assert (sampling.temperature, sampling.seed, sampling.max_tokens) == (0.0, 3, 16)
    assert served.pool.leases == 0


async def test_the_official_client_reads_a_stream() -> None:
    async with serving(says("", "Hello", "")) as served, served.openai() as client:
        stream = await client.completions.create(
            model=MODEL.model_id,
            prompt="The sea",
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    assert [chunk.choices[0].text for chunk in chunks[:-1]] == ["Hello", ""]
    reasons: list[str | None] = [chunk.choices[0].finish_reason for chunk in chunks[:-1]]
    assert reasons == [None, "stop"]
    assert [chunk.usage is None for chunk in chunks] == [True, True, False]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 15
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert served.pool.leases == 0


async def test_a_stream_on_the_wire() -> None:
    async with serving(says("Hi")) as served:
        answer = await ask(served, stream=True)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.text.endswith("data: [DONE]\n\n")
    content, finish = events(answer.text)
    assert content["choices"] == [
        {"text": "Hi", "index": 0, "logprobs": None, "finish_reason": None}
    ]
    assert finish["choices"] == [
        {"text": "", "index": 0, "logprobs": None, "finish_reason": "stop"}
    ]
    assert finish["timings"]["predicted_n"] == 3
    assert "usage" not in content
    assert "usage" not in finish


@pytest.mark.parametrize(
    ("prompt", "reaches"),
    [
        ("Hi", ["Hi"]),
        (["Hi", ""], ["Hi", ""]),
        ([5, 6, 7], [(5, 6, 7)]),
        ([[5, 6], [7]], [(5, 6), (7,)]),
        (None, [""]),
    ],
)
async def test_every_shape_of_a_prompt(prompt: object, reaches: list[object]) -> None:
    async with serving() as served:
        answer = await ask(served, prompt=prompt)
    assert answer.status_code == 200
    assert served.engine.prompts == reaches
    assert [choice["index"] for choice in answer.json()["choices"]] == [*range(len(reaches))]


async def test_choices_of_several_prompts_are_numbered_prompt_by_prompt() -> None:
    async with serving() as served, served.openai() as client:
        prompts = ["a", "b", "c"]
        answer = await client.completions.create(model=MODEL.model_id, prompt=prompts, n=2)
        assert [choice.index for choice in answer.choices] == [0, 1, 2, 3, 4, 5]
        assert served.pool.lease_paths == [MODEL.path]
        assert [len(served.engine.prompts), len(served.engine.streams)] == [3, 6]
        streamed = ["", "", "", "", "", ""]
        ends: list[int] = []
        async for chunk in await client.completions.create(
            model=MODEL.model_id, prompt=prompts, n=2, stream=True, best_of=2
        ):
            (choice,) = chunk.choices
            streamed[choice.index] += choice.text
            ends += [choice.index] * bool(choice.finish_reason)
        assert streamed == ["Hello, world"] * 6
        assert sorted(ends) == [0, 1, 2, 3, 4, 5]


async def test_the_tokens_of_all_prompts_are_counted_once_each() -> None:
    numbers = iter(range(6))

    def script(stream: TokenStream) -> None:
        number = next(numbers)
        timings = Timings(
            prompt_tokens=10 * (number // 2 + 1), cached_tokens=number // 2, completion_tokens=2
        )
        stream.push_token(str(number))
        stream.finish(Completion(finish_reason=FinishReason.STOP, timings=timings, seed=1))

    async with serving(script) as served:
        answer = (await ask(served, prompt=["a", "b", "c"], n=2)).json()
    assert [choice["text"] for choice in answer["choices"]] == ["0", "1", "2", "3", "4", "5"]
    assert answer["usage"]["prompt_tokens"] == 10 + 20 + 30
    assert answer["usage"]["prompt_tokens_details"] == {"cached_tokens": 0 + 1 + 2}
    assert answer["usage"]["completion_tokens"] == 12
    assert "timings" not in answer, "those of the first would pass for those of all"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_echo_begins_with_the_prompt(stream: bool) -> None:
    async with serving() as served:
        for prompt in (["The sea", "I"], [list(b"The sea"), list(b"I")]):
            answer = await ask(served, prompt=prompt, echo=True, stream=stream)
            texts = ["", ""]
            for each in events(answer.text) if stream else [answer.json()]:
                for choice in each["choices"]:
                    texts[choice["index"]] += choice["text"]
            assert texts == ["The seaHello, world", "IHello, world"]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_comes_before_an_echo(stream: bool) -> None:
    wrong = InvalidRequest("prompt names token 999", param="prompt")
    async with serving(fails(wrong)) as served:
        answer = await ask(served, prompt=[1, 999], echo=True, stream=stream)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "prompt names token 999"


async def test_a_suffix_reaches_the_engine() -> None:
    async with serving() as served:
        await ask(served, prompt="def f():", suffix="    return 1")
        await ask(served, suffix="")
    assert [asked["suffix"] for asked in served.engine.asked_with] == ["    return 1", None]


def with_logprobs(stream: TokenStream) -> None:
    """ "aé€" in five tokens, the euro sign in pieces, and two tokens without a text."""

    def logprob(piece: bytes, value: float, *top: TokenLogprob) -> TokenLogprob:
        return TokenLogprob(token=1, piece=piece, logprob=value, top=top)

    best = logprob(b"b", -0.25)
    stream.push_token("a", logprob(b"a", -1.0, best))
    stream.push_token("é", logprob("é".encode(), -0.5, logprob("é".encode(), -0.5)))
    stream.push_token("", logprob(b"\xe2\x82", -2.0, logprob(b"", -0.1), logprob(b"", -0.2)))
    stream.push_token("€", logprob(b"\xac", -3.0, best))
    stream.finish(COMPLETION)


async def test_log_probabilities_in_the_old_shape() -> None:
    async with serving(with_logprobs) as served, served.openai() as client:
        answer = await client.completions.create(model=MODEL.model_id, prompt="x", logprobs=1)
        found = answer.choices[0].logprobs
        assert served.engine.samplings[0] is not None
        assert served.engine.samplings[0].top_logprobs == 1
        assert found is not None
        assert found.tokens == ["a", "é", "bytes:\\xe2\\x82", "bytes:\\xac"]
        assert found.token_logprobs == [-1.0, -0.5, -2.0, -3.0]
        assert found.text_offset == [0, 1, 2, 2]
        assert found.top_logprobs == [
            {"b": -0.25, "a": -1.0},
            {"é": -0.5},
            {"": -0.1, "bytes:\\xe2\\x82": -2.0},
            {"b": -0.25, "bytes:\\xac": -3.0},
        ]
        whole = found.model_dump()
        plain = await client.completions.create(model=MODEL.model_id, prompt="x", logprobs=0)
        assert plain.choices[0].logprobs is not None
        assert plain.choices[0].logprobs.top_logprobs is None
        assert plain.choices[0].logprobs.tokens == found.tokens
        together: dict[str, list[object]] = {name: [] for name in whole}
        async for chunk in await client.completions.create(
            model=MODEL.model_id, prompt="x", logprobs=1, stream=True
        ):
            piece = chunk.choices[0].logprobs
            for name, values in (piece.model_dump() if piece else {}).items():
                together[name] += values
        assert together == whole


async def test_log_probabilities_of_an_echoed_prompt() -> None:
    async with serving(with_scores) as served, served.openai() as client:
        answer = await client.completions.create(
            model=MODEL.model_id, prompt="a€", logprobs=1, echo=True
        )
        assert served.engine.asked_with[0]["score_prompt"] is True
        (choice,) = answer.choices
        assert choice.text == "a€c"
        assert choice.logprobs is not None
        whole = choice.logprobs.model_dump()
        assert whole == {
            "tokens": ["<s>", "a", "bytes:\\xe2\\x82", "bytes:\\xac", "c"],
            "token_logprobs": [None, -1.0, -2.0, -3.0, -0.5],
            "top_logprobs": [
                None,
                {"b": -0.25, "a": -1.0},
                {"b": -0.25, "bytes:\\xe2\\x82": -2.0},
                {"b": -0.25, "bytes:\\xac": -3.0},
                {"b": -0.25, "c": -0.5},
            ],
            "text_offset": [0, 0, 1, 1, 2],
        }
        together: dict[str, list[object]] = {name: [] for name in whole}
        text = ""
        async for chunk in await client.completions.create(
            model=MODEL.model_id, prompt="a€", logprobs=1, echo=True, stream=True
        ):
            text += chunk.choices[0].text
            piece = chunk.choices[0].logprobs
            for name, values in (piece.model_dump() if piece else {}).items():
                together[name] += values
        assert (text, together) == ("a€c", whole)
        plain = await client.completions.create(
            model=MODEL.model_id, prompt="a€", logprobs=0, echo=True
        )
        assert plain.choices[0].logprobs is not None
        assert plain.choices[0].logprobs.top_logprobs is None
        assert plain.choices[0].logprobs.token_logprobs == whole["token_logprobs"]
        await client.completions.create(model=MODEL.model_id, prompt="a€", logprobs=0)
        await client.completions.create(model=MODEL.model_id, prompt="a€", echo=True)
        assert [asked["score_prompt"] for asked in served.engine.asked_with[-2:]] == [False] * 2


async def test_no_token_of_an_answer() -> None:
    async with serving(says()) as served, served.openai() as client:
        answer = await client.completions.create(
            model=MODEL.model_id, prompt="x", max_tokens=0, echo=True
        )
        assert answer.choices[0].text == "x"
        assert served.engine.samplings[0] is not None
        assert served.engine.samplings[0].max_tokens == 0


async def test_progress_and_live_timings_for_those_who_ask() -> None:
    def script(stream: TokenStream) -> None:
        stream.report_prefill(8, 12, 4)
        stream.push_token("Hi")
        stream.finish(COMPLETION)

    async with serving(script) as served:
        answer = await ask(
            served,
            stream=True,
            stream_options={"include_usage": True},
            return_progress=True,
            timings_per_token=True,
        )
    begun, progress, spoken, end, usage = events(answer.text)
    assert begun["prompt_progress"] == {"total": 12, "cache": 4, "processed": 4, "time_ms": 0}
    assert {**progress["prompt_progress"], "time_ms": 0} == {
        "total": 12,
        "cache": 4,
        "processed": 8,
        "time_ms": 0,
    }
    assert (spoken["timings"]["predicted_n"], spoken["timings"]["cache_n"]) == (1, 4)
    assert end["timings"]["prompt_ms"] == usage["timings"]["prompt_ms"] == 16.0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "param"),
    [
        (ContextLimitExceeded.of(2048, 5000), 400, "prompt"),
        (InvalidRequest("The JSON schema is no JSON", param="response_format"), 400, "json_schema"),
        (InvalidRequest("suffix needs a model", param="suffix"), 400, "suffix"),
        (EngineDied("It died", detail="/secret"), 503, None),
        (QueueFull("64 requests wait already"), 503, None),
    ],
)
async def test_an_error_before_the_first_token_has_its_status_and_our_field(
    stream: bool,
    error: ContextLimitExceeded | InvalidRequest | EngineDied,
    status: int,
    param: str | None,
) -> None:
    async with serving(fails(error)) as served:
        answer = await ask(served, stream=stream)
        assert served.pool.leases == 0
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == error.code
    assert answer.json()["error"]["param"] == param
    assert "/secret" not in answer.text


async def test_an_error_of_one_prompt_ends_them_all() -> None:
    scripts = iter([says_and_goes_on("One"), fails(EngineDied("It died"), "Two")])

    def one_after_the_other(stream: TokenStream) -> None:
        next(scripts)(stream)

    async with serving(one_after_the_other) as served:
        answer = await ask(served, prompt=["a", "b"], stream=True)
        assert served.engine.cancelled.is_set()
        assert served.pool.leases == 0
    assert events(answer.text)[-1]["error"]["code"] == "engine_died"
    assert "[DONE]" not in answer.text


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_goes_away_cancels_all_its_generations(stream: bool) -> None:
    async with serving(says_and_goes_on("Once", " upon")) as served:
        content = json.dumps(body(prompt=["a", "b"], n=2, stream=stream)).encode()
        _, writer = await served.connect()
        writer.write(
            f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        await asyncio.wait_for(served.engine.asked.wait(), SECONDS)
        assert served.pool.leases == 1
        writer.transport.abort()
        await asyncio.wait_for(served.pool.returned.wait(), SECONDS)
        assert served.engine.cancelled.is_set()


async def test_the_list_of_requests_has_it() -> None:
    async with serving() as served:
        await ask(served, prompt=["Tell me", "Sing"], suffix="the end")
        await ask(served, prompt=list(b"more"))
        last, record = served.activity.snapshot()
        shown = await served.activity.prompt(record.number)
        assert await served.activity.prompt(last.number) == "more"
    assert (record.dialect, record.model, record.status) == ("completions", MODEL.model_id, 200)
    assert (record.prompt_tokens, record.generated_tokens) == (24, 6)
    assert shown == "Tell me\n[…]\nthe end\nSing\n[…]\nthe end"


async def test_ignored_fields_are_in_a_header_and_unknown_models_are_named() -> None:
    async with serving() as served, served.openai() as client:
        answer = await ask(served, zap=1)
        assert answer.headers["x-minerva-ignored-fields"] == "zap"
        with pytest.raises(openai.NotFoundError) as caught:
            await client.completions.create(model="gpt-9", prompt="x")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
