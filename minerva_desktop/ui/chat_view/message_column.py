"""The messages of the transcript one above the other, and the work left to do for them.

`ChatView` scrolls this column and decides when it works. Views are built for the last messages
first, text is rendered in slices, so each call of `work` takes about as long as it was given. Main
thread.
"""

from __future__ import annotations

import time
from itertools import takewhile
from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, Signal, Slot
from PySide6.QtWidgets import QPushButton, QWidget

from minerva_desktop.chat.message import Message
from minerva_desktop.ui.chat_view.empty_state import EmptyState
from minerva_desktop.ui.chat_view.message_parts import INSET
from minerva_desktop.ui.formats import format_tokens
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import COLUMN_WIDTH, GRID

if TYPE_CHECKING:
    from minerva_desktop.ui.chat_view.markdown import MarkdownParser
    from minerva_desktop.ui.chat_view.message_view import MessageView

PAGE = 60  # messages that are shown at first, and more with each "Show earlier messages"
FEW = 6  # messages that are built at once when a chat changes at its end
SIDE = 5 * GRID  # px left and right of the text
GAP = 5 * GRID  # px between messages
TOP = 6 * GRID
BOTTOM = 8 * GRID


class MessageColumn(QWidget):
    """``work_added``: call `work` soon. ``selected``: a person selected text in a message;
    ``caret_moved(rect)``: or moves a selection's end by keyboard, to ``rect`` in the column."""

    work_added = Signal()
    retry_requested = Signal(str)
    details_requested = Signal(str)
    options_requested = Signal(str)
    load_anyway_requested = Signal(str)
    selected = Signal()
    caret_moved = Signal(QRect)

    def __init__(self, icons: Icons) -> None:
        super().__init__()
        self._icons = icons
        self._parser: MarkdownParser | None = None
        self._model_names: dict[str, str] = {}
        self._messages: list[Message] = []
        self._views: list[MessageView] = []  # of the last messages, in order
        self._by_id: dict[str, MessageView] = {}
        self._help: dict[str, tuple[bool, bool, bool]] = {}  # by message: details, load options
        self._unrendered: dict[str, MessageView] = {}
        self._unstyled: list[MessageView] = []
        self._unarranged: list[MessageView] = []
        self._new: set[MessageView] = set()  # put above others, not at full height yet
        self._width = 0
        self._first_wanted = 0  # index of the first message that should have a view
        self.setObjectName("chatColumn")
        self.empty = EmptyState(icons, self)
        self._earlier = QPushButton(self)
        self._earlier.setProperty("look", "ghost")
        self._earlier.clicked.connect(self._show_earlier)

    # -- messages ----------------------------------------------------------------------------

    def set_messages(self, messages: list[Message]) -> None:
        """Show these. Views of messages that both lists begin with stay, the others are built
        anew: a few at once, many by `work`."""
        pairs = zip(self._messages, messages, strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        first = len(self._messages) - len(self._views)
        if same <= first or len(messages) - same > FEW:
            same = 0
        for view in self._views[max(0, same - first) :]:
            self._drop_view(view)
        self._messages = list(messages)
        if same:
            self._views += [self._make_view(message) for message in messages[same:]]
        else:
            self._first_wanted = max(0, len(messages) - PAGE)

    def set_model_names(self, names: dict[str, str]) -> None:
        """What to call the models, by file name."""
        if names != self._model_names:
            self._model_names = names
            for view in self._views:
                view.show_author(names)

    def append(self, message: Message) -> None:
        """Add a message below the others."""
        self._messages.append(message)
        self._views.append(self._make_view(message))

    def append_text(self, message_id: str, delta: str) -> None:
        """More text of an answer; nothing for a message without a view."""
        view = self._by_id.get(message_id)
        if view is not None:
            view.append(delta)
            self._unrendered[message_id] = view

    def offer_help(self, message_id: str, *, details: bool, options: bool, anyway: bool) -> None:
        """What to offer under a failed answer, whenever it has a view."""
        self._help[message_id] = (details, options, anyway)
        view = self._by_id.get(message_id)
        if view is not None:
            view.offer_help(details=details, options=options, anyway=anyway)

    def set_status(self, message_id: str, text: str) -> None:
        """What to say beneath a running answer."""
        view = self._by_id.get(message_id)
        if view is not None:
            view.set_status(text)

    def finish(self, message: Message) -> None:
        """The final form of a message that is already here."""
        index = self._index(message.id)
        if index is None:
            return
        self._messages[index] = message
        view = self._by_id.get(message.id)
        if view is not None:
            view.finish(message)
            self._unrendered[message.id] = view

    def source(self, message_id: str) -> str:
        """A message's text so far. Raises `KeyError` for an unknown one."""
        view = self._by_id.get(message_id)
        if view is not None:
            return view.source()
        index = self._index(message_id)
        if index is None:
            raise KeyError(message_id)
        return self._messages[index].text

    def plain_text(self) -> str:
        """What is shown: the messages that have a view, or the empty state."""
        if not self._messages:
            return self.empty.text()
        return "\n\n".join(view.plain_text() for view in self._views)

    def view(self, message_id: str) -> MessageView | None:
        """The view of a message, if it has one now."""
        return self._by_id.get(message_id)

    def reveal(self, message_id: str) -> bool:
        """Have `work` make a view of a message, however early it is; False for an unknown one."""
        index = self._index(message_id)
        if index is not None:
            self._first_wanted = min(self._first_wanted, index)
        return index is not None

    def _index(self, message_id: str) -> int | None:
        for index in range(len(self._messages) - 1, -1, -1):
            if self._messages[index].id == message_id:
                return index
        return None

    # -- work --------------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """Whether `work` would find something to do."""
        missing = len(self._messages) - self._first_wanted > len(self._views)
        return bool(self._unrendered or self._unstyled or self._unarranged or missing)

    def work(self, seconds: float) -> None:
        """Render, restyle and build views, lowest first, for about ``seconds``."""
        deadline = time.perf_counter() + seconds
        while self.has_work:
            if self._unrendered:
                name, view = next(reversed(self._unrendered.items()))
                if not view.render_some(deadline - time.perf_counter()):
                    del self._unrendered[name]
            elif self._unstyled:
                self._unstyled.pop().restyle()
            elif self._unarranged:
                self._unarranged.pop().arrange(self._view_width())
            else:
                message = self._messages[len(self._messages) - len(self._views) - 1]
                view = self._make_view(message)
                view.lower()  # screen readers go by the order of the children: this one is first
                self._views.insert(0, view)
                self._new.add(view)
            if time.perf_counter() > deadline:
                break

    def restyle(self, visible: QRect) -> None:
        """The theme changed: restyle what is ``visible`` at once, the rest by `work`."""
        self.empty.restyle()
        self._unstyled.clear()
        for view in self._views:
            if view.geometry().intersects(visible):
                view.restyle()
            else:
                self._unstyled.append(view)
        self.update()

    def _make_view(self, message: Message) -> MessageView:
        # For start-up time: Markdown and Pygments take 0.1 s, and an empty chat needs neither.
        from minerva_desktop.ui.chat_view.markdown import MarkdownParser
        from minerva_desktop.ui.chat_view.message_view import MessageView

        self._parser = self._parser or MarkdownParser()
        view = MessageView(message, self._parser, self._icons, self)
        view.show_author(self._model_names)
        details, options, anyway = self._help.get(message.id, (False, False, False))
        view.offer_help(details=details, options=options, anyway=anyway)
        view.retry_requested.connect(self.retry_requested)
        view.details_requested.connect(self.details_requested)
        view.options_requested.connect(self.options_requested)
        view.load_anyway_requested.connect(self.load_anyway_requested)
        view.rendering_needed.connect(self._on_rendering_needed)
        view.body.copyAvailable.connect(self._on_copy_available)
        view.body.caret_moved.connect(self._on_caret_moved)
        view.show()
        self._by_id[message.id] = view
        self._unrendered[message.id] = view
        return view

    def _drop_view(self, view: MessageView) -> None:
        self._views.remove(view)
        del self._by_id[view.message.id]
        self._unrendered.pop(view.message.id, None)
        self._new.discard(view)
        for waiting in (self._unstyled, self._unarranged):
            if view in waiting:
                waiting.remove(view)
        view.hide()
        view.deleteLater()

    # -- layout ------------------------------------------------------------------------------

    def _view_width(self) -> int:
        return min(COLUMN_WIDTH, self._width) - 2 * (SIDE - INSET)

    def arrange(self, width: int, bar: int, least_height: int, seen: range) -> None:
        """Place everything in the middle of ``width`` px, at least ``least_height`` px high. The
        last ``bar`` px, at most `SIDE` - `INSET`, stay free for a scroll bar.

        A new width takes effect at once for messages at the heights ``seen`` (px), for the others
        by `work`.
        """
        self._width = width
        self.empty.setVisible(not self._messages)
        if not self._messages:
            self.resize(width - bar, least_height)
            self.empty.fit(width, least_height)
            self._earlier.hide()
            return
        column = self._view_width()
        left = (width - column) // 2
        y = TOP
        self._earlier.setVisible(self._first_wanted > 0)
        if self._first_wanted > 0:
            self._earlier.setText(f"Show earlier messages ({format_tokens(self._first_wanted)})")
            self._earlier.adjustSize()
            self._earlier.move((width - self._earlier.width()) // 2, y)
            y += self._earlier.height() + GAP
        self._unarranged.clear()
        for view in self._views:
            near = view.y() < seen.stop and view.y() + view.height() >= seen.start
            if near or view.arranged_width in {-1, column}:
                height = view.arrange(column)
                if view.message.id not in self._unrendered:
                    self._new.discard(view)
            else:
                height = view.height()
                self._unarranged.append(view)
            view.setGeometry(left, y, column, height)
            y += height + GAP
        self.resize(width - bar, max(least_height, y - GAP + BOTTOM))

    def anchor(self, y: int) -> tuple[MessageView, int] | None:
        """The message at height ``y`` of the column, and how far below its top that is. A message
        that is still to grow above the others is passed over."""
        for view in self._views:
            if view.geometry().bottom() >= y and view not in self._new:
                return view, y - view.y()
        return None

    # -- slots -------------------------------------------------------------------------------

    @Slot()
    def _show_earlier(self) -> None:
        self._first_wanted = max(0, self._first_wanted - PAGE)
        self.work_added.emit()

    @Slot(str)
    def _on_rendering_needed(self, message_id: str) -> None:
        self._unrendered[message_id] = self._by_id[message_id]
        self.work_added.emit()

    @Slot(bool)
    def _on_copy_available(self, available: bool) -> None:
        if available:
            # One selection in the transcript, as in one document.
            for view in self._views:
                if view.body is not self.sender():
                    view.body.clear_selection()
            self.selected.emit()

    @Slot(QRect)
    def _on_caret_moved(self, rect: QRect) -> None:
        body = self.sender()
        if isinstance(body, QWidget):
            self.caret_moved.emit(QRect(body.mapTo(self, rect.topLeft()), rect.size()))
