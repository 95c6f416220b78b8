"""What is new in a version, as it was told: Markdown that can neither load nor run anything. Main
thread."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.ui.chat_view.message_text import MessageText
from minerva_desktop.ui.chat_view.rendering import Rendering
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

MIN_HEIGHT = 30 * GRID
MARGIN = 3 * GRID
SLICE_SECONDS = 0.004  # of rendering between two looks at everything else


class ChangesView(QScrollArea):
    """A text that scrolls; rendered as answers are."""

    def __init__(self, icons: Icons) -> None:
        super().__init__()
        self.setObjectName("changesView")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMinimumHeight(MIN_HEIGHT)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        holder = self._holder = QWidget()
        rendering = Rendering()
        self._text = RichTextView(icons, rendering.formats, holder, can_save=False)
        self._text.setAccessibleName("What is new")
        self._text.move(MARGIN, MARGIN)
        self._source = MessageText(_as_answer(""), rendering.parser, self._text)
        self._text.rows_requested.connect(self._on_rows_requested)
        self._text.height_changed.connect(self._fit)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._render_some)
        self.setWidget(holder)
        for each in (holder, self.viewport()):
            each.setAutoFillBackground(False)  # the corners are round
        icons.themes.changed.connect(self._on_theme)

    def show_markdown(self, source: str) -> None:
        """Show ``source`` instead of what was there, bit by bit."""
        if source != self._source.source:
            self._source.begin(_as_answer(source))
            self._source.unfold()  # it is short enough
            self._timer.start()

    @property
    def is_working(self) -> bool:
        """Whether some of it is not shown yet."""
        return self._timer.isActive()

    @Slot()
    def _render_some(self) -> None:
        is_late = self._text.recolour_some(SLICE_SECONDS)
        if not is_late and not self._source.render_some(SLICE_SECONDS):
            self._timer.stop()
        self._fit()

    @Slot()
    def _on_theme(self) -> None:
        self._text.restyle()
        self._timer.start()

    @Slot()
    def _on_rows_requested(self) -> None:
        self._source.show_all_rows()
        self._timer.start()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._fit()

    @Slot()
    def _fit(self) -> None:
        width = max(1, self.viewport().width() - 2 * MARGIN)
        height = self._text.fit(width)
        self._holder.resize(self.viewport().width(), height + 2 * MARGIN)


def _as_answer(source: str) -> Message:
    """What `MessageText` renders."""
    return Message(
        id="",
        parent_id=None,
        role=Role.ASSISTANT,
        text=source,
        state=MessageState.COMPLETE,
        created_at=0.0,
    )
