"""Which of the messages shown the keyboard is at, and where it goes when that one goes.

Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minerva_desktop.ui.chat_view.message_view import MessageView


def focused_index(views: Sequence[MessageView]) -> int | None:
    """The view that the keyboard is at, to read its message or the versions of that."""
    return next((at for at, view in enumerate(views) if view.is_read_by_keyboard), None)


def focus_again(views: Sequence[MessageView], index: int | None) -> None:
    """The view in the place of the one that had the keyboard has it."""
    if index is not None and views:
        views[min(index, len(views) - 1)].take_keyboard()
