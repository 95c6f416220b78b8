"""What is known about an answer, as a popup: its model, its parameters, its numbers and where the
time went. Main thread.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from PySide6.QtCore import QPoint, QRectF, Qt
from PySide6.QtGui import (
    QColor,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPainterPath,
    QPaintEvent,
)
from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.message import Message, MessageState
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.ui.controls import PopupFrame
from minerva_desktop.ui.formats import format_ms, format_speed, format_tokens, n_of
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

WIDTH = 100 * GRID  # px
BAR_HEIGHT = 2 * GRID
LEGEND_PX = 12
COLUMN_GAP = 4 * GRID
DOT = 2 * GRID
LEAST_SHARE = 2  # px of a phase that took any time at all

Facts = list[tuple[str, str]]


def facts_of(message: Message, model: str) -> Facts:
    """Name and value of all that is known. ``model`` is the name to call it by."""
    facts = [("Model", model or "unknown")]
    completion = message.completion
    if completion is not None and completion.placement:
        facts.append(("Ran on", completion.placement))
    facts.append(("Asked", _time_text(message.created_at)))
    if message.edited_at is None or completion is not None:  # else the person ended it
        facts.append(("Ended", _ending(message)))
    if message.edited_at is not None:
        facts.append(("Edited", _edit(message.edited_at, message)))
    if message.sampling is not None:
        facts.append(("Parameters", parameters_text(message.sampling)))
    if completion is not None:
        facts += _numbers(completion)
    return facts


def _time_text(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M:%S}"


def _edit(edited_at: float, message: Message) -> str:
    words = f"by you, {_time_text(edited_at)}"
    if message.completion is not None:
        words += ". The numbers are of what the model wrote behind that"
    return words


def parameters_text(sampling: SamplingParameters) -> str:
    """The parameters that are not at their defaults; the seed has a line of its own."""
    defaults = SamplingParameters()
    changed = [
        f"{name} {_value_text(value)}"
        for name in sampling.__struct_fields__
        if name != "seed" and (value := getattr(sampling, name)) != getattr(defaults, name)
    ]
    return ", ".join(changed) or "all at their defaults"


def _value_text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _ending(message: Message) -> str:
    match message.state:
        case MessageState.STOPPED:
            return "when you stopped it"
        case MessageState.INTERRUPTED:
            return "when Minerva ended"
        case MessageState.FAILED:
            return "with an error"
    completion = message.completion
    if completion is not None and completion.finish_reason is FinishReason.LENGTH:
        full = completion.full_context
        return f"in a full context of {full:,} tokens" if full else "at its limit of tokens"
    if completion is not None and completion.stop_string is not None:
        return f"at the stop string “{completion.stop_string}”"
    return "by itself"


def _numbers(completion: Completion) -> Facts:
    timings = completion.timings
    facts = [] if completion.seed is None else [("Seed", str(completion.seed))]
    if timings.prompt_tokens:  # another program's file may not say, and any prompt has some
        facts.append(("Prompt", _prompt(timings, completion)))
    answer = n_of(timings.completion_tokens, "token")
    if timings.tokens_per_second > 0:
        answer += f", {format_speed(timings.tokens_per_second)}"
    facts.append(("Answer", answer))
    if timings.prompt_tokens:
        facts.append(("Context used", n_of(completion.context_used, "token")))
    if completion.drafted_tokens:
        guessed = f"{completion.accepted_tokens:,} of {completion.drafted_tokens:,} were right"
        facts.append(("Guessed ahead", guessed))
    if completion.dropped_turns:
        facts.append(("Left out", f"the oldest {n_of(completion.dropped_turns, 'message')}"))
    if completion.shifted_tokens:
        facts.append(("Forgotten", n_of(completion.shifted_tokens, "token")))
    return facts


def _prompt(timings: Timings, completion: Completion) -> str:
    text = n_of(timings.prompt_tokens, "token")
    if timings.cached_tokens:
        text += f", {format_tokens(timings.cached_tokens)} known already"
    if completion.restored_tokens:
        text += f" ({format_tokens(completion.restored_tokens)} from disk)"
    read = timings.prompt_tokens - timings.cached_tokens
    if read > 0 and timings.prefill_ms > 0:
        text += f", {format_speed(1000 * read / timings.prefill_ms)}"
    return text


class AnswerDetails(PopupFrame):
    """Closes with Esc or a click elsewhere, and is gone then; Ctrl+C copies all of it."""

    def __init__(self, icons: Icons, message: Message, model: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("answerDetails")
        facts = facts_of(message, model)
        self.setAccessibleName("Details of the answer")
        self.setFixedWidth(WIDTH)
        grid = self._make_grid(facts)
        box = QVBoxLayout(self)
        box.setContentsMargins(4 * GRID, 3 * GRID, 4 * GRID, 3 * GRID)
        box.setSpacing(3 * GRID)
        box.addLayout(grid)
        if message.completion is not None and _phases(message.completion.timings):
            chart = TimeChart(icons, message.completion.timings)
            box.addWidget(chart)
            facts.append(("Time", chart.accessibleName()))
        self.setAccessibleDescription("\n".join(f"{name}: {value}" for name, value in facts))

    def _make_grid(self, facts: Facts) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(COLUMN_GAP)
        grid.setVerticalSpacing(GRID)
        grid.setColumnStretch(1, 1)
        names = [_label(name, muted=True) for name, _ in facts]
        for label in names:
            label.ensurePolished()
        taken = max(label.sizeHint().width() for label in names) + COLUMN_GAP + 8 * GRID
        for row, (name, (_, text)) in enumerate(zip(names, facts, strict=True)):
            value = _label(text, muted=False)
            value.ensurePolished()
            # A layout gives a label that may wrap the height of a narrower one.
            value.setFixedHeight(value.heightForWidth(WIDTH - taken))
            grid.addWidget(name, row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(value, row, 1)
        return grid

    def open_at(self, place: QPoint) -> None:
        """Show it with its corner at ``place`` on the screen, or as near as it fits."""
        self.adjustSize()
        screen = self.screen().availableGeometry()
        parent = self.parentWidget()
        window = screen if parent is None else parent.window().geometry().intersected(screen)
        right = max(screen.left(), window.right() - 2 * GRID - self.width())
        left = min(place.x(), right)
        top = place.y()
        if top + self.height() > window.bottom() - GRID:
            top = max(screen.top(), place.y() - self.height() - 8 * GRID)
        self.move(left, top)
        self.show()
        self.setFocus(Qt.FocusReason.PopupFocusReason)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.close()
        elif event.matches(QKeySequence.StandardKey.Copy):
            QGuiApplication.clipboard().setText(self.accessibleDescription())
        else:
            super().keyPressEvent(event)


def _phases(timings: Timings) -> list[tuple[str, float]]:
    """What took time, in ms, in the order in which it happened."""
    phases = (
        ("Waiting", timings.queue_ms),
        ("Reading", timings.prefill_ms),
        ("Writing", timings.decode_ms),
    )
    return [(name, taken) for name, taken in phases if taken > 0]


class TimeChart(QWidget):
    """A bar of an answer's phases, each as long as it took, and their times beneath."""

    def __init__(self, icons: Icons, timings: Timings) -> None:
        super().__init__()
        self._icons = icons
        self._phases = _phases(timings)
        self._colours = {"Waiting": 3, "Reading": 1, "Writing": 0}  # of the theme's series
        self.setObjectName("timeChart")
        font = self.font()
        font.setPixelSize(LEGEND_PX)
        self.setFont(font)
        self.setAccessibleName(", ".join(f"{name} {format_ms(ms)}" for name, ms in self._phases))
        self.setFixedHeight(BAR_HEIGHT + 2 * GRID + self.fontMetrics().height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        theme = self._icons.theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        total = sum(taken for _, taken in self._phases)
        bar = QPainterPath()
        bar.addRoundedRect(QRectF(0, 0, self.width(), BAR_HEIGHT), BAR_HEIGHT / 2, BAR_HEIGHT / 2)
        painter.setClipPath(bar)
        left = 0.0
        for name, taken in self._phases:
            width = max(LEAST_SHARE, self.width() * taken / total)
            colour = QColor(theme.series[self._colours[name]])
            painter.fillRect(QRectF(left, 0, self.width() - left, BAR_HEIGHT), colour)
            left += width
        painter.setClipping(False)
        metrics = self.fontMetrics()
        x, y = 0.0, BAR_HEIGHT + 2 * GRID
        for name, taken in self._phases:
            text = f"{name} {format_ms(taken)}"
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.series[self._colours[name]]))
            painter.drawEllipse(QRectF(x, y + (metrics.height() - DOT) / 2, DOT, DOT))
            painter.setPen(QColor(theme.muted))
            x += DOT + GRID
            place = QRectF(x, y, self.width() - x, metrics.height())
            painter.drawText(place, int(Qt.AlignmentFlag.AlignVCenter), text)
            x += metrics.horizontalAdvance(text) + 4 * GRID


def _label(text: str, *, muted: bool) -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setAccessibleName(text)
    if muted:
        label.setProperty("look", "muted")
    else:
        label.setWordWrap(True)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
