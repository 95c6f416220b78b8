"""`EngineWorker`: the thread in which models run beside the window, and the door to it.

The only place where the window's thread and the engine's loop meet. Calls go in through
`run_coroutine_threadsafe`, results come out as queued Qt signals, one per engine step.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from PySide6.QtCore import QObject, QThread, Signal

from minerva_desktop.app import model_questions
from minerva_desktop.app.context_use import ContextUse, PromptSource
from minerva_desktop.app.generation import AnswerRequest, patience
from minerva_desktop.app.loaded_models import (
    TimeToLive,
    TokenSpeeds,
    loaded_models,
    use_time_to_live,
)
from minerva_desktop.app.memory import UNKNOWN_MEMORY, memory_reading
from minerva_desktop.app.memory_budgets import (
    DeviceBudget,
    GpuMemories,
    gpu_budgets,
    gpu_bytes,
    memory_bytes,
    system_budget,
)
from minerva_desktop.app.model_actions import (
    MemoryGivenBack,
    ModelFit,
    ModelPhase,
    ModelState,
    load_options,
    model_fit,
    overridden,
    own_options,
)
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.errors import LoadCancelled, MinervaError
from minerva_desktop.runtime import Runtime
from minerva_desktop.settings import ModelOverrides, Settings
from minerva_desktop.ui.answer_runs import AnswerEvents, AnswerRuns
from minerva_desktop.ui.endpoint_calls import EndpointCalls
from minerva_desktop.ui.picked_loads import PickedLoads
from minerva_desktop.ui.request_calls import RequestCalls

Result = TypeVar("Result")
# Given what to call with each change of a model, make the runtime; called in the worker's thread.
RuntimeFactory = Callable[[Callable[[ModelState | MemoryGivenBack], None]], Runtime]

# Between two looks at the memory: each costs 3 ms of a processor, beside the 0.7 ms a second that
# the blinking cursor takes (measured).
MEMORY_SECONDS = 4.0
# Before the first one: what it imports takes 60 ms, and would have the window's first drawing wait.
FIRST_LOOK_SECONDS = 0.25
# Qt says of a thread that the system refused only that it does not run.
START_LOOK_SECONDS = 0.1

_log = logging.getLogger(__name__)


class EngineWorker(QThread):
    """Runs a `Runtime` on an asyncio loop in its own thread.

    Public methods are for the window's thread and return at once; signals arrive there.
    """

    # answer id, tuple of the models' paths that it waits for; empty: for none any more
    answer_waits = Signal(str, object)
    # answer id: its model is loaded, and has it
    answer_begun = Signal(str)
    # path of a model that the person wants loaded, tuple of the models' paths that this waits for
    load_waits = Signal(object, object)
    # answer id, how many tokens came, list of the `AnswerPart`s that they say
    tokens_ready = Signal(str, int, object)
    # answer id, prompt tokens read, prompt tokens in all
    prefill_advanced = Signal(str, int, int)
    # answer id, Completion
    answer_finished = Signal(str, object)
    # answer id, MinervaError
    answer_failed = Signal(str, object)
    # ModelState
    model_changed = Signal(object)
    # a sentence: models gave memory back, and stay loaded
    memory_given_back = Signal(str)
    # MemoryReading
    memory_measured = Signal(object)
    # tuple of LoadedModel
    models_listed = Signal(object)
    # loads have other options or other memory from now on
    settings_used = Signal()

    def __init__(self, make_runtime: RuntimeFactory, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("engineWorker")
        self._make_runtime = make_runtime
        self._ready = threading.Event()
        self._start_error: Exception | None = None
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runtime: Runtime | None = None
        self._stop: asyncio.Event | None = None
        self._answers: AnswerRuns | None = None
        self._calls: set[asyncio.Task[Any]] = set()  # of the window's thread
        self._picked = PickedLoads()
        self._speeds = TokenSpeeds()
        self._reasons: dict[Path, tuple[str, ...]] = {}
        self.endpoint = EndpointCalls(self._call, self._await, self._required)
        self.requests = RequestCalls(self._call, self._await, self._required, self)

    # -- the window's thread ---------------------------------------------------------------

    def start_and_wait(self) -> None:
        """Start the thread; return when its loop takes calls (some milliseconds).

        Raises what making the runtime raised, and `RuntimeError` where the system has no thread.
        """
        self.start()
        while not self._ready.wait(START_LOOK_SECONDS):
            if not self.isRunning() and not self._ready.is_set():
                raise RuntimeError("the engine's thread did not start")
        if self._start_error is not None:
            raise self._start_error

    def start_answer(self, request: AnswerRequest) -> None:
        """Begin an answer; see `app.generation.AnswerEngine`."""
        self._call(self._running.start, request)

    def cancel_answer(self, answer_id: str) -> None:
        """End an answer early; idempotent."""
        self._call(self._running.cancel, answer_id)

    async def n_answers(self, path: Path) -> int:
        """How many answers in this window a model writes, or is to write."""
        return await self._await(self._running.n_of(path))

    def warm_up(self, request: AnswerRequest) -> None:
        """Have the state of the request's chat read back from disk, if its model is loaded and
        nothing else runs, so that its next answer begins at once."""
        self._call(self._running.warm_up, request)

    def use_settings(self, settings: Settings, snapshots: Path) -> None:
        """Load models as these say from now on, with their chats' states in the folder
        ``snapshots``; an idle one is loaded anew with its next use."""
        runtime = self._required()
        self._call(runtime.set_memory_budget, memory_bytes(settings), gpu_bytes(settings))
        options = load_options(settings, snapshots)
        self._call(runtime.set_load_options, options, own_options(settings, options))
        self.settings_used.emit()

    async def load(self, path: Path, *, forced: bool = False) -> None:
        """Load a model, as soon as answers that run leave it the memory; ``forced``: now, and
        beyond the memory for models. Raises what the load raises, `OutOfMemory` where that memory
        can never be enough."""
        await self._await(self._load(path, forced=forced))

    async def unload(self, path: Path) -> None:
        """Give a model's memory back, whoever uses it; see `ui.unloading`."""
        await self._await(self._required().pool.unload(path))

    def unload_when_idle(self, path: Path, *, wanted: bool = True) -> None:
        """The same once nobody uses it; not ``wanted``: no longer."""
        self._call(self._unload_when_idle, path, wanted)

    def cancel_load(self, path: Path) -> None:
        """Give up a load; whoever waits for it gets `LoadCancelled`."""
        self._call(self._required().pool.cancel_load, path)

    def stop_waiting(self, path: Path) -> None:
        """Give up a `load` that still waits for others: it raises `LoadCancelled`. An answer that
        waits for the same model goes on waiting."""
        self._call(self._picked.give_up, path)

    def pin(self, path: Path, *, pinned: bool) -> None:
        """Keep a model loaded whatever happens, or no longer."""
        self._call(self._pin, path, pinned)

    def set_time_to_live(self, path: Path, choice: TimeToLive) -> None:
        """Unload a model when it was idle for that long."""
        self._call(self._set_time_to_live, path, choice)

    def list_models(self) -> None:
        """Have ``models_listed`` emitted now, besides after each change and measurement."""
        self._call(self._list_models)

    async def fit_of(self, path: Path, overrides: ModelOverrides | None = None) -> ModelFit:
        """How a model would fit if it were loaded now, and what would go for it; with ``overrides``
        instead of those that were kept. Raises what `Runtime.fit_of` raises."""
        return await self._await(self._fit_of(path, overrides))

    async def is_loaded(self, path: Path) -> bool:
        """Whether that model is ready."""
        return await self._await(model_questions.is_loaded(self._required().pool, path))

    async def count_tokens(self, path: Path, turns: tuple[ChatTurn, ...]) -> int | None:
        """Tokens of a prompt; None when that model is not loaded (it is not loaded for this)."""
        return await self._await(model_questions.count_tokens(self._required().pool, path, turns))

    async def count_text(self, path: Path, text: str) -> int | None:
        """Tokens that ``text`` adds to a question; None when that model is not loaded."""
        return await self._await(model_questions.count_text(self._required().pool, path, text))

    async def context_use(
        self, path: Path, source: PromptSource, reserve: int | None
    ) -> ContextUse | None:
        """What a prompt fills of a model's context; None when that model is not loaded."""
        pool = self._required().pool
        return await self._await(model_questions.context_use(pool, path, source, reserve))

    async def template_preview(self, path: Path, template: str) -> str | None:
        """A small chat as that chat template writes it; None when the model is not loaded. Raises
        what is wrong with the template."""
        pool = self._required().pool
        return await self._await(model_questions.template_preview(pool, path, template))

    async def idle_parameters(self, path: Path) -> int | None:
        """How many parameters a model has that is loaded, while no model does anything; else
        None."""
        return await self._await(model_questions.idle_parameters(self._required().pool, path))

    async def system_budget(self) -> DeviceBudget:
        """What models may take of the system's memory."""
        return await self._await(self._system_budget())

    async def gpu_budgets(self) -> GpuMemories:
        """What models may take of the memory of each GPU, or why that is not known. Where nobody
        asked for the devices yet, that starts a process for it, and takes a moment."""
        return await self._await(self._gpu_budgets())

    async def close(self) -> None:
        """End all answers, models and the endpoint, then the thread."""
        self._closing = True
        if self._stop is not None:
            self._call(self._stop.set)
        try:
            await asyncio.to_thread(self.wait)
        except RuntimeError:  # no memory for one more thread: then the window's waits, at its end
            self.wait()

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    async def _await(self, work: Coroutine[Any, Any, Result]) -> Result:
        if self._loop is None or self._closing:
            work.close()
            raise MinervaError("The engine's thread is not running")
        future: Future[Result] = asyncio.run_coroutine_threadsafe(self._noted(work), self._loop)
        return await asyncio.wrap_future(future)

    @property
    def _running(self) -> AnswerRuns:
        if self._answers is None:
            raise MinervaError("The engine's thread is not running")
        return self._answers

    def _required(self) -> Runtime:
        if self._runtime is None:
            raise MinervaError("The engine's thread is not running")
        return self._runtime

    # -- the worker's thread ---------------------------------------------------------------

    def run(self) -> None:
        """The thread: one asyncio loop from start to end."""
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        try:
            self._runtime = self._make_runtime(self._tell_model)
        except Exception as error:  # noqa: BLE001 - the top of a thread; raised in the window's
            self._start_error = error
            return
        else:
            self._answers = AnswerRuns(self._runtime.pool, self._events(), self._list_models)
        finally:
            self._ready.set()
        memory = asyncio.create_task(self._watch_memory(self._runtime))
        await self._stop.wait()
        # Before the runtime's end: they may be about to give a child process back to it.
        work = [memory, *self._running.running(), *self._calls]
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await self._runtime.close()

    async def _noted(self, work: Coroutine[Any, Any, Result]) -> Result:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("this is a task's coroutine")
        self._calls.add(task)
        try:
            return await work
        finally:
            self._calls.discard(task)

    async def _watch_memory(self, runtime: Runtime) -> None:
        await asyncio.sleep(FIRST_LOOK_SECONDS)
        while True:
            try:
                snapshot = await runtime.measure_memory()
                reading = memory_reading(snapshot, runtime.budgets(snapshot.system))
            except Exception:  # noqa: BLE001 - the top of a task
                _log.exception("The memory cannot be measured")
                reading = UNKNOWN_MEMORY
            self.memory_measured.emit(reading)
            self._list_models()
            await asyncio.sleep(MEMORY_SECONDS)

    def _events(self) -> AnswerEvents:
        return AnswerEvents(
            waits=self.answer_waits.emit,
            begun=self.answer_begun.emit,
            tokens=self.tokens_ready.emit,
            prefill=self.prefill_advanced.emit,
            finished=self.answer_finished.emit,
            failed=self.answer_failed.emit,
        )

    def _tell_model(self, state: ModelState | MemoryGivenBack) -> None:
        if isinstance(state, MemoryGivenBack):
            self.memory_given_back.emit(state.text)
            return
        self.model_changed.emit(state)
        self._reasons[state.path] = state.reasons
        if state.phase is not ModelPhase.LOADING:
            self._list_models()

    def _list_models(self) -> None:
        models = loaded_models(self._required().pool, self._speeds, self._reasons)
        self.models_listed.emit(models)

    def _unload_when_idle(self, path: Path, wanted: bool) -> None:
        self._required().pool.unload_when_idle(path, wanted=wanted)

    def _pin(self, path: Path, pinned: bool) -> None:
        self._required().pool.pin(path, pinned=pinned)
        self._list_models()

    def _set_time_to_live(self, path: Path, choice: TimeToLive) -> None:
        use_time_to_live(self._required().pool, path, choice)
        self._list_models()

    async def _load(self, path: Path, *, forced: bool) -> None:
        task = asyncio.current_task()
        assert task is not None

        def on_wait(models: tuple[Path, ...]) -> None:
            self._picked.note_wait(task, waits=bool(models))
            self.load_waits.emit(path, models)

        waits = None if forced else patience(on_wait)
        self._picked.begin(path, task)
        try:
            async with self._required().pool.lease(path, forced=forced, patience=waits):
                pass
        except asyncio.CancelledError:
            if self._closing:
                raise
            raise LoadCancelled(f"Loading {path.name} was given up") from None
        finally:
            self._picked.end(path, task)

    async def _fit_of(self, path: Path, overrides: ModelOverrides | None) -> ModelFit:
        runtime = self._required()
        if overrides is None:
            # Of a load that runs it is not known how it ends: only what is loaded may stay so.
            is_loaded = await model_questions.is_loaded(runtime.pool, path)
            options = None if is_loaded else runtime.pool.options_of(path)
            return model_fit(await runtime.fit_of(path, options))
        options = overridden(runtime.pool.options, overrides)
        options.check()
        return model_fit(await runtime.fit_of(path, options))

    async def _system_budget(self) -> DeviceBudget:
        runtime = self._required()
        return system_budget(await runtime.system_memory(), runtime.memory_kind)

    async def _gpu_budgets(self) -> GpuMemories:
        return gpu_budgets(await self._required().devices())
