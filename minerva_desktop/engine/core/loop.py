"""The engine child's main loop: take requests, step, send outputs.

One thread reads frames into the inbox (`child` starts it); this loop, on the main thread, is the
only one that touches llama.cpp.
"""

from __future__ import annotations

import os
import queue
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.engine.core.chat_template import TimeLimit
from minerva_desktop.engine.core.engine_core import EngineCore
from minerva_desktop.engine.core.llama import AbortFlag, LlamaLog
from minerva_desktop.engine.messages import (
    Abort,
    CountTokens,
    ErrorInfo,
    Event,
    Generate,
    Load,
    Loaded,
    LoadFailed,
    LoadProgress,
    Ping,
    Pong,
    Request,
    SequenceOutput,
    StepOutputs,
    TokensCounted,
)
from minerva_desktop.errors import InvalidRequest, MinervaError

PROGRESS_SECONDS = 0.05  # between two LoadProgress events


class EngineLoop:
    """Runs until the process ends (end of stdin ends it, from the reader thread)."""

    def __init__(self, send: Callable[[Event], None]) -> None:
        self._inbox: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._send = send
        self._log = LlamaLog()
        self._limit = TimeLimit()
        self._abort_flag = AbortFlag()
        self._core: EngineCore | None = None
        self._begun: deque[Generate] = deque()  # not handed to the core yet
        self._last_progress = 0.0

    def post(self, request: Request) -> None:
        """Hand over a request. Reader thread; an abort also ends the decode that runs now."""
        if isinstance(request, Ping):
            self._send(Pong(request.request_id))
            return
        self._inbox.put(request)
        core = self._core
        if isinstance(request, Abort) and core is not None:
            core.interrupt(request.request_id)

    def run(self) -> None:
        """Serve requests for ever; main thread."""
        self._limit.install()
        while True:
            # Cleared before the inbox is read: an abort posted after this is seen by the decode.
            self._abort_flag.clear()
            outputs = self._drain()
            if self._core is not None and self._core.has_work:
                outputs += self._core.step()
            if outputs:
                self._send(StepOutputs(outputs))

    def _drain(self) -> tuple[SequenceOutput, ...]:
        """Handle what came in, but begin at most one generation: rendering its prompt and checking
        its grammar takes time, and running answers go on in between."""
        outputs: tuple[SequenceOutput, ...] = ()
        while True:
            try:
                request = self._inbox.get(block=not (self._is_busy() or outputs))
            except queue.Empty:
                break
            outputs += self._handle(request)
        if self._begun:
            outputs += self._generate(self._begun.popleft())
        return outputs

    def _is_busy(self) -> bool:
        return bool(self._begun) or (self._core is not None and self._core.has_work)

    def _handle(self, request: Request) -> tuple[SequenceOutput, ...]:
        match request:
            case Load():
                self._load(request)
            case Generate():
                self._begun.append(request)
            case Abort():
                return self._abort(request.request_id)
            case CountTokens():
                self._count(request)
        return ()

    def _abort(self, request_id: int) -> tuple[SequenceOutput, ...]:
        for request in self._begun:
            if request.request_id == request_id:
                self._begun.remove(request)
                never_begun = Completion(
                    finish_reason=FinishReason.CANCELLED, timings=Timings(), seed=0
                )
                return (SequenceOutput(request_id=request_id, completion=never_begun),)
        return () if self._core is None else self._core.abort(request_id)

    def _load(self, request: Load) -> None:
        try:
            self._core = EngineCore(
                Path(os.fsdecode(request.path)),
                request.options,
                on_progress=self._report_progress,
                log=self._log,
                limit=self._limit,
                abort=self._abort_flag,
            )
        except MinervaError as error:
            self._send(LoadFailed(ErrorInfo.of(error)))
            return
        self._log.stop_keeping()
        self._send(Loaded(self._core.info))

    def _report_progress(self, fraction: float) -> None:
        now = time.monotonic()
        if now - self._last_progress >= PROGRESS_SECONDS:
            self._last_progress = now
            self._send(LoadProgress(fraction))

    def _generate(self, request: Generate) -> tuple[SequenceOutput, ...]:
        try:
            self._loaded().add(request)
        except MinervaError as error:
            return (SequenceOutput(request_id=request.request_id, error=ErrorInfo.of(error)),)
        return ()

    def _count(self, request: CountTokens) -> None:
        try:
            n_tokens = self._loaded().count_tokens(request.messages)
        except MinervaError as error:
            failed = TokensCounted(request_id=request.request_id, error=ErrorInfo.of(error))
            self._send(failed)
            return
        self._send(TokensCounted(request_id=request.request_id, n_tokens=n_tokens))

    def _loaded(self) -> EngineCore:
        if self._core is None:
            raise InvalidRequest("No model is loaded")
        return self._core
