"""Where in the transcript a person reads, so that it stays there while things get other places.

Main thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint

from minerva_desktop.chat.conversation import ScrollPosition

if TYPE_CHECKING:
    from minerva_desktop.ui.chat_view.message_view import MessageView
    from minerva_desktop.ui.chat_view.rich_text_view import RichTextView


class ReadingPlace:
    """``below`` px below the top of ``view``; or, after `hold`, at what is written there."""

    def __init__(self, view: MessageView, below: int) -> None:
        self.view = view
        self._below = below
        self._body: RichTextView | None = None  # whose text is there, or ends above
        self._under = 0  # px below its end
        self._character: int | None = None  # of it, where the line begins; None: it ends above
        self._into = 0.0  # how much of the line's height is above

    def hold(self) -> None:
        """Be at the line of text that is there now, also once it has another size."""
        for body in self.view.bodies:
            into = self._below - _top(body, self.view)
            if into >= body.height():
                self._body, self._under = body, into - body.height()
            elif into >= 0:
                cursor = body.cursorForPosition(QPoint(0, into))
                line = body.cursorRect(cursor)
                self._body, self._character = body, cursor.position()
                self._into = (into - line.top()) / max(1, line.height())

    @property
    def y(self) -> int:
        """Where that is in the column, px."""
        if self._body is None:
            return self.view.top + self._below
        top = self.view.top + _top(self._body, self.view)
        if self._character is None:
            return top + self._body.height() + self._under
        cursor = self._body.textCursor()
        cursor.setPosition(min(self._character, self._body.document().characterCount() - 1))
        line = self._body.cursorRect(cursor)
        return top + line.top() + round(self._into * line.height())

    @property
    def as_scroll_position(self) -> ScrollPosition:
        """The same to be kept for later, when all may have other heights."""
        share = max(0.0, self._below / max(1, self.view.height()))
        return ScrollPosition(self.view.message.id, share)


def _top(body: RichTextView, view: MessageView) -> int:
    return body.mapTo(view, QPoint()).y()
