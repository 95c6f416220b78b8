"""How much of the window the composer takes, and what of it gives way where there is little: first
the transcript, then the files, then the text. Main thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QWidget

from minerva_desktop.ui.attachment_strip import MAX_ROWS
from minerva_desktop.ui.theme import GRID

if TYPE_CHECKING:
    from minerva_desktop.ui.composer import Composer

MAX_SHARE_OF_WINDOW = 3  # text and what stands around it take at most a third of its height
MAX_SHARE_WITH_MORE = 2  # or half, where files or a hint would leave few lines of that
USUAL_LINES, FEW_LINES, LEAST_LINES = 5, 3, 2
TRANSCRIPT = 12 * GRID  # px that it keeps until files or text have given way
OUTER = 6 * GRID  # px above and below the card, together
TIGHT = 2 * GRID  # the same where there is no room for that


class Shares(msgspec.Struct, frozen=True):
    """How high the files and the text may be (px); ``is_tight``: with `TIGHT` for `OUTER`."""

    files: int
    text: int
    is_tight: bool


def shared(
    window: int,
    room: int,
    around: int,
    files: Callable[[int], int],
    lines: Callable[[int], int],
) -> Shares:
    """What fits into ``room`` of a ``window`` as high as that, with ``around`` beside files and
    text (px); ``files`` and ``lines`` say how high so many rows and lines are."""
    few = lines(FEW_LINES)
    takes_all = around + files(MAX_ROWS) + few <= room - TRANSCRIPT
    height = files(MAX_ROWS if takes_all else 1)
    is_tight = around + height + lines(LEAST_LINES) > room
    around -= OUTER - TIGHT if is_tight else 0
    height -= max(0, min(height // 2, around + height + lines(1) - room))
    around += height
    most = max(
        window // MAX_SHARE_OF_WINDOW - around,
        min(window // MAX_SHARE_WITH_MORE - around, lines(USUAL_LINES)),
        few,
    )
    left = room - around
    most = min(most, max(left - TRANSCRIPT, few), left)
    return Shares(height, max(most, lines(1)), is_tight)


class ComposerRoom(QObject):
    """Tells the composer of ``window`` what the parts ``beside`` it, that keep their height, leave
    of that."""

    def __init__(self, window: QWidget, composer: Composer, beside: Sequence[QWidget]) -> None:
        super().__init__(composer)
        self._window = window
        self._composer = composer
        self._beside = tuple(beside)
        for part in self._beside:
            part.installEventFilter(self)

    def tell(self) -> None:
        """Say it again: the window may be another size."""
        taken = sum(part.height() for part in self._beside if not part.isHidden())
        height = self._window.height()
        self._composer.set_window_height(height, height - taken)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if event.type() in {QEvent.Type.Resize, QEvent.Type.Show, QEvent.Type.Hide}:
            self.tell()
        return False
