"""Answers that outgrow the cache together: the youngest waits, and is computed again later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions

N_CTX = 768  # tokens; room for the reserves of both answers, and not for their ends
N_TOKENS = 400
PROMPTS = ("The harbour town lay quiet.", "Nobody had seen the mountain.")


async def test_an_answer_that_was_put_back_is_the_one_that_it_is_alone(
    generated: Callable[..., Path],
) -> None:
    # ggml rounds one row of these weights as it does many.
    shape = {"n_layers": 2, "width": 64, "n_heads": 2, "kv_heads": 2, "feed": 128, "head": 32}
    small = generated("llama", **shape, type_name="Q4_1")
    engine = LlamaEngine(small)
    # Small batches, so that a prompt is told of in several steps.
    await engine.load(options=LoadOptions(n_ctx=N_CTX, n_batch=64, n_threads=2))
    sampling = SamplingParameters(seed=7, ignore_eos=True, max_tokens=N_TOKENS)
    alone = [
        await engine.generate(prompt, sampling=sampling, cache_prompt=False).text()
        for prompt in PROMPTS
    ]
    streams = [engine.generate(prompt, sampling=sampling) for prompt in PROMPTS]
    done = [await stream.wait_completion() for stream in streams]
    assert [str(stream) for stream in streams] == alone
    for completion in done:
        assert completion.finish_reason is FinishReason.LENGTH
        assert completion.timings.completion_tokens == N_TOKENS
    # What was sampled so far was computed once more as if it were a prompt, of the younger one.
    n_anew = [
        stream.prefill[1] - c.timings.prompt_tokens for stream, c in zip(streams, done, strict=True)
    ]
    assert n_anew[0] == 0 < n_anew[1]
    await engine.unload()
