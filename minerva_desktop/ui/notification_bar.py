"""Notices at the top of the transcript: a sentence, details one click away, and what to do.

The main window calls `NotificationBar.show_notice`. One notice is shown at a time, the newest; the
ones it covers come back when it is gone. Text is always plain text. Main thread.
"""

from __future__ import annotations

from enum import Enum

import msgspec
from PySide6.QtCore import QEvent, Qt, QTimer, Signal, Slot
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QEnterEvent,
    QFontDatabase,
    QKeyEvent,
    QResizeEvent,
    QTextCursor,
)
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.ui.controls import icon_button
from minerva_desktop.ui.fresh_buttons import FreshButtons
from minerva_desktop.ui.icons import IconRole, Icons
from minerva_desktop.ui.notice_parts import SIGN_SIZE, NoticeButton, NoticeSign, link_button
from minerva_desktop.ui.tab_order import lead_from
from minerva_desktop.ui.text_size import USUAL_COLUMN
from minerva_desktop.ui.theme import GRID
from minerva_desktop.ui.undo_steps import UndoSteps

AUTO_HIDE_MS = 10_000
LAST_CHANCE = 6  # times as long for an Undo that has no other place
UNDO = "undo-last"
MORE = "noticeMoreButton"
MAX_NOTICES = 20  # beyond, the oldest is dropped
DETAIL_HEIGHT = 36 * GRID
NARROW = 520  # px; below it the buttons go under the sentence
MIN_TEXT = 420  # px, of the sentence beside them with its sign and the cross
AROUND_BUTTONS = SIGN_SIZE + 16 * GRID  # px of a card that its buttons never have


class NoticeKind(Enum):
    """How serious a notice is; the value names its icon and look."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class NoticeAction(msgspec.Struct, frozen=True):
    """A button. ``callback_id`` is what ``action_triggered`` carries."""

    label: str
    callback_id: str


class Notice(msgspec.Struct, frozen=True):
    """What to say. A notice replaces an earlier one with the same ``key`` (by default its
    sentence), so that a repeated error does not pile up. ``stays``: until it is replaced or
    dismissed, also where it is no problem: it tells how something goes on, or what happened by
    itself. ``is_last_chance``: what it offers cannot be had elsewhere in the window.
    ``is_of_chat``: it goes and comes back with the open chat. ``is_unfolded``: with its detail."""

    kind: NoticeKind
    text: str
    detail: str = ""
    actions: tuple[NoticeAction, ...] = ()
    key: str = ""
    stays: bool = False
    is_last_chance: bool = False
    is_of_chat: bool = False
    is_unfolded: bool = False

    @property
    def identity(self) -> str:
        """The key it is replaced and dismissed by."""
        return self.key or self.text

    @property
    def hides_itself(self) -> bool:
        """Mere tidings and offers such as Undo go by themselves; problems stay until they are
        seen."""
        return self.kind is NoticeKind.INFO and not self.stays


class NotificationBar(QWidget):
    """``action_triggered`` carries the button's callback id, ``closed`` the identity of a notice
    that went for whatever reason but being replaced. ``undo_steps`` is what `undo_last` undoes."""

    action_triggered = Signal(str)
    closed = Signal(str)

    def __init__(
        self, icons: Icons, parent: QWidget | None = None, auto_hide_ms: int = AUTO_HIDE_MS
    ) -> None:
        super().__init__(parent)
        self.undo_steps = UndoSteps()
        self._icons = icons
        self._hide_ms = auto_hide_ms
        self._notices: list[Notice] = []  # the last one is shown
        self._away: dict[str, list[Notice]] = {}  # those of other chats, by their ids
        self.follows: QWidget | None = None  # what Tab comes to before them
        self._card: _NoticeCard | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._on_timeout)
        self._fresh = FreshButtons(self)
        self._box = QHBoxLayout(self)
        self._box.setContentsMargins(4 * GRID, 2 * GRID, 4 * GRID, 2 * GRID)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setObjectName("notificationBar")
        self.setAccessibleName("Notifications")
        self.hide()

    @property
    def shown(self) -> Notice | None:
        """The notice on display."""
        return self._notices[-1] if self._notices else None

    @property
    def first_action(self) -> QPushButton | None:
        """The button of the first thing to do about it, if there is one."""
        return None if self._card is None else self._card.first_action

    def show_notice(self, notice: Notice) -> None:
        """Put ``notice`` on display; what it covers comes back later."""
        self._notices = [n for n in self._notices if n.identity != notice.identity]
        self._notices.append(notice)
        if len(self._notices) > MAX_NOTICES:
            self.closed.emit(self._notices.pop(0).identity)
        self._refresh()
        self._announce(notice)

    def leave_chat(self, chat_id: str) -> None:
        """What is about the open chat goes, until `enter_chat` with the same id."""
        if away := [notice for notice in self._notices if notice.is_of_chat]:
            self._away[chat_id] = away
            self._notices = [notice for notice in self._notices if not notice.is_of_chat]
            self._refresh()

    def enter_chat(self, chat_id: str) -> None:
        """That one is open: what is about it is there again."""
        if back := self._away.pop(chat_id, []):
            self._notices += back
            self._refresh()

    def _announce(self, notice: Notice) -> None:
        event = QAccessibleAnnouncementEvent(self, notice.text)
        if notice.kind is NoticeKind.ERROR:
            event.setPoliteness(QAccessible.AnnouncementPoliteness.Assertive)
        QAccessible.updateAccessibility(event)

    def dismiss(self, identity: str) -> None:
        """Take a notice away; nothing happens when it is not there any more."""
        if any(notice.identity == identity for notice in self._notices):
            self._notices = [n for n in self._notices if n.identity != identity]
            self._refresh()
            self.closed.emit(identity)

    def withdraw(self, identity: str) -> None:
        """Take a notice away, also from where it waits for its chat to be shown again."""
        for chat_id, notices in self._away.items():
            kept = [notice for notice in notices if notice.identity != identity]
            self._away[chat_id] = kept
            if len(kept) < len(notices):
                self.closed.emit(identity)
        self.dismiss(identity)

    def undo_last(self) -> bool:
        """Do what the button of the notice about the last step does, and say which that was;
        whether there is one."""
        step = self.undo_steps.take_last()
        if step is None:
            return False
        self.withdraw(step.identity)
        self.show_notice(Notice(NoticeKind.INFO, step.text, key=UNDO))
        self.action_triggered.emit(step.callback_id)
        return True

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self._timer.stop()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._restart_timer()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self._close_shown()
        else:
            super().keyPressEvent(event)

    @Slot()
    def _on_timeout(self) -> None:
        focused = QApplication.focusWidget()
        is_read = self._card is not None and self._card.shows_details
        if is_read or (focused is not None and self.isAncestorOf(focused)):
            self._timer.start()  # somebody is about to use it
        else:
            self._close_shown()

    @Slot()
    def _close_shown(self) -> None:
        if self.shown is not None:
            self.dismiss(self.shown.identity)

    @Slot()
    def _close_all(self) -> None:
        while self.shown is not None:
            self._close_shown()

    @Slot()
    def _show_next(self) -> None:
        """The one beneath; the shown one goes to the bottom."""
        self._notices.insert(0, self._notices.pop())
        self._refresh()
        more = self.findChild(QPushButton, MORE)
        if more is not None:
            more.setFocus()  # the button that was pressed went with its card
        self._announce(self._notices[-1])

    @Slot(str)
    def _trigger(self, callback_id: str) -> None:
        self._close_shown()
        self.undo_steps.drop(callback_id)
        self.action_triggered.emit(callback_id)

    def _refresh(self) -> None:
        if self._card is not None:
            self._box.removeWidget(self._card)
            self._card.hide()
            self._card.deleteLater()
            self._card = None
        notice = self.shown
        if notice is not None:
            self._card = _NoticeCard(self._icons, notice, len(self._notices) - 1)
            self._card.setMaximumWidth(USUAL_COLUMN)
            self._card.close_pressed.connect(self._close_shown)
            self._card.close_all_pressed.connect(self._close_all)
            self._card.next_pressed.connect(self._show_next)
            self._card.action_pressed.connect(self._trigger)
            buttons = self._card.findChildren(QAbstractButton)  # who steps through them is quick
            self._fresh.watch(*(each for each in buttons if each.objectName() != MORE))
            self._box.addWidget(self._card)
            if self.follows is not None:
                lead_from(self.follows, self._card.stops)
            self._card.show()  # a layout would do it at the next turn of the event loop
        self.setVisible(notice is not None)
        self._restart_timer()

    def _restart_timer(self) -> None:
        if self.shown is not None and self.shown.hides_itself and not self.underMouse():
            self._timer.start(self._hide_ms * (LAST_CHANCE if self.shown.is_last_chance else 1))
        else:
            self._timer.stop()


class _NoticeCard(QFrame):
    """One notice as a card. ``covered`` is how many wait beneath it; ``stops`` are what Tab comes
    to in it, in order."""

    action_pressed = Signal(str)
    close_pressed = Signal()
    close_all_pressed = Signal()
    next_pressed = Signal()

    def __init__(self, icons: Icons, notice: Notice, covered: int) -> None:
        super().__init__()
        self._notice = notice
        self.stops: list[QWidget] = []
        self.setObjectName("noticeCard")
        self.setProperty("kind", notice.kind.value)
        self._details_button = link_button(
            "Details", "noticeDetailsButton", "What is known about it", self
        )
        self._details_button.setCheckable(True)
        self._details_button.setVisible(bool(notice.detail))
        self._details_button.toggled.connect(self._show_details)
        self._details = self._make_details()
        self._middle = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._box = box = QVBoxLayout(self)
        box.setContentsMargins(3 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        box.setSpacing(2 * GRID)
        box.addLayout(self._make_row(icons, covered))
        box.addWidget(self._details)
        self._details_button.setChecked(notice.is_unfolded)

    @property
    def first_action(self) -> QPushButton | None:
        """The button of the first thing to do, if there is one."""
        return self.findChild(NoticeButton)

    @property
    def shows_details(self) -> bool:
        """Whether the person unfolded them."""
        return self._details_button.isChecked()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        direction = QBoxLayout.Direction
        row = self._row_width()
        beside = self.width() >= max(NARROW, row + MIN_TEXT)
        self._middle.setDirection(direction.LeftToRight if beside else direction.TopToBottom)
        # One above the other before a label is cut off, what it offers first.
        fits = self.width() >= row + AROUND_BUTTONS
        self._buttons.setDirection(direction.LeftToRight if fits else direction.BottomToTop)

    def _row_width(self) -> int:
        """What the buttons take beside each other, in px."""
        buttons = [each for each in self.findChildren(QPushButton) if not each.isHidden()]
        widths = [each.sizeHint().width() for each in buttons]
        return sum(widths) + self._buttons.spacing() * max(0, len(widths) - 1)

    def _make_row(self, icons: Icons, covered: int) -> QHBoxLayout:
        """Sign, sentence, buttons, close; `_middle` puts the buttons under the sentence where the
        card is narrow."""
        roles: dict[NoticeKind, IconRole] = {
            NoticeKind.INFO: "accent",
            NoticeKind.WARNING: "warning",
            NoticeKind.ERROR: "danger",
        }
        sign = NoticeSign(icons, self._notice.kind.value, roles[self._notice.kind])
        text = QLabel(self._notice.text)
        text.setObjectName("noticeText")
        text.setTextFormat(Qt.TextFormat.PlainText)
        text.setWordWrap(True)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._middle.setSpacing(2 * GRID)
        self._middle.addWidget(text, 1)
        self._buttons = self._make_buttons(covered)
        self._middle.addLayout(self._buttons)
        close = icon_button(icons, "close", "Close this notice", size=7 * GRID)
        close.setObjectName("noticeCloseButton")
        close.clicked.connect(self.close_pressed)
        self.stops.append(close)
        row = QHBoxLayout()
        row.setSpacing(2 * GRID)
        row.addWidget(sign)
        row.addLayout(self._middle, 1)
        row.addWidget(close)
        return row

    def _make_buttons(self, covered: int) -> QHBoxLayout:
        """What the notice offers stands at the end, where it stays when others come above it or
        go: *Close all* was where *Undo* had been."""
        row = QHBoxLayout()
        row.setSpacing(2 * GRID)
        row.addStretch(1)
        if covered:
            more = link_button(f"{covered} more", MORE, "Show the next notice", self)
            more.clicked.connect(self.next_pressed)
            close_all = link_button("Close all", "noticeCloseAllButton", "Close all notices", self)
            close_all.clicked.connect(self.close_all_pressed)
            self.stops += [more, close_all]
        self.stops.append(self._details_button)
        for action in self._notice.actions:
            button = NoticeButton(action.label, action.callback_id)
            button.action_pressed.connect(self.action_pressed)
            self.stops.append(button)
        for stop in self.stops:
            row.addWidget(stop)
        self.stops.append(self._details)
        return row

    def _make_details(self) -> QPlainTextEdit:
        details = QPlainTextEdit(self._notice.detail)
        details.setObjectName("noticeDetails")
        details.setAccessibleName("Details")
        details.setReadOnly(True)
        details.setTabChangesFocus(True)
        details.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        details.setFixedHeight(DETAIL_HEIGHT)
        details.hide()
        return details

    @Slot(bool)
    def _show_details(self, shown: bool) -> None:
        self._details_button.setText("Hide details" if shown else "Details")
        self._details.setVisible(shown)
        if shown and self._notice.kind is NoticeKind.ERROR:
            # The reason comes last in a log or a traceback. How far down that is depends on the
            # width, which a layout would give them at the next turn of the event loop.
            self._box.activate()
            self._details.moveCursor(QTextCursor.MoveOperation.End)
            bar = self._details.verticalScrollBar()
            bar.setValue(bar.maximum())  # lines are broken on the way, and are more by then
