"""Waits until a window is on the screen. Main thread."""

from __future__ import annotations

import asyncio

from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QWindow

MOST_SECONDS = 0.5  # one that starts minimised is not drawn at all


async def first_exposure(window: QWindow) -> None:
    """Return once ``window``, which was just shown, is drawn: what else there is to do at the start
    would have it wait (40 ms, **measured**)."""
    drawn = asyncio.Event()
    watch = _Watch(window, drawn)
    try:
        if not window.isExposed():
            await asyncio.wait_for(drawn.wait(), MOST_SECONDS)
    except TimeoutError:
        return
    finally:
        window.removeEventFilter(watch)


class _Watch(QObject):
    """Of one window alone, and not for long: each of its events passes through Python."""

    def __init__(self, window: QWindow, drawn: asyncio.Event) -> None:
        super().__init__(window)
        self._drawn = drawn
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.Expose:
            self._drawn.set()  # who waits goes on once this event is over
        return super().eventFilter(watched, event)
