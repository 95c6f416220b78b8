"""The check for a newer Minerva: once a day where the person switched it on, and when they ask.

Where it is off, nothing is ever sent by itself. Main thread; the request runs on another.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec
from PySide6.QtCore import QObject, QTimer, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices

from minerva_desktop import __version__
from minerva_desktop.app.updates import (
    SENT,
    Release,
    address_of,
    is_due,
    is_newer,
    is_safe_address,
)
from minerva_desktop.errors import UpdateCheckFailed
from minerva_desktop.settings import SettingsFile
from minerva_desktop.ui import late_dialogs
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind, NotificationBar
from minerva_desktop.ui.tasks import UiTasks

FIRST_MS = 20_000  # after the start, when the person may be waiting for nothing any more
EVERY_MS = 3_600_000  # how often it is looked whether a day has passed
SHOW_CHANGES, OPEN_PAGE = "update-changes", "update-page"
NOTICE = "update"


class UpdateController(QObject):
    """``told`` carries what came of a check that was asked for, and the newer `Release` or None."""

    told = Signal(str, object)

    def __init__(
        self,
        settings: SettingsFile,
        notifications: NotificationBar,
        tasks: UiTasks,
        parent: QObject,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``now``: Unix time."""
        super().__init__(parent)
        self._settings = settings
        self._notifications = notifications
        self._tasks = tasks
        self._now = now
        self._asking = asyncio.Lock()
        self._is_awaited = False  # by the person
        self.release: Release | None = None  # a newer one that was found
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._on_timeout)
        notifications.action_triggered.connect(self._on_action)

    @property
    def what_is_sent(self) -> str:
        """Whom a check asks, and with what; empty where there is nobody to ask."""
        address = address_of(self._settings.current.updates)
        host = QUrl(address).host()
        return f"Asks {host} for the newest version. {SENT}" if host else ""

    def start(self) -> None:
        """Look from now on whether a check is due."""
        self._timer.start(FIRST_MS)

    def stop(self) -> None:
        """Ask no more."""
        self._timer.stop()

    @Slot()
    def look(self) -> None:
        """Ask, if that is due; what goes wrong is only logged."""
        if is_due(self._settings.current.updates, self._now()) and not self._asking.locked():
            self._tasks.start(self._ask_by_itself())

    @Slot()
    def check_now(self) -> None:
        """Ask because the person wants to; ``told`` comes."""
        if not self._is_awaited:
            self._is_awaited = True
            self._tasks.start(self._ask_for_person())

    def open_page(self, address: str) -> None:
        """Show a page of the web in the browser."""
        if is_safe_address(address):
            QDesktopServices.openUrl(QUrl(address))

    @Slot()
    def _on_timeout(self) -> None:
        self._timer.start(EVERY_MS)
        self.look()

    async def _ask_by_itself(self) -> None:
        # Before the request: a server that fails is not asked more often for it.
        self._remember(asked_at=self._now())
        try:
            release = await self._fetch()
        except UpdateCheckFailed as error:
            logging.getLogger(__name__).info("%s", error.message)
            return
        updates = self._settings.current.updates
        if not updates.enabled or not is_newer(release.version):
            return
        self.release = release
        if release.version != updates.told:
            self._remember(told=release.version)
            self._show(release)

    async def _ask_for_person(self) -> None:
        try:
            release = await self._fetch()  # after one that asks by itself just now
        except UpdateCheckFailed as error:
            self.told.emit(error.message, None)
            return
        finally:
            self._is_awaited = False
        if is_newer(release.version):
            self.release = release
            self.told.emit(f"Minerva {release.version} is there.", release)
        else:
            self.told.emit(f"Minerva {__version__} is the newest version.", None)

    async def _fetch(self) -> Release:
        async with self._asking:
            fetch = late_dialogs.fetch_release()
            return await asyncio.to_thread(fetch, address_of(self._settings.current.updates))

    def _remember(self, **changes: object) -> None:
        updates = msgspec.structs.replace(self._settings.current.updates, **changes)
        self._settings.remember(updates=updates)

    def _show(self, release: Release) -> None:
        actions = [NoticeAction("What is new", SHOW_CHANGES)] if release.changes.strip() else []
        if release.page:
            actions.append(NoticeAction("Download page", OPEN_PAGE))
        text = f"Minerva {release.version} is there; this is {__version__}."
        notice = Notice(NoticeKind.INFO, text, actions=tuple(actions), key=NOTICE, stays=True)
        self._notifications.show_notice(notice)

    @Slot(str)
    def _on_action(self, callback_id: str) -> None:
        if callback_id == OPEN_PAGE and self.release is not None:
            self.open_page(self.release.page)
