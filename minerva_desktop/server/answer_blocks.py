"""An answer in blocks: stretches of text, of reasoning, and single calls, in their order.

What both the responses and the messages API are written in. Pure; for one thread.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from minerva_desktop.chat.completion import TokenLogprob
from minerva_desktop.engine.answer_parser import (
    AnswerPart,
    ContentDelta,
    ReasoningDelta,
    ToolCallDelta,
)
from minerva_desktop.server.generation_events import Said


class BlockKind(StrEnum):
    """What a block is."""

    TEXT = "text"
    REASONING = "reasoning"
    CALL = "call"


class Block:
    """One block, as far as it has come. ``index`` counts all of the answer's blocks from 0;
    ``call_id`` and ``name`` are a call's, ``logprobs`` a text's."""

    def __init__(
        self, index: int, kind: BlockKind, *, number: int = 0, call_id: str = "", name: str = ""
    ) -> None:
        """``number`` counts the calls from 0."""
        self.index = index
        self.kind = kind
        self.number = number
        self.call_id = call_id
        self.name = name
        self.logprobs: list[TokenLogprob] = []
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """All of it; of a call, the JSON text of its arguments."""
        return "".join(self._pieces)

    def grow(self, text: str, logprobs: tuple[TokenLogprob, ...]) -> None:
        """Add to it."""
        self._pieces.append(text)
        self.logprobs += logprobs


class BlockOpened(msgspec.Struct, frozen=True):
    """A block began; it is empty as yet."""

    block: Block


class BlockGrew(msgspec.Struct, frozen=True):
    """A block got longer by ``text``, made of tokens with these ``logprobs``."""

    block: Block
    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


class BlockClosed(msgspec.Struct, frozen=True):
    """A block is whole."""

    block: Block


BlockEvent = BlockOpened | BlockGrew | BlockClosed


class AnswerBlocks:
    """Puts together the blocks of one choice; ``blocks`` are those that have begun."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._open: Block | None = None
        # Of tokens that completed no text yet, or only began what may be something else.
        self._waiting: tuple[TokenLogprob, ...] = ()

    def feed(self, said: Said) -> list[BlockEvent]:
        """What the next parts do to the blocks."""
        events: list[BlockEvent] = []
        for part in said.parts:
            block = self._block_of(part, events)
            if part is said.parts[-1]:
                self._wait(said)
            text = part.arguments if isinstance(part, ToolCallDelta) else part.text
            if text:
                self._grow(block, text, events)
        if not said.parts:
            self._wait(said)
        return events

    def close(self) -> list[BlockEvent]:
        """The answer is over."""
        block, self._open = self._open, None
        if block is None:
            return []
        block.logprobs += self._waiting
        return [BlockClosed(block)]

    def _wait(self, said: Said) -> None:
        if self._open is None or self._open.kind is BlockKind.TEXT:
            self._waiting += said.logprobs

    def _block_of(self, part: AnswerPart, events: list[BlockEvent]) -> Block:
        kind = _kind(part)
        number = part.index if isinstance(part, ToolCallDelta) else 0
        block = self._open
        if block is not None and (block.kind, block.number) == (kind, number):
            return block
        if block is not None:
            events.append(BlockClosed(block))
        if kind is not BlockKind.TEXT:
            self._waiting = ()  # they were of its opening mark
        block = self._open = Block(len(self.blocks), kind, number=number)
        if isinstance(part, ToolCallDelta):
            block.call_id, block.name = part.id or "", part.name or ""
        self.blocks.append(block)
        events.append(BlockOpened(block))
        return block

    def _grow(self, block: Block, text: str, events: list[BlockEvent]) -> None:
        logprobs: tuple[TokenLogprob, ...] = ()
        if block.kind is BlockKind.TEXT:
            logprobs, self._waiting = self._waiting, ()
        block.grow(text, logprobs)
        match events[-1:]:
            case [BlockGrew(before, head, known)] if before is block:
                events[-1] = BlockGrew(block, head + text, known + logprobs)
            case _:
                events.append(BlockGrew(block, text, logprobs))


def _kind(part: AnswerPart) -> BlockKind:
    match part:
        case ContentDelta():
            return BlockKind.TEXT
        case ReasoningDelta():
            return BlockKind.REASONING
        case ToolCallDelta():
            return BlockKind.CALL
