"""The window's figures: `bench.py ui`.

Every sample comes from a process of its own (`bench_ui_start`, `bench_ui_probe`) with folders of
its own, on a virtual display where there is one, else on Qt's offscreen platform.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from bench_report import Figure, Target
from minerva_desktop.paths import HOME_VARIABLE
from virtual_display import NoDisplayError, virtual_display

SCRIPTS = Path(__file__).resolve().parent
COST_TOKENS = (500, 2_000, 8_000, 32_000)
SETTLE_SECONDS = 3.0
IDLE_SECONDS = 20.0
STOP_SECONDS = 10.0
MB = 1_000_000
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


def measure(model: Path, runs: int) -> list[Figure]:
    """All figures of the window."""
    with _display() as environment:
        bench = _UiBench(model, runs, environment)
        return [
            *bench.start_and_idle(),
            *bench.stalls("first-seconds", "the first 2 s"),
            *bench.stalls("stream", "300 tokens/s, scripted"),
            *bench.stalls("model-stream", "the real model"),
            *bench.costs(),
            *bench.typing(),
            *bench.long_chat(),
            bench.stop("stop-decode", "Stop to Send, while decoding"),
            bench.stop("stop-prefill", "Stop to Send, in a long prompt"),
        ]


@contextlib.contextmanager
def _display() -> Iterator[dict[str, str]]:
    """The environment of what is measured. An installed app has its bytecode: a start that compiles
    everything takes twice as long."""
    kept = {name: value for name, value in os.environ.items() if name != NO_BYTECODE}
    with contextlib.ExitStack() as stack:
        try:
            display = stack.enter_context(virtual_display())
        except NoDisplayError as error:
            print(f"{error}. Measuring on Qt's offscreen platform.", file=sys.stderr)
            yield dict(kept, QT_QPA_PLATFORM="offscreen")
            return
        yield dict(kept, QT_QPA_PLATFORM="xcb", DISPLAY=display)


class _UiBench:
    def __init__(self, model: Path, runs: int, environment: dict[str, str]) -> None:
        self._model = model
        self._runs = runs
        self._environment = environment

    # -- start and idle --------------------------------------------------------------------

    def start_and_idle(self) -> list[Figure]:
        """The starts; the last one's app is then left alone and watched."""
        starts: list[float] = []
        memory: list[float] = []
        cpu: list[float] = []
        for run in range(self._runs + 1):
            with self._home() as environment, self._started(environment) as (app, milliseconds):
                starts.append(milliseconds)
                if run == self._runs:
                    time.sleep(SETTLE_SECONDS)
                    for _ in range(self._runs):
                        cpu.append(_cpu_percent(app))
                        memory.append(app.memory_info().rss / MB)
        # The first one reads the libraries from the disk.
        return [
            Figure("start to a window that takes typing", "ms", tuple(starts[1:]), Target(800.0)),
            Figure("idle: resident memory", "MB", tuple(memory), Target(120.0)),
            Figure(f"idle: CPU over {IDLE_SECONDS:.0f} s", "%", tuple(cpu), Target(0.2)),
        ]

    @contextlib.contextmanager
    def _started(self, environment: dict[str, str]) -> Iterator[tuple[psutil.Process, float]]:
        started = time.monotonic()
        with subprocess.Popen(
            [sys.executable, str(SCRIPTS / "bench_ui_start.py")],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            if process.stdout is None:
                raise RuntimeError("the app has no stdout")
            try:
                ready = float(process.stdout.readline())
                yield psutil.Process(process.pid), (ready - started) * 1000.0
            finally:
                process.terminate()
                process.wait(STOP_SECONDS)

    # -- probes ----------------------------------------------------------------------------

    def stalls(self, probe: str, what: str) -> list[Figure]:
        """p99 and maximum of the gaps between two beats of the main thread."""
        p99: list[float] = []
        longest: list[float] = []
        for _ in range(self._runs):
            gaps = sorted(self._probe(probe)["gaps"])
            p99.append(gaps[int(len(gaps) * 0.99)])
            longest.append(gaps[-1])
        return [
            Figure(f"main thread's gaps, p99, {what}", "ms", tuple(p99), Target(16.0)),
            Figure("  the longest", "ms", tuple(longest), Target(50.0, of_worst=True)),
        ]

    def costs(self) -> list[Figure]:
        """Per token at each length, in alternation, and the last over the first."""
        samples: dict[int, list[float]] = {n_tokens: [] for n_tokens in COST_TOKENS}
        for _ in range(self._runs):
            for n_tokens in COST_TOKENS:
                samples[n_tokens] += self._probe("cost", str(n_tokens))["cost"]
        figures = [
            Figure(f"main thread per token at {n_tokens:,}", "ms", tuple(taken))
            for n_tokens, taken in samples.items()
        ]
        first, last = samples[COST_TOKENS[0]], samples[COST_TOKENS[-1]]
        growth = tuple(b / a for a, b in zip(first, last, strict=True))
        name = f"  at {COST_TOKENS[-1]:,} ÷ at {COST_TOKENS[0]:,}"
        return [*figures, Figure(name, "", growth, Target(1.2))]

    def typing(self) -> list[Figure]:
        """A key in a long message, the slowest of twenty."""
        samples: dict[str, list[float]] = {"lines": [], "paragraph": []}
        for _ in range(self._runs):
            for what, taken in self._probe("typing").items():
                samples[what].append(sorted(taken)[int(len(taken) * 0.95)])
        return [
            Figure(f"a key in 100 kB of {what}, p95", "ms", tuple(samples[name]), Target(16.0))
            for name, what in (("lines", "lines"), ("paragraph", "one paragraph"))
        ]

    def long_chat(self) -> list[Figure]:
        """Opening 10,000 messages, and a frame while scrolling them."""
        opened: list[float] = []
        p99: dict[str, list[float]] = {"frames": [], "cpu": []}
        for _ in range(self._runs):
            taken = self._probe("long-chat")
            opened += taken["open"]
            for what, each in p99.items():
                each.append(sorted(taken[what])[int(len(taken[what]) * 0.99)])
        return [
            Figure("open a chat of 10,000 messages", "ms", tuple(opened), Target(150.0)),
            Figure("  a frame while scrolling it, p99", "ms", tuple(p99["frames"]), Target(16.0)),
            Figure("  the main thread's time for it, p99", "ms", tuple(p99["cpu"])),
        ]

    def stop(self, probe: str, name: str) -> Figure:
        """From the click to a composer that sends again."""
        samples: list[float] = []
        for _ in range(self._runs):
            samples += self._probe(probe)["stop"]
        return Figure(name, "ms", tuple(samples), Target(200.0))

    def _probe(self, probe: str, *more: str) -> dict[str, list[float]]:
        command = [sys.executable, str(SCRIPTS / "bench_ui_probe.py"), probe, str(self._model)]
        with self._home() as environment:
            done = subprocess.run(
                [*command, *more], env=environment, capture_output=True, text=True, check=False
            )
        if done.returncode != 0:
            raise RuntimeError(f"The probe “{probe}” failed:\n{done.stderr}")
        result: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
        return result

    @contextlib.contextmanager
    def _home(self) -> Iterator[dict[str, str]]:
        with tempfile.TemporaryDirectory(prefix="minerva-bench-") as home:
            yield {**self._environment, HOME_VARIABLE: home}


def _cpu_percent(app: psutil.Process) -> float:
    """Of one core."""
    before = _cpu_seconds(app.cpu_times())
    time.sleep(IDLE_SECONDS)
    return (_cpu_seconds(app.cpu_times()) - before) / IDLE_SECONDS * 100.0


def _cpu_seconds(times: Sequence[float]) -> float:
    """User and system time of the process itself."""
    return times[0] + times[1]
