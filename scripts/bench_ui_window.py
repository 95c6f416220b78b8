"""The real window inside a measuring process: started, driven and watched by `bench_ui_probe`.

Main thread, but for `ScriptedEngine`, which streams from a thread of its own as the engine's
thread does.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import qasync
from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Slot
from PySide6.QtWidgets import QApplication, QLabel, QToolButton, QWidget

from minerva_desktop.app.answer_reader import ContentDelta
from minerva_desktop.app.generation import AnswerEngine, AnswerRequest
from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import Settings, SettingsFile
from minerva_desktop.ui.application import Application
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.message_edit import MessageEdit
from window_parts import compose

Result = TypeVar("Result")

BEAT_MS = 5
PER_SECOND = 300.0  # tokens
BURST = 50  # tokens in one signal, where no pace is kept
WAIT_SECONDS = 120.0
MAX_TOKENS = 300  # of an answer by the real model
# What models write: paragraphs, lists, a table and code, in tokens of about four characters.
ANSWER = """\
## A river

Every **river** begins small: rain that the ground did not keep, or snow that waited for spring.
It takes the lowest way, and where there is none it waits until it has made a lake.

1. Springs feed brooks, and brooks feed streams.
2. Streams meet, and the *larger* one keeps its name.
3. The sea takes what is left.

```python
def flow(springs: list[Spring]) -> Iterator[Water]:
    for spring in springs:
        yield from spring.water()  # the rest evaporates
```

| River | Length | Sea |
|-------|-------:|-----|
| Elbe  | 1,094 km | North Sea |
| Rhine | 1,230 km | North Sea |

"""


def tokens() -> Iterator[str]:
    """An endless answer, token by token."""
    pieces = [ANSWER[start : start + 4] for start in range(0, len(ANSWER), 4)]
    return itertools.cycle(pieces)


class Heartbeat(QObject):
    """Beats every `BEAT_MS` on the main thread; the gaps say for how long nothing else could."""

    def __init__(self) -> None:
        super().__init__()
        self._last = 0.0
        self.gaps_ms: list[float] = []
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(self._beat)

    def start(self) -> None:
        """Begin, with no gaps yet."""
        self.gaps_ms = []
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> list[float]:
        """The gaps between two beats, in ms."""
        self._timer.stop()
        return self.gaps_ms

    @Slot()
    def _beat(self) -> None:
        now = time.perf_counter()
        self.gaps_ms.append((now - self._last) * 1000.0)
        self._last = now


class ScriptedEngine:
    """An `AnswerEngine` that streams `tokens` through the real worker's signals, from a thread.

    First ``n_before`` tokens as fast as they can; after `go`, ``n_paced`` at a steady pace; after
    `finish`, the end.
    """

    def __init__(self, n_before: int, n_paced: int) -> None:
        self._n_before = n_before
        self._n_paced = n_paced
        self._worker: EngineWorker | None = None
        self.go = threading.Event()
        self.paced = threading.Event()
        self.finish = threading.Event()

    def instead_of(self, worker: AnswerEngine) -> AnswerEngine:
        """Take the place of ``worker``, whose signals it uses."""
        if not isinstance(worker, EngineWorker):
            raise TypeError("the window's engine is its worker")
        self._worker = worker
        return self

    def start_answer(self, request: AnswerRequest) -> None:
        """Stream from another thread."""
        if self._worker is None:
            raise RuntimeError("the window was built without this engine")
        threading.Thread(target=self._stream, args=(self._worker, request.answer_id)).start()

    async def idle_parameters(self, path: Path) -> int | None:  # noqa: ARG002 - of no model
        """It is never idle, so no title is asked of it."""
        return None

    def cancel_answer(self, answer_id: str) -> None:
        """Nobody stops these answers."""
        raise RuntimeError(f"answer {answer_id} was cancelled")

    def _stream(self, worker: EngineWorker, answer_id: str) -> None:
        words = tokens()
        for _ in range(0, self._n_before, BURST):
            said = ContentDelta("".join(itertools.islice(words, BURST)))
            worker.tokens_ready.emit(answer_id, BURST, [said])
        self.go.wait()
        started = time.perf_counter()
        for number in range(self._n_paced):
            time.sleep(max(0.0, started + number / PER_SECOND - time.perf_counter()))
            worker.tokens_ready.emit(answer_id, 1, [ContentDelta(next(words))])
        self.paced.set()
        self.finish.wait()
        timings = Timings(completion_tokens=self._n_before + self._n_paced)
        done = Completion(finish_reason=FinishReason.STOP, timings=timings, seed=0)
        worker.answer_finished.emit(answer_id, done)


class FirstPicture(QObject):
    """Notes when a window has painted what it was waited for; ``painted`` has the time. One who
    looked every millisecond would keep the threads that work for it waiting, and one who waited for
    a turn of the loop would come after what the app does next."""

    def __init__(self, window: QWidget, is_there: Callable[[], bool]) -> None:
        super().__init__(window)
        self._window = window
        self._is_there = is_there
        self.painted: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - as Qt has it
        """Qt paints a window in answer to an update request."""
        if event.type() is not QEvent.Type.UpdateRequest or not self._is_there():
            return super().eventFilter(watched, event)
        self._window.removeEventFilter(self)
        self._window.event(event)
        self.painted.set_result(time.perf_counter())
        return True


class BenchWindow:
    """The app with a person in front of it who types and clicks."""

    def __init__(
        self,
        model: Path,
        choose_engine: Callable[[AnswerEngine], AnswerEngine] = lambda engine: engine,
    ) -> None:
        self.app = QApplication(["minerva-desktop"])
        self.app.setQuitOnLastWindowClosed(False)
        self.loop = qasync.QEventLoop(self.app)
        asyncio.set_event_loop(self.loop)
        paths = app_paths()
        paths.create()
        catalog = Catalog(paths.catalog, embedded=model)
        sampling = SamplingParameters(max_tokens=MAX_TOKENS, seed=7)
        SettingsFile(paths.settings).save(Settings(sampling=sampling))
        services, make_runtime = compose(paths, catalog, choose_engine)
        self.application = Application(self.app, self.loop, services, make_runtime, [])
        self.window = self.application.window
        stop = self.window.findChild(QToolButton, "stopButton")
        send = self.window.findChild(QToolButton, "sendButton")
        if not isinstance(stop, QToolButton) or not isinstance(send, QToolButton):
            raise TypeError("the window has no Stop and Send")
        self.stop_button, self.send_button = stop, send
        editor = self.window.findChild(MessageEdit, "composer")
        if not isinstance(editor, MessageEdit):
            raise TypeError("the window has no text field")
        self.editor = editor

    def run(self, visit: Callable[[BenchWindow], Coroutine[Any, Any, Result]]) -> Result:
        """Start the app, run ``visit`` with it, close the app; what ``visit`` returns."""
        self.loop.call_soon(self.application.start)
        task: asyncio.Task[Result] = self.loop.create_task(self._visit(visit))
        with self.loop:
            self.loop.run_forever()
        return task.result()

    async def _visit(self, visit: Callable[[BenchWindow], Coroutine[Any, Any, Result]]) -> Result:
        try:
            await self.until(lambda: self.window.header.picker.current is not None)
            self.window.activateWindow()
            return await visit(self)
        finally:
            self.window.close()

    async def until(self, condition: Callable[[], bool], look_ms: float = 50.0) -> None:
        """Look every ``look_ms``; raises `TimeoutError` after `WAIT_SECONDS`."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError("the window did not get there")
            await asyncio.sleep(look_ms / 1000.0)

    async def until_painted(self, words: str) -> float:
        """Wait for the first picture of the window in which the transcript says ``words``; when
        that was painted, by `time.perf_counter`. Raises `TimeoutError`."""
        picture = FirstPicture(self.window, lambda: words in self.shown_text)
        await asyncio.wait_for(picture.painted, WAIT_SECONDS)
        return picture.painted.result()

    def send(self, text: str) -> None:
        """Put a message into the composer and press Send."""
        self.window.composer.set_text(text)
        self.send_button.click()

    @property
    def shown_text(self) -> str:
        """What the transcript's messages say."""
        return self.window.chat_view.plain_text()

    @property
    def status(self) -> str:
        """What stands beneath the messages."""
        labels = self.window.chat_view.findChildren(QLabel)
        return " ".join(label.text() for label in labels if label.isVisible())

    @property
    def is_answering(self) -> bool:
        """Whether Stop is offered."""
        return self.stop_button.isVisible()
