"""The messages of the transcript one above the other, or what is shown when there are none.

`ChatView` scrolls this column; `MessageViews` makes what is in it. Main thread.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QMouseEvent, QMoveEvent
from PySide6.QtWidgets import QPushButton, QWidget

from minerva_desktop.ui.chat_view.cut_mark import CutMark
from minerva_desktop.ui.chat_view.empty_state import EmptyState
from minerva_desktop.ui.chat_view.message_events import MessageEvents, MessageOptions
from minerva_desktop.ui.chat_view.message_parts import INSET
from minerva_desktop.ui.chat_view.message_views import MessageViews
from minerva_desktop.ui.chat_view.steady_top import SteadyTop
from minerva_desktop.ui.formats import format_tokens
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

SIDE = 5 * GRID  # px left and right of the text
GAP = 5 * GRID  # px between a button and the messages
TOP = 6 * GRID
BOTTOM = 8 * GRID


class MessageColumn(QWidget):
    """``messages`` has all that is about single ones."""

    def __init__(self, icons: Icons, events: MessageEvents, options: MessageOptions) -> None:
        super().__init__()
        self._options = options
        self._text_size = icons.themes.text_size
        self.setObjectName("chatColumn")
        self.messages = MessageViews(icons, self, events, options)
        options.messages = lambda: self.messages.messages
        self.empty = EmptyState(icons, self)
        self.mark = CutMark(icons, self)
        self.mark.height_changed.connect(events.layout_changed)
        self._earlier = self.messages.above = self._make_pager(self.messages.show_earlier)
        self._later = self._make_pager(self.messages.show_later)

    def _make_pager(self, show: Callable[[], None]) -> QPushButton:
        button = QPushButton(self)
        button.setProperty("look", "ghost")
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(show)
        button.hide()
        return button

    def plain_text(self) -> str:
        """What is shown: the messages that have a view, or the empty state."""
        return self.messages.plain_text() if len(self.messages) else self.empty.text()

    def restyle(self, visible: QRect) -> None:
        """As `LateRestyling.restyle`, of all that is in it."""
        self.empty.restyle()
        self.messages.restyle(visible)
        self.update()

    def arrange(self, width: int, bar: int, height: int, seen: range, top: SteadyTop) -> None:
        """Place everything in the middle of ``width`` px; ``height`` px are in sight, below the
        edge ``top``. The last ``bar`` px, at most `SIDE` - `INSET`, stay free for a scroll bar.
        ``seen``: as for `ViewLayout.arrange`."""
        messages = self.messages
        whole = height + top.covered
        if whole != self._options.seen_height and messages.hands is not None:
            messages.hands.limit_editors(whole)
        self._options.seen_height = whole
        top.unneeded = 0
        self._options.n_hidden = messages.n_earlier + messages.n_later
        self.empty.setVisible(not len(messages))
        if not len(messages):
            self.resize(width - bar, height)
            self.empty.fit(width, height, top.shift)
            for other in (self._earlier, self._later, self.mark):
                other.hide()
            return
        column = min(self._text_size.column_width, width) - 2 * (SIDE - INSET)
        y = self._place_pager(self._earlier, "earlier", messages.n_earlier, width, TOP + top.gap)
        self.mark.begin()
        y = messages.arrange((width - column) // 2, y, column, seen, self.mark)
        self.mark.end()
        y = self._place_pager(self._later, "later", messages.n_later, width, y)
        needed = max(height, y - GAP + BOTTOM)
        top.unneeded = max(0, height + top.spare - needed)
        self.resize(width - bar, needed + top.unneeded)

    def moveEvent(self, event: QMoveEvent) -> None:
        """It was scrolled."""
        super().moveEvent(event)
        hands = self.messages.hands
        if hands is not None:
            hands.keep_in_sight(-self.y())

    # -- Qt: the pointer, where it is not at a text -------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        selection = self.messages.selection
        if selection is None or event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        viewport = self.parentWidget()
        if viewport is not None:  # it hands the keyboard to the area
            viewport.setFocus(Qt.FocusReason.MouseFocusReason)
        extends = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        selection.press(event.position().toPoint(), extends=extends)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        selection = self.messages.selection
        if selection is not None and event.buttons() & Qt.MouseButton.LeftButton:
            selection.drag_to(event.globalPosition().toPoint())

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        if self.messages.selection is not None:
            self.messages.selection.release()

    def _place_pager(
        self, button: QPushButton, which: str, n_messages: int, width: int, y: int
    ) -> int:
        """Offer ``n_messages`` more at ``y`` px, if there are any; where the next thing goes."""
        button.setVisible(n_messages > 0)
        if n_messages <= 0:
            return y
        button.setText(f"Show {which} messages ({format_tokens(n_messages)})")
        button.adjustSize()
        button.move((width - button.width()) // 2, y)
        return y + button.height() + GAP
