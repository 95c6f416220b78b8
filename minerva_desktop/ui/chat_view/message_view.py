"""One message of the transcript: its text, and beneath it how it goes or how it ended.

Text is rendered in pieces: `render_some` does as much as its budget allows and says whether more
is left, so a message of any size never holds up the window. `MessageColumn` calls it and `arrange`.
Main thread.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

from PySide6.QtCore import QEvent, QRectF, Qt, Signal, Slot
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QColor,
    QEnterEvent,
    QPainter,
    QPaintEvent,
)
from PySide6.QtWidgets import QPushButton, QWidget

from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.ui.chat_view.copy_button import CopyButton
from minerva_desktop.ui.chat_view.markdown import MarkdownParser
from minerva_desktop.ui.chat_view.message_parts import (
    INSET,
    Footer,
    Notice,
    ending_text,
    numbers_text,
)
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.chat_view.streaming import MarkdownStream, PlainStream
from minerva_desktop.ui.controls import ElidedLabel
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID
from minerva_desktop.units import format_bytes

FOLD_ABOVE = 200_000  # characters; a longer finished message is folded
FOLD_SHOWN = 20_000  # characters shown of a folded one, at most
FOLD_SEARCH = 1_000  # of these, in which the end of a line, sentence or word is looked for
PIECE = 500  # characters rendered between two looks at the clock
BUBBLE_SHARE = 0.8  # of the column, at most
BUBBLE_MEASURED = 2_000  # characters; the bubble of a longer text is as wide as it may be
BUBBLE_RADIUS = 16  # px
BUBBLE_PADDING_X = 16
BUBBLE_TOP = 10
BUBBLE_BOTTOM = 4  # the last line's own leading adds to it
ACCESSIBLE_SECONDS = 1.0  # how often a screen reader's text follows a streamed answer, at most
ACCESSIBLE_LIMIT = 20_000  # characters of it; the text widget itself has all
ACCESSIBLE_REST = 500  # and how much longer than such an update takes the next one waits


class MessageView(QWidget):
    """Shows ``message``. ``rendering_needed(id)`` asks for `render_some` to be called."""

    retry_requested = Signal(str)
    details_requested = Signal(str)
    options_requested = Signal(str)
    load_anyway_requested = Signal(str)
    rendering_needed = Signal(str)

    def __init__(
        self, message: Message, parser: MarkdownParser, icons: Icons, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._parser = parser
        self._icons = icons
        self._message = message
        self._status = ""
        self._describe_at = 0.0
        self._bubble = QRectF()
        self._fitted = (-1, 0)  # width and height of the last arrange, while still true
        self.setObjectName("message")
        self._name = ElidedLabel("", self)
        self._name.setProperty("look", "muted")
        self._name.setVisible(message.role is not Role.USER)
        self._body = RichTextView(icons, self)
        self._body.setObjectName("messageText")
        self._body.ring_changed.connect(self._on_ring_changed)
        self._unfold = QPushButton(self)
        self._unfold.hide()
        self._unfold.clicked.connect(self._on_unfold)
        self._notice = Notice(icons, self)
        self._notice.hide()
        self._notice.retry_clicked.connect(self._on_retry)
        self._notice.details_clicked.connect(self._on_details)
        self._notice.options_clicked.connect(self._on_options)
        self._notice.anyway_clicked.connect(self._on_load_anyway)
        self._footer = Footer(icons, self.source, self)
        self._footer.setVisible(message.role is not Role.USER)
        self._copy = CopyButton(icons, "Copy message", self.source, self, quiet=True)
        self._copy.setVisible(message.role is Role.USER)
        self._begin()
        self._show_state()

    def show_author(self, model_names: Mapping[str, str]) -> None:
        """Say who speaks; a model by the name that its file has in ``model_names``, if any."""
        author = _author(self._message, model_names)
        self._name.set_full_text(author)
        for widget in (self, self._body):
            widget.setAccessibleName(author)

    # -- content -----------------------------------------------------------------------------

    @property
    def message(self) -> Message:
        """The message as it was last given; its text may be behind `source`."""
        return self._message

    @property
    def body(self) -> RichTextView:
        """The widget that shows the text."""
        return self._body

    def source(self) -> str:
        """All text so far, rendered or not, as it was written."""
        return "".join(self._parts)

    def plain_text(self) -> str:
        """The text as it is shown."""
        return self._body.plain_text()

    def append(self, delta: str) -> None:
        """More text of a streamed answer. `render_some` shows it."""
        if self._status and not self._parts:
            self._status = ""
            self._show_state()
        self._add(delta)

    def set_status(self, text: str) -> None:
        """What goes on while the answer is written; until the first text, or until the end."""
        if text != self._status:
            self._status = text
            self._show_state()

    def offer_help(self, *, details: bool, options: bool, anyway: bool) -> None:
        """The answer failed. ``details``: there is more to say than its sentence; ``options``: the
        model could answer with other load options; ``anyway``: if it may take more memory."""
        self._notice.offer_help(details=details, options=options, anyway=anyway)
        self._fitted = (-1, 0)

    def finish(self, message: Message) -> None:
        """The answer is complete, stopped, interrupted or failed: show ``message`` for good."""
        shown = self.source()
        self._message = message
        if message.text.startswith(shown):
            self._add(message.text[len(shown) :])
            self._whole = True
        else:
            self._begin()
        self._show_state()
        words = len(message.text.split())
        spoken = ending_text(message) or f"Answer finished, {words} words"
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, spoken))

    def _begin(self) -> None:
        """Start over with the message's text."""
        answer = self._message.role is Role.ASSISTANT
        self._stream = MarkdownStream(self._parser) if answer else PlainStream()
        self._parts: list[str] = []
        self._length = 0
        self._backlog: deque[str] = deque()
        self._folded = ""
        self._whole = self._message.state is not MessageState.STREAMING
        self._finished = False
        text = self._message.text
        if self._whole and len(text) > FOLD_ABOVE:
            end = _fold_end(text)
            self._add(text[:end])
            self._folded = text[end:]
            self._parts.append(self._folded)
            self._unfold.setText(f"Show all ({format_bytes(len(text.encode(errors='replace')))})")
        else:
            self._add(text)
        self._unfold.setVisible(bool(self._folded))

    def _add(self, text: str) -> None:
        if not text:
            return
        self._parts.append(text)
        self._length += len(text)
        self._queue(text)

    def _queue(self, text: str) -> None:
        self._backlog += [text[start : start + PIECE] for start in range(0, len(text), PIECE)]

    # -- rendering ---------------------------------------------------------------------------

    def render_some(self, seconds: float) -> bool:
        """Render for about ``seconds``; whether something is left to render."""
        deadline = time.perf_counter() + seconds
        self._fitted = (-1, 0)
        while self._backlog:
            piece = self._backlog.popleft()
            while self._backlog and len(piece) + len(self._backlog[0]) <= PIECE:
                piece += self._backlog.popleft()
            self._stream.feed(piece)
            late = time.perf_counter() > deadline
            self._body.apply(self._stream.update(settled_only=bool(self._backlog) and not late))
            if self._backlog and late:
                return True
        if self._whole and not self._folded and not self._finished:
            self._finished = True
            self._stream.finish()
            self._body.apply(self._stream.update())
        self._describe()
        return False

    def _describe(self) -> None:
        """Let screen readers know the text, not with every token."""
        now = time.monotonic()
        if self._finished or now > self._describe_at:
            self.setAccessibleDescription(self._body.plain_text(ACCESSIBLE_LIMIT))
            taken = time.monotonic() - now
            self._describe_at = now + max(ACCESSIBLE_SECONDS, ACCESSIBLE_REST * taken)

    def restyle(self) -> None:
        """Use the colours of the theme in force."""
        self._body.restyle()
        self._fitted = (-1, 0)

    def _show_state(self) -> None:
        message = self._message
        self._fitted = (-1, 0)
        if message.state is MessageState.STREAMING:
            self._notice.hide()
            self._footer.show_busy(self._status)
            return
        answer = message.role is Role.ASSISTANT
        ending = ending_text(message) if answer else ""
        if ending:
            failed = message.state is MessageState.FAILED
            cut_off = message.state is MessageState.COMPLETE and bool(message.text.strip())
            self._notice.show_ending(ending, failed=failed, can_retry=not cut_off)
        self._notice.setVisible(bool(ending))
        numbers = numbers_text(message.completion) if message.completion is not None else ""
        self._footer.show_done(numbers, can_copy=bool(message.text))

    # -- layout ------------------------------------------------------------------------------

    @property
    def arranged_width(self) -> int:
        """The width in px of the last `arrange`; -1 if the content changed since."""
        return self._fitted[0]

    def arrange(self, width: int) -> int:
        """Take ``width`` px and place everything; the height in px that it needs."""
        if self._fitted[0] != width:
            user = self._message.role is Role.USER
            height = self._arrange_user(width) if user else self._arrange_answer(width)
            self._fitted = (width, height)
        return self._fitted[1]

    def _arrange_user(self, width: int) -> int:
        width -= INSET
        limit = round((width - INSET) * BUBBLE_SHARE) - 2 * BUBBLE_PADDING_X
        wide = self._length > BUBBLE_MEASURED
        text_width = limit if wide else self._body.natural_width(limit)
        left = width - text_width - BUBBLE_PADDING_X
        self._body.move(left, BUBBLE_TOP)
        y = BUBBLE_TOP + self._body.fit(text_width) + BUBBLE_BOTTOM
        if self._folded:
            self._unfold.adjustSize()
            self._unfold.move(left, y)
            y += self._unfold.height() + 2 * GRID
        left -= BUBBLE_PADDING_X
        self._bubble = QRectF(left, 0, width - left, y)
        self._copy.move(left - self._copy.width() - GRID, y - self._copy.height() - 2 * GRID)
        return y

    def _arrange_answer(self, width: int) -> int:
        width -= 2 * INSET
        self._name.setGeometry(INSET, 0, width, 5 * GRID)
        y = 6 * GRID
        self._body.move(INSET, y)
        self._body.setVisible(bool(self._parts))
        if self._parts:
            y += self._body.fit(width)
        if self._folded:
            self._unfold.adjustSize()
            self._unfold.move(INSET, y + 2 * GRID)
            y += self._unfold.height() + 3 * GRID
        if not self._notice.isHidden():
            y += 2 * GRID
            self._notice.move(INSET, y)
            y += self._notice.fit(width) + GRID
        self._footer.move(INSET, y)
        self._footer.fit(width)
        return y + Footer.HEIGHT

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self._copy.update()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._copy.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        theme = self._icons.theme
        if self._message.role is Role.USER:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.bubble))
            painter.drawRoundedRect(self._bubble, BUBBLE_RADIUS, BUBBLE_RADIUS)
        if self._body.has_ring:
            painter.setPen(QColor(theme.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            ring, radius = self._bubble.adjusted(0.5, 0.5, -0.5, -0.5), float(BUBBLE_RADIUS)
            if self._message.role is not Role.USER:
                ring = QRectF(self._body.geometry()).adjusted(0.5 - INSET, -1.5, INSET - 0.5, 1.5)
                radius = INSET
            painter.drawRoundedRect(ring, radius, radius)

    # -- slots -------------------------------------------------------------------------------

    @Slot()
    def _on_ring_changed(self) -> None:
        self.update()

    @Slot()
    def _on_unfold(self) -> None:
        rest, self._folded = self._folded, ""
        self._unfold.hide()
        self._queue(rest)
        self.rendering_needed.emit(self._message.id)

    @Slot()
    def _on_retry(self) -> None:
        self.retry_requested.emit(self._message.id)

    @Slot()
    def _on_details(self) -> None:
        self.details_requested.emit(self._message.id)

    @Slot()
    def _on_options(self) -> None:
        self.options_requested.emit(self._message.id)

    @Slot()
    def _on_load_anyway(self) -> None:
        self.load_anyway_requested.emit(self._message.id)


def _fold_end(text: str) -> int:
    """Where a long text is best cut: behind a line, else a sentence, else a word."""
    for mark in ("\n", ". ", " "):
        at = text.rfind(mark, FOLD_SHOWN - FOLD_SEARCH, FOLD_SHOWN)
        if at >= 0:
            return at + len(mark)
    return FOLD_SHOWN


def _author(message: Message, model_names: Mapping[str, str]) -> str:
    match message.role:
        case Role.USER:
            return "You"
        case Role.SYSTEM:
            return "System prompt"
        case Role.TOOL:
            return "Tool"
        case Role.ASSISTANT:
            file = message.model or "Answer"
            return model_names.get(file) or file.removesuffix(".gguf")
