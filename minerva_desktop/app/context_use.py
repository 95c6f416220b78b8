"""What fills a model's context: the rendered prompt, piece by piece, and the tokens of each kind.

The splitting is pure. `read_context` asks a loaded engine and runs on the pool's asyncio loop.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.chat.conversation import Conversation, clean_text
from minerva_desktop.chat.draft import draft_turn
from minerva_desktop.chat.message import ChatTurn, Message, Role
from minerva_desktop.chat.parts import Files, ReasoningPart, file_as_text, files_in
from minerva_desktop.chat.turns import sent, turns_of
from minerva_desktop.engine.engine import LlamaEngine

MAX_MARKS = 200  # characters that a template writes between an answer's turn and its thought


class ContextPart(StrEnum):
    """What a stretch of a prompt is. ``TEMPLATE``: what the model's chat template puts around."""

    SYSTEM = "system prompt"
    SUMMARY = "summary"
    FILES = "files"
    HISTORY = "messages"
    DRAFT = "draft"
    TEMPLATE = "chat template"


class PromptPiece(msgspec.Struct, frozen=True):
    """A stretch of the rendered prompt. ``may_lack``: the template may leave it out."""

    part: ContextPart
    text: str
    may_lack: bool = False


class PromptSource(msgspec.Struct, frozen=True):
    """All that a prompt is made of, in its order, and the turns that it makes. ``n_older`` messages
    of the chat would come before."""

    turns: tuple[ChatTurn, ...]
    pieces: tuple[PromptPiece, ...]
    n_older: int = 0


class ContextUse(msgspec.Struct, frozen=True, kw_only=True):
    """How a prompt fills a context of ``n_ctx`` tokens. ``n_tokens`` is all of the prompt,
    ``by_part`` how much of it each kind is; ``reserve`` is what the answer may take at most, where
    that is limited. ``n_older`` messages would come before, which were not counted: the newer ones
    alone have no room."""

    n_ctx: int
    n_tokens: int
    by_part: dict[ContextPart, int]
    pieces: tuple[PromptPiece, ...]
    reserve: int | None
    n_older: int = 0

    @property
    def n_free(self) -> int:
        """Tokens that are left for the answer."""
        return max(0, self.n_ctx - self.n_tokens)

    @property
    def n_reserved(self) -> int:
        """Tokens of those that are free which the answer may take; 0 where that is not limited."""
        return min(self.reserve or 0, self.n_free)

    def grown_to(self, n_tokens: int) -> ContextUse:
        """The same once an answer has grown by what is missing to ``n_tokens``."""
        counts = Counter(self.by_part)
        counts[ContextPart.HISTORY] += n_tokens - self.n_tokens
        by_part = {part: counts[part] for part in ContextPart if counts[part] > 0}
        return msgspec.structs.replace(self, n_tokens=n_tokens, by_part=by_part)


def prompt_source(
    conversation: Conversation,
    draft: str,
    files: Files = (),
    most: int = sys.maxsize,
    *,
    answer: Message | None = None,
) -> PromptSource:
    """What the next answer would be given: the active branch, then ``files`` and ``draft``, if
    there are any. Of a branch of more than ``most`` characters the newest messages, of as many or a
    little more. ``answer``: the one at the end of the branch, as far as it is written."""
    branch, cut = conversation.active_branch(), conversation.active_cut()
    if answer is not None and branch and branch[-1].id == answer.id:
        branch[-1] = answer
    messages = sent(branch, cut)
    n_older = _first_of(messages, most)
    messages = messages[n_older:]  # of a cut before them there is the summary all the same
    turns = turns_of(messages, clean_text(conversation.system_prompt), cut)
    pieces = [*_instructions(conversation.system_prompt, cut)]
    for message in messages:
        pieces += _files(files_in(message.parts))
        pieces += (
            PromptPiece(ContextPart.HISTORY, part.text, may_lack=True)
            for part in message.parts
            if isinstance(part, ReasoningPart)
        )
        pieces.append(PromptPiece(ContextPart.HISTORY, message.text))
    said = draft_turn(draft, files)
    if said is not None:
        turns += (said,)
        pieces += _files(files)
        pieces.append(PromptPiece(ContextPart.DRAFT, clean_text(draft)))
    return PromptSource(turns, tuple(piece for piece in pieces if piece.text.strip()), n_older)


def _first_of(messages: Sequence[Message], most: int) -> int:
    """Where the last ``most`` characters begin, or a little more, with what a person said:
    templates insist on that order."""
    n_characters = 0
    for number in range(len(messages) - 1, 0, -1):
        message = messages[number]
        n_characters += len(message.text) + sum(len(file.text) for file in files_in(message.parts))
        if n_characters >= most and message.role is Role.USER:
            return number
    return 0


def _files(files: Files) -> Iterable[PromptPiece]:
    return (PromptPiece(ContextPart.FILES, file_as_text(file)) for file in files)


def _instructions(system_prompt: str, cut: ContextCut | None) -> Iterable[PromptPiece]:
    yield PromptPiece(ContextPart.SYSTEM, clean_text(system_prompt))
    if cut is not None:
        yield PromptPiece(ContextPart.SUMMARY, cut.summary)


def split_prompt(rendered: str, sources: Sequence[PromptPiece]) -> tuple[PromptPiece, ...]:
    """``rendered`` in pieces: each source where it stands in it, and the template between them.

    A template may strip a text; one that it changed otherwise is counted as the template's.
    """
    pieces: list[PromptPiece] = []
    at = 0
    for source in sources:
        for text in (source.text, source.text.strip()):
            # Where it is left out, the same words further on are others.
            end = at + MAX_MARKS + len(text) if source.may_lack else len(rendered)
            found = rendered.find(text, at, end)
            if found >= 0:
                if found > at:
                    pieces.append(PromptPiece(ContextPart.TEMPLATE, rendered[at:found]))
                pieces.append(PromptPiece(source.part, text))
                at = found + len(text)
                break
    if at < len(rendered):
        pieces.append(PromptPiece(ContextPart.TEMPLATE, rendered[at:]))
    return tuple(pieces)


def tokens_by_part(
    pieces: Sequence[PromptPiece], tokens: Sequence[bytes], n_tokens: int
) -> dict[ContextPart, int]:
    """How many of ``n_tokens`` each kind has. ``tokens`` are the bytes of each token of the
    rendered text: one belongs to the piece in which it begins. What they do not cover (a token that
    the tokeniser adds) is the template's."""
    counts: Counter[ContextPart] = Counter()
    ends: list[tuple[int, ContextPart]] = []
    end = 0
    for piece in pieces:
        end += len(piece.text.encode("utf-8", "replace"))
        ends.append((end, piece.part))
    at, number = 0, 0
    for token in tokens:
        while number < len(ends) - 1 and at >= ends[number][0]:
            number += 1
        counts[ends[number][1] if ends else ContextPart.TEMPLATE] += 1
        at += len(token)
    of_texts = sum(n for part, n in counts.items() if part is not ContextPart.TEMPLATE)
    counts[ContextPart.TEMPLATE] = max(0, n_tokens - of_texts)
    return {part: counts[part] for part in ContextPart if counts[part]}


async def read_context(
    engine: LlamaEngine, source: PromptSource, reserve: int | None
) -> ContextUse:
    """What ``source`` fills of a loaded model's context. Raises what a broken chat template raises.
    On the pool's loop."""
    n_ctx = engine.get_context_info().n_ctx
    if not source.turns:
        return ContextUse(n_ctx=n_ctx, n_tokens=0, by_part={}, pieces=(), reserve=reserve)
    n_tokens = await engine.count_tokens(source.turns)
    rendered = await engine.apply_template(source.turns)
    pieces = split_prompt(rendered, source.pieces)
    tokenized = await engine.tokenize(rendered)
    by_part = tokens_by_part(pieces, tokenized.pieces, n_tokens)
    return ContextUse(
        n_ctx=n_ctx,
        n_tokens=n_tokens,
        by_part=by_part,
        pieces=pieces,
        reserve=reserve,
        n_older=source.n_older,
    )
