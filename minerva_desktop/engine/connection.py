"""A loaded engine child as `LlamaEngine` uses it: what was asked, what came back, how it ended.

All methods are called on the asyncio loop on which `load` was awaited; only a stream's `cancel`
may be called on any thread.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import TypeVar

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.limits import Asked, RequestLimits, Wait
from minerva_desktop.engine.child_version import OTHER_VERSION, app_replaced
from minerva_desktop.engine.deadlines import Deadlines
from minerva_desktop.engine.death_words import death_sentence
from minerva_desktop.engine.heartbeat import Heartbeat
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.memory_messages import LimitParking, Trim
from minerva_desktop.engine.messages import (
    Abort,
    Answer,
    ContextInfo,
    DevicesListed,
    DryRunDone,
    Embed,
    Event,
    Generate,
    Load,
    Loaded,
    LoadFailed,
    LoadProgress,
    Ping,
    Pong,
    Question,
    Request,
    RequestFailed,
    SequenceOutput,
    StepOutputs,
)
from minerva_desktop.engine.process import ChildProcess
from minerva_desktop.engine.queue_limit import QueueLimit
from minerva_desktop.engine.request_faults import unsendable
from minerva_desktop.engine.spare import SpareChild
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.errors import (
    EngineDied,
    GenerationTimeout,
    InferenceError,
    InvalidRequest,
    MinervaError,
    ModelUnloaded,
    QueueFull,
)

_log = logging.getLogger(__name__)

# A cancelled generation that has not ended by then is ended on this side: the child may be in a
# step that takes long. Whether it hangs is the heartbeat's affair.
CANCEL_SECONDS = 3.0
GRACE_SECONDS = 0.25  # the same for one whose time is over; its text so far may still come
# A decode that lasts longer never ends: a driver that hangs, a deadlock. Generous, for a batch of
# 512 tokens takes a large model minutes on a slow processor.
MAX_STEP_SECONDS = 300.0

_Wanted = TypeVar("_Wanted", bound=Answer)


class EngineConnection:
    """One child process, from its start to its end. Used once."""

    def __init__(
        self,
        model_name: str,
        child: ChildProcess,
        *,
        on_progress: Callable[[float], None] | None,
        on_death: Callable[[EngineDied], None] | None,
        queue: QueueLimit | None = None,
        max_step_seconds: float = MAX_STEP_SECONDS,
    ) -> None:
        """``on_progress`` gets 0.0 to 1.0 while the model loads; ``on_death`` is told when a
        loaded child ends by itself; beyond the ``queue`` of those that wait comes `QueueFull`; a
        child that is longer than ``max_step_seconds`` at one decode of a step is ended."""
        self.info: ContextInfo | None = None
        self.is_over = False  # the child has ended
        self.n_used_cells = 0
        self.n_generated = 0  # tokens of all answers so far
        self._model_name = model_name
        self._child = child
        self._on_progress = on_progress
        self._on_death = on_death
        self._queue = queue or QueueLimit()
        self._loop = asyncio.get_running_loop()
        self._loading: asyncio.Future[ContextInfo] = self._loop.create_future()
        self._streams: dict[int, TokenStream] = {}
        self._given_up: set[int] = set()  # ended on this side, and not by the child so far
        self._overdue: dict[int, GenerationTimeout] = {}  # those in `_streams` that are aborted
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._heartbeat = Heartbeat(
            self._loop,
            ping=lambda: self._send(Ping()),
            is_waiting=self._is_waiting,
            on_silence=self._end_silent_child,
            has_begun=child.has_spoken,
        )
        self._deadlines = Deadlines(self._loop, self._abort_overdue)
        self._max_step_seconds = max_step_seconds
        self._fault = ""  # why the child was ended, in words that follow its model's name
        self._closing = False
        self._options = LoadOptions()  # of its model
        child.listen(self._hear)
        self._end = asyncio.create_task(self._await_end())

    @classmethod
    async def start(
        cls,
        model_name: str,
        children: SpareChild,
        *,
        on_progress: Callable[[float], None] | None,
        on_death: Callable[[EngineDied], None] | None,
        queue: QueueLimit | None = None,
        max_step_seconds: float = MAX_STEP_SECONDS,
    ) -> EngineConnection:
        """Take a child. Raises `EngineDied` when the system cannot start one."""
        try:
            child = await children.take()
        except OSError as error:
            raise EngineDied(
                "The engine process could not be started", detail=str(error)
            ) from error
        return cls(
            model_name,
            child,
            on_progress=on_progress,
            on_death=on_death,
            queue=queue,
            max_step_seconds=max_step_seconds,
        )

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._child.pid

    async def load(self, request: Load) -> ContextInfo:
        """Load a model; the child is ended when that fails or is cancelled."""
        self._options = request.options
        self._send(request)
        try:
            self.info = await self._loading
        except BaseException:  # a cancelled load too: only the child's end gives its memory back
            self._child.kill()
            await self.close()
            raise
        return self.info

    async def close(self) -> None:
        """End the child; idempotent. Running streams fail."""
        self._closing = True
        self.info = None
        await self._child.close()
        await self._end

    # -- work ------------------------------------------------------------------------------

    def generate(self, request: Generate) -> TokenStream:
        """Start a generation; what speaks against it comes at the end of the stream."""
        request_id = request.request_id
        stream = TokenStream(on_cancel=functools.partial(self._cancel, request_id))
        try:
            self._check_room()
            request.limits.check()
            self._send(request)
        except (InvalidRequest, QueueFull) as error:
            stream.fail(error)
            return stream
        self._streams[request_id] = stream
        self._deadlines.watch(request_id, request.limits)
        return stream

    async def ask(self, question: Question | Embed | Trim, kind: type[_Wanted]) -> _Wanted:
        """Wait for the answer. Raises `QueueFull`, `InvalidRequest` for a limit that is no time, or
        what the child answers instead; cancelling the awaiting task ends the work there too."""
        self._check_room()
        limits = RequestLimits()
        if isinstance(question, Embed):
            limits = RequestLimits(queue_seconds=question.queue_seconds)
            limits.check()
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._answers[question.request_id] = future
        try:
            self._send(question)
            self._deadlines.watch(question.request_id, limits, Asked.EMBEDDINGS)
            answer = await future
        except asyncio.CancelledError:
            if isinstance(question, Embed) and future.cancelled():
                self._given_up.add(question.request_id)
            self._send(Abort(question.request_id))
            raise
        finally:
            self._answers.pop(question.request_id, None)
            self._deadlines.forget(question.request_id)
        if isinstance(answer, RequestFailed):
            raise answer.error.to_error()
        if not isinstance(answer, kind):
            raise InferenceError(f"The engine answered with {type(answer).__name__}")
        return answer

    def tell(self, what: LimitParking) -> None:
        """What the child does not answer; dropped where it is gone."""
        self._send(what)

    # -- inside ----------------------------------------------------------------------------

    def _check_room(self) -> None:
        """Bounds what the child may hold, wherever in it that is."""
        n_run = 0
        if self.info is not None:
            n_run = min(len(self._streams), self.info.n_parallel)
        n_waiting = len(self._streams) + len(self._given_up) + len(self._answers) - n_run
        if n_waiting >= self._queue.n_waiting:
            raise QueueFull(f"{n_waiting:,} requests wait already, and {n_run:,} run")

    def _send(self, request: Request) -> None:
        try:
            self._child.send(request)
        except (UnicodeEncodeError, OverflowError) as error:
            raise unsendable(request, error) from error
        self._heartbeat.watch()

    def _cancel(self, request_id: int) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cancel_now, request_id)

    def _cancel_now(self, request_id: int) -> None:
        if request_id in self._streams:
            self._send(Abort(request_id))
            self._loop.call_later(CANCEL_SECONDS, self._give_up, request_id)

    def _abort_overdue(self, request_id: int, error: GenerationTimeout) -> None:
        if request_id in self._streams:
            self._overdue[request_id] = error
            self._send(Abort(request_id))
            self._loop.call_later(GRACE_SECONDS, self._give_up, request_id)
            return
        future = self._answers.get(request_id)
        if future is not None and not future.done():
            self._given_up.add(request_id)
            self._send(Abort(request_id))
            future.set_exception(error)

    def _give_up(self, request_id: int) -> None:
        """End an aborted stream on this side; the child's own end of it will be ignored."""
        if request_id in self._streams:
            self._given_up.add(request_id)
            cancelled = FinishReason.CANCELLED
            self._finish(request_id, Completion(finish_reason=cancelled, timings=Timings(), seed=0))

    def _finish(self, request_id: int, end: Completion | MinervaError) -> None:
        """The end of a stream. One that was aborted because its time was over failed."""
        stream = self._streams.pop(request_id)
        self._deadlines.forget(request_id)
        overdue = self._overdue.pop(request_id, None)
        if isinstance(end, MinervaError):
            stream.fail(end)
        elif overdue is not None and end.finish_reason is FinishReason.CANCELLED:
            stream.fail(overdue)
        else:
            stream.finish(end)

    def _is_waiting(self) -> bool:
        asked = self._streams or self._given_up or self._answers
        return not self._loading.done() or bool(asked)

    def _end_silent_child(self, seconds: float) -> None:
        self._end_child(f"did not answer for {seconds:.0f} s")

    def _end_child(self, fault: str) -> None:
        _log.warning("The engine of %s %s and is ended", self._model_name, fault)
        self._fault = fault
        self._child.kill()

    def _hear(self, event: Event) -> None:
        self._heartbeat.heard()
        self._handle(event)

    async def _await_end(self) -> None:
        self._bury(await self._child.wait())

    def _handle(self, event: Event) -> None:
        match event:
            case StepOutputs(outputs):
                if event.n_used_cells is not None:
                    self.n_used_cells = event.n_used_cells
                for output in outputs:
                    self._deliver(output)
            case Pong(step_seconds):  # a sign of life, like every event
                if step_seconds > self._max_step_seconds:
                    self._end_child(f"was at one step for {step_seconds:.0f} s")
            case LoadProgress(fraction):
                if self._on_progress is not None:
                    self._on_progress(fraction)
            case Loaded(info):
                self._settle_load(info)
            case LoadFailed(error):
                self._settle_load(error.to_error())
            case DevicesListed() | DryRunDone():
                pass  # nobody asks a child that has a model
            case _:
                self._given_up.discard(event.request_id)
                future = self._answers.get(event.request_id)
                if future is not None and not future.done():
                    future.set_result(event)

    def _deliver(self, output: SequenceOutput) -> None:
        # A late output of a request that is over (an abort, a failure) is dropped.
        if output.error is not None or output.completion is not None:
            self._given_up.discard(output.request_id)
        request_id = output.request_id
        if output.started:
            self._deadlines.note(request_id, Wait.QUEUE)
        stream = self._streams.get(request_id)
        if stream is None:
            return
        if output.dropped_turns:
            stream.report_dropped(output.dropped_turns)
        if output.prefill_total:
            done, total, cached = output.prefill_done, output.prefill_total, output.prefill_cached
            stream.report_prefill(done, total, cached)
        if output.prompt_logprobs:
            stream.push_prompt(output.prompt_logprobs)
        self.n_generated += output.n_tokens
        if output.n_tokens or output.delta:
            stream.push_token(output.delta, *output.logprobs, n_tokens=output.n_tokens)
            if output.n_tokens:
                self._deadlines.note(request_id, Wait.QUEUE, Wait.FIRST_TOKEN)
        if output.error is not None:
            self._finish(request_id, output.error.to_error())
        elif output.completion is not None:
            self._finish(request_id, output.completion)

    def _settle_load(self, result: ContextInfo | MinervaError) -> None:
        if self._loading.done():
            return
        if isinstance(result, MinervaError):
            self._loading.set_exception(result)
        else:
            self._loading.set_result(result)

    def _bury(self, code: int) -> None:
        """The child ended: everyone who waits for it is told once."""
        was_loaded, self.info = self.info is not None, None
        self.is_over = True
        self._heartbeat.stop()
        self._deadlines.stop()
        self._given_up.clear()
        self._overdue.clear()
        death = self._death(code)
        end: MinervaError = death
        if self._closing:
            end = ModelUnloaded(f"{self._model_name} was unloaded before the answer was finished")
        self._settle_load(end)
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.fail(end)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(end)
        if was_loaded and not self._closing and self._on_death is not None:
            self._on_death(death)

    def _death(self, code: int) -> EngineDied:
        words = self._child.last_words()
        if code == OTHER_VERSION and not self._fault:
            return app_replaced(words, self._model_name)
        sentence = (
            f"The engine that ran {self._model_name} {self._fault} and was ended"
            if self._fault
            else death_sentence(self._model_name, code, words, self._options)
        )
        return EngineDied(sentence, detail=words)
