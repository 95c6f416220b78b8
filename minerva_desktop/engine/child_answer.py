"""One question to an engine child of which nothing else is asked. On the loop that has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from minerva_desktop.engine.messages import Event, Request
from minerva_desktop.engine.process import ChildProcess

AnswerT = TypeVar("AnswerT")


async def answer_of(
    child: ChildProcess, request: Request, kind: type[AnswerT], seconds: float
) -> AnswerT | None:
    """The answer to ``request``, of class ``kind``; None when there is none within ``seconds``, or
    the child ended before. Cancelled, it ends the child, which nobody else knows."""
    answer: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
    child.listen(_hearing(answer, kind))
    child.send(request)
    end = asyncio.ensure_future(child.wait())
    try:
        await asyncio.wait((answer, end), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        child.kill()
        await end
        raise
    end.cancel()
    return answer.result() if answer.done() else None


def _hearing(answer: asyncio.Future[AnswerT], kind: type[AnswerT]) -> Callable[[Event], None]:
    def hear(event: Event) -> None:
        if isinstance(event, kind) and not answer.done():
            answer.set_result(event)

    return hear
