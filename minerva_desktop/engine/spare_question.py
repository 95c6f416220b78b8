"""Questions to a spare engine child, which has no model. On the asyncio loop of the engines."""

from __future__ import annotations

import logging
from typing import TypeVar

from minerva_desktop.engine.child_answer import answer_of
from minerva_desktop.engine.child_version import OTHER_VERSION, app_replaced
from minerva_desktop.engine.messages import Ping, Pong, Request
from minerva_desktop.engine.process import ChildProcess, describe_exit
from minerva_desktop.engine.spare import SpareChild
from minerva_desktop.errors import AppReplaced

START_SECONDS = 10.0  # for Python and llama.cpp's libraries, on a busy machine

_log = logging.getLogger(__name__)

AnswerT = TypeVar("AnswerT")


class NoAnswerError(Exception):
    """There was none, and the child is gone: how it ended, after "the process", and its
    ``last_words`` on stderr. ``hung``: it was killed, for it did not answer."""

    def __init__(self, how: str, last_words: str, *, hung: bool) -> None:
        super().__init__(how)
        self.last_words = last_words
        self.hung = hung


async def ask(
    children: SpareChild, request: Request, kind: type[AnswerT], seconds: float
) -> tuple[AnswerT, ChildProcess]:
    """The answer to ``request``, of class ``kind``, and the child that gave it, which the caller
    puts back or closes.

    Raises `OSError` when no child could be started, `AppReplaced` when it is of another version,
    and `NoAnswerError` when it died or did not answer within ``seconds``; then it was killed.
    """
    child = await children.take()
    answer = await answer_of(child, request, kind, seconds)
    if answer is not None:
        return answer, child
    hung = child.is_running
    child.kill()
    code = await child.wait()
    if code == OTHER_VERSION:
        raise app_replaced(child.last_words())
    how = f"did not answer for {seconds:.0f} s" if hung else f"died ({describe_exit(code)})"
    raise NoAnswerError(how, child.last_words(), hung=hung)


async def check_version(children: SpareChild, model_name: str) -> None:
    """Raise `AppReplaced` where the next load, that of the model of that name, would get a child of
    another version. Whatever else is wrong with it, the load itself tells."""
    try:
        _, child = await ask(children, Ping(), Pong, START_SECONDS)
    except AppReplaced as error:
        raise app_replaced(error.detail, model_name) from error
    except (OSError, NoAnswerError) as error:
        _log.warning("The next engine process is not as it should be: %s", error)
    else:
        await children.put_back(child)
