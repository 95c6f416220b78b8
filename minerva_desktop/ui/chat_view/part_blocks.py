"""What comes with an answer besides its words: its trains of thought, its calls of tools, and what
tools gave back. `AnswerView` places these around its text. Main thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication, QWidget

from minerva_desktop.chat.message import Message
from minerva_desktop.chat.parts import ReasoningPart, ToolCallPart, ToolResultPart
from minerva_desktop.ui.chat_view.disclosure import PADDING
from minerva_desktop.ui.chat_view.folded_text import FoldedText
from minerva_desktop.ui.chat_view.rendering import Rendering
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.chat_view.thought_block import ThoughtBlock
from minerva_desktop.ui.chat_view.tool_card import ToolCard
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.tab_order import lead_from, lead_to
from minerva_desktop.ui.theme import GRID

# Of each block, by its message and its place in it, whether a person opened or folded it.
OpenBlocks = dict[tuple[str, str], bool]


class PartBlocks(QObject):
    """``rendering_needed``: a block was opened; ``layout_changed``: one was folded;
    ``body_made(view)``: a text of one has a widget."""

    rendering_needed = Signal()
    layout_changed = Signal()
    body_made = Signal(RichTextView)

    def __init__(
        self,
        icons: Icons,
        rendering: Rendering,
        owner: QWidget,
        text: RichTextView,
        below: QWidget,
        opened: OpenBlocks,
    ) -> None:
        """The blocks are children of ``owner``, as is ``text``, what is said, and ``below``, which
        follows all of them. ``opened`` is kept up to date."""
        super().__init__(owner)
        self._icons = icons
        self._rendering = rendering
        self._owner = owner
        self._said = text
        self._below = below
        self._opened = opened
        self._message_id = ""
        self._speaks = False
        self._thoughts: list[ThoughtBlock] = []
        self._cards: list[ToolCard] = []

    # -- content -----------------------------------------------------------------------------

    def show(self, message: Message) -> None:
        """These are the parts of ``message``, and they are whole."""
        self._message_id = message.id
        self._speaks = bool(message.text)
        thoughts = [part for part in message.parts if isinstance(part, ReasoningPart)]
        while len(self._thoughts) > len(thoughts):
            self._thoughts[-1].end()
            self._thoughts.pop().hide()  # it goes with the message: text of it may be selected
        for number, part in enumerate(thoughts):
            self._thought(number).show_part(part)
        cards = [part for part in message.parts if isinstance(part, ToolCallPart | ToolResultPart)]
        if len(cards) != len(self._cards):  # they come whole, and do not change
            while self._cards:
                self._cards.pop().hide()
            for card in cards:
                self._add_card(ToolCard(card, self._icons, self._rendering, self._owner))

    def think(self, text: str) -> None:
        """More of the thought that is being written, or of a new one."""
        goes_on = self._thoughts and (self._thoughts[-1].is_running or not self._speaks)
        block = self._thought(len(self._thoughts) - 1 if goes_on else len(self._thoughts))
        block.begin()
        if text:
            block.append(text)

    def say(self) -> None:
        """The answer speaks: its thought is over."""
        self._speaks = True
        if self._thoughts:
            self._thoughts[-1].end()

    def render_some(self, seconds: float) -> bool:
        """Render what is open for about ``seconds``; whether something is left to render."""
        deadline = time.perf_counter() + seconds
        return any(
            block.render_some(max(0.0, deadline - time.perf_counter())) for block in self._all
        )

    def restyle(self) -> None:
        """Use the colours of the theme and the size of text in force."""
        for block in self._all:
            block.restyle()

    @property
    def is_thinking(self) -> bool:
        """Whether a thought is being written."""
        return bool(self._thoughts) and self._thoughts[-1].is_running

    @property
    def thought_bodies(self) -> list[RichTextView]:
        """The texts of the thoughts that are open."""
        return _open_bodies(self._thoughts)

    @property
    def card_bodies(self) -> list[RichTextView]:
        """The texts of the cards that are open."""
        return _open_bodies(self._cards)

    @property
    def thoughts(self) -> list[ThoughtBlock]:
        """All of them, from the top down."""
        return list(self._thoughts)

    @property
    def cards(self) -> list[ToolCard]:
        """All of them, from the top down."""
        return list(self._cards)

    @property
    def last_stop(self) -> QWidget:
        """What Tab comes to last in what is said and below it."""
        return self._cards[-1].last_stop if self._cards else self._said.last_stop

    def lead_to_text(self, before: QWidget) -> QWidget:
        """Have Tab lead from ``before`` to the thoughts; the last that it leads to."""
        for thought in self._thoughts:
            before = thought.follow(before)
        return before

    def lead_from_text(self) -> None:
        """Have Tab lead from what is said to the cards."""
        before = self._said.last_stop
        for card in self._cards:
            before = card.follow(before)

    @property
    def has_focus(self) -> bool:
        """Whether the keyboard is at one of them."""
        focused = QApplication.focusWidget()
        return focused is not None and any(block.isAncestorOf(focused) for block in self._all)

    @property
    def _all(self) -> list[FoldedText]:
        return [*self._thoughts, *self._cards]

    # -- layout ------------------------------------------------------------------------------

    def place_thoughts(self, left: int, y: int, width: int) -> int:
        """Place what stands above the text; where that goes."""
        for block in self._thoughts:
            # Its words, not their ground, stand in line with the text.
            block.move(left - PADDING, y)
            y += block.fit(width + PADDING) + GRID
        return y

    def place_cards(self, left: int, y: int, width: int) -> int:
        """Place what stands below the text; where the next thing goes."""
        for block in self._cards:
            y += 2 * GRID
            block.move(left, y)
            y += block.fit(width)
        return y + 2 * GRID if self._cards else y

    # -- inside ------------------------------------------------------------------------------

    def _thought(self, number: int) -> ThoughtBlock:
        if number == len(self._thoughts):
            block = ThoughtBlock(self._icons, self._rendering, self._owner)
            block.stackUnder(self._said)  # screen readers go by this order
            lead_to(self._said, [block.heading])
            self._thoughts.append(block)
            self._add(block, f"thought {number}", opens_itself=False)
        return self._thoughts[number]

    def _add_card(self, card: ToolCard) -> None:
        card.stackUnder(self._below)
        lead_from(self.last_stop, [card.heading])
        self._cards.append(card)
        self._add(card, f"card {len(self._cards)}", opens_itself=card.opens_itself)

    def _add(self, block: FoldedText, name: str, *, opens_itself: bool) -> None:
        key = (self._message_id, name)
        block.body_made.connect(self.body_made)
        block.rows_shown.connect(self.rendering_needed)
        block.height_changed.connect(self.layout_changed)
        block.toggled.connect(partial(self._on_toggled, key))
        block.set_open(self._opened.get(key, opens_itself) and block.heading.isEnabled())
        block.show()

    def _on_toggled(self, key: tuple[str, str], is_open: bool) -> None:
        self._opened[key] = is_open
        (self.rendering_needed if is_open else self.layout_changed).emit()


def _open_bodies(blocks: Sequence[FoldedText]) -> list[RichTextView]:
    return [block.body for block in blocks if block.is_open and block.body is not None]
