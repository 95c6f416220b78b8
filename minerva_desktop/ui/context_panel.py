"""The panel over the context meter: what fills the model's context, and the prompt itself.

`context_controller` opens and fills it. Main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFontDatabase,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QTextCharFormat,
    QTextCursor,
)
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QWidget,
)

from minerva_desktop.app.context_use import ContextPart, ContextUse
from minerva_desktop.ui.controls import PanelPopup
from minerva_desktop.ui.formats import format_tokens
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.stylesheet import mix
from minerva_desktop.ui.theme import GRID, Theme, ThemeSource

WIDTH = 520  # px
BAR_HEIGHT = 10
DOT = 8
PROMPT_HEIGHT = 56 * GRID
TINT = 0.16  # of a part's colour, behind its text
# A longer prompt is shown from both ends: laying out more takes longer than a person may wait.
SHOWN_CHARACTERS = 60_000

RESERVE = "Kept for the answer"
Fill = Callable[[Theme], QColor | QBrush]
TITLES = {
    ContextPart.SYSTEM: "System prompt",
    ContextPart.SUMMARY: "Summary of what came before",
    ContextPart.FILES: "Files",
    ContextPart.HISTORY: "Messages",
    ContextPart.DRAFT: "What you are typing",
    ContextPart.TEMPLATE: "Chat template",
}


class ContextPanel(PanelPopup):
    """``everything_wanted``: no message is to be left out any more."""

    everything_wanted = Signal()

    def __init__(self, icons: Icons, parent: QWidget) -> None:
        super().__init__(WIDTH, parent)
        self._themes = icons.themes
        self.setObjectName("contextPanel")
        self.setAccessibleName("What fills the context")
        self._numbers = _label("muted")
        self._bar = _ContextBar(self._themes)
        self._rows = QGridLayout()
        self._left_out = _label("muted")
        self._restore = QPushButton("Send them again")
        self._restore.setObjectName("restoreContextButton")
        self._restore.clicked.connect(self.everything_wanted)
        self._prompt = _prompt_view()
        self._lay_out()

    @property
    def prompt_text(self) -> str:
        """The prompt as it is shown."""
        return self._prompt.toPlainText()

    def show_use(self, use: ContextUse | None, n_left_out: int) -> None:
        """What fills the context; None where no loaded model can tell. ``n_left_out`` messages of
        the chat are not sent, by the person's choice."""
        self.show_numbers(use)
        self._left_out.setText(_left_out(n_left_out))
        for widget in (self._left_out, self._restore):
            widget.setVisible(n_left_out > 0)
        self._show_prompt(use)
        self.fit()

    def show_numbers(self, use: ContextUse | None) -> None:
        """As `show_use`, but for the prompt, which stays as it is."""
        self._numbers.setText(_numbers(use))
        self._bar.set_use(use)
        self._bar.setVisible(use is not None)
        self._show_rows(use)

    def _show_rows(self, use: ContextUse | None) -> None:
        while (item := self._rows.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        if use is None:
            return
        for row, (part, count) in enumerate(use.by_part.items()):
            is_all = part is not ContextPart.HISTORY or not use.n_older
            self._add_row(row, partial(_colour, part), TITLES[part], _count(count, is_all=is_all))
        if use.reserve is not None:
            reserved = format_tokens(use.n_reserved)
            self._add_row(len(use.by_part), _reserve_brush, RESERVE, reserved)

    def _add_row(self, row: int, fill: Fill, title: str, count: str) -> None:
        number = _label("muted", count)
        number.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for column, widget in enumerate((_Dot(fill, self._themes), _label("", title), number)):
            self._rows.addWidget(widget, row, column)
            widget.show()  # at once, so that `_fit` counts it: a layout would do it later

    def _show_prompt(self, use: ContextUse | None) -> None:
        self._prompt.clear()
        self._prompt.setVisible(use is not None and bool(use.pieces))
        if use is None:
            return
        cursor = QTextCursor(self._prompt.document())
        length = sum(len(piece.text) for piece in use.pieces)
        at = 0
        for piece in use.pieces:
            text = _shown(piece.text, at, length)
            at += len(piece.text)
            cursor.insertText(text, _format(piece.part, self._themes.theme))
        self._prompt.verticalScrollBar().setValue(self._prompt.verticalScrollBar().maximum())

    def _lay_out(self) -> None:
        title = QLabel("Context")
        title.setProperty("look", "heading")
        self._rows.setHorizontalSpacing(2 * GRID)
        self._rows.setVerticalSpacing(GRID)
        self._rows.setColumnStretch(1, 1)
        left_out = QHBoxLayout()
        left_out.addWidget(self._left_out, 1)
        left_out.addWidget(self._restore)
        self.box.addWidget(title)
        self.box.addWidget(self._bar)
        self.box.addWidget(self._numbers)
        self.box.addLayout(self._rows)
        self.box.addLayout(left_out)
        self.box.addWidget(self._prompt)
        self.show_use(None, 0)


class _ContextBar(QWidget):
    """A segment for each part, and one for what the answer may take; what is free stays empty."""

    def __init__(self, themes: ThemeSource) -> None:
        super().__init__()
        self._themes = themes
        self._use: ContextUse | None = None
        self.setFixedHeight(BAR_HEIGHT)

    def set_use(self, use: ContextUse | None) -> None:
        self._use = use
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        use, theme = self._use, self._themes.theme
        if use is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        bar = QRectF(self.rect())
        outline = QPainterPath()
        outline.addRoundedRect(bar, BAR_HEIGHT / 2, BAR_HEIGHT / 2)
        painter.setClipPath(outline)
        painter.fillRect(bar, QColor(theme.border))
        left = bar.left()
        for part, count in use.by_part.items():
            width = bar.width() * count / max(use.n_ctx, use.n_tokens)
            painter.fillRect(QRectF(left, bar.top(), width, bar.height()), _colour(part, theme))
            left += width
        width = bar.width() * use.n_reserved / max(use.n_ctx, use.n_tokens)
        painter.fillRect(QRectF(left, bar.top(), width, bar.height()), _reserve_brush(theme))


class _Dot(QWidget):
    """How a part is filled in the bar."""

    def __init__(self, fill: Fill, themes: ThemeSource) -> None:
        super().__init__()
        self._fill = fill
        self._themes = themes
        self.setFixedSize(DOT, 4 * GRID)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._fill(self._themes.theme))
        painter.drawEllipse(QRectF(0, (self.height() - DOT) / 2, DOT, DOT))


def _reserve_brush(theme: Theme) -> QBrush:
    """Hatched: it is not used yet."""
    return QBrush(QColor(theme.muted), Qt.BrushStyle.BDiagPattern)


def _colour(part: ContextPart, theme: Theme) -> QColor:
    coloured = [each for each in ContextPart if each is not ContextPart.TEMPLATE]
    if part is ContextPart.TEMPLATE:
        return QColor(mix(theme.muted, theme.surface, 0.4))
    return QColor(theme.series[coloured.index(part)])


def _format(part: ContextPart, theme: Theme) -> QTextCharFormat:
    look = QTextCharFormat()
    if part is ContextPart.TEMPLATE:
        look.setForeground(QColor(theme.muted))
    else:
        look.setForeground(QColor(theme.text))
        look.setBackground(QColor(mix(theme.code, _colour(part, theme).name(), TINT)))
    return look


def _shown(text: str, at: int, length: int) -> str:
    """``text``, which begins ``at`` characters into a prompt of ``length``, without what is in the
    middle of a long one."""
    if length <= SHOWN_CHARACTERS:
        return text
    first_end, last_start = SHOWN_CHARACTERS // 2, length - SHOWN_CHARACTERS // 2
    first = text[: max(0, first_end - at)]
    last = text[max(0, last_start - at) :]
    is_gap = at < last_start and at <= first_end < at + len(text)
    gap = f"\n[… {last_start - first_end:,} characters …]\n" if is_gap else ""
    return first + gap + last


def _numbers(use: ContextUse | None) -> str:
    if use is None:
        return "No model is loaded. What the chat fills is known with its next answer."
    answer = f"{format_tokens(use.n_free)} are left for the answer"
    if use.reserve is not None:
        answer += f", which may take {format_tokens(use.reserve)}"
    if use.n_tokens >= use.n_ctx:
        answer = "there is no room for an answer"
    used, n_ctx = _count(use.n_tokens, is_all=not use.n_older), format_tokens(use.n_ctx)
    words = f"{used} of {n_ctx} tokens; {answer}."
    if use.n_older == 1:
        return f"{words} The oldest message is not counted, nor shown here."
    if use.n_older:
        words += (
            f" The {format_tokens(use.n_older)} oldest messages are not counted, nor shown here."
        )
    return words


def _count(n_tokens: int, *, is_all: bool) -> str:
    """``> 1,204`` where there are more."""
    return format_tokens(n_tokens) if is_all else f"> {format_tokens(n_tokens)}"


def _left_out(count: int) -> str:
    if count == 1:
        return "The oldest message is kept, but not sent."
    return f"The {format_tokens(count)} oldest messages are kept, but not sent."


def _label(look: str, text: str = "") -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    if look:
        label.setProperty("look", look)
    return label


def _prompt_view() -> QPlainTextEdit:
    view = QPlainTextEdit()
    view.setObjectName("contextPrompt")
    view.setAccessibleName("The prompt as the model gets it")
    view.setReadOnly(True)
    view.setTabChangesFocus(True)
    view.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    view.setFixedHeight(PROMPT_HEIGHT)
    return view
