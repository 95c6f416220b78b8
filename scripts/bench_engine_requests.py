"""What all of the engine's figures start from: settings, prompts of a wanted length, requests.

Used by `bench_engine` and its parts, on the asyncio loop on which the engine was loaded.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_peer import SERVER, find_program
from bench_server import Answer, LlamaServer
from minerva_desktop.chat.completion import Completion
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.messages import ContextInfo

WORD = " sea"  # one token in most vocabularies
GREEDY = SamplingParameters(temperature=0.0, ignore_eos=True)


@dataclass(frozen=True)
class Bench:
    """The model file, how many samples each figure gets, where the peer's programs are, and how
    many threads compute on both sides (None: as the engine chooses)."""

    model: Path
    runs: int
    llama_bin: Path | None
    n_threads: int | None = None

    def options(self, **others: Any) -> LoadOptions:
        """Load options with the threads that were asked for."""
        return LoadOptions(n_threads=self.n_threads, **others)

    def server(
        self, info: ContextInfo, options: LoadOptions
    ) -> contextlib.AbstractContextManager[LlamaServer | None]:
        """A ``llama-server`` with the settings of a loaded engine; None when there is none."""
        program = find_program(self.llama_bin, SERVER)
        if program is None:
            return contextlib.nullcontext()
        return LlamaServer(
            program,
            self.model,
            n_parallel=info.n_parallel,
            n_ctx=info.n_ctx,
            n_batch=options.n_batch,
            n_threads=info.n_threads,
        )


async def prompt_of(engine: LlamaEngine, n_tokens: int, word: str = WORD) -> str:
    """Text of ``n_tokens`` tokens, found by asking the model."""
    words = n_tokens
    for _ in range(8):
        prompt = word * words
        completion = await complete(engine, prompt)
        missing = n_tokens - completion.timings.prompt_tokens
        if missing == 0:
            return prompt
        words += missing
    raise RuntimeError(f"No prompt of exactly {n_tokens:,} tokens was found")


async def complete(engine: LlamaEngine, prompt: str) -> Completion:
    """One token that goes on with ``prompt``, all of it computed anew."""
    stream = engine.generate(prompt, max_tokens=1, cache_prompt=False)
    return await stream.wait_completion()


async def answer(
    engine: LlamaEngine,
    prompt: str | Sequence[ChatTurn],
    n_tokens: int,
    *,
    cache_prompt: bool,
    snapshot: str | None = None,
) -> Answer:
    """A greedy answer of ``n_tokens`` tokens; ``snapshot`` names a chat to be kept on disk."""
    started = time.perf_counter()
    stream = engine.generate(
        prompt, n_tokens, sampling=GREEDY, cache_prompt=cache_prompt, snapshot=snapshot
    )
    first = 0.0
    async for tokens in stream.batches():
        if tokens and not first:
            first = time.perf_counter()
    return Answer((first - started) * 1000.0, str(stream))
