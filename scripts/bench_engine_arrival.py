"""A short request that arrives while a long prompt is read: a group of `bench.py engine`.

A prompt of `N_LONG` tokens is being read; once its first step is over, and then at a moment
anywhere inside the second one, a request of `N_SHORT` tokens comes. How long until its first token
is here? Also in steps, of which each decodes a token of the short one and reads a chunk of the long
prompt, in one decode or in two: so one such step is between its first token and its third, and the
longer of the two times between is the step to compare with. (The steps before it, which the first
token waited for, were a little shorter: attention grows with what was read.)

The peer is ``llama-server`` with the same model file, threads, ``n_ctx``, ``n_batch``, number of
parallel requests, flash attention, f16 cache, the same two prompts and no reuse of them.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field

from bench_engine_requests import GREEDY, Bench, prompt_of
from bench_report import Figure, Target
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.token_stream import TokenStream

N_LONG = 4000  # tokens
N_SHORT = 20  # tokens
N_ANSWER = 3  # tokens of the short one's answer, all while the long one is read
N_CTX = 4608  # tokens
SHORT_WORD = " lake"
SEED = 7


@dataclass
class _Samples:
    first_token_ms: list[float] = field(default_factory=list)
    step_ms: list[float] = field(default_factory=list)
    peer_ms: list[float] = field(default_factory=list)


def measure(bench: Bench) -> list[Figure]:
    """The wait for the first token in ms and in steps, and the step."""
    samples = asyncio.run(_measure(bench))
    waits, steps = samples.first_token_ms, samples.step_ms
    in_steps = tuple(wait / step for wait, step in zip(waits, steps, strict=True))
    name = f"first token of {N_SHORT} tokens during a prefill of {N_LONG:,}"
    return [
        Figure(name, "ms", tuple(waits), peer=tuple(samples.peer_ms)),
        Figure("  in decode+chunk steps", "steps", in_steps, Target(3.0)),
        Figure("  one decode+chunk step", "ms", tuple(steps)),
    ]


async def _measure(bench: Bench) -> _Samples:
    engine = LlamaEngine(bench.model)
    options = bench.options(n_ctx=N_CTX)
    info = await engine.load(options=options)
    long = await prompt_of(engine, N_LONG)
    short = await prompt_of(engine, N_SHORT, SHORT_WORD)
    moments = random.Random(SEED)
    samples = _Samples()
    with bench.server(info, options) as server:
        for _ in range(bench.runs):
            moment = moments.random()
            first_token_ms, step_ms = await _arrive(engine, short, long, moment)
            samples.first_token_ms.append(first_token_ms)
            samples.step_ms.append(step_ms)
            if server is not None:
                peer = await asyncio.to_thread(
                    server.complete_during, short, N_ANSWER, long, moment
                )
                samples.peer_ms.append(peer.first_token_ms)
    await engine.unload()
    return samples


async def _arrive(engine: LlamaEngine, short: str, long: str, moment: float) -> tuple[float, float]:
    """Milliseconds to the short request's first token, and of one decode+chunk step."""
    started = time.perf_counter()
    reading = engine.generate(long, 1, cache_prompt=False)
    await _wait_for_first_step(reading)
    await asyncio.sleep(moment * (time.perf_counter() - started))
    asked = time.perf_counter()
    stream = engine.generate(short, N_ANSWER, sampling=GREEDY, cache_prompt=False)
    arrivals = [time.perf_counter() async for tokens in stream.batches() for _ in tokens]
    if reading.is_finished:
        raise RuntimeError(f"The long prompt was read before {N_ANSWER} tokens had come")
    reading.cancel()
    await reading.wait_completion()
    first, second, third = arrivals
    return (first - asked) * 1000.0, max(second - first, third - second) * 1000.0


async def _wait_for_first_step(stream: TokenStream) -> None:
    async for _ in stream.batches():
        if stream.prefill[0]:
            return
