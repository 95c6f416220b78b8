"""The line in the transcript above which messages are kept, but no longer given to the model; with
the summary that is given instead. Main thread."""

from __future__ import annotations

from PySide6.QtCore import QRect, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QPushButton, QWidget

from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

LINE = "The model is not given what is above"
SUMMARISED = "The model is given a summary of what is above"
GAP = 4 * GRID  # px to the messages above and below
PADDING = 3 * GRID


class CutMark(QWidget):
    """``restore_requested``: the model is to be given everything again; ``height_changed``: it has
    to be placed anew."""

    restore_requested = Signal()
    height_changed = Signal()

    def __init__(self, icons: Icons, parent: QWidget) -> None:
        super().__init__(parent)
        self._icons = icons
        self._cut: ContextCut | None = None
        self._card = QRect()
        self._is_placed = False
        self.setObjectName("cutMark")
        self._words = QLabel(self)
        self._words.setProperty("look", "muted")
        self._restore = self._make_button("Send it again", "restoreCutButton")
        self._restore.clicked.connect(self.restore_requested)
        self._show = self._make_button("Show summary", "showSummaryButton")
        self._show.setCheckable(True)
        self._show.toggled.connect(self._on_toggled)
        self._summary = QLabel(self)
        self._summary.setObjectName("cutSummary")
        self._summary.setTextFormat(Qt.TextFormat.PlainText)
        self._summary.setWordWrap(True)
        self._summary.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._summary.hide()
        self.hide()

    @property
    def first_id(self) -> str | None:
        """The message below the line; None where there is no line."""
        return None if self._cut is None else self._cut.first_id

    def set_cut(self, cut: ContextCut | None) -> None:
        """Where the line is, if there is one."""
        if cut == self._cut:
            return
        self._cut = cut
        summary = "" if cut is None else cut.summary
        words = SUMMARISED if summary else LINE
        self._words.setText(words)
        self.setAccessibleName(words)
        self._summary.setText(summary)
        self._show.setVisible(bool(summary))
        self._show.setChecked(False)
        self.height_changed.emit()

    def begin(self) -> None:
        """The transcript is being laid out: there may be no place for it."""
        self._is_placed = False

    def end(self) -> None:
        """All has its place."""
        self.setVisible(self._is_placed)

    def place(self, left: int, y: int, width: int) -> int:
        """Show the line at ``left``, ``y`` px, ``width`` px wide; the height that it takes."""
        for button in (self._show, self._restore):
            button.adjustSize()
        row = max(self._restore.height(), self._words.sizeHint().height())
        buttons = [self._restore, *([self._show] if self._show.isVisibleTo(self) else [])]
        right = width - PADDING
        for button in buttons:
            right -= button.width()
            button.move(right, PADDING + (row - button.height()) // 2)
            right -= GRID
        self._words.setGeometry(PADDING, PADDING, max(0, right - PADDING), row)
        height = row + 2 * PADDING
        if self._summary.isVisibleTo(self):
            text_width = width - 2 * PADDING
            text_height = self._summary.heightForWidth(text_width)
            self._summary.setGeometry(PADDING, height, text_width, text_height)
            height += text_height + PADDING
        self._card = QRect(0, 0, width, height)
        self.setGeometry(left, y + GAP, width, height)
        self._is_placed = True
        return height + 2 * GAP

    def paintEvent(self, _event: QPaintEvent) -> None:
        theme = self._icons.theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(theme.border))
        painter.setBrush(QColor(theme.code))
        painter.drawRoundedRect(self._card.adjusted(0, 0, -1, -1), 8, 8)

    @Slot(bool)
    def _on_toggled(self, shown: bool) -> None:
        self._summary.setVisible(shown)
        self._show.setText("Hide summary" if shown else "Show summary")
        self.height_changed.emit()

    def _make_button(self, words: str, name: str) -> QPushButton:
        button = QPushButton(words, self)
        button.setObjectName(name)
        button.setProperty("look", "link")
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return button
