"""The messages that wait until an answer is over, one below the other above the composer.

Each can be changed in the composer, thrown away, or moved before another. Where nothing is answered
any more, because the last answer was stopped or failed, or the first has no room, *Send now* sends
that. Main thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from PySide6.QtCore import QRectF, Qt, Signal, Slot
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QContextMenuEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QShortcut,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.app.session_listener import QueuedMessage
from minerva_desktop.ui.controls import ElidedLabel, PopupMenu, icon_button, plain_tip
from minerva_desktop.ui.fresh_buttons import FreshButtons
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.notice_parts import link_button
from minerva_desktop.ui.tab_order import lead_to
from minerva_desktop.ui.theme import GRID

BUTTON = 7 * GRID  # px
SIGN = 4 * GRID  # px
NOTCH = 120  # eighths of a degree that a wheel is turned for one row
EDIT, REMOVE = "Edit this message", "Do not send this message"
LEAVE = "Leave this message as it was"
MAX_SAID = 100  # characters of a message, to a screen reader that is told its place
MOVE_KEYS = {"Alt+Up": -1, "Alt+Down": 1}
NOT_YET = "Not sent yet."
EDITED = "Not sent while you edit it."
NOT_WELL = "Not sent, because the answer before it did not end well."
STOPPED = "Not sent, because you stopped the answer before it."
NO_ROOM = "Not sent, because the chat with it is longer than the context."


class WaitingMessages(QWidget):
    """``edit_requested(id)``, ``remove_requested(id)`` and ``send_requested``: what was pressed,
    the first also to leave the one that is edited; ``move_requested(id, by)``: that one is to wait
    so many places further on.
    ``focus_left``: the button with the keyboard went. ``changed``: others are shown."""

    edit_requested = Signal(str)
    remove_requested = Signal(str)
    move_requested = Signal(str, int)
    send_requested = Signal()
    focus_left = Signal()
    changed = Signal()

    def __init__(self, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icons = icons
        self._shown: tuple[QueuedMessage, ...] = ()
        self._is_paused = False
        self._edited: QueuedMessage | None = None
        self._max_shown = 1
        self._n_above = 0  # that wait before the first that is shown
        self._moved = ""  # the one that its person moves
        self._is_refreshing = False
        self._rows: list[_WaitingMessage] = []
        self.leads_to: QWidget | None = None  # what Tab leads to behind them
        self.setObjectName("waitingMessages")
        self._why = QLabel(NOT_WELL)
        self._why.setTextFormat(Qt.TextFormat.PlainText)
        self._why.setProperty("look", "muted")
        self._why.setWordWrap(True)
        self._send = QPushButton("Send now")
        self._fresh = FreshButtons(self)
        self._fresh.watch(self._send)
        self._paused = self._make_paused_line(self._send)
        self._before = link_button(
            "before these", "waitingBefore", "Show the messages before", self
        )
        self._more = link_button("and more", "waitingMore", "Show more of them", self)
        self._before.clicked.connect(self._show_before)
        self._more.clicked.connect(self._show_more)
        self._turned = 0  # by the wheel, in eighths of a degree, towards the next row
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.setSpacing(GRID)
        for line in (self._before, self._more):
            beside = QHBoxLayout()
            beside.setContentsMargins(2 * GRID, 0, 0, 0)
            beside.addWidget(line)
            beside.addStretch(1)
            self._box.addLayout(beside)
        self._box.addWidget(self._paused)
        for keys, by in MOVE_KEYS.items():
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(partial(self._move_focused, by))
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.focusChanged.connect(self._on_focus_changed)
        self.hide()

    def _make_paused_line(self, send: QPushButton) -> QWidget:
        line = QWidget()
        send.setObjectName("sendWaitingButton")
        send.setAccessibleName("Send the first waiting message now")
        send.setAutoDefault(False)
        send.clicked.connect(self.send_requested)
        row = QHBoxLayout(line)
        row.setContentsMargins(3 * GRID, 0, 0, 0)
        row.setSpacing(2 * GRID)
        row.addWidget(self._why, 1)
        row.addWidget(send)
        return line

    def show_messages(
        self,
        messages: Sequence[QueuedMessage],
        *,
        is_paused: bool,
        why: str = NOT_WELL,
        edited: QueuedMessage | None = None,
    ) -> None:
        """Show what waits, first in line first. ``is_paused``: for the person, not for an answer
        that is being written; ``why`` says so. ``edited``: the one that is in the composer."""
        self._why.setText(why)
        now = tuple(messages), is_paused, edited
        if now == (self._shown, self._is_paused, self._edited):
            return
        self._edited = edited
        before = [message.id for message in self._shown]
        self._shown, self._is_paused = tuple(messages), is_paused
        ids = [message.id for message in messages]
        is_same = sorted(ids) == sorted(before)
        is_moved = is_same and ids != before
        focused = self._focused if is_same else None
        moved = self._moved if is_moved and self._moved in ids else ""
        self._moved = ""
        if focused is not None:
            place = self._place(focused[0])
            self._n_above = max(place + 1 - self._max_shown, min(self._n_above, place))
        elif not set(ids) <= set(before):  # one fewer leaves the others where they are
            self._n_above = 0
        self._refresh(focused)
        if moved:
            self._say_place(moved, is_known=focused is not None and focused[0] == moved)
        elif len(ids) > len(before):
            self._say(self.accessibleName())

    def _place(self, message_id: str) -> int:
        return next(at for at, each in enumerate(self._shown) if each.id == message_id)

    @property
    def _focused(self) -> tuple[str, int] | None:
        """The message and the number of its button that has the keyboard; None where none has."""
        focused = QApplication.focusWidget()
        for row in self._rows:
            if focused in row.buttons:
                return row.message_id, row.buttons.index(focused)
        return None

    def _say_place(self, message_id: str, *, is_known: bool) -> None:
        """``is_known``: it has the keyboard, and was read when that came to it."""
        place = self._place(message_id)
        words = f"Place {place + 1} of {len(self._shown)}"
        self._say(words if is_known else f"{_words(self._shown[place])[:MAX_SAID]}: {words}")

    def _say(self, words: str) -> None:
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, words))

    def _move_focused(self, by: int) -> None:
        if (focused := self._focused) is not None:
            self._move(focused[0], by)

    @Slot(str, int)
    def _move(self, message_id: str, by: int) -> None:
        self._moved = message_id
        self.move_requested.emit(message_id, by)

    def height_in(self, width: int) -> int:
        """How high they are in ``width`` (px)."""
        box = self._box
        return (
            box.totalHeightForWidth(width) if box.hasHeightForWidth() else box.sizeHint().height()
        )

    def set_max_shown(self, count: int) -> None:
        """Show at most so many of them, and at least one."""
        if max(1, count) != self._max_shown:
            self._max_shown = max(1, count)
            self._refresh()

    @Slot()
    def _show_before(self) -> None:
        self._scroll(-self._max_shown)

    @Slot()
    def _show_more(self) -> None:
        self._scroll(self._max_shown)

    def _scroll(self, by: int) -> None:
        """Show those that wait ``by`` places further on."""
        before = self._n_above
        self._n_above = max(0, min(before + by, len(self._shown) - self._max_shown))
        if self._n_above != before:
            self._refresh()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if len(self._shown) <= self._max_shown:
            event.ignore()
            return
        self._turned -= event.angleDelta().y()
        rows = int(self._turned / NOTCH)
        self._turned -= rows * NOTCH
        self._scroll(rows)

    @Slot(QWidget, QWidget)
    def _on_focus_changed(self, _before: QWidget | None, now: QWidget | None) -> None:
        """Who went on with the keyboard to what is shown last leaves: the first are shown again."""
        if not self._n_above or now is None or self._is_refreshing:
            return
        if not self.isAncestorOf(now) and not isinstance(now, PopupMenu):
            self._n_above = 0
            self._refresh()

    def _refresh(self, focused: tuple[str, int] | None = None) -> None:
        """``focused`` is the message, and which of its buttons, that had the keyboard and keeps
        it."""
        self._is_refreshing = True
        widget = QApplication.focusWidget()
        is_link = widget is self._before or widget is self._more
        had_focus = widget is not None and self.isAncestorOf(widget)
        self._show_rows()
        if is_link and self._rows and widget is not None:
            had_focus = False
            if widget.isHidden():  # there are no more that way
                row = self._rows[0 if widget is self._before else -1]
                row.buttons[0].setFocus(Qt.FocusReason.TabFocusReason)
        for row in self._rows:
            if focused is not None and row.message_id == focused[0]:
                row.buttons[focused[1]].setFocus(Qt.FocusReason.TabFocusReason)
                had_focus = False
        if had_focus:
            self.focus_left.emit()
        self._is_refreshing = False
        self.changed.emit()

    def _show_rows(self) -> None:
        for row in self._rows:
            row.hide()
            row.deleteLater()
        messages, last = self._shown, len(self._shown) - 1
        above = self._n_above = max(0, min(self._n_above, len(messages) - self._max_shown))
        shown = messages[above : above + self._max_shown]
        self._rows = [
            _WaitingMessage(
                self._icons,
                each,
                can_move={-1: place > 0, 1: place < last},
                is_edited=each is self._edited,
            )
            for place, each in enumerate(shown, above)
        ]
        for place, row in enumerate(self._rows, 1):
            row.move_requested.connect(self._move)
            self._fresh.watch(*row.buttons)
            row.edit_requested.connect(self.edit_requested)
            row.remove_requested.connect(self.remove_requested)
            self._box.insertWidget(place, row)
            row.show()  # a layout would do it at the next turn of the event loop
        if self.leads_to is not None:
            buttons = [button for row in self._rows for button in row.buttons]
            lead_to(self.leads_to, [self._before, *buttons, self._more, self._send])
        _name(self._before, f"{above} before {'this' if len(shown) == 1 else 'these'}")
        self._before.setVisible(above > 0)
        n_more = len(messages) - above - len(self._rows)
        _name(self._more, f"and {n_more} more")
        self._more.setVisible(n_more > 0)
        self._paused.setVisible(self._is_paused and bool(messages))
        self.setAccessibleDescription(self._why.text() if self._is_paused else "")
        count = len(messages)
        self.setAccessibleName(f"{count} {'message waits' if count == 1 else 'messages wait'}")
        self.setVisible(bool(messages))


class _WaitingMessage(QFrame):
    """One of them, on one line. ``can_move``: up (-1) and down (1). ``is_edited``: it is in the
    composer, and its first button leaves it as it was."""

    edit_requested = Signal(str)
    remove_requested = Signal(str)
    move_requested = Signal(str, int)

    def __init__(
        self,
        icons: Icons,
        message: QueuedMessage,
        *,
        can_move: Mapping[int, bool],
        is_edited: bool,
    ) -> None:
        super().__init__()
        self.message_id = message.id
        self._icons = icons
        self._can_move = can_move
        self.setObjectName("waitingMessage")
        sign = _Sign(icons)
        self._edit = ("reset", LEAVE) if is_edited else ("edit", EDIT)
        text = ElidedLabel(f"Editing: {_words(message)}" if is_edited else _words(message))
        if is_edited:
            text.setProperty("look", "muted")
        edit = icon_button(icons, *self._edit, size=BUTTON)
        edit.clicked.connect(self._on_edit)
        remove = icon_button(icons, "close", REMOVE, size=BUTTON)
        remove.clicked.connect(self._on_remove)
        self.buttons = edit, remove
        edit.setToolTip(
            plain_tip("Leave it as it was", "Esc")
            if is_edited
            else plain_tip("Edit it in the composer")
        )
        row = QHBoxLayout(self)
        row.setContentsMargins(3 * GRID, GRID, GRID, GRID)
        row.setSpacing(GRID)
        row.addWidget(sign)
        row.addSpacing(GRID)
        row.addWidget(text, 1)
        row.addWidget(edit)
        row.addWidget(remove)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        menu = PopupMenu(self)
        menu.setObjectName("waitingMenu")
        icon, words = self._edit
        menu.addAction(self._icons.icon(icon, "muted"), words).triggered.connect(self._on_edit)
        signs = {-1: ("chevron-up", "Move up"), 1: ("chevron-down", "Move down")}
        for keys, by in MOVE_KEYS.items():
            icon, words = signs[by]
            move = menu.addAction(self._icons.icon(icon, "muted"), words)
            move.setShortcut(keys)
            move.setShortcutVisibleInContextMenu(True)
            move.setEnabled(self._can_move[by])
            move.triggered.connect(partial(self.move_requested.emit, self.message_id, by))
        menu.addSeparator()
        remove = menu.addAction(self._icons.icon("close", "muted"), REMOVE)
        remove.triggered.connect(self._on_remove)
        menu.popup(event.globalPos())

    @Slot()
    def _on_edit(self) -> None:
        self.edit_requested.emit(self.message_id)

    @Slot()
    def _on_remove(self) -> None:
        self.remove_requested.emit(self.message_id)


def _name(link: QPushButton, words: str) -> None:
    link.setText(words)
    link.setAccessibleName(words)


def _words(message: QueuedMessage) -> str:
    """What it says, and the names of what goes with it."""
    names = ", ".join(file.name for file in message.files)
    return f"{message.text} ({names})" if names and message.text.strip() else names or message.text


class _Sign(QWidget):
    """The clock before a message."""

    def __init__(self, icons: Icons) -> None:
        super().__init__()
        self._icons = icons
        self.setFixedSize(SIGN, SIGN)
        self.setAccessibleName("Waiting")

    def paintEvent(self, _event: QPaintEvent) -> None:
        self._icons.paint(QPainter(self), "queue", QRectF(self.rect()), "muted")
