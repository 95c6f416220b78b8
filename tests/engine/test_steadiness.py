"""Greedy answers are the same one by one and many at once, also while requests come and go and
leave holes in the cache that others fill."""

from __future__ import annotations

import asyncio
from pathlib import Path

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions

GREEDY = SamplingParameters(temperature=0.0)


def _counting(count: int) -> list[str]:
    """Prompts of different lengths, and such that leave no doubt about what follows: llama.cpp
    rounds many sequences otherwise than one, by little."""
    starts = range(110, 110 + 50 * count, 50)
    return [
        ", ".join(str(start + step) for step in range(3 + number % 3)) + ","
        for number, start in enumerate(starts)
    ]


async def test_short_answers_four_at_a_time(model_path: Path) -> None:
    engine = LlamaEngine(model_path)
    await engine.load(options=LoadOptions(n_ctx=4096, n_parallel=4))

    async def answer(prompt: str, n_tokens: int) -> str:
        return await engine.generate(prompt, n_tokens, sampling=GREEDY).text()

    # They end at different moments.
    asked = [(prompt, 3 + number % 5) for number, prompt in enumerate(_counting(12))]
    alone = [await answer(prompt, n_tokens) for prompt, n_tokens in asked]
    together = await asyncio.gather(*(answer(prompt, n_tokens) for prompt, n_tokens in asked))
    await engine.unload()
    assert list(together) == alone
    assert len(set(alone)) == len(alone)
