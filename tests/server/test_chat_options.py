"""Chat completions: the fields beyond a plain question."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minerva_desktop.chat.completion import TokenLogprob
from minerva_desktop.engine.token_stream import TokenStream
from tests.server.fake_models import COMPLETION, MODEL, chat_body, serving

PATH = "/v1/chat/completions"


async def test_several_answers_to_one_question() -> None:
    async with serving() as served, served.openai() as client:
        messages: Any = [{"role": "user", "content": "Hi"}]
        answer = await client.chat.completions.create(model=MODEL.model_id, messages=messages, n=3)
        assert [choice.index for choice in answer.choices] == [0, 1, 2]
        assert {choice.message.content for choice in answer.choices} == {"Hello, world"}
        assert answer.usage is not None
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (12, 9)
        texts, reasons = ["", "", ""], ["", "", ""]
        async for chunk in await client.chat.completions.create(
            model=MODEL.model_id, messages=messages, n=3, stream=True
        ):
            (choice,) = chunk.choices
            texts[choice.index] += choice.delta.content or ""
            reasons[choice.index] += choice.finish_reason or ""
        assert texts == ["Hello, world"] * 3
        assert reasons == ["stop"] * 3


@pytest.mark.parametrize(("choice", "content"), [("required", None), ("auto", "")])
async def test_a_stream_that_has_to_be_calls_begins_without_content(
    choice: str, content: str | None
) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    async with serving() as served:
        body = chat_body(stream=True, tools=tools, tool_choice=choice)
        answer = await served.http.post(PATH, json=body)
    first = json.loads(answer.text.partition("\n")[0].removeprefix("data: "))
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": content}


async def test_several_choices_have_no_timings_together() -> None:
    async with serving() as served:
        for n in (1, 2):
            answer = await served.http.post(PATH, json=chat_body(n=n))
            assert ("timings" in answer.json()) == (n == 1)


async def test_log_probabilities_of_tokens() -> None:
    top = TokenLogprob(token=2, piece=b"Ho", logprob=-2.0)
    first = TokenLogprob(token=1, piece=b"H\xc3", logprob=-0.5, top=(top,))

    def script(stream: TokenStream) -> None:
        stream.push_token("H", first)
        stream.push_token("i", TokenLogprob(token=3, piece=b"i", logprob=-1.0))
        stream.finish(COMPLETION)

    async with serving(script) as served, served.openai() as client:
        messages: Any = [{"role": "user", "content": "Hi"}]
        asked = {"model": MODEL.model_id, "messages": messages, "logprobs": True}
        answer = await client.chat.completions.create(**asked, top_logprobs=1)
        assert answer.choices[0].logprobs is not None
        content = answer.choices[0].logprobs.content
        assert content is not None
        assert [(each.token, each.logprob, each.bytes) for each in content] == [
            ("H\ufffd", -0.5, [72, 195]),
            ("i", -1.0, [105]),
        ]
        assert content[0].top_logprobs[0].token == "Ho"
        assert content[1].top_logprobs == []
        pieces: list[str] = []
        async for chunk in await client.chat.completions.create(**asked, stream=True):
            if chunk.choices[0].logprobs is not None:
                pieces += [each.token for each in chunk.choices[0].logprobs.content or []]
        assert pieces == ["H\ufffd", "i"]


async def test_progress_and_live_timings_for_those_who_ask() -> None:
    def script(stream: TokenStream) -> None:
        stream.report_prefill(8, 12, 4)
        stream.push_token("Hi")
        stream.finish(COMPLETION)

    async with serving(script) as served:
        body = chat_body(stream=True, return_progress=True, timings_per_token=True)
        body |= {"stream_options": {"include_usage": True}}
        chunks = [
            json.loads(line.removeprefix("data: "))
            for line in (await served.http.post(PATH, json=body)).text.split("\n")
            if line.startswith("data: {")
        ]
    progress = [chunk["prompt_progress"] for chunk in chunks if "prompt_progress" in chunk]
    counts = [(each["processed"], each["total"], each["cache"]) for each in progress]
    assert counts == [(4, 12, 4), (8, 12, 4)]
    assert progress[0]["time_ms"] == 0
    *chunks, end = chunks
    assert [chunk["usage"] for chunk in chunks] == [None] * 5
    assert end["usage"]["prompt_tokens"] == 12
    (spoken,) = [chunk for chunk in chunks if chunk["choices"][0]["delta"].get("content")]
    assert (spoken["timings"]["predicted_n"], spoken["timings"]["cache_n"]) == (1, 4)
    assert chunks[-1]["timings"]["prompt_ms"] == end["timings"]["prompt_ms"] == 16.0


async def test_the_engine_is_asked_as_the_request_says() -> None:
    async with serving() as served:
        body = chat_body(cache_prompt=False, lora=[{"id": 0, "scale": 0.5}])
        await served.http.post(PATH, json=body)
        (asked,) = served.engine.asked_with
    assert (asked["cache_prompt"], asked["lora"]) == (False, (0.5,))
