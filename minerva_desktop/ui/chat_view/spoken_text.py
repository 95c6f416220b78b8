"""What screen readers are told of a message's text: not with every token of it. Main thread."""

from __future__ import annotations

import time

from PySide6.QtWidgets import QWidget

from minerva_desktop.ui.chat_view.rich_text_view import RichTextView

SECONDS = 1.0  # how often a screen reader's text follows a streamed answer, at most
LIMIT = 20_000  # characters of it; the text widget itself has all
REST = 500  # and how much longer than such an update takes the next one waits


class SpokenText:
    """Of ``view``, which shows what ``body`` does."""

    def __init__(self, view: QWidget, body: RichTextView) -> None:
        self._view = view
        self._body = body
        self._follow_at = 0.0

    def follow(self, *, is_finished: bool) -> None:
        """The text may be another; ``is_finished``: it will not change soon."""
        now = time.monotonic()
        if is_finished or now > self._follow_at:
            self._view.setAccessibleDescription(self._body.plain_text(LIMIT))
            taken = time.monotonic() - now
            self._follow_at = now + max(SECONDS, REST * taken)
