"""Chats that cannot be opened, as those of a newer Minerva: that is said, and what is written
meanwhile is kept, or the window asks before it closes on it. Main thread."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QGuiApplication

from minerva_desktop.errors import MinervaError, StoreError
from minerva_desktop.settings import SettingsFile
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind

OPEN_CHATS = "open-chats"
COPY, CLOSE = "copy-unsent", "close-unsent"
CLOSING = "close-with-unsent"


class UnopenedChats(QObject):
    """``wanted``: they are to be opened again."""

    wanted = Signal()

    def __init__(
        self, window: MainWindow, settings: SettingsFile, keep_unsent: Callable[[], bool]
    ) -> None:
        """``keep_unsent`` keeps what stands in the composer while no chat is open, in the settings;
        whether there is such a thing."""
        super().__init__(window)
        self._window = window
        self._settings = settings
        self._keep_unsent = keep_unsent
        self._error: MinervaError | None = None
        window.add_guard(self._must_stay)
        window.sidebar.new_chat.connect(self._on_wish)
        window.new_temporary_chat.connect(self._on_wish)
        window.composer.submitted.connect(self._on_wish)
        window.notifications.action_triggered.connect(self._on_action)

    def tell(self, error: MinervaError) -> None:
        """Why they are not open."""
        self._error = error
        kept = "is kept" if self._can_keep() else "is not kept"
        why = error.message.rstrip(".")
        text = f"{why}. No message can be sent meanwhile; what you begin to write {kept}."
        again = (NoticeAction("Try again", OPEN_CHATS),)
        self._window.notifications.show_notice(
            Notice(NoticeKind.ERROR, text, error.detail, again, key=OPEN_CHATS)
        )

    def end(self) -> None:
        """They are open."""
        self._error = None
        self._window.notifications.dismiss(OPEN_CHATS)

    @Slot()
    def _on_wish(self) -> None:
        """There can be no other chat now, nor a message, and the notice may be gone or covered."""
        if self._error is not None:
            self.tell(self._error)

    def _must_stay(self) -> bool:
        """Whether closing would lose what was written, which then is said."""
        if not self._keep_unsent() or self._can_keep():
            return False
        text = (
            "Minerva is still open: the message that you began cannot be kept, because neither the"
            " chats nor the settings can be written."
        )
        actions = (NoticeAction("Copy it", COPY), NoticeAction("Close all the same", CLOSE))
        self._window.notifications.show_notice(
            Notice(NoticeKind.WARNING, text, actions=actions, key=CLOSING)
        )
        return True

    def _can_keep(self) -> bool:
        """Whether the disk takes the settings now: it may have refused them, or may yet."""
        with suppress(StoreError):
            self._settings.save(self._settings.current)
        return self._settings.is_kept

    @Slot(str)
    def _on_action(self, callback_id: str) -> None:
        if callback_id == OPEN_CHATS:
            self.wanted.emit()
        elif callback_id == COPY:
            QGuiApplication.clipboard().setText(self._window.composer.text)
        elif callback_id == CLOSE:
            self._window.close_now()
