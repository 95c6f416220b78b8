"""`python scripts/bench_ui_probe.py PROBE MODEL`: one measurement of the window, in a new process.

`bench_ui` runs it and reads the JSON in the last line of its stdout. Times are in ms.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from bench_ui_window import BenchWindow, Heartbeat, ScriptedEngine

STREAMED = 3000  # tokens
COSTED = 600  # tokens
FIRST_SECONDS = 2.0
STORY = "Write a long story about a river, from its spring to the sea."
LONG_PROMPT = "Summarise this. " + "The river went on and on. " * 1000
TYPED = 40  # keys
KEY_SECONDS = 0.05  # between two of them
QUIET_SECONDS = 0.5
QUIET_SHARE = 0.1  # of a core; below, nothing is left to render
Samples = dict[str, list[float]]


def stream(model: Path) -> Samples:
    """The main thread's gaps while a scripted answer streams in, to its very end."""
    engine = ScriptedEngine(0, STREAMED)
    engine.finish.set()
    return BenchWindow(model, engine.instead_of).run(lambda window: _beats(window, engine.go.set))


def first_seconds(model: Path) -> Samples:
    """The main thread's gaps from the moment a person can type on."""

    async def visit(_window: BenchWindow) -> Samples:
        heartbeat = Heartbeat()
        heartbeat.start()
        await asyncio.sleep(FIRST_SECONDS)
        return {"gaps": heartbeat.stop()}

    return BenchWindow(model).run(visit)


def model_stream(model: Path) -> Samples:
    """The same while the real model streams, once it is loaded."""

    async def visit(window: BenchWindow) -> Samples:
        await _warm_up(window)
        return await _beats(window, lambda: None)

    return BenchWindow(model).run(visit)


async def _beats(window: BenchWindow, go: Callable[[], None]) -> Samples:
    await _quiet()
    await _begin(window, STORY)
    heartbeat = Heartbeat()
    heartbeat.start()
    go()
    await window.until(lambda: not window.is_answering)
    return {"gaps": heartbeat.stop()}


def cost(model: Path, n_before: int) -> Samples:
    """Main-thread time per token, drawing included, of an answer that has ``n_before`` already."""
    engine = ScriptedEngine(n_before, COSTED)

    async def visit(window: BenchWindow) -> Samples:
        await _begin(window, STORY)
        await window.until(lambda: len(window.shown_text) > 2 * n_before, look_ms=500.0)
        await _quiet()
        cpu = time.thread_time()
        engine.go.set()
        await window.until(engine.paced.is_set)
        per_token = (time.thread_time() - cpu) * 1000.0 / COSTED
        engine.finish.set()
        await window.until(lambda: not window.is_answering)
        return {"cost": [per_token]}

    return BenchWindow(model, engine.instead_of).run(visit)


def typing(model: Path) -> Samples:
    """Main-thread time per key, drawing included, in a composer with 100 kB: lines, and then one
    paragraph, which Qt lays out as a whole."""

    async def visit(window: BenchWindow) -> Samples:
        lines = await _typed(window, "a line of text\n" * 7_000)
        return {"lines": lines, "paragraph": await _typed(window, "word and more " * 7_000)}

    return BenchWindow(model).run(visit)


async def _typed(window: BenchWindow, text: str) -> list[float]:
    editor = window.editor
    window.window.composer.start_over(text)
    await _quiet()
    samples: list[float] = []
    for _ in range(TYPED):
        cpu = time.thread_time()
        QTest.keyClick(editor, Qt.Key.Key_A)
        editor.viewport().repaint()
        samples.append((time.thread_time() - cpu) * 1000.0)
        await asyncio.sleep(KEY_SECONDS)
    return samples


async def _quiet() -> None:
    """Wait until the main thread has nothing left to do."""
    share = 1.0
    while share > QUIET_SHARE:
        cpu = time.thread_time()
        await asyncio.sleep(QUIET_SECONDS)
        share = (time.thread_time() - cpu) / QUIET_SECONDS


def stop_decode(model: Path) -> Samples:
    """From a click on Stop, while an answer streams, to a composer that sends again."""

    async def visit(window: BenchWindow) -> Samples:
        await _warm_up(window)
        await _begin(window, STORY)
        await window.until(lambda: len(window.shown_text) > len(STORY) + 100)
        return await _stop(window)

    return BenchWindow(model).run(visit)


def stop_prefill(model: Path) -> Samples:
    """The same while the model reads a long prompt."""

    async def visit(window: BenchWindow) -> Samples:
        await _warm_up(window)
        await _begin(window, LONG_PROMPT)
        await window.until(lambda: "Reading the prompt" in window.status)
        return await _stop(window)

    return BenchWindow(model).run(visit)


async def _stop(window: BenchWindow) -> Samples:
    started = time.perf_counter()
    window.stop_button.click()
    await window.until(window.send_button.isVisible, look_ms=1.0)
    return {"stop": [(time.perf_counter() - started) * 1000.0]}


async def _warm_up(window: BenchWindow) -> None:
    """A first answer, so that the model is loaded; then an empty chat."""
    await _begin(window, "Hello")
    await window.until(lambda: not window.is_answering)
    window.window.sidebar.new_chat.emit()


async def _begin(window: BenchWindow, question: str) -> None:
    """Send a question, and wait until its answer is under way."""
    window.send(question)
    shown = question[:20]
    await window.until(lambda: window.is_answering and shown in window.shown_text)


def main(arguments: list[str]) -> Samples:
    """Run one probe."""
    probes = {
        "first-seconds": first_seconds,
        "stream": stream,
        "model-stream": model_stream,
        "stop-decode": stop_decode,
        "stop-prefill": stop_prefill,
        "typing": typing,
    }
    name, model = arguments[0], Path(arguments[1])
    if name == "cost":
        return cost(model, int(arguments[2]))
    return probes[name](model)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))
