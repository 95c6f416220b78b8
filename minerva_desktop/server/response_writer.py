"""`ResponseWriter`: what a model says, as a response of the OpenAI API and as its events.

Pure but for the clock and the ids; for one thread.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec
from msgspec import UNSET

from minerva_desktop.chat.completion import Completion, FinishReason, TokenLogprob
from minerva_desktop.errors import MinervaError
from minerva_desktop.server.answer_blocks import (
    AnswerBlocks,
    Block,
    BlockClosed,
    BlockEvent,
    BlockGrew,
    BlockKind,
    BlockOpened,
)
from minerva_desktop.server.errors import ErrorBody
from minerva_desktop.server.generation_events import Ended, GenerationEvent, Said
from minerva_desktop.server.schemas.chat import ContentLogprob
from minerva_desktop.server.schemas.common import AnswerTimings, CompletionTokensDetails
from minerva_desktop.server.schemas.response_events import (
    ArgumentsDelta,
    ArgumentsDone,
    ErrorEvent,
    ItemChange,
    ItemChanged,
    OutputTextDelta,
    OutputTextDone,
    PartChange,
    PartChanged,
    ReasoningTextDelta,
    ReasoningTextDone,
    ResponseChange,
    ResponseChanged,
    ResponseEvent,
)
from minerva_desktop.server.schemas.response_object import (
    COMPLETED,
    FAILED,
    IN_PROGRESS,
    INCOMPLETE,
    IncompleteDetails,
    InputTokensDetails,
    ItemStatus,
    OutputCall,
    OutputItem,
    OutputMessage,
    OutputReasoning,
    OutputText,
    ReasoningText,
    ResponseError,
    ResponseObject,
    ResponseSettings,
    ResponseUsage,
)

_ID_PREFIXES = MappingProxyType(
    {BlockKind.TEXT: "msg", BlockKind.REASONING: "rs", BlockKind.CALL: "fc"}
)


class ResponseWriter:
    """Writes one response. ``response`` is it, as far as it has come."""

    def __init__(
        self,
        model_id: str,
        settings: ResponseSettings,
        full_names: Mapping[str, tuple[str | None, str]] = MappingProxyType({}),
        *,
        keeps_prompt: bool = True,
    ) -> None:
        """``full_names``: of functions that have a namespace, that and their own, by what the model
        calls them. ``keeps_prompt``: it stays in the cache for later requests."""
        self.response = ResponseObject(
            **msgspec.structs.asdict(settings),
            id=_new_id("resp"),
            created_at=int(time.time()),
            status=IN_PROGRESS,
            model=model_id,
        )
        self._full_names = full_names
        self._keeps_prompt = keeps_prompt
        self._blocks = AnswerBlocks()
        self._ids: list[str] = []  # of the items, which are the blocks
        self._items: list[OutputItem] = []  # those that are whole
        self._n_events = 0

    def feed(self, event: GenerationEvent) -> list[ResponseEvent]:
        """What the next event of the only choice is in the stream's words."""
        match event:
            case Said():
                return [*self._begun(), *self._block_events(self._blocks.feed(event), COMPLETED)]
            case Ended():
                return [*self._begun(), *self._ended(event)]
        return []

    def failed(self, error: MinervaError) -> list[ResponseEvent]:
        """The end of a stream that broke off. What came is in the response, and not whole."""
        begun = self._begun()
        if len(self._items) < len(self._blocks.blocks):
            self._items.append(self._item(self._blocks.blocks[-1], INCOMPLETE))
        known = ErrorBody.of(error).error
        self.response = msgspec.structs.replace(
            self.response,
            status=FAILED,
            output=tuple(self._items),
            error=ResponseError(known.code, known.message),
        )
        told = ErrorEvent(
            sequence_number=self._next(),
            code=known.code,
            message=known.message,
            param=known.param,
        )
        return [*begun, told, self._changed("response.failed")]

    # -- the response ----------------------------------------------------------------------

    def _begun(self) -> list[ResponseEvent]:
        if self._n_events:
            return []
        return [self._changed("response.created"), self._changed("response.in_progress")]

    def _ended(self, event: Ended) -> list[ResponseEvent]:
        completion = event.completion
        is_whole = event.finish_reason != FinishReason.LENGTH
        last = self._block_events(self._blocks.close(), COMPLETED if is_whole else INCOMPLETE)
        self.response = msgspec.structs.replace(
            self.response,
            status=COMPLETED if is_whole else INCOMPLETE,
            completed_at=int(time.time()) if is_whole else None,
            incomplete_details=None if is_whole else IncompleteDetails(),
            output=tuple(self._items),
            usage=_usage(completion, event.n_reasoning, keeps_prompt=self._keeps_prompt),
            timings=AnswerTimings.of_completion(completion),
            dropped_messages=completion.dropped_turns or UNSET,
            shifted_tokens=completion.shifted_tokens or UNSET,
        )
        return [*last, self._changed("response.completed" if is_whole else "response.incomplete")]

    def _changed(self, kind: ResponseChange) -> ResponseChanged:
        return ResponseChanged(type=kind, sequence_number=self._next(), response=self.response)

    # -- its items -------------------------------------------------------------------------

    def _block_events(
        self, events: Iterable[BlockEvent], status: ItemStatus
    ) -> list[ResponseEvent]:
        """``status`` is that of a block which closes."""
        written: list[ResponseEvent] = []
        for event in events:
            match event:
                case BlockOpened(block):
                    written += self._opened(block)
                case BlockGrew(block, text, logprobs):
                    written.append(self._grew(block, text, logprobs))
                case BlockClosed(block):
                    written += self._closed(block, status)
        return written

    def _opened(self, block: Block) -> list[ResponseEvent]:
        """Where the block began it was empty, however long it is by now."""
        item_id = _new_id(_ID_PREFIXES[block.kind])
        self._ids.append(item_id)
        item: OutputItem
        part: OutputText | ReasoningText
        match block.kind:
            case BlockKind.TEXT:
                item, part = OutputMessage(id=item_id, status=IN_PROGRESS), OutputText(text="")
            case BlockKind.REASONING:
                item = OutputReasoning(id=item_id, status=IN_PROGRESS)
                part = ReasoningText(text="")
            case BlockKind.CALL:
                call = self._call(block, IN_PROGRESS, "")
                return [self._item_changed(block, call, "response.output_item.added")]
        return [
            self._item_changed(block, item, "response.output_item.added"),
            self._part_changed(block, part, "response.content_part.added"),
        ]

    def _grew(
        self, block: Block, text: str, logprobs: tuple[TokenLogprob, ...]
    ) -> OutputTextDelta | ReasoningTextDelta | ArgumentsDelta:
        number, item_id, index = self._next(), self._ids[block.index], block.index
        match block.kind:
            case BlockKind.TEXT:
                return OutputTextDelta(
                    sequence_number=number,
                    item_id=item_id,
                    output_index=index,
                    delta=text,
                    logprobs=_logprobs(logprobs),
                )
            case BlockKind.REASONING:
                return ReasoningTextDelta(
                    sequence_number=number, item_id=item_id, output_index=index, delta=text
                )
            case BlockKind.CALL:
                return ArgumentsDelta(
                    sequence_number=number, item_id=item_id, output_index=index, delta=text
                )

    def _closed(self, block: Block, status: ItemStatus) -> list[ResponseEvent]:
        item = self._item(block, status)
        self._items.append(item)
        done: list[ResponseEvent] = [self._whole(block)]
        if not isinstance(item, OutputCall):
            done.append(self._part_changed(block, item.content[0], "response.content_part.done"))
        return [*done, self._item_changed(block, item, "response.output_item.done")]

    def _whole(self, block: Block) -> OutputTextDone | ReasoningTextDone | ArgumentsDone:
        number, item_id, index = self._next(), self._ids[block.index], block.index
        match block.kind:
            case BlockKind.TEXT:
                return OutputTextDone(
                    sequence_number=number,
                    item_id=item_id,
                    output_index=index,
                    text=block.text,
                    logprobs=_logprobs(block.logprobs),
                )
            case BlockKind.REASONING:
                return ReasoningTextDone(
                    sequence_number=number, item_id=item_id, output_index=index, text=block.text
                )
            case BlockKind.CALL:
                return ArgumentsDone(
                    sequence_number=number,
                    item_id=item_id,
                    output_index=index,
                    name=self._name(block)[1],
                    arguments=block.text,
                )

    def _name(self, block: Block) -> tuple[str | None, str]:
        return self._full_names.get(block.name, (None, block.name))

    def _call(self, block: Block, status: ItemStatus, arguments: str) -> OutputCall:
        namespace, name = self._name(block)
        return OutputCall(
            id=self._ids[block.index],
            status=status,
            call_id=block.call_id,
            name=name,
            namespace=UNSET if namespace is None else namespace,
            arguments=arguments,
        )

    def _item_changed(self, block: Block, item: OutputItem, kind: ItemChange) -> ItemChanged:
        return ItemChanged(
            type=kind, sequence_number=self._next(), output_index=block.index, item=item
        )

    def _part_changed(
        self, block: Block, part: OutputText | ReasoningText, kind: PartChange
    ) -> PartChanged:
        return PartChanged(
            type=kind,
            sequence_number=self._next(),
            item_id=self._ids[block.index],
            output_index=block.index,
            part=part,
        )

    def _item(self, block: Block, status: ItemStatus) -> OutputItem:
        """All of a block."""
        item_id, text = self._ids[block.index], block.text
        match block.kind:
            case BlockKind.TEXT:
                part = OutputText(text=text, logprobs=_logprobs(block.logprobs))
                return OutputMessage(id=item_id, status=status, content=(part,))
            case BlockKind.REASONING:
                return OutputReasoning(
                    id=item_id, status=status, content=(ReasoningText(text=text),)
                )
            case BlockKind.CALL:
                return self._call(block, status, text)

    def _next(self) -> int:
        self._n_events += 1
        return self._n_events - 1


def _new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


def _logprobs(logprobs: Iterable[TokenLogprob]) -> tuple[ContentLogprob, ...]:
    return tuple(ContentLogprob.of(logprob) for logprob in logprobs)


def _usage(completion: Completion, n_reasoning: int, *, keeps_prompt: bool) -> ResponseUsage:
    timings = completion.timings
    n_prompt, n_cached = timings.prompt_tokens, timings.cached_tokens
    n_written = n_prompt - n_cached if keeps_prompt else 0
    return ResponseUsage(
        input_tokens=n_prompt,
        input_tokens_details=InputTokensDetails(n_cached, n_written),
        output_tokens=timings.completion_tokens,
        output_tokens_details=CompletionTokensDetails(n_reasoning),
        total_tokens=n_prompt + timings.completion_tokens,
    )
