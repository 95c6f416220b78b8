"""The tokens of one generation, from the moment it is asked for to its last number."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress

from minerva_desktop.chat.completion import Completion, PromptToken, TokenLogprob
from minerva_desktop.errors import InferenceError, MinervaError

_Waiter = tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]


class TokenStream:
    """Tokens in the order they were sampled, with a read position that can be rewound.

    Thread-safe: one producer pushes, any thread reads. A token's text may be empty (it completed
    no character yet). The stream ends exactly once, by `finish` or by `fail`; what comes after
    the end is dropped, so a late output of an aborted request is harmless.
    """

    def __init__(self, on_cancel: Callable[[], None] | None = None) -> None:
        self._lock = threading.Lock()
        self._tokens: list[str] = []
        self._logprobs: list[tuple[TokenLogprob, ...]] = []  # as many as `_tokens`
        self._prompt: list[PromptToken] = []
        self._position = 0
        self._n_sampled = 0
        self._completion: Completion | None = None
        self._error: MinervaError | None = None
        self._prefill = (0, 0)
        self._n_cached = 0
        self._n_dropped_turns = 0
        self._on_cancel = on_cancel
        self._waiters: list[_Waiter] = []  # for what comes next
        self._end_waiters: list[_Waiter] = []

    # -- producer --------------------------------------------------------------------------

    def push_token(self, text: str, *logprobs: TokenLogprob, n_tokens: int = 1) -> None:
        """Add one token's text, and where that was asked for the probabilities of the tokens that
        it is made of; ``n_tokens`` is 0 for text that was held back and comes with no token of its
        own."""
        with self._lock:
            if self._ended():
                return
            self._tokens.append(text)
            self._n_sampled += n_tokens
            self._logprobs.append(logprobs)
            self._wake()

    def report_prefill(self, done: int, total: int, n_cached: int = 0) -> None:
        """Say that ``done`` of ``total`` prompt tokens are processed, ``n_cached`` of which had
        been before."""
        with self._lock:
            self._prefill = (done, total)
            self._n_cached = n_cached
            self._wake()

    def report_dropped(self, n_turns: int) -> None:
        """Say that the prompt has been made without its ``n_turns`` oldest turns. Wakes nobody: the
        prefill comes with it."""
        with self._lock:
            self._n_dropped_turns = n_turns

    def push_prompt(self, tokens: Iterable[PromptToken]) -> None:
        """Add the next tokens of the prompt, where their scores were asked for. Readers are woken
        by the prefill or the token that comes with them."""
        with self._lock:
            self._prompt += tokens

    def finish(self, completion: Completion) -> None:
        """End the stream well."""
        with self._lock:
            if not self._ended():
                self._completion = completion
                self._wake_all()

    def fail(self, error: MinervaError) -> None:
        """End the stream with ``error``; readers get the tokens that came before it first."""
        with self._lock:
            if not self._ended():
                self._error = error
                self._wake_all()

    # -- reader ----------------------------------------------------------------------------

    def has_next(self) -> bool:
        """Whether `next_token` would return a token now."""
        with self._lock:
            return self._position < len(self._tokens)

    def next_token(self) -> str | None:
        """The next unread token, or None when there is none now."""
        with self._lock:
            if self._position >= len(self._tokens):
                return None
            self._position += 1
            return self._tokens[self._position - 1]

    def reset(self) -> None:
        """Read from the first token again."""
        with self._lock:
            self._position = 0

    @property
    def total_tokens(self) -> int:
        """Tokens that were sampled so far."""
        with self._lock:
            return self._n_sampled

    @property
    def position(self) -> int:
        """Tokens read so far."""
        with self._lock:
            return self._position

    @property
    def prefill(self) -> tuple[int, int]:
        """Prompt tokens processed, and in all; (0, 0) before the first step."""
        with self._lock:
            return self._prefill

    @property
    def n_cached(self) -> int:
        """Prompt tokens that did not have to be processed; 0 before the first step."""
        with self._lock:
            return self._n_cached

    @property
    def n_dropped_turns(self) -> int:
        """The oldest turns that the prompt has been made without; 0 until it is known, which only
        those learn before the end that asked for it."""
        with self._lock:
            return self._n_dropped_turns

    @property
    def is_finished(self) -> bool:
        """Whether the stream ended, well or not. Unread tokens may be left."""
        with self._lock:
            return self._ended()

    @property
    def logprobs(self) -> tuple[TokenLogprob, ...]:
        """Of the tokens whose text came so far, in order; empty unless the request asked for
        them."""
        with self._lock:
            return tuple(itertools.chain.from_iterable(self._logprobs))

    def logprobs_between(self, start: int, end: int) -> list[tuple[TokenLogprob, ...]]:
        """Those that came with each item, from number ``start`` on up to ``end``."""
        with self._lock:
            return self._logprobs[start:end]

    def prompt_from(self, start: int) -> tuple[PromptToken, ...]:
        """The prompt's tokens whose scores are known, without the first ``start``; none unless the
        request asked for scores."""
        with self._lock:
            return tuple(self._prompt[start:])

    @property
    def completion(self) -> Completion | None:
        """Finish reason and timings, once the stream ended well."""
        with self._lock:
            return self._completion

    @property
    def error(self) -> MinervaError | None:
        """Why the stream ended, if it failed."""
        with self._lock:
            return self._error

    def __str__(self) -> str:
        """All text so far, read or not."""
        with self._lock:
            return "".join(self._tokens)

    def cancel(self) -> None:
        """Ask the engine to end this generation; idempotent. It then finishes as ``cancelled``."""
        if self._on_cancel is not None and not self.is_finished:
            self._on_cancel()

    async def __aiter__(self) -> AsyncIterator[str]:
        """Yield token by token until the end; raises the stream's error there."""
        async for batch in self.batches():
            for token in batch:
                yield token

    async def batches(self) -> AsyncIterator[list[str]]:
        """Yield all that is unread each time something came, until the end.

        A batch is empty when only the prefill went on. Raises the stream's error after the
        tokens that came before it. For one reader at a time, on any asyncio loop.
        """
        seen_prefill = self.prefill
        while True:
            waiter: asyncio.Future[None] | None = None
            with self._lock:
                batch = self._tokens[self._position :]
                self._position = len(self._tokens)
                ended = self._ended()
                moved = self._prefill != seen_prefill
                seen_prefill = self._prefill
                if not batch and not ended and not moved:
                    waiter = _new_waiter(self._waiters)
            if waiter is not None:
                await waiter
                continue
            if batch or not ended:
                yield batch
            if ended:
                break
        if self.error is not None:
            raise self.error

    async def text(self) -> str:
        """Wait for the end and return the whole text; raises the stream's error.

        Nothing wakes it before: who does not want the tokens as they come does not pay for each."""
        waiter: asyncio.Future[None] | None = None
        with self._lock:
            if not self._ended():
                waiter = _new_waiter(self._end_waiters)
        if waiter is not None:
            await waiter
        with self._lock:
            self._position = len(self._tokens)
        if self.error is not None:
            raise self.error
        return str(self)

    async def wait_completion(self) -> Completion:
        """Wait for the end and return its numbers; raises the stream's error."""
        await self.text()
        if self.completion is None:
            raise InferenceError("The generation ended without a result")
        return self.completion

    def _ended(self) -> bool:
        return self._completion is not None or self._error is not None

    def _wake_all(self) -> None:
        self._waiters += self._end_waiters
        self._end_waiters = []
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for loop, waiter in waiters:
            if loop is self._producer_loop():
                _resolve(waiter)  # the usual case; the other one costs two system calls a token
            else:
                # A reader whose loop is closed reads no more; that must not reach the producer,
                # which has other streams to serve.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(_resolve, waiter)

    @staticmethod
    def _producer_loop() -> asyncio.AbstractEventLoop | None:
        try:
            return asyncio.get_running_loop()
        except RuntimeError:
            return None


def _new_waiter(waiters: list[_Waiter]) -> asyncio.Future[None]:
    """One more of ``waiters``, on the running loop."""
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()
    waiters.append((loop, waiter))
    return waiter


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
