"""The engine child's main loop: take requests, step, send what came of it.

One thread reads frames (`child` starts it) and posts them; the desk's threads prepare requests;
this loop, on the main thread, is the only one that computes with llama.cpp.
"""

from __future__ import annotations

import gc
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from minerva_desktop.engine.core.abort_flag import AbortFlag
from minerva_desktop.engine.core.backend_devices import engine_build, list_fresh_devices
from minerva_desktop.engine.core.desk import (
    Desk,
    Prepared,
    PreparedEmbedding,
    forget_prepared,
)
from minerva_desktop.engine.core.dry_run import simulate
from minerva_desktop.engine.core.embedding_core import EmbeddingCore
from minerva_desktop.engine.core.engine_core import EngineCore
from minerva_desktop.engine.core.llama_log import LlamaLog
from minerva_desktop.engine.core.load_trial import try_load
from minerva_desktop.engine.core.loading import load_core
from minerva_desktop.engine.core.own_memory import give_back_freed, resident_bytes
from minerva_desktop.engine.core.threads import ThreadBalance
from minerva_desktop.engine.memory_messages import DryRun, LimitParking, Trim, Trimmed, TryLoad
from minerva_desktop.engine.messages import (
    Abort,
    DevicesListed,
    DryRunDone,
    Embed,
    ErrorInfo,
    Event,
    Generate,
    ListDevices,
    Load,
    Loaded,
    LoadFailed,
    LoadProgress,
    Ping,
    Pong,
    Request,
    RequestFailed,
    SequenceOutput,
    StepOutputs,
)
from minerva_desktop.errors import InvalidRequest, MinervaError, OutOfMemory

PROGRESS_SECONDS = 0.05  # between two LoadProgress events
# At the end, for saving chats. The parent waits for a little longer before it kills.
SAVE_SECONDS = 1.0


class _Close:
    """No more requests will come."""


_Work = Load | ListDevices | DryRun | TryLoad | LimitParking | Trim | Prepared | Abort | _Close


class EngineLoop:
    """Runs until the process ends, which is the reader thread's affair."""

    def __init__(self, send: Callable[[Event], None]) -> None:
        """``send`` is called on several threads."""
        self._inbox: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._send = send
        self._log = LlamaLog()
        self._abort_flag = AbortFlag()
        self._desk = Desk(send, self._hand_on)
        self._core: EngineCore | EmbeddingCore | None = None
        self._balance: ThreadBalance | None = None  # None too where a number was asked for
        self._closed = threading.Event()
        self._last_progress = 0.0
        self._busy_since: float | None = None  # `time.monotonic`

    def post(self, request: Request) -> None:
        """Hand over a request. Reader thread; an abort also ends the decode that runs now."""
        match request:
            case Ping():
                self._send(Pong(self._busy_seconds()))
            case Generate() | Embed():
                self._desk.post(request)
            case Abort():
                self._desk.abort(request)
            case Load() | ListDevices() | DryRun() | TryLoad() | LimitParking() | Trim():
                self._inbox.put(request)
            case _:
                self._desk.ask(request)

    def close(self) -> None:
        """End what is computed, and give the chats that are not saved yet `SAVE_SECONDS` for it.
        Reader thread."""
        core = self._core
        if core is not None and core.leftovers.has_unsaved_chats:
            self._inbox.put(_Close())
            self._abort_flag.set()
            self._closed.wait(SAVE_SECONDS)

    def run(self) -> None:
        """Serve requests for ever; main thread."""
        while True:
            # Cleared before the inbox is read: an abort posted after this is seen by the decode.
            self._abort_flag.clear()
            core = self._drain()
            if self._balance is not None:
                self._balance.look()
            self._busy_since = time.monotonic()
            for event in core.step():
                self._send(event)
                self._busy_since = time.monotonic()
            self._busy_since = None

    def _busy_seconds(self) -> float:
        """How long the main thread has been at one thing: of a step, one decode. Reader thread."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def _hand_on(self, request: Prepared | Abort) -> None:
        self._inbox.put(request)
        core = self._core
        if isinstance(request, Abort) and core is not None:
            core.interrupt(request.request_id)

    def _drain(self) -> EngineCore | EmbeddingCore:
        """Handle what came in; wait for something where there is nothing to compute. Returns the
        core, once it has work."""
        was_idle = False
        while True:
            core = self._core
            is_busy = core is not None and core.has_work
            if core is not None and is_busy and self._inbox.empty():
                if was_idle:
                    self._end_pause(core)
                return core  # nearly every time, and without the cost of an exception
            was_idle = was_idle or not is_busy
            patience = None
            if core is not None and not is_busy:
                patience = core.leftovers.seconds_until_work()
            try:
                request = self._inbox.get(block=not is_busy, timeout=patience)
            except queue.Empty:
                if is_busy or core is None:
                    continue
                self._busy_since = time.monotonic()
                core.leftovers.work()
            else:
                # Nobody can say how long a load may take: the disk may be a network's.
                is_load = isinstance(request, Load)
                self._busy_since = None if is_load else time.monotonic()
                self._handle(request)
            self._busy_since = None

    def _end_pause(self, core: EngineCore | EmbeddingCore) -> None:
        core.leftovers.put_off()
        if self._balance is not None:
            self._balance.rested()

    def _handle(self, request: _Work) -> None:
        core = self._core
        if isinstance(request, Load):
            self._load(request)
        elif isinstance(request, ListDevices):
            self._send(DevicesListed(list_fresh_devices(), engine_build()))
        elif isinstance(request, DryRun | TryLoad):
            self._send(self._dry_run(request))
        elif core is None:
            return  # the desk opens when a model is loaded
        elif isinstance(request, _Close):
            while core.leftovers.has_unsaved_chats:
                core.leftovers.work()
            self._closed.set()
        elif isinstance(request, LimitParking):
            core.leftovers.limit_parking(request.n_bytes)
        elif isinstance(request, Trim):
            self._send(Trimmed(request.request_id, _trim(core)))
        elif isinstance(request, Abort):
            for event in core.abort(request.request_id):
                self._send(event)
        else:
            self._add(core, request)

    def _load(self, request: Load) -> None:
        try:
            core = load_core(
                Path(os.fsdecode(request.path)),
                request.options,
                on_progress=self._report_progress,
                log=self._log,
                abort=self._abort_flag,
            )
        except MinervaError as error:
            self._send(LoadFailed(ErrorInfo.of(error)))
            return
        except MemoryError as error:
            self._send(LoadFailed(ErrorInfo.of(_too_large(request, error))))
            return
        self._log.stop_keeping()
        # What a load leaves stays as long as the process: 34,000 objects, through which each full
        # collection would go in the middle of an answer (10 ms).
        gc.freeze()
        try:
            self._desk.start(core.prompt_builder)
        except MemoryError as error:
            self._send(LoadFailed(ErrorInfo.of(_too_large(request, error))))
            return
        self._core = core
        options = request.options
        if options.n_threads is None and options.n_threads_batch is None:
            self._balance = ThreadBalance(core.info.n_threads, core.use_threads)
        self._send(Loaded(core.info))

    def _dry_run(self, request: DryRun | TryLoad) -> DryRunDone:
        path = Path(os.fsdecode(request.path))
        try:
            if self._core is not None:  # whose log is no longer kept
                raise InvalidRequest("a dry run needs a child without a model")
            if isinstance(request, TryLoad):
                return DryRunDone(warnings=try_load(path, request.options, log=self._log))
            return DryRunDone(simulate(path, request.options, request.n_ctx, log=self._log))
        except MinervaError as error:
            return DryRunDone(error=ErrorInfo.of(error))

    def _report_progress(self, fraction: float) -> None:
        now = time.monotonic()
        if now - self._last_progress >= PROGRESS_SECONDS:
            self._last_progress = now
            self._send(LoadProgress(fraction))

    def _add(self, core: EngineCore | EmbeddingCore, prepared: Prepared) -> None:
        try:
            core.add(prepared)
        except MinervaError as error:
            request_id, info = prepared.request.request_id, ErrorInfo.of(error)
            if isinstance(prepared, PreparedEmbedding):
                self._send(RequestFailed(request_id, info))
            else:
                failed = SequenceOutput(request_id=request_id, error=info)
                self._send(StepOutputs((failed,)))


def _too_large(request: Load, error: MemoryError) -> OutOfMemory:
    """Python had no memory beside what llama.cpp took."""
    name = Path(os.fsdecode(request.path)).name
    return OutOfMemory(f"Not enough memory to load {name}", detail=str(error))


def _trim(core: EngineCore | EmbeddingCore) -> int:
    """Give back what can be made anew; bytes by which this process shrank."""
    before = resident_bytes()
    core.leftovers.drop()
    forget_prepared()
    give_back_freed()
    return max(0, before - resident_bytes())
