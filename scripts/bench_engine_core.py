"""`bench_engine_core.py MODEL steps|cancel COUNT [THREADS]`: what happens inside an engine child.

`bench_engine` runs it as a process of its own and reads the JSON on its stdout. It is the child's
real main loop on the real model; only the pipe is /dev/null, and llama.cpp's two calls have a
stopwatch around them. It imports llama.cpp, as a child does.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.core.llama import LlamaContext
from minerva_desktop.engine.core.loop import EngineLoop
from minerva_desktop.engine.core.sampler import Sampler
from minerva_desktop.engine.frames import encode_frame
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.messages import (
    Abort,
    Event,
    Generate,
    Load,
    Loaded,
    LoadFailed,
    StepOutputs,
)

Given = ParamSpec("Given")
Result = TypeVar("Result")

STORY = "Once upon a time, in a village by the sea, there lived"
N_CTX = 4608  # tokens
N_STEPS = 128
N_STARTING = 4  # steps after which every stream decodes
MAX_STREAMS = 16
LONG_PROMPT = " sea" * 4000
SEED = 7


class Stopwatch:
    """Adds up the time inside a function, and how often it was called."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.calls = 0

    def around(self, function: Callable[Given, Result]) -> Callable[Given, Result]:
        """``function``, timed."""

        def timed(*arguments: Given.args, **named: Given.kwargs) -> Result:
            started = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - started
                self.calls += 1

        return timed

    def reset(self) -> None:
        """Start anew."""
        self.seconds, self.calls = 0.0, 0


class _Over(Exception):
    """Ends the child's endless loop when there is what was waited for."""


class Child:
    """The main loop of an engine child, run until all requests are over."""

    def __init__(self, sink: int) -> None:
        self.loop = EngineLoop(self._send)
        self.on_output: Callable[[], None] = lambda: None
        self.own_seconds = 0.0  # of this bench, which no child takes
        self._sink = sink
        self._n_open = 0

    def load(self, model: Path, n_threads: int | None) -> None:
        """Load ``model``; raises `RuntimeError` when that fails."""
        options = LoadOptions(n_ctx=N_CTX, n_parallel=MAX_STREAMS, n_threads=n_threads)
        self.loop.post(Load(bytes(model), options))
        self._run()

    def generate(self, *requests: Generate) -> None:
        """Run requests together to their ends."""
        self._n_open = len(requests)
        for request in requests:
            self.loop.post(request)
        self._run()

    def _run(self) -> None:
        try:
            self.loop.run()
        except _Over:
            return

    def _send(self, event: Event) -> None:
        os.write(self._sink, encode_frame(event))
        sent = time.perf_counter()
        self._look_at(event)
        self.own_seconds += time.perf_counter() - sent

    def _look_at(self, event: Event) -> None:
        match event:
            case LoadFailed(error):
                raise RuntimeError(error.message)
            case Loaded():
                raise _Over
            case StepOutputs(outputs):
                self.on_output()
                self._n_open -= sum(bool(o.completion or o.error) for o in outputs)
                if not self._n_open:
                    raise _Over


class Bench:
    """The measurements, each of which returns milliseconds per run."""

    def __init__(self, child: Child, decode: Stopwatch, sample: Stopwatch) -> None:
        self._child = child
        self._decode = decode
        self._sample = sample
        self._ids = iter(range(1, 1_000_000))

    def steps(self, n_streams: int) -> dict[str, float]:
        """A decode step of so many streams: in all, but for ``llama_decode``, and of that
        llama.cpp's sampler and our Python. Each is the median of all steps: what other processes
        take of a few of them is no part of it."""
        marks: list[tuple[float, ...]] = []

        def note() -> None:
            own = self._child.own_seconds
            marks.append((time.perf_counter() - own, self._decode.seconds, self._sample.seconds))

        self._child.on_output = note
        self._child.generate(*(self._request(STORY, N_STEPS) for _ in range(n_streams)))
        # The last one ends all answers.
        steps = [
            [later - before for before, later in zip(*pair, strict=True)]
            for pair in itertools.pairwise(marks[N_STARTING - 1 : -1])
        ]
        parts = {
            "step": [whole for whole, _, _ in steps],
            "rest": [whole - decode for whole, decode, _ in steps],
            "sampler": [sampler for _, _, sampler in steps],
            "python": [whole - decode - sampler for whole, decode, sampler in steps],
        }
        return {name: statistics.median(seconds) * 1000.0 for name, seconds in parts.items()}

    def cancel(self, prompt: str, after_outputs: int, step_ms: float) -> float:
        """From the moment an abort arrives, anywhere inside a step, to the sequence's end."""
        request = self._request(prompt, None)
        begun = threading.Event()
        seen: list[float] = []
        asked: list[float] = []

        def note() -> None:
            seen.append(time.perf_counter())
            if len(seen) == after_outputs:
                begun.set()

        def abort() -> None:
            begun.wait()
            time.sleep(random.random() * step_ms / 1000.0)
            asked.append(time.perf_counter())
            self._child.loop.post(Abort(request.request_id))

        self._child.on_output = note
        aborter = threading.Thread(target=abort)
        aborter.start()
        self._child.generate(request)
        aborter.join()
        return (seen[-1] - asked[0]) * 1000.0

    def warm_up(self) -> None:
        """Compute a few tokens, so that the weights are in memory."""
        self._child.generate(self._request(STORY[:4], 4))

    def prefill_step(self) -> float:
        """The time of one full chunk of a prompt."""
        self._child.on_output = lambda: None
        self._decode.reset()
        self._child.generate(self._request(LONG_PROMPT[: len(" sea") * 1024], 1))
        return self._decode.seconds * 1000.0 / self._decode.calls

    def _request(self, prompt: str, max_tokens: int | None) -> Generate:
        # No seed: most people's requests have none, and a lone row with one gets company.
        sampling = SamplingParameters(max_tokens=max_tokens, ignore_eos=True)
        request_id = next(self._ids)
        return Generate(request_id=request_id, sampling=sampling, text=prompt, cache_prompt=False)


def main(model: Path, part: str, count: int, n_threads: int | None) -> dict[str, list[float]]:
    """Samples by figure, in ms: one of a decode step with ``count`` streams, or ``count`` of how
    long an abort takes."""
    decode, sample = Stopwatch(), Stopwatch()
    with (
        patch.object(LlamaContext, "decode", decode.around(LlamaContext.decode)),
        patch.object(Sampler, "sample", sample.around(Sampler.sample)),
        Path(os.devnull).open("wb", buffering=0) as sink,
    ):
        child = Child(sink.fileno())
        child.load(model, n_threads)
        bench = Bench(child, decode, sample)
        bench.warm_up()
        if part == "steps":
            return {name: [value] for name, value in bench.steps(count).items()}
        figures = {
            "decode_step": [bench.steps(1)["step"] for _ in range(count)],
            "prefill_step": [bench.prefill_step() for _ in range(count)],
        }
        step, chunk = (statistics.median(samples) for samples in figures.values())
        figures["cancel_decode"] = [bench.cancel(STORY, 10, step) for _ in range(count)]
        figures["cancel_prefill"] = [bench.cancel(LONG_PROMPT, 2, chunk) for _ in range(count)]
    return figures


if __name__ == "__main__":
    # llama.cpp's log goes to stderr; stdout is for the result alone.
    threads = int(sys.argv[4]) if sys.argv[4:] else None
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), threads)))
