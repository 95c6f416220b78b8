"""`LlamaEngine`: a handle to one model that runs in a child process of its own.

All methods are called on the asyncio loop on which `load` was awaited. The `TokenStream` that
`generate` returns may be read on any thread.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.limits import RequestLimits
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.messages import (
    Abort,
    ContextInfo,
    CountTokens,
    Event,
    Generate,
    Load,
    Loaded,
    LoadFailed,
    LoadOptions,
    LoadProgress,
    Ping,
    Pong,
    Request,
    SequenceOutput,
    StepOutputs,
    TokensCounted,
)
from minerva_desktop.engine.process import ChildProcess, child_command, describe_exit
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.errors import (
    EngineDied,
    InferenceError,
    InvalidRequest,
    MinervaError,
    ModelLoadError,
)

_log = logging.getLogger(__name__)

# A cancelled generation that has not ended after so many looks is ended on this side, and a child
# that does not even answer a ping by then hangs and is killed. Several looks, because this loop
# may itself have been held up while the child's answer waits in the pipe.
CANCEL_LOOKS = 6
LOOK_SECONDS = 0.5


class LlamaEngine:
    """One model: loaded by `load`, gone after `unload` or when its child dies.

    A handle is used once: after `unload` or a death, make a new one.
    """

    def __init__(
        self,
        model_path: Path,
        *,
        command: Sequence[str] | None = None,
        on_death: Callable[[EngineDied], None] | None = None,
    ) -> None:
        """``command`` starts the child; ``on_death`` is told when a loaded child ends by itself."""
        self.model_path = model_path
        self._command = tuple(command or child_command())
        self._on_death = on_death
        self._child: ChildProcess | None = None
        self._reader: asyncio.Task[None] | None = None
        self._info: ContextInfo | None = None
        self._loading: asyncio.Future[ContextInfo] | None = None
        self._on_progress: Callable[[float], None] | None = None
        self._streams: dict[int, TokenStream] = {}
        self._counts: dict[int, asyncio.Future[int]] = {}
        self._ids = itertools.count(1)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unanswered: set[int] = set()  # pings
        self._closing = False

    # -- life ------------------------------------------------------------------------------

    async def load(
        self,
        n_ctx: int | None = None,
        *,
        options: LoadOptions | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> ContextInfo:
        """Start the child and load the model; ``n_ctx`` (tokens) wins over the one in ``options``.

        ``on_progress`` gets 0.0 to 1.0. To cancel, cancel the awaiting task: the child ends.
        Raises `InvalidRequest` for impossible options, `ModelNotFound`, `ModelLoadError`,
        `OutOfMemory`, or
        `EngineDied` when llama.cpp crashes on the file or the process cannot be started.
        """
        if self._child is not None:
            raise ModelLoadError(f"{self.model_path.name} is loaded already")
        chosen = options or LoadOptions()
        if n_ctx is not None:
            chosen = msgspec.structs.replace(chosen, n_ctx=n_ctx)
        chosen.check()
        self._on_progress = on_progress
        self._loop = asyncio.get_running_loop()
        self._loading = self._loop.create_future()
        try:
            self._child = await ChildProcess.start(self._command)
        except OSError as error:
            raise EngineDied(
                "The engine process could not be started", detail=str(error)
            ) from error
        self._reader = asyncio.create_task(self._read_events(self._child))
        self._child.send(Load(bytes(self.model_path), chosen))
        try:
            self._info = await self._loading
        except BaseException:
            self._child.kill()
            await self.unload()
            raise
        return self._info

    async def unload(self) -> None:
        """End the child, and with it every byte it held; idempotent. Running streams fail."""
        self._closing = True
        self._info = None
        if self._child is None or self._reader is None:
            return
        await self._child.close()
        await self._reader

    def is_loaded(self) -> bool:
        """Whether `generate` may be called."""
        return self._info is not None

    def get_context_info(self) -> ContextInfo:
        """What was loaded. Raises `InferenceError` when nothing is."""
        if self._info is None:
            raise InferenceError(f"{self.model_path.name} is not loaded")
        return self._info

    @property
    def pid(self) -> int | None:
        """The child's process id; None when there is no child."""
        return None if self._child is None else self._child.pid

    # -- work ------------------------------------------------------------------------------

    def generate(
        self,
        prompt: str | Sequence[ChatTurn],
        max_tokens: int | None = None,
        *,
        sampling: SamplingParameters | None = None,
        limits: RequestLimits | None = None,
        cache_prompt: bool = True,
    ) -> TokenStream:
        """Start a generation from plain text, or from turns through the model's chat template.

        ``max_tokens`` wins over the one in ``sampling``. ``cache_prompt`` False computes the prompt
        anew, even if the engine still has its beginning. Errors (`ContextLimitExceeded`,
        `GenerationTimeout`, `QueueFull`, `InvalidRequest`, `EngineDied`, …) come at the end of the
        stream.
        """
        self.get_context_info()
        chosen = sampling or SamplingParameters()
        if max_tokens is not None:
            chosen = msgspec.structs.replace(chosen, max_tokens=max_tokens)
        request_id = next(self._ids)
        stream = TokenStream(on_cancel=functools.partial(self._cancel, request_id))
        self._streams[request_id] = stream
        request = Generate(
            request_id=request_id,
            sampling=chosen,
            limits=limits or RequestLimits(),
            cache_prompt=cache_prompt,
            text=prompt if isinstance(prompt, str) else None,
            messages=None if isinstance(prompt, str) else tuple(prompt),
        )
        try:
            self._send(request)
        except InvalidRequest as error:
            del self._streams[request_id]
            stream.fail(error)
        return stream

    async def count_tokens(self, turns: Sequence[ChatTurn]) -> int:
        """Tokens of the prompt that ``turns`` make, template included."""
        self.get_context_info()
        request_id = next(self._ids)
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._counts[request_id] = answer
        try:
            self._send(CountTokens(request_id=request_id, messages=tuple(turns)))
            return await answer
        finally:
            self._counts.pop(request_id, None)

    # -- inside ----------------------------------------------------------------------------

    def _send(self, request: Request) -> None:
        if self._child is None:
            return
        try:
            self._child.send(request)
        except UnicodeEncodeError as error:
            raise InvalidRequest(
                "The prompt holds half a character (a lone surrogate)", param="messages"
            ) from error

    def _cancel(self, request_id: int) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cancel_now, request_id)

    def _cancel_now(self, request_id: int) -> None:
        if request_id in self._streams:
            self._send(Abort(request_id))
            self._send(Ping(request_id))
            self._unanswered.add(request_id)
            self._look_after(request_id, CANCEL_LOOKS)

    def _look_after(self, request_id: int, looks_left: int) -> None:
        if self._child is None or self._loop is None:
            return
        if request_id not in self._streams and request_id not in self._unanswered:
            return
        if looks_left:
            self._loop.call_later(LOOK_SECONDS, self._look_after, request_id, looks_left - 1)
        elif request_id in self._unanswered:
            _log.warning("The engine of %s hangs and is ended", self.model_path.name)
            self._child.kill()
        else:
            # It is alive but in a long step; its own end of this request will be ignored.
            self._streams.pop(request_id).finish(
                Completion(finish_reason=FinishReason.CANCELLED, timings=Timings(), seed=0)
            )

    async def _read_events(self, child: ChildProcess) -> None:
        try:
            async for event in child.events():
                self._handle(event)
        except (msgspec.DecodeError, ValueError):
            _log.exception("The engine child said something that cannot be read")
            child.kill()
        code = await child.wait()
        self._bury(child, code)

    def _handle(self, event: Event) -> None:
        match event:
            case StepOutputs(outputs):
                for output in outputs:
                    self._deliver(output)
            case Pong(request_id):
                self._unanswered.discard(request_id)
            case LoadProgress(fraction):
                if self._on_progress is not None:
                    self._on_progress(fraction)
            case Loaded(info):
                self._settle_load(info)
            case LoadFailed(error):
                self._settle_load(error.to_error())
            case TokensCounted():
                answer = self._counts.get(event.request_id)
                if answer is not None and not answer.done():
                    if event.error is not None:
                        answer.set_exception(event.error.to_error())
                    else:
                        answer.set_result(event.n_tokens)

    def _deliver(self, output: SequenceOutput) -> None:
        # A late output of a request that is over (an abort, a failure) is dropped.
        stream = self._streams.get(output.request_id)
        if stream is None:
            return
        if output.prefill_total:
            stream.report_prefill(output.prefill_done, output.prefill_total)
        if output.n_tokens or output.delta:
            stream.push_token(output.delta, output.logprob)
        if output.error is not None:
            del self._streams[output.request_id]
            stream.fail(output.error.to_error())
        elif output.completion is not None:
            del self._streams[output.request_id]
            stream.finish(output.completion)

    def _settle_load(self, result: ContextInfo | MinervaError) -> None:
        if self._loading is None or self._loading.done():
            return
        if isinstance(result, MinervaError):
            self._loading.set_exception(result)
        else:
            self._loading.set_result(result)

    def _bury(self, child: ChildProcess, code: int) -> None:
        """The child ended: everyone who waits for it is told once."""
        was_loaded, self._info = self._info is not None, None
        self._unanswered.clear()
        death = EngineDied(self._death_sentence(code), detail=child.last_words())
        self._settle_load(death)
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.fail(death)
        for answer in self._counts.values():
            if not answer.done():
                answer.set_exception(death)
        if was_loaded and not self._closing and self._on_death is not None:
            self._on_death(death)

    def _death_sentence(self, code: int) -> str:
        name = self.model_path.name
        if self._closing:
            return f"{name} was unloaded before the answer was finished"
        sentence = f"The engine that ran {name} stopped ({describe_exit(code)})"
        if code == -9:
            sentence += "; it was killed from outside, perhaps because memory ran out"
        return sentence
