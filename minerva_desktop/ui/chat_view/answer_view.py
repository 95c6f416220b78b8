"""An answer in the transcript: who gives it, its text, how it goes or ended, its numbers.

System prompts and what tools give back look alike. Main thread.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from PySide6.QtCore import QRectF, Signal, Slot
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QWidget

from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.turns import open_thought
from minerva_desktop.ui.chat_view.action_row import MAX_WIDTH
from minerva_desktop.ui.chat_view.actions import AnswerHelp, can_go_on
from minerva_desktop.ui.chat_view.editable_view import EditableView
from minerva_desktop.ui.chat_view.message_author import author_of
from minerva_desktop.ui.chat_view.message_editor import ANSWER_WORDS
from minerva_desktop.ui.chat_view.message_parts import (
    INSET,
    Footer,
    Notice,
    ending_text,
    footer_text,
)
from minerva_desktop.ui.chat_view.message_view import OUTDENT
from minerva_desktop.ui.chat_view.part_blocks import OpenBlocks, PartBlocks
from minerva_desktop.ui.chat_view.rendering import Rendering
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.chat_view.thought_block import ThoughtBlock
from minerva_desktop.ui.chat_view.tool_card import ToolCard
from minerva_desktop.ui.controls import ElidedLabel
from minerva_desktop.ui.formats import n_of
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

NAME_HEIGHT = 5 * GRID
FIRST_SECONDS = 0.004  # for what is there of a thought that is opened while it is written


class AnswerView(EditableView):
    """Signals carry the message's id: which button under it was pressed; ``cut_requested`` also
    whether what is older is to be summarised, and ``others_requested`` nothing.
    ``part_shown(view)``: a thought or a card of it was opened, and that shows its text."""

    retry_requested = Signal(str)
    continue_requested = Signal(str)
    details_requested = Signal(str)
    options_requested = Signal(str)
    load_anyway_requested = Signal(str)
    others_requested = Signal()
    cut_requested = Signal(str, bool)
    part_shown = Signal(RichTextView)

    gap_below = 5 * GRID
    _words = ANSWER_WORDS
    _enter_submits = False  # it is Markdown, mostly of several lines

    def __init__(
        self,
        message: Message,
        rendering: Rendering,
        icons: Icons,
        parent: QWidget,
        opened: OpenBlocks,
    ) -> None:
        """``opened``: which thoughts and cards of all messages are; it is kept up to date."""
        super().__init__(message, rendering, icons, parent)
        self._status = ""
        self._is_awaited = True
        self._name = ElidedLabel("", self)
        self._name.setProperty("look", "muted")
        self._name.resize(0, NAME_HEIGHT)  # or Qt would measure it as it is shown
        self._blocks = PartBlocks(icons, rendering, self, self._body, self._name, opened)
        self._blocks.rendering_needed.connect(self._on_block_opened)
        self._blocks.layout_changed.connect(self._on_block_folded)
        self._blocks.body_made.connect(self.part_shown)
        self._notice: Notice | None = None
        self._footer = Footer(icons, self)
        self._blocks.show(message)
        self._show_fold()
        self._show_state()

    def _show_fold(self) -> None:
        before = self._unfold
        super()._show_fold()
        if self._unfold is not None and self._unfold is not before:
            self._unfold.stackUnder(self._name)  # screen readers go by this order

    def show_author(self, model_names: Mapping[str, str]) -> None:
        super().show_author(model_names)
        self._name.set_full_text(self._author(model_names))

    # -- content -----------------------------------------------------------------------------

    def append(self, delta: str) -> None:
        """More text of a streamed answer. `render_some` shows it."""
        self._drop_status()
        self._blocks.say()
        self._text.append(delta)

    def think(self, delta: str) -> None:
        """More of what a streamed answer thinks. `render_some` shows it, where it is open."""
        self._drop_status()
        self._blocks.think(delta)

    def catch_up(self, message: Message) -> None:
        """The answer is being written, and so far it is ``message``."""
        self._blocks.show(message)
        if open_thought(message):
            self.think("")
        if rest := message.text.removeprefix(self.source()):
            self.append(rest)

    def _drop_status(self) -> None:
        """What it waited for has come; what is said later (that it stops) stays."""
        if self._is_awaited:
            self._is_awaited = False
            self._status = ""
            self._show_state()

    def set_status(self, text: str) -> None:
        """What goes on while the answer is written; until its next text, or until the end."""
        if text != self._status:
            self._status = text
            self._show_state()

    def offer_help(self, offered: AnswerHelp) -> None:
        """The answer failed, and this is offered."""
        if self._notice is not None or any(offered):
            self._used_notice().offer_help(offered)
            self._fitted = (-1, 0)

    def _used_notice(self) -> Notice:
        """The one notice; few answers need any, and it is seven widgets."""
        if self._notice is None:
            notice = self._notice = Notice(self._icons, self)
            notice.follow(self._last_above_notice)
            notice.stackUnder(self._footer)  # screen readers go by this order
            notice.hide()
            notice.retry_clicked.connect(self._on_retry)
            notice.continue_clicked.connect(self._on_continue)
            notice.details_clicked.connect(self._on_details)
            notice.options_clicked.connect(self._on_options)
            notice.anyway_clicked.connect(self._on_load_anyway)
            notice.others_clicked.connect(self.others_requested)
            notice.cut_clicked.connect(self._on_cut)
        return self._notice

    def finish(self, message: Message) -> None:
        """The answer is complete, stopped, interrupted or failed: show ``message`` for good."""
        self._message = message
        self._blocks.show(message)
        self._text.finish(message)
        self._show_fold()
        self._show_state()
        words = n_of(len(message.text.split()), "word")
        spoken = ending_text(message) or f"Answer finished, {words}"
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, spoken))

    def go_on(self, message: Message) -> None:
        """The answer had ended, and more of it comes."""
        self._message = message
        self._status = ""
        self._is_awaited = True
        self._blocks.show(message)
        self._text.begin(message)
        self._show_fold()
        self._show_state()

    def _show_state(self) -> None:
        message = self._message
        self._fitted = (-1, 0)
        if message.state is MessageState.STREAMING:
            if self._notice is not None:
                self._notice.hide()
            self._footer.show_busy(self._status)
            return
        ending = ending_text(message) if message.role is Role.ASSISTANT else ""
        if ending and not self.is_edited:  # its buttons are about what it says
            failed = message.state is MessageState.FAILED
            cut_off = message.state is MessageState.COMPLETE and bool(message.text.strip())
            goes_on = self._is_last and can_go_on(message)
            notice = self._used_notice()
            notice.show_ending(ending, failed=failed, can_retry=not cut_off, can_go_on=goes_on)
            notice.show()
        elif self._notice is not None:
            self._notice.hide()
        self._footer.show_done("" if self.is_edited else footer_text(message))

    def _author(self, model_names: Mapping[str, str]) -> str:
        return author_of(self._message, model_names)

    @property
    def bodies(self) -> list[RichTextView]:
        said = super().bodies if self._text.n_shown else []
        return [*self._blocks.thought_bodies, *said, *self._blocks.card_bodies]

    @property
    def thoughts(self) -> list[ThoughtBlock]:
        return self._blocks.thoughts

    @property
    def cards(self) -> list[ToolCard]:
        return self._blocks.cards

    def _lead_through(self, before: QWidget) -> None:
        super()._lead_through(self._blocks.lead_to_text(before))
        self._blocks.lead_from_text()
        if self._notice is not None:
            self._notice.follow(self._last_above_notice)

    @property
    def _last_in_content(self) -> QWidget:
        return self._last_above_notice if self._notice is None else self._notice.last_stop

    @property
    def _last_above_notice(self) -> QWidget:
        return self._blocks.last_stop if self._blocks.cards else super()._last_in_content

    @property
    def is_read_by_keyboard(self) -> bool:
        return super().is_read_by_keyboard or self._blocks.has_focus

    # -- rendering ---------------------------------------------------------------------------

    def render_some(self, seconds: float) -> bool:
        started = time.perf_counter()
        self._fitted = (-1, 0)
        if self._blocks.render_some(seconds):
            return True
        return super().render_some(max(0.0, seconds - (time.perf_counter() - started)))

    def restyle(self) -> None:
        super().restyle()
        self._blocks.restyle()

    # -- layout ------------------------------------------------------------------------------

    def _arrange(self, width: int) -> int:
        width -= 2 * INSET
        self._name.setGeometry(INSET, 0, width, NAME_HEIGHT)
        y = self._blocks.place_thoughts(INSET, NAME_HEIGHT + GRID, width)
        y = self._place_text(y, width)
        y = self._blocks.place_cards(INSET, y, width)
        if self._notice is not None and not self._notice.isHidden():
            y += 2 * GRID
            self._notice.move(INSET, y)
            y += self._notice.fit(width) + GRID
        self._footer.move(INSET, y)
        self._footer.fit(width, versions=self._navigator_width(), buttons=MAX_WIDTH)
        return y

    def _place_text(self, y: int, width: int) -> int:
        """The text from ``y`` px on, or the editor in its place; where it ends."""
        if self._editor is not None:
            self._editor.move(INSET, y)
            return y + self._editor.fit(width, self._max_edit_height) + GRID
        self._body.move(INSET, y)
        if self._text.n_shown:
            y += self._body.fit(width)
        else:
            self._body.resize(1, 1)  # takes the keyboard all the same
        if self._text.is_folded:
            y += self._place_fold(INSET, y + 2 * GRID) + GRID
        return y

    def _row_places(self, _width: int, navigator: int, _row: int) -> tuple[int, int]:
        left = INSET - OUTDENT
        return left, left + navigator

    def _ring(self) -> tuple[QRectF, float]:
        if not self._text.n_shown:  # around what stands there instead
            whole = QRectF(0, 0, self.width(), self._footer.geometry().bottom() + 1)
            return whole.adjusted(0.5, 0.5, -0.5, -0.5), INSET
        # A line has most of its spacing below it.
        ring = QRectF(self._body.geometry()).adjusted(0.5 - INSET, 0.5 - GRID, INSET - 0.5, 0.5)
        return ring, INSET

    # -- slots -------------------------------------------------------------------------------

    @Slot()
    def _on_block_opened(self) -> None:
        self._fitted = (-1, 0)
        if self._blocks.is_thinking:
            # More of it comes, which renders the rest; a person at the end of the chat stays there.
            self._blocks.render_some(FIRST_SECONDS)
            self.layout_changed.emit()
        else:
            self.rendering_needed.emit(self._message.id)

    @Slot()
    def _on_block_folded(self) -> None:
        self._fitted = (-1, 0)
        self.layout_changed.emit()

    @Slot()
    def _on_retry(self) -> None:
        self.retry_requested.emit(self._message.id)

    @Slot()
    def _on_continue(self) -> None:
        self.continue_requested.emit(self._message.id)

    @Slot()
    def _on_details(self) -> None:
        self.details_requested.emit(self._message.id)

    @Slot()
    def _on_options(self) -> None:
        self.options_requested.emit(self._message.id)

    @Slot()
    def _on_load_anyway(self) -> None:
        self.load_anyway_requested.emit(self._message.id)

    @Slot(bool)
    def _on_cut(self, summarised: bool) -> None:
        self.cut_requested.emit(self._message.id, summarised)
