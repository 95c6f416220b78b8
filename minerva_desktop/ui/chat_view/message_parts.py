"""What stands under an answer: its progress or its numbers, and how it ended if not well.

`MessageView` builds and places these. Main thread.
"""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QPushButton, QWidget

from minerva_desktop.chat.completion import Completion, FinishReason
from minerva_desktop.chat.message import Message, MessageState
from minerva_desktop.chat.parts import ImagePart, ToolCallPart
from minerva_desktop.chat.turns import open_thought
from minerva_desktop.ui.chat_view.actions import AnswerHelp
from minerva_desktop.ui.chat_view.busy_dots import BusyDots
from minerva_desktop.ui.chat_view.copy_button import SIZE
from minerva_desktop.ui.controls import ElidedLabel, set_sign
from minerva_desktop.ui.formats import format_ms, format_speed, n_of
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.tab_order import lead_from
from minerva_desktop.ui.theme import GRID

INSET = 2 * GRID  # px left and right of a message's content, for the focus ring
NOTICE_PADDING = 12  # px
NOTICE_RADIUS = 8
ICON = 16
MIN_BESIDE = 320  # px of a failure's sentence; with less, its buttons go under it
BUSY_TEXT = 36  # px; where the text beside the dots begins
BETWEEN = " · "  # two numbers
EDITED = "Edited"

# How an answer broke off; and where it only thought until then.
_ENDINGS = {
    MessageState.STOPPED: (
        "You stopped this answer.",
        "You stopped the model while it was thinking.",
    ),
    MessageState.INTERRUPTED: (
        "This answer was interrupted before it was finished.",
        "The model was interrupted while it was thinking.",
    ),
    MessageState.FAILED: (
        "This answer could not be generated.",
        "The model failed while it was thinking.",
    ),
}
_ANSWERS = (ToolCallPart, ImagePart)  # what an answer may be made of instead of words


def numbers_text(completion: Completion) -> str:
    """The speed and size of an answer, in one line; nothing for one without a token."""
    timings = completion.timings
    if timings.completion_tokens == 0:
        return ""
    parts: list[str] = []
    if timings.tokens_per_second > 0:
        parts.append(format_speed(timings.tokens_per_second))
    if timings.first_token_ms > 0:
        parts.append(f"first token {format_ms(timings.first_token_ms)}")
    parts.append(n_of(timings.completion_tokens, "token"))
    return BETWEEN.join(parts)


def footer_text(message: Message) -> str:
    """What stands under an answer that is over: that a person changed it, and its numbers."""
    mark = EDITED if message.edited_at is not None else ""
    numbers = numbers_text(message.completion) if message.completion else ""
    return BETWEEN.join(filter(None, (mark, numbers)))


def ending_text(message: Message) -> str:
    """What to say about how an answer ended; empty when it ended well."""
    thinks = bool(open_thought(message))
    if message.state is MessageState.COMPLETE:
        return _completed_text(message, thinks=thinks)
    words = _ENDINGS.get(message.state)
    return "" if words is None else message.error or words[thinks]


def _completed_text(message: Message, *, thinks: bool) -> str:
    completion = message.completion
    if completion is not None and completion.finish_reason is FinishReason.LENGTH:
        why = f"at its limit of {n_of(completion.timings.completion_tokens, 'token')}."
        if completion.full_context:
            why = f"because the context of {completion.full_context:,} tokens is full."
        if thinks:
            return f"The model was cut off while it was thinking, {why}"
        if message.text.strip():
            return f"The answer was cut off {why}"
    if message.text.strip() or any(isinstance(part, _ANSWERS) for part in message.parts):
        return ""
    if thinks:
        return "The model only thought, and ended without an answer."
    return "The model ended its answer without a word."


class Footer(QWidget):
    """Below an answer: dots and a status while it is written, then its numbers at the right."""

    HEIGHT = SIZE

    def __init__(self, icons: Icons, parent: QWidget) -> None:
        super().__init__(parent)
        self._versions = self._buttons = 0  # px at the left that those take
        self._icons = icons
        self._dots: BusyDots | None = None  # few answers are being written
        self._label = ElidedLabel("", self, separator=BETWEEN)
        self._label.setProperty("look", "muted")
        self._label.resize(0, self.HEIGHT)  # or Qt would measure it as it is shown

    def show_busy(self, text: str) -> None:
        """The message is being written; ``text`` says what is going on, if known."""
        if self._dots is None:
            self._dots = BusyDots(self._icons.themes, self)
        self._dots.show()
        self._label.setAlignment(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)
        self._label.set_full_text(text)
        self._place()

    def show_done(self, text: str) -> None:
        """The message is as it is; ``text`` are its numbers."""
        if self._dots is not None:
            self._dots.hide()
        self._label.setAlignment(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight)
        self._label.set_full_text(text)
        self._place()

    def fit(self, width: int, *, versions: int, buttons: int) -> None:
        """Take ``width`` px, at the left of which the way to other versions takes so many, and
        the buttons that come once the answer is there so many more."""
        self._versions, self._buttons = versions, buttons
        self.resize(width, self.HEIGHT)
        self._place()

    def _place(self) -> None:
        left = self._versions
        if self._dots is not None and not self._dots.isHidden():
            self._dots.move(left, (self.HEIGHT - self._dots.height()) // 2)
            left += BUSY_TEXT
        else:
            left += self._buttons
        self._label.setGeometry(left, 0, max(0, self.width() - left), self.HEIGHT)


class Notice(QWidget):
    """A sentence about how the answer ended and, where they help, *Continue*, *Try again*, *Keep
    the newest*, *Summarise older ones*, *Load anyway*, *Choose another model*, *Load options…* and
    *Details*: in a box after an error, as a quiet line otherwise. ``cut_clicked``: of those that
    are left out a summary is wanted, or not."""

    continue_clicked = Signal()
    retry_clicked = Signal()
    details_clicked = Signal()
    options_clicked = Signal()
    anyway_clicked = Signal()
    others_clicked = Signal()
    cut_clicked = Signal(bool)

    def __init__(self, icons: Icons, parent: QWidget) -> None:
        super().__init__(parent)
        self._icons = icons
        self._failed = False
        self._icon_y = 0.0
        self._label = QLabel(self)
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self._label.setWordWrap(True)
        self._label.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._ending = self._way = ""  # how the answer ended, and what helps
        self._can_go_on = self._is_sought = False
        self._continue = self._button("Continue", "Continue the answer", "continue")
        self._retry = self._button("Try again", "Try again", "reset")
        self._newest = self._button("Keep the newest", "Keep the newest messages and go on")
        self._summary = self._button("Summarise older ones", "Summarise older messages and go on")
        self._anyway = self._button("Load anyway", "Load the model anyway and try again")
        self._others = self._button("Choose another model", "Choose another model")
        self._options = self._button("Load options…", "Load options of the model")
        self._details = self._button("Details", "Details of the error")
        self._details.setProperty("look", "link")
        self._buttons = (
            self._continue,
            self._retry,
            self._newest,
            self._summary,
            self._anyway,
            self._others,
            self._options,
            self._details,
        )
        self._continue.clicked.connect(self.continue_clicked)
        self._retry.clicked.connect(self.retry_clicked)
        self._newest.clicked.connect(self._on_keep_newest)
        self._summary.clicked.connect(self._on_summarise)
        self._anyway.clicked.connect(self.anyway_clicked)
        self._others.clicked.connect(self.others_clicked)
        self._options.clicked.connect(self.options_clicked)
        self._details.clicked.connect(self.details_clicked)

    def _button(self, label: str, name: str, icon: str = "") -> QPushButton:
        button = QPushButton(label, self)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        if icon:
            set_sign(button, self._icons.icon(icon), ICON)
        button.setAccessibleName(name)
        button.setAutoDefault(False)
        button.hide()
        return button

    @Slot()
    def _on_keep_newest(self) -> None:
        self.cut_clicked.emit(False)

    @Slot()
    def _on_summarise(self) -> None:
        self.cut_clicked.emit(True)

    def follow(self, before: QWidget) -> None:
        """Have the keyboard come here from ``before``."""
        lead_from(before, (self._label, *self._buttons))

    @property
    def last_stop(self) -> QWidget:
        """What Tab comes to last in it."""
        return self._buttons[-1]

    def offer_help(self, offered: AnswerHelp) -> None:
        """Show the buttons of what is offered, and hide the others of its kind."""
        self._newest.setVisible(bool(offered.cut))
        self._summary.setVisible(bool(offered.cut))
        self._anyway.setVisible(bool(offered.anyway))
        self._others.setVisible(bool(offered.others))
        self._details.setVisible(bool(offered.details))
        self._options.setVisible(bool(offered.options))
        self._way, self._is_sought = offered.cut or "", bool(offered.seeks)
        self._say()
        self._show_continue()

    def show_ending(self, text: str, *, failed: bool, can_retry: bool, can_go_on: bool) -> None:
        """Say ``text``, in a box in the colour of an error if ``failed``."""
        self._failed = failed
        looks = ((self._label, "muted"), (self._retry, "ghost"), (self._continue, "ghost"))
        for widget, look in looks:
            widget.setProperty("look", "" if failed else look)
            widget.style().polish(widget)
        self._ending = text
        self._say()
        self._retry.setVisible(can_retry)
        self._can_go_on = can_go_on
        self._show_continue()

    def _show_continue(self) -> None:
        """Where something has to go first, what leaves it out goes on, too; before that is known
        there is no button, in the place of which another would come."""
        self._continue.setVisible(self._can_go_on and not self._way and not self._is_sought)

    def _say(self) -> None:
        words = " ".join(filter(None, (self._ending, self._way)))
        self._label.setText(words)
        self._label.setAccessibleName(words)

    def fit(self, width: int) -> int:
        """Take ``width`` px; the height in px that it needs."""
        buttons = [button for button in self._buttons if not button.isHidden()]
        return self._fit_box(width, buttons) if self._failed else self._fit_line(width, buttons)

    def _fit_line(self, width: int, buttons: list[QPushButton]) -> int:
        sizes = [button.sizeHint() for button in buttons]
        taken = sum(GRID + size.width() for size in sizes)
        # As wide as the sentence, for the buttons follow it; a pixel more, or it would wrap.
        natural = self._label.fontMetrics().horizontalAdvance(self._label.text()) + 1
        text_width = min(natural, max(80, width - taken))
        text_height = self._label.heightForWidth(text_width)
        height = max([text_height, *(size.height() for size in sizes)])
        self.resize(width, height)
        self._label.setGeometry(0, (height - text_height) // 2, text_width, text_height)
        left = text_width
        for button, size in zip(buttons, sizes, strict=True):
            left += GRID
            button.setGeometry(
                QRect(left, (height - size.height()) // 2, size.width(), size.height())
            )
            left += size.width()
        return height

    def _fit_box(self, width: int, buttons: list[QPushButton]) -> int:
        left = NOTICE_PADDING + ICON + NOTICE_PADDING // 2 + 2
        sizes = [button.sizeHint() for button in buttons]
        taken = sum(size.width() + NOTICE_PADDING for size in sizes)
        text_width = width - left - taken - NOTICE_PADDING
        if buttons and text_width < MIN_BESIDE:
            return self._fit_low_box(width, left, buttons)
        text_height = self._label.heightForWidth(text_width)
        height = max([text_height, *(size.height() for size in sizes)]) + 2 * NOTICE_PADDING - 4
        self.resize(width, height)
        self._label.setGeometry(left, (height - text_height) // 2, text_width, text_height)
        self._icon_y = (height - ICON) / 2
        right = width - NOTICE_PADDING + 4
        # In the order that they have under the sentence, where there is less room, and for Tab.
        for button, size in zip(reversed(buttons), reversed(sizes), strict=True):
            right -= size.width()
            place = QRect(right, (height - size.height()) // 2, size.width(), size.height())
            button.setGeometry(place)
            right -= NOTICE_PADDING
        return height

    def _fit_low_box(self, width: int, left: int, buttons: list[QPushButton]) -> int:
        """The buttons under the sentence, in as many rows as it takes."""
        text_width = width - left - NOTICE_PADDING
        text_height = self._label.heightForWidth(text_width)
        self._label.setGeometry(left, NOTICE_PADDING, text_width, text_height)
        self._icon_y = NOTICE_PADDING + (self._label.fontMetrics().height() - ICON) / 2
        row = max(button.sizeHint().height() for button in buttons)
        x, y = left, NOTICE_PADDING + text_height + 2 * GRID
        for button in buttons:
            size = button.sizeHint()
            if x > left and x + size.width() > width - NOTICE_PADDING:
                x, y = left, y + row + GRID
            button.setGeometry(
                QRect(x, y + (row - size.height()) // 2, size.width(), size.height())
            )
            x += size.width() + 2 * GRID
        height = y + row + NOTICE_PADDING
        self.resize(width, height)
        return height

    def paintEvent(self, _event: QPaintEvent) -> None:
        if not self._failed:
            return
        theme = self._icons.theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        edge = QColor(theme.danger)
        edge.setAlphaF(1.0 if theme.vivid else 0.4)
        painter.setPen(edge)
        painter.setBrush(QColor(theme.danger_surface))
        rect = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.drawRoundedRect(rect, NOTICE_RADIUS, NOTICE_RADIUS)
        icon = QRectF(NOTICE_PADDING, self._icon_y, ICON, ICON)
        self._icons.paint(painter, "error", icon, "danger")
