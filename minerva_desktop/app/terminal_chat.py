"""`minerva chat`: a conversation in a terminal, on the same engine as the window.

Runs on the main thread with a plain asyncio loop and no Qt. Answers go to stdout, all else to
stderr, so that an answer can be piped.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.messages import LoadOptions
from minerva_desktop.engine.pool import ModelLoading, ModelPool, ModelReady, PoolEvent
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.errors import MinervaError

EXIT_OK, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130


class TerminalChat:
    """One run of the command."""

    def __init__(self, model: Path, options: LoadOptions, sampling: SamplingParameters) -> None:
        self._model = model
        self._sampling = sampling
        self._pool = ModelPool(options, on_event=_show_load)

    async def answer_once(self, prompt: str) -> int:
        """Answer ``prompt``; the exit code. Raises `MinervaError`."""
        try:
            async with self._pool.lease(self._model) as engine:
                _, stopped = await self._answer(engine, [ChatTurn(Role.USER, prompt)])
        finally:
            await self._pool.close()
        return EXIT_INTERRUPTED if stopped else EXIT_OK

    async def converse(self) -> int:
        """Answer line after line of stdin until it ends; the exit code."""
        turns: list[ChatTurn] = []
        try:
            async with self._pool.lease(self._model):
                pass  # load before the first question, so that its answer starts at once
            if sys.stdin.isatty():
                _note("Ctrl+C stops an answer, Ctrl+D ends the chat.")
            async for line in _lines():
                turns.append(ChatTurn(Role.USER, line))
                try:
                    async with self._pool.lease(self._model) as engine:
                        text, _ = await self._answer(engine, turns)
                    turns.append(ChatTurn(Role.ASSISTANT, text))
                except MinervaError as error:
                    turns.pop()
                    _note(f"error: {error.message}")
        finally:
            await self._pool.close()
        return EXIT_OK

    async def _answer(self, engine: LlamaEngine, turns: list[ChatTurn]) -> tuple[str, bool]:
        stream = engine.generate(turns, sampling=self._sampling)
        interrupted = False

        def stop() -> None:
            nonlocal interrupted
            interrupted = True
            stream.cancel()

        with _on_interrupt(stop):
            await _print_stream(stream)
        return str(stream), interrupted


async def _print_stream(stream: TokenStream) -> None:
    try:
        async for batch in stream.batches():
            sys.stdout.write("".join(batch))
            sys.stdout.flush()
    finally:
        if stream.total_tokens:
            sys.stdout.write("\n")
            sys.stdout.flush()


@contextmanager
def _on_interrupt(action: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    previous = signal.getsignal(signal.SIGINT)

    def handle(_number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(action)

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


async def _lines() -> AsyncIterator[str]:
    # A daemon thread, not `asyncio.to_thread`: the loop would wait at its end for a read that
    # only the next Enter finishes.
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        while line := sys.stdin.readline():
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, "")

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while True:
        if sys.stdin.isatty():
            sys.stderr.write("> ")
            sys.stderr.flush()
        line = await lines.get()
        if not line:
            return
        if line.strip():
            yield line.rstrip("\n")


def _show_load(event: PoolEvent) -> None:
    if not sys.stderr.isatty():
        return
    match event:
        case ModelLoading(path, fraction):
            sys.stderr.write(f"\rLoading {path.name} {fraction:4.0%} ")
        case ModelReady():
            sys.stderr.write("\r\x1b[K")
    sys.stderr.flush()


def _note(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
