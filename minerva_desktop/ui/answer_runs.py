"""`AnswerRuns`: the answers that models write for the window, on the engine worker's loop.

`EngineWorker` owns one and is how the window's thread reaches it.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from minerva_desktop.app.answer_words import crowded
from minerva_desktop.app.generation import AnswerRequest
from minerva_desktop.app.model_questions import Pool, answering_engine, warm_up
from minerva_desktop.chat.completion import Completion
from minerva_desktop.errors import LoadCancelled, MinervaError

if TYPE_CHECKING:
    from minerva_desktop.app.answer_reader import AnswerPart

_log = logging.getLogger(__name__)


class AnswerEvents(msgspec.Struct, frozen=True):
    """Whom to tell what of an answer, by its id: the models that it waits for (none: no longer),
    that its model is ready, how many tokens came and what they say, how many of how many prompt
    tokens are processed, the end."""

    waits: Callable[[str, tuple[Path, ...]], None]
    begun: Callable[[str], None]
    tokens: Callable[[str, int, list[AnswerPart]], None]
    prefill: Callable[[str, int, int], None]
    finished: Callable[[str, Completion | None], None]
    failed: Callable[[str, MinervaError], None]


class AnswerRuns:
    """``on_use`` is called when a model is in use, and when it no longer is."""

    def __init__(self, pool: Pool, events: AnswerEvents, on_use: Callable[[], None]) -> None:
        self._pool = pool
        self._events = events
        self._on_use = on_use
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._cancels: dict[str, Callable[[], None]] = {}
        self._making_way: set[str] = set()  # the answers that do, by id
        self._models: dict[str, Path] = {}  # of those that do not
        self._warming: asyncio.Task[None] | None = None

    def start(self, request: AnswerRequest) -> None:
        """Begin an answer. What only makes one quicker is over."""
        self._stop_warming()
        task = asyncio.create_task(self._answer(request))
        self._tasks[request.answer_id] = task
        if request.makes_way:
            self._making_way.add(request.answer_id)
        else:
            self._models[request.answer_id] = request.model_path
        task.add_done_callback(functools.partial(self._on_done, request.answer_id))

    def cancel(self, answer_id: str) -> None:
        """End an answer early; idempotent."""
        cancel = self._cancels.get(answer_id)
        if cancel is not None:
            cancel()  # the engine ends the stream as cancelled, with its numbers
        elif answer_id in self._tasks:
            self._tasks[answer_id].cancel()  # it still waits for its model

    def warm_up(self, request: AnswerRequest) -> None:
        """Have the state of a chat read back from disk, unless something else runs that does not
        make way."""
        self._stop_warming()
        if self._tasks.keys() <= self._making_way:
            for answer_id in self._making_way:
                self.cancel(answer_id)
            self._warming = asyncio.create_task(self._warm_up(request, (*self._tasks.values(),)))

    async def _warm_up(self, request: AnswerRequest, before: Sequence[asyncio.Task[None]]) -> None:
        """Once the tasks ``before`` are over."""
        if before:
            await asyncio.wait(before)
        await warm_up(self._pool, request)

    def running(self) -> list[asyncio.Task[None]]:
        """All that is still to be waited for at the end."""
        return [*self._tasks.values(), *([self._warming] if self._warming else [])]

    async def n_of(self, model: Path) -> int:
        """How many run or wait now for ``model``, of those that somebody waits for."""
        return sum(path == model for path in self._models.values())

    def _stop_warming(self) -> None:
        if self._warming is not None:
            self._warming.cancel()

    def _on_done(self, answer_id: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(answer_id, None)
        self._making_way.discard(answer_id)
        self._models.pop(answer_id, None)
        # Here and not in the task, which may be cancelled before it runs a single line.
        if task.cancelled():
            self._events.failed(answer_id, LoadCancelled("The answer was stopped"))

    async def _answer(self, request: AnswerRequest) -> None:
        # For start-up time: its parsers take 5 ms, and the window needs none of them.
        from minerva_desktop.app.answer_reader import AnswerReader

        answer_id, events = request.answer_id, self._events
        try:
            waits = functools.partial(events.waits, answer_id)
            end = functools.partial(self.cancel, answer_id)
            async with answering_engine(self._pool, request, waits, end) as engine:
                events.begun(answer_id)
                stream = engine.generate(
                    request.turns,
                    sampling=request.sampling,
                    snapshot=request.snapshot,
                    chat=request.chat,
                    makes_way=request.makes_way,
                )
                self._cancels[answer_id] = stream.cancel
                self._on_use()
                reader = AnswerReader(engine.get_context_info().answer_format, request.turns)
                is_read = False  # a short prompt is, with the first token
                async for n_tokens, parts in reader.read(stream):
                    if not is_read:
                        is_read = n_tokens > 0
                        events.prefill(answer_id, *stream.prefill)
                    if n_tokens or parts:
                        events.tokens(answer_id, n_tokens, parts)
            events.finished(answer_id, stream.completion)
        except MinervaError as error:
            alone = self._pool.n_ctx_alone(request.model_path)
            events.failed(answer_id, crowded(error, alone))
        except Exception as error:  # noqa: BLE001 - the top of an answer's task
            _log.exception("An answer failed")
            events.failed(answer_id, MinervaError(f"The answer failed: {error}"))
        finally:
            self._cancels.pop(answer_id, None)
            self._on_use()
