"""`Asides`: short questions that the app itself asks a model, beside the chats: a title, a summary.

They are answers like any other to the engine, but belong to no conversation. Lives on the thread
and asyncio loop of its owner (the window's main thread).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from minerva_desktop.app.generation import AnswerEngine, AnswerRequest
from minerva_desktop.chat.completion import Completion, FinishReason
from minerva_desktop.chat.conversation import new_id
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import LoadCancelled, MinervaError


class _Aside:
    def __init__(self, on_read: Callable[[int, int], None] | None) -> None:
        self.pieces: list[str] = []
        self.on_read = on_read
        self.ended: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()


class Asides:
    """Told of every answer, as sessions are; it listens to its own."""

    def __init__(self, engine: AnswerEngine) -> None:
        self._engine = engine
        self._running: dict[str, _Aside] = {}

    async def ask(
        self,
        model_path: Path,
        turns: tuple[ChatTurn, ...],
        sampling: SamplingParameters,
        on_read: Callable[[int, int], None] | None = None,
        *,
        makes_way: bool = False,
    ) -> str:
        """All that the answer says; ``on_read`` hears how many of how many tokens of the question
        are read. To cancel, cancel the awaiting task.
        ``makes_way`` is as in `AnswerRequest`.

        Raises what loading and generating raise, and `LoadCancelled` when it was stopped.
        """
        answer_id = new_id()
        aside = self._running[answer_id] = _Aside(on_read)
        try:
            # A thought would take the few tokens that there are for an answer of a line or two.
            request = AnswerRequest(
                answer_id, model_path, turns, sampling, thinks=False, makes_way=makes_way
            )
            self._engine.start_answer(request)
            completion = await aside.ended
        finally:
            del self._running[answer_id]
            if not aside.ended.done() or aside.ended.cancelled():
                self._engine.cancel_answer(answer_id)
        if completion.finish_reason is FinishReason.CANCELLED:
            raise LoadCancelled("The answer was stopped")
        return "".join(aside.pieces)

    def on_answer_text(self, answer_id: str, text: str) -> None:
        """An answer grew; ignored if it is none of these."""
        aside = self._running.get(answer_id)
        if aside is not None:
            aside.pieces.append(text)

    def on_answer_read(self, answer_id: str, n_tokens: int, n_all: int) -> None:
        """So much of its question is read; ignored if it is none of these."""
        aside = self._running.get(answer_id)
        if aside is not None and aside.on_read is not None:
            aside.on_read(n_tokens, n_all)

    def on_answer_finished(self, answer_id: str, completion: Completion) -> None:
        """An answer ended."""
        aside = self._running.get(answer_id)
        if aside is not None and not aside.ended.done():
            aside.ended.set_result(completion)

    def on_answer_failed(self, answer_id: str, error: MinervaError) -> None:
        """An answer ended in an error."""
        aside = self._running.get(answer_id)
        if aside is not None and not aside.ended.done():
            aside.ended.set_exception(error)
