"""The backups in pictures. Main thread."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QWidget

from minerva_desktop.app.chat_care import KeptCopy, SavingTrouble
from minerva_desktop.ui.backups_controller import stays_open
from minerva_desktop.ui.backups_window import BackupsWindow
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from screenshot_stage import Stage, State, conversation

COPIES = (
    KeptCopy(Path("/chats/a"), 1_790_000_000.0, 48_300_000, "daily"),
    KeptCopy(Path("/chats/b"), 1_789_960_000.0, 48_100_000, "before a restore"),
    KeptCopy(Path("/chats/c"), 1_789_913_600.0, 47_900_000, "daily"),
    KeptCopy(Path("/chats/d"), 1_789_840_000.0, 46_000_000, "made by you"),
    KeptCopy(Path("/chats/e"), 1_789_827_200.0, 45_800_000, "before a change of the format"),
)
TROUBLE = SavingTrouble(
    "The chats cannot be saved: the disk is full. 3 changes wait in memory, and the disk is tried "
    "again every few seconds. Nothing is lost while Minerva runs.",
    "0 B are free on the disk of the chats.",
)


def backups(stage: Stage) -> list[QWidget]:
    """The copies that there are, and that one was just made."""
    return _opened(stage, COPIES, "All chats are in chats-20260921-150640-asked.sqlite3.")


def no_backups(stage: Stage) -> list[QWidget]:
    """On the first day."""
    return _opened(stage, (), "")


def disk_full(stage: Stage) -> list[QWidget]:
    """The disk does not take the chats."""
    conversation(stage)
    save = (NoticeAction("Save elsewhere…", "save"),)
    notice = Notice(NoticeKind.ERROR, TROUBLE.text, TROUBLE.detail, save)
    stage.window.notifications.show_notice(notice)
    return []


def closed_with_trouble(stage: Stage) -> list[QWidget]:
    """It was to be closed meanwhile."""
    disk_full(stage)
    stage.window.notifications.show_notice(stays_open(TROUBLE))
    return []


def _opened(stage: Stage, copies: tuple[KeptCopy, ...], status: str) -> list[QWidget]:
    conversation(stage)
    dialog = BackupsWindow(stage.window)
    dialog.set_copies(copies)
    dialog.show_status(status)
    dialog.open()
    dialog.move(stage.window.geometry().center() - dialog.rect().center())
    return [dialog]


STATES: dict[str, State] = {
    "backups": backups,
    "no-backups": no_backups,
    "disk-full": disk_full,
    "disk-full-closing": closed_with_trouble,
}
