"""A conversation that outgrew its model's context: what would have to go, and how to go on.

Nothing is cut by itself: a person chooses. What is cut off stays in the transcript, and the cut can
be taken back. Lives on the thread and asyncio loop of its owner (the window's main thread).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from minerva_desktop.app.asides import Asides
from minerva_desktop.app.bounded_count import TokenCount, count_up_to
from minerva_desktop.chat.context_cut import ContextCut, last_cut
from minerva_desktop.chat.conversation import Conversation, clean_text
from minerva_desktop.chat.message import ChatTurn, Message, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.turns import sent, turns_of
from minerva_desktop.errors import ContextLimitExceeded, InferenceError

# Room for the answer that a cut leaves, as a share of the context. Where no cut leaves as much:
# tokens, best first.
ANSWER_SHARE = 0.25
LITTLE_ROOM = (64, 16)
CONTEXT_STEP = 1024  # of what is proposed
SUMMARY_SHARE = 0.15
MIN_SUMMARY_TOKENS = 64
SUMMARY_QUESTION = (
    "Summarise the conversation above so that it can be continued without it: names, facts, "
    "decisions, open questions, and what the user wants. Write in its language, in short "
    "sentences, and nothing else."
)

CountTokens = Callable[[tuple[ChatTurn, ...]], Awaitable[int]]


class PossibleCut(msgspec.Struct, frozen=True):
    """From ``first_id`` on, a chat fits. ``n_messages`` before it, of ``n_tokens``, would no longer
    be given to the model. ``n_left``: tokens for the answer, where they are few; else None.
    ``is_more``: those before it have more than ``n_tokens``, of which nobody counted all."""

    first_id: str
    n_messages: int
    n_tokens: int
    n_left: int | None = None
    is_more: bool = False


def larger_context(n_tokens: int, n_ctx_train: int | None) -> int:
    """The size of a context in which ``n_tokens`` leave room for an answer, rounded up; no more
    than the model was trained for, where that is known."""
    n_ctx = -int(-n_tokens / (1 - ANSWER_SHARE) // CONTEXT_STEP) * CONTEXT_STEP
    return min(n_ctx, n_ctx_train or n_ctx)


async def newest_that_fit(
    conversation: Conversation,
    count: CountTokens,
    n_ctx: int,
    *,
    branch: Sequence[Message] | None = None,
    draft: ChatTurn | None = None,
) -> PossibleCut | None:
    """The cut at a user's message that leaves most of ``branch``, which is the one that is shown by
    default, with room for an answer and for ``draft``, which is about to be sent: for an answer of
    any length if possible, else for a short one. None where no cut leaves even that, or all of it
    fits."""
    branch = conversation.active_branch() if branch is None else branch
    cut = last_cut(conversation.cuts, (message.id for message in branch))
    system = clean_text(conversation.system_prompt)
    given = sent(branch, cut)
    starts = [n for n, message in enumerate(given) if message.role is Role.USER and n > 0]
    drafted = () if draft is None else (draft,)

    async def counted(messages: Sequence[Message], cut: ContextCut | None = None) -> TokenCount:
        # 10,000 messages take 12 ms, 20 files of 1 MB many times that.
        turns = await asyncio.to_thread(turns_of, messages, system, cut)
        return await count_up_to(count, (*turns, *drafted), n_ctx) or TokenCount(0)

    whole = await counted(branch, cut)

    async def count_from(start: int) -> int:
        return (await counted(given[start:])).n_tokens

    for room in _rooms(n_ctx, conversation.sampling.max_tokens):
        if whole.n_tokens <= n_ctx - room:
            return None
        best = await _first_below(starts, count_from, n_ctx - room)
        if best is not None:
            start, used = best
            is_little = n_ctx - used < int(n_ctx * ANSWER_SHARE)
            left = n_ctx - used if is_little else None
            n_tokens, is_more = whole.n_tokens - used, not whole.is_all
            return PossibleCut(given[start].id, start, n_tokens, left, is_more)
    return None


def _rooms(n_ctx: int, max_tokens: int | None) -> tuple[int, ...]:
    """How much a cut should leave for the answer, which takes ``max_tokens`` at most."""
    little = LITTLE_ROOM if max_tokens is None else (min(each, max_tokens) for each in LITTLE_ROOM)
    enough = n_ctx - int(n_ctx * (1 - ANSWER_SHARE))
    return (enough, *(max(1, each) for each in little if each < enough))


async def _first_below(
    starts: Sequence[int], count_from: Callable[[int], Awaitable[int]], most: int
) -> tuple[int, int] | None:
    """The first of ``starts`` from which on there are no more than ``most`` tokens, and how many.
    The last one, which has the fewest, is counted first."""
    if not starts or (used := await count_from(starts[-1])) > most:
        return None
    low, high, best = 0, len(starts) - 2, (starts[-1], used)
    while low <= high:
        middle = (low + high) // 2
        used = await count_from(starts[middle])
        if used <= most:
            best, high = (starts[middle], used), middle - 1
        else:
            low = middle + 1
    return best


def with_cut(conversation: Conversation, cut: ContextCut) -> tuple[ContextCut, ...]:
    """The conversation's cuts, and this one."""
    others = (each for each in conversation.cuts if each.first_id != cut.first_id)
    return (*others, cut)


def without_cut(conversation: Conversation, first_id: str) -> tuple[ContextCut, ...]:
    """The conversation's cuts but the one there."""
    return tuple(each for each in conversation.cuts if each.first_id != first_id)


class Summariser:
    """Has a model write what a cut leaves out."""

    def __init__(self, asides: Asides) -> None:
        self._asides = asides

    async def summary(
        self,
        conversation: Conversation,
        first_id: str,
        model_path: Path,
        count: CountTokens,
        n_ctx: int,
        on_progress: Callable[[float, int], None],
    ) -> str:
        """What comes before ``first_id``, whichever branch is shown, in a few sentences. A
        conversation that does not fit into the context is read piece by piece, each with the
        summary of those before; ``on_progress`` hears which share of how many messages is read,
        about. To cancel, cancel the awaiting task. Raises `ContextLimitExceeded` for a message that
        alone is too long, `InferenceError` where the model writes nothing, and what generating
        raises.
        """
        before = conversation.branch_to(first_id)[:-1]
        cut = last_cut(conversation.cuts, (message.id for message in before))
        older = sent(before, cut)
        text = cut.summary if cut is not None else ""
        length = max(MIN_SUMMARY_TOKENS, int(n_ctx * SUMMARY_SHARE))
        sampling = SamplingParameters(temperature=0.0, max_tokens=length)
        done = 0
        on_progress(0.0, len(older))  # to count many takes a while, too
        await self._check_lengths(older, count, n_ctx - length)
        while done < len(older):
            n_read = await self._readable(text, older[done:], count, n_ctx - length)
            turns = await asyncio.to_thread(_question, text, older[done : done + n_read])
            on_read = partial(_tell, on_progress, done, n_read, len(older))
            text = (await self._asides.ask(model_path, turns, sampling, on_read)).strip()
            if not text:  # it only thought, or ended at once
                raise InferenceError("The model wrote no summary. Try again, or keep the newest")
            done += n_read
            on_progress(done / len(older), len(older))
        return text

    async def _check_lengths(
        self, messages: Sequence[Message], count: CountTokens, most: int
    ) -> None:
        """Raise for one that can never be read, before others were, which takes minutes."""
        for message in messages:
            if len(message.text) > most:  # few texts have a token for each character
                await self._readable("", [message], count, most)

    async def _readable(
        self, text: str, messages: Sequence[Message], count: CountTokens, most: int
    ) -> int:
        """How many of ``messages`` fit into one question."""
        n_read = len(messages)
        while True:
            needed = await count(await asyncio.to_thread(_question, text, messages[:n_read]))
            if needed <= most:
                return n_read
            if n_read == 1:
                raise ContextLimitExceeded(
                    f"The older messages cannot be summarised: one alone takes {needed:,} tokens, "
                    f"and the context has room for {most:,} beside the summary."
                )
            n_read = max(1, min(n_read - 1, int(n_read * most / needed)))


def _tell(
    on_progress: Callable[[float, int], None],
    done: int,
    n_read: int,
    total: int,
    n_tokens: int,
    n_all: int,
) -> None:
    """Of ``n_read`` messages behind ``done`` others, so many tokens of all are read."""
    on_progress((done + n_read * min(1.0, n_tokens / max(1, n_all))) / total, total)


def _question(summary: str, messages: Sequence[Message]) -> tuple[ChatTurn, ...]:
    lines = [f"(Summary of what came before) {summary}"] if summary else []
    lines += (f"{turn.role.value}: {turn.text}" for turn in turns_of(messages, ""))
    return (ChatTurn(Role.USER, "\n\n".join((*lines, SUMMARY_QUESTION))),)
