"""`python scripts/bench_ui_probe.py PROBE MODEL`: one measurement of the window, in a new process.

`bench_ui` runs it and reads the JSON in the last line of its stdout. Times are in ms.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from bench_ui_window import ANSWER, BenchWindow, Heartbeat, ScriptedEngine
from minerva_desktop.chat.conversation import Conversation, new_id
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.paths import app_paths
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.ui.chat_view.chat_view import ChatView

STREAMED = 3000  # tokens
COSTED = 600  # tokens
FIRST_SECONDS = 2.0
STORY = "Write a long story about a river, from its spring to the sea."
LONG_PROMPT = "Summarise this. " + "The river went on and on. " * 1000
TYPED = 40  # keys
KEY_SECONDS = 0.05  # between two of them
MESSAGES = 10_000
NOTCHES = 150  # of the wheel
FRAME_SECONDS = 0.016
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


def long_chat(model: Path) -> Samples:
    """A chat of `MESSAGES`, from the store: from the click in the list to its end on the screen,
    and then the time between two pictures while a person turns the wheel."""
    app_paths().create()
    chat = asyncio.run(_write_long_chat(model))

    async def visit(window: BenchWindow) -> Samples:
        view, words = window.window.chat_view, f"Answer {MESSAGES - 1}"
        await _quiet()
        started = time.perf_counter()
        window.window.sidebar.opened.emit(chat, "")
        opened = (await window.until_painted(words) - started) * 1000.0
        await _quiet()
        frames, taken = await _scrolled(view)
        return {"open": [opened], "frames": frames, "cpu": taken}

    return BenchWindow(model).run(visit)


async def _write_long_chat(model: Path) -> str:
    answer = itertools.cycle([ANSWER, "Yes. " * 40, "It flows on to the sea, as all do. " * 12])
    chat = Conversation(id=new_id(), title="A long one", created_at=1.0, updated_at=1.0)
    for number in range(MESSAGES):
        is_answer = number % 2 == 1
        chat.add(
            Message(
                id=new_id(),
                parent_id=chat.active_leaf_id,
                role=Role.ASSISTANT if is_answer else Role.USER,
                text=f"Answer {number}. {next(answer)}" if is_answer else f"Question {number}?",
                state=MessageState.COMPLETE,
                created_at=float(number),
                model=model.name if is_answer else None,
            )
        )
    store = await ChatStore.open(app_paths().database)
    await store.create(chat)
    await store.close()
    return chat.id


async def _scrolled(view: ChatView) -> tuple[list[float], list[float]]:
    """Up by `NOTCHES` of the wheel, and down again: the frames, and the main thread's time for
    each."""
    frames: list[float] = []
    taken: list[float] = []
    middle = view.viewport().rect().center()
    place, corner = QPointF(middle), QPointF(view.viewport().mapToGlobal(middle))
    for notch in range(2 * NOTCHES):
        turn = QPoint(0, 120 if notch < NOTCHES else -120)
        wheel = QWheelEvent(
            place, corner, QPoint(), turn, Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        started, cpu = time.perf_counter(), time.thread_time()
        QApplication.sendEvent(view.viewport(), wheel)
        await asyncio.sleep(0)
        _paint(view)
        frames.append((time.perf_counter() - started) * 1000.0)
        taken.append((time.thread_time() - cpu) * 1000.0)
        await asyncio.sleep(FRAME_SECONDS)
    return frames, taken


def _paint(view: ChatView) -> None:
    """Have Qt paint now what it would paint for the next frame, and nothing else."""
    QApplication.sendPostedEvents(view.window(), QEvent.Type.UpdateRequest.value)


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
        "long-chat": long_chat,
    }
    name, model = arguments[0], Path(arguments[1])
    if name == "cost":
        return cost(model, int(arguments[2]))
    return probes[name](model)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))
