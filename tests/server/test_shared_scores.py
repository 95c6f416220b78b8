"""The scores of a prompt that has several choices."""

from __future__ import annotations

import asyncio
from typing import Any

from minerva_desktop.chat.completion import TokenLogprob
from minerva_desktop.engine.token_stream import TokenStream
from tests.server.answers import with_scores
from tests.server.fake_models import COMPLETION, MODEL, serving


async def test_choices_get_the_scores_of_their_prompt_before_their_answers() -> None:
    """Which come once, with the first choice, and need not come first."""
    started: list[TokenStream] = []

    def script(stream: TokenStream) -> None:
        started.append(stream)
        if len(started) % 2:
            return
        stream.push_token("d", TokenLogprob(token=4, piece=b"d", logprob=-1.5))
        stream.finish(COMPLETION)
        asyncio.get_running_loop().call_soon(with_scores, started[-2])

    async with serving(script) as served, served.openai() as client:
        asked: dict[str, Any] = {"prompt": "a€", "logprobs": 0, "echo": True, "n": 2}
        answer = await client.completions.create(model=MODEL.model_id, **asked)
        assert [choice.text for choice in answer.choices] == ["a€c", "a€d"]
        first, second = (choice.logprobs for choice in answer.choices)
        assert first is not None
        assert second is not None
        assert first.token_logprobs == [None, -1.0, -2.0, -3.0, -0.5]
        assert second.token_logprobs == [None, -1.0, -2.0, -3.0, -1.5]
        assert first.text_offset == second.text_offset == [0, 0, 1, 1, 2]
        texts = ["", ""]
        async for chunk in await client.completions.create(
            model=MODEL.model_id, **asked, stream=True
        ):
            for each in chunk.choices:
                texts[each.index] += each.text
        assert texts == ["a€c", "a€d"]
