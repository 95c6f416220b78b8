"""One answer on its way from the engine into a conversation: the request, the state, the port.

`AnswerEngine` is what `ChatSession` needs of an engine; the window's `EngineWorker` is one. The
engine calls back the session's ``on_…`` methods on the session's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.tools import ChatOptions
from minerva_desktop.engine.pool_entries import Patience


class AnswerRequest(msgspec.Struct, frozen=True):
    """What to answer; ``answer_id`` is the id of the message that the answer becomes.

    ``snapshot`` names the chat whose state the engine may keep on disk; None keeps it off disk.
    ``thinks`` False asks a model that can for an answer without a train of thought. One that
    ``makes_way`` is only begun where its model is loaded and no model does anything, and ends as
    soon as anybody wants one, or unloads that: in `LoadCancelled`, or as cancelled.
    """

    answer_id: str
    model_path: Path
    turns: tuple[ChatTurn, ...]
    sampling: SamplingParameters
    snapshot: str | None = None
    thinks: bool = True
    makes_way: bool = False

    @property
    def chat(self) -> ChatOptions:
        """What the chat template is told."""
        return ChatOptions() if self.thinks else ChatOptions(variables='{"enable_thinking":false}')


class AnswerEngine(Protocol):
    """Starts and cancels answers; no call blocks."""

    def start_answer(self, request: AnswerRequest) -> None:
        """Begin; the model is loaded first if it is not."""

    def cancel_answer(self, answer_id: str) -> None:
        """End an answer early; idempotent. It still ends with ``on_answer_finished`` or
        ``on_answer_failed``."""

    async def idle_parameters(self, path: Path) -> int | None:
        """How many parameters a model has that is loaded, while no model does anything; else
        None."""


def patience(on_wait: Callable[[tuple[Path, ...]], None]) -> Patience:
    """What to lease a model with that may wait for others to finish. ``on_wait`` is called on the
    pool's loop: with the models that it waits for, and with none once the load goes on."""
    return Patience(on_change=on_wait)
