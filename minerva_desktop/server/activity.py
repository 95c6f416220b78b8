"""`Activity`: the requests that run at the endpoint now, and the last that did.

Routes tell it, on the endpoint's asyncio loop, where everything here is called; the window shows
its snapshots. Prompts are kept in memory only, and only while their request is in the list.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from minerva_desktop.chat.completion import Timings
from minerva_desktop.chat.served_request import RequestRecord, RequestState
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.errors import (
    EndpointStopped,
    InvalidRequest,
    MinervaError,
    QueueFull,
    RequestCancelled,
)
from minerva_desktop.library.display_text import one_line
from minerva_desktop.server.request_info import End, RequestInfo, request_info

MAX_FINISHED = 100
MAX_LOADING = 256
# What requests that are over may keep alive together, by the sizes of their bodies.
MAX_PROMPT_BYTES = 16 * 1024 * 1024
CLIENT_CLOSED = 499  # as nginx logs it
CLIENT_LEFT = "The client went away"
NOT_ALL_READ = "The client did not take all of the answer"
MAX_REFUSED = 50  # apart, so that one who may not even ask pushes nobody else out of the list
MAX_SHOWN_MODEL = 100  # characters

Prompt = Callable[[], Awaitable[str]]


class ActiveRequest:
    """A request that runs, as its route sees it. Made by `Activity.begin`."""

    def __init__(
        self,
        number: int,
        info: RequestInfo,
        *,
        dialect: str,
        is_stream: bool,
        prompt: Prompt | None,
        on_change: Callable[[], None],
    ) -> None:
        self.number = number
        self.info = info
        self.prompt = prompt
        self.is_cancelled = False
        self._dialect = dialect
        self._is_stream = is_stream
        self._on_change = on_change
        self.is_loading = True
        self.is_answered = False
        self._task = asyncio.current_task()
        self._streams: list[TokenStream] = []
        self._seen: tuple[float, int] | None = None  # when it had tokens first, and how many

    def follow(self, *streams: TokenStream) -> None:
        """From now on these say how far it is: its model is loaded, its generations began. With
        none, its work is no generation, and `count` tells its tokens at the end."""
        self._streams += streams
        self.is_loading = False
        self._on_change()

    def count(self, *, prompt_tokens: int, cached_tokens: int = 0) -> None:
        """Note tokens of work that is no generation."""
        self.info.generations.append(
            Timings(prompt_tokens=prompt_tokens, cached_tokens=cached_tokens)
        )

    def cancel(self) -> None:
        """End its work; whoever waits for the answer gets `RequestCancelled`. Idempotent, and
        no-op where the work is done."""
        if not (self.is_cancelled or self.is_answered) and self._task is not None:
            self.is_cancelled = True
            self._task.cancel()

    def settle(self) -> None:
        """Take over the numbers of the generations, which are over or about to end."""
        self.is_loading, self.is_answered = False, True
        for stream in self._streams:
            completion = stream.completion
            self.info.generations.append(
                completion.timings
                if completion is not None
                else Timings(
                    prompt_tokens=stream.prefill[0],
                    cached_tokens=stream.n_cached,
                    completion_tokens=stream.total_tokens,
                )
            )
        self._streams = []

    def was_cancelled(self) -> RequestCancelled:
        """Its end as an error, after `cancel`; its task may go on."""
        if self._task is not None:
            self._task.uncancel()
        return RequestCancelled("The answer was cancelled before its end")

    def record(
        self, state: RequestState | None = None, status: int | None = None, error: str = ""
    ) -> RequestRecord:
        """How far it is now, or how it ended."""
        info = self.info
        prefills = [stream.prefill for stream in self._streams]
        read = info.prompt_tokens + sum(done for done, _ in prefills)
        in_all = info.prompt_tokens + sum(total for _, total in prefills)
        generated = info.generated_tokens + sum(each.total_tokens for each in self._streams)
        speed = self._live_speed(generated) if status is None else info.tokens_per_second
        return RequestRecord(
            number=self.number,
            request_id=info.request_id,
            dialect=self._dialect,
            model=info.model,
            client=info.client,
            key_name=info.key_name,
            is_stream=self._is_stream,
            started=info.started,
            seconds=info.seconds(),
            state=self._state(in_all, generated) if state is None else state,
            status=status,
            prompt_tokens=in_all,
            read_tokens=read,
            cached_tokens=info.cached_tokens,
            generated_tokens=generated,
            tokens_per_second=speed,
            error=error,
            has_prompt=self.prompt is not None,
        )

    def _state(self, prompt_tokens: int, generated_tokens: int) -> RequestState:
        if self.is_answered:
            return RequestState.SENDING
        if self.is_loading:
            return RequestState.LOADING
        if generated_tokens:
            return RequestState.DECODING
        # An embedding is all prompt, and nothing tells how far it is.
        is_read = bool(prompt_tokens) or not self._streams
        return RequestState.PREFILL if is_read else RequestState.QUEUED

    def _live_speed(self, generated_tokens: int) -> float:
        now = time.monotonic()
        if self._seen is None:
            self._seen = (now, generated_tokens) if generated_tokens else None
            return 0.0
        since, before = self._seen
        return (generated_tokens - before) / (now - since) if now > since else 0.0


class _Finished(msgspec.Struct, frozen=True):
    record: RequestRecord
    prompt: Prompt | None
    body_bytes: int
    end: int  # the how manieth it was


class Activity:
    """What runs and what ran, over all starts and stops of the endpoint. One asyncio loop.

    Attributes:
        max_loading: requests that may wait for models that load; the engine itself bounds those
            that wait in it.
    """

    def __init__(
        self, on_change: Callable[[], None] | None = None, *, max_loading: int = MAX_LOADING
    ) -> None:
        """``on_change`` is called when a request begins, moves on or ends, but not for each token:
        whoever shows the list looks again from time to time while any runs."""
        self._on_change = on_change
        self.max_loading = max_loading
        self._numbers = itertools.count(1)
        self._active: dict[int, ActiveRequest] = {}
        self._n_unlisted = 0  # of those that wait for their models
        self._users: Counter[Path] = Counter()
        self._ends = itertools.count(1)
        self._finished: deque[_Finished] = deque(maxlen=MAX_FINISHED)
        self._refused: deque[_Finished] = deque(maxlen=MAX_REFUSED)

    @contextmanager
    def begin(
        self,
        scope: MutableMapping[str, Any],
        *,
        dialect: str,
        model: str,
        is_stream: bool,
        prompt: Prompt | None = None,
    ) -> Iterator[ActiveRequest]:
        """The request with that ASGI ``scope`` is worked on for as long as the block lasts, in the
        task that enters it: put the lease and the generation inside. It is over then, or with
        `close`, where it comes through the access layer.

        ``prompt`` renders the text that the model gets, when somebody asks for it. After `cancel`
        the block ends with `RequestCancelled`. Raises `QueueFull`.
        """
        self._check_room()
        info = request_info(scope)
        info.model, info.is_listed = model, True
        request = ActiveRequest(
            next(self._numbers),
            info,
            dialect=dialect,
            is_stream=is_stream,
            prompt=prompt,
            on_change=self._tell,
        )
        self._active[request.number] = request
        self._tell()
        try:
            yield request
        except asyncio.CancelledError as cancelled:
            if request.is_cancelled:
                error = request.was_cancelled()
                self._end(request, RequestState.CANCELLED, error.http_status, error.message)
                raise error from None
            if reason := str(cancelled):  # see `Lifetime`
                self._end(request, RequestState.STOPPED, EndpointStopped.http_status, reason)
            else:
                self._end(request, RequestState.CANCELLED, CLIENT_CLOSED, CLIENT_LEFT)
            raise
        except BaseException as error:
            known = error if isinstance(error, MinervaError) else MinervaError("A bug of Minerva")
            self._end(request, RequestState.FAILED, known.http_status, known.message)
            raise
        if info.is_open:
            request.settle()
            self._tell()
        else:
            self._end(request, RequestState.FINISHED, 200, "")

    def close(self, info: RequestInfo) -> None:
        """All of the request's answer went out, or nobody takes the rest: it is over."""
        for request in [each for each in self._active.values() if each.info is info]:
            if info.end is End.CANCELLED:
                self._end(request, RequestState.CANCELLED, CLIENT_CLOSED, NOT_ALL_READ)
            elif info.end is End.FAILED or info.error_code:
                status = max(info.status, MinervaError.http_status)  # it may have promised 200
                self._end(request, RequestState.FAILED, status, info.error_message)
            else:
                self._end(request, RequestState.FINISHED, 200, "")

    def note_refusal(self, info: RequestInfo, *, dialect: str) -> None:
        """List a request that was answered with an error before it could `begin`, or whose client
        went away before that."""
        left = info.status == CLIENT_CLOSED
        state = RequestState.CANCELLED if left else RequestState.FAILED
        info.is_listed = True
        request = ActiveRequest(
            next(self._numbers),
            info,
            dialect=dialect,
            is_stream=False,  # nobody came to read that
            prompt=None,
            on_change=self._tell,
        )
        record = replace(
            request.record(state, info.status, info.error_message or info.error_code),
            model=info.model or one_line(info.asked_model, MAX_SHOWN_MODEL),
        )
        self._refused.append(_Finished(record, None, 0, next(self._ends)))
        self._tell()

    @contextmanager
    def wait_unlisted(self) -> Iterator[None]:
        """A request that is not to be in the list waits for its model for as long as the block
        does: enter its lease inside. Raises `QueueFull`."""
        self._check_room()
        self._n_unlisted += 1
        try:
            yield
        finally:
            self._n_unlisted -= 1

    @contextmanager
    def using(self, model: Path) -> Iterator[None]:
        """A request, listed or not, uses the model whose file is at ``model``, waits for it, or is
        read for it, for as long as the block does."""
        self._users[model] += 1
        try:
            yield
        finally:
            self._users[model] -= 1

    def n_using(self, model: Path) -> int:
        """How many requests use the model whose file is at ``model``."""
        return self._users[model]

    def snapshot(self) -> tuple[RequestRecord, ...]:
        """Those that run, the oldest first, then those that are over, the latest first."""
        running = [request.record() for request in self._active.values()]
        over = sorted((*self._finished, *self._refused), key=lambda each: -each.end)
        return (*running, *(each.record for each in over))

    def cancel(self, number: int) -> None:
        """End the request of that number; no-op when it is over."""
        request = self._active.get(number)
        if request is not None:
            request.cancel()

    async def prompt(self, number: int) -> str:
        """The text that the model got. Raises `InvalidRequest` when it is no longer kept, and what
        rendering raises (its model may be gone)."""
        request = self._active.get(number)
        kept = [each.prompt for each in self._finished if each.record.number == number]
        render = request.prompt if request is not None else next(iter(kept), None)
        if render is None:
            raise InvalidRequest("The prompt of this request is no longer kept")
        return await render()

    def _check_room(self) -> None:
        n_listed = sum(request.is_loading for request in self._active.values())
        n_loading = n_listed + self._n_unlisted
        if n_loading >= self.max_loading:
            raise QueueFull(f"{n_loading:,} requests wait already for models to load")

    def _end(self, request: ActiveRequest, state: RequestState, status: int, error: str) -> None:
        del self._active[request.number]
        request.settle()
        record = request.record(state, status, error)
        self._finished.append(
            _Finished(record, request.prompt, request.info.body_bytes, next(self._ends))
        )
        self._forget_prompts()
        self._tell()

    def _forget_prompts(self) -> None:
        """The oldest ones, until the rest may stay."""
        left = MAX_PROMPT_BYTES
        for index in reversed(range(len(self._finished))):
            each = self._finished[index]
            left -= each.body_bytes if each.prompt is not None else 0
            if left < 0 and each.prompt is not None:
                record = replace(each.record, has_prompt=False)
                self._finished[index] = _Finished(record, None, 0, each.end)

    def _tell(self) -> None:
        if self._on_change is not None:
            self._on_change()
