"""`minerva chat`: a conversation in a terminal, on the same engine as the window.

Runs on the main thread with a plain asyncio loop and no Qt. Answers go to stdout, all else to
stderr, so that an answer can be piped.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, nullcontext
from types import FrameType
from typing import Any

from minerva_desktop.app.terminal_context import TerminalContext
from minerva_desktop.app.terminal_prompt import Prompt
from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.pool_events import ModelLoading, ModelReady, PoolEvent
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.errors import ContextLimitExceeded, LoadCancelled, MinervaError
from minerva_desktop.logs import FAILED, terminal_line

EXIT_OK, EXIT_FAILED = 0, 1
EXIT_INTERRUPTED, EXIT_TERMINATED = 130, 143  # 128 and the signal's number

HALF = "\ufffd"  # a character that is not whole

SignalHandler = Callable[[int, FrameType | None], Any] | int | None  # as `signal` has them

# Gives the model's engine, loaded; again, if it died meanwhile.
Lease = Callable[[], AbstractAsyncContextManager[LlamaEngine]]


class TerminalChat:
    """One run of the command. Made on its event loop."""

    def __init__(
        self, lease: Lease, sampling: SamplingParameters, *, longest: int, trained: str
    ) -> None:
        """``longest`` and ``trained`` are those of `TerminalContext`."""
        self._lease = lease
        self._sampling = sampling
        self._longest = longest
        self._trained = trained
        self._on_sigint = signal.getsignal(signal.SIGINT)

    async def answer_once(self, prompt: str) -> int:
        """Answer ``prompt``; the exit code. Raises `MinervaError`."""
        return await _unless_terminated(self._answer_once(prompt))

    async def converse(self) -> int:
        """Answer line after line of stdin until it ends; the exit code. A message that cannot be
        answered is told, and the next one is read."""
        return await _unless_terminated(self._converse())

    async def _answer_once(self, prompt: str) -> int:
        _, stopped = await self._answer([ChatTurn(Role.USER, prompt)], is_one_answer=True)
        return EXIT_INTERRUPTED if stopped else EXIT_OK

    async def _converse(self) -> int:
        turns: list[ChatTurn] = []
        failed = False
        async with self._lease():  # now, so that the first answer starts at once
            pass
        prompt = Prompt()
        if prompt.is_terminal:
            _note("Ctrl+C stops an answer, Ctrl+D ends the chat.")
        with _on_signal(signal.SIGINT, prompt.interrupt) if prompt.is_terminal else nullcontext():
            async for message in prompt.messages():
                turns.append(ChatTurn(Role.USER, message))
                try:
                    text, stopped = await self._answer(turns)
                    if stopped and not prompt.is_terminal:  # or each line would want its own Ctrl+C
                        return EXIT_INTERRUPTED
                    turns.append(ChatTurn(Role.ASSISTANT, text))
                except MinervaError as error:
                    turns.pop()
                    failed = True
                    _note(f"{FAILED}{error.message}")
        # Whoever types saw it, and went on; a script sees the exit code.
        return EXIT_FAILED if failed and not prompt.is_terminal else EXIT_OK

    async def _answer(
        self, turns: list[ChatTurn], *, is_one_answer: bool = False
    ) -> tuple[str, bool]:
        async with AsyncExitStack() as leased:
            with _as_handled(signal.SIGINT, self._on_sigint):  # ends a load, and the program
                engine = await leased.enter_async_context(self._lease())
            context = self._context_of(engine, is_one_answer=is_one_answer)
            stream = engine.generate(turns, sampling=self._sampling)
            interrupted = False

            def stop() -> None:
                nonlocal interrupted
                interrupted = True
                stream.cancel()

            with _on_signal(signal.SIGINT, stop):
                try:
                    await _print_stream(stream)
                except ContextLimitExceeded as error:
                    n_alone = await _n_alone(engine, turns)
                    raise context.refused(error, n_alone) from error
            if stream.completion is not None and stream.completion.full_context:
                _note(f"note: {context.filled()}")
            return str(stream).removesuffix(_cut(stream)), interrupted

    def _context_of(self, engine: LlamaEngine, *, is_one_answer: bool) -> TerminalContext:
        return TerminalContext(
            n_ctx=engine.get_context_info().n_ctx,
            longest=self._longest,
            trained=self._trained,
            is_one_answer=is_one_answer,
        )


class LoadProgress:
    """Listens to the events of a pool: how far a load is, what had to give for the model to fit,
    and what to beware of."""

    def __init__(self) -> None:
        self._shows_progress = False

    def __call__(self, event: PoolEvent) -> None:
        """One event."""
        if isinstance(event, ModelLoading):
            self._shows_progress = True
            _show_progress(event.fraction)
            return
        if self._shows_progress:  # else a prompt is in that line
            self._shows_progress = False
            _clear_line()
        if isinstance(event, ModelReady):
            for sentence in (*event.choice.reasons, *event.choice.warnings):
                _note(f"note: {sentence}")


async def _unless_terminated(talk: Coroutine[Any, Any, int]) -> int:
    """``talk``'s exit code. SIGTERM cancels it: it ends its line and its engine on the way out."""
    task = asyncio.create_task(talk)
    terminated = False

    def stop() -> None:
        nonlocal terminated
        if not terminated:  # a second signal must not cut the way out short
            terminated = True
            task.cancel()

    with _on_signal(signal.SIGTERM, stop):
        try:
            return await task
        except (asyncio.CancelledError, LoadCancelled):
            _clear_line()
            if not terminated:
                raise
            return EXIT_TERMINATED


async def _n_alone(engine: LlamaEngine, turns: Sequence[ChatTurn]) -> int | None:
    """How many tokens of context the last of ``turns`` would need in a new chat, with one of its
    answer; None: it has a new one."""
    return await engine.count_tokens(turns[-1:]) + 1 if len(turns) > 1 else None


async def _print_stream(stream: TokenStream) -> None:
    held = ""
    try:
        async for batch in stream.batches():
            text = held + "".join(batch)
            held = HALF if text.endswith(HALF) else ""
            sys.stdout.write(text.removesuffix(held))
            sys.stdout.flush()
        sys.stdout.write(held.removesuffix(_cut(stream)))
    finally:
        if stream.total_tokens:
            sys.stdout.write("\n")
            sys.stdout.flush()


def _cut(stream: TokenStream) -> str:
    """What stands at the end of an answer for half of a character, where it did not end by itself:
    the other half was in a token that did not come any more."""
    completion = stream.completion
    is_whole = completion is not None and completion.finish_reason is FinishReason.STOP
    return "" if is_whole else HALF


@contextmanager
def _on_signal(number: signal.Signals, action: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def handle(_number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(action)

    with _as_handled(number, handle):
        yield


@contextmanager
def _as_handled(number: signal.Signals, handler: SignalHandler) -> Iterator[None]:
    previous = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, previous)


def _show_progress(fraction: float) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\rLoading the model {fraction:4.0%} ")
        sys.stderr.flush()


def _clear_line() -> None:
    """Take a load's progress away; nothing at the beginning of a line."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _note(text: str) -> None:
    sys.stderr.write(terminal_line(text) + "\n")
    sys.stderr.flush()
