"""The texts of a message as they were written, also where it has no view or is folded. Thoughts and
cards are among them where they are open. Imports Qt, uses none: any thread.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple

from minerva_desktop.chat.message import Message, Role
from minerva_desktop.chat.parts import ReasoningPart, ToolCallPart, ToolResultPart
from minerva_desktop.ui.chat_view.markdown import MarkdownParser
from minerva_desktop.ui.chat_view.part_blocks import OpenBlocks
from minerva_desktop.ui.chat_view.plain_stream import Cleaner, PlainStream
from minerva_desktop.ui.chat_view.rows import Row
from minerva_desktop.ui.chat_view.streaming import MarkdownStream
from minerva_desktop.ui.chat_view.tool_card import card_markdown, opens_itself

PIECE = 500  # characters between two looks at the clock


class Source(NamedTuple):
    """One text; ``is_markdown`` False: it is shown as it is."""

    text: str
    is_markdown: bool = True


def sources_of(message: Message, opened: OpenBlocks) -> list[Source]:
    """From the top down: what is thought, what is said, the cards. ``opened``: what a person opened
    or folded, of all messages."""
    thoughts: list[Source] = []
    cards: list[Source] = []
    n_thoughts = n_cards = 0
    for part in message.parts:
        if isinstance(part, ReasoningPart):
            if opened.get((message.id, f"thought {n_thoughts}"), False):
                thoughts.append(Source(part.text))
            n_thoughts += 1
        elif isinstance(part, ToolCallPart | ToolResultPart):
            n_cards += 1
            source = card_markdown(part)
            if opened.get((message.id, f"card {n_cards}"), opens_itself(part, source)) and source:
                cards.append(Source(source))
    said = [Source(message.text, message.role is Role.ASSISTANT)] if message.text else []
    return [*thoughts, *said, *cards]


def clean_pieces(source: Source) -> Iterator[str]:
    """As `clean_source` has it, in pieces."""
    cleaner = Cleaner()
    for start in range(0, len(source.text), PIECE):
        yield cleaner.clean(source.text[start : start + PIECE])
    yield cleaner.rest()


def rendered(
    source: Source, parser: MarkdownParser, *, all_rows: bool, coloured: bool = True
) -> Generator[None, None, list[Row]]:
    """Returns its rows, of long tables all if ``all_rows``; a step for each `PIECE`."""
    stream = (
        MarkdownStream(parser, all_rows=all_rows, coloured=coloured)
        if source.is_markdown
        else PlainStream()
    )
    rows: list[Row] = []
    for start in range(0, len(source.text), PIECE):
        stream.feed(source.text[start : start + PIECE])
        update = stream.update(settled_only=True)
        rows[update.keep :] = update.rows
        yield
    while stream.finish_some():
        yield
    update = stream.update()
    rows[update.keep :] = update.rows
    return rows
