"""Selections in the texts of the transcript: those in sight at once, the others in slices.

To select in 300 texts takes 16 to 30 ms, which is two frames. Whoever asks what is selected calls
`finish` first, so nobody sees a part. Main thread.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtWidgets import QWidget

from minerva_desktop.ui.chat_view.rich_text_view import RichTextView

SLICE_SECONDS = 0.004

Span = tuple[int, int]  # anchor and end


class LateSelections(QObject):
    """Lives as long as ``parent``."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._late: dict[RichTextView, Span | None] = {}
        self.is_setting = False  # so that who is told of a selection knows who made it
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._work)

    def set(
        self, spans: Mapping[RichTextView, Span | None], seen: Collection[RichTextView]
    ) -> None:
        """Select a span in each text, nothing where that is None; at once in those that are
        ``seen``. Texts that are not named get what was said of them before."""
        self._late.update(spans)
        for body in seen:
            if body in self._late:
                self._select(body, self._late.pop(body))
        if self._late and not self._timer.isActive():
            self._timer.start()

    def finish(self) -> None:
        """Do all at once."""
        self._timer.stop()
        while self.select_one():
            pass

    def select_one(self) -> bool:
        """Do one; whether there was one to do."""
        if not self._late:
            return False
        self._select(*self._late.popitem())
        return True

    def forget(self, body: RichTextView) -> None:
        """``body`` goes, or a person selects in it now."""
        self._late.pop(body, None)

    @Slot()
    def _work(self) -> None:
        deadline = time.perf_counter() + SLICE_SECONDS
        while time.perf_counter() < deadline and self.select_one():
            pass
        if not self._late:
            self._timer.stop()

    def _select(self, body: RichTextView, span: Span | None) -> None:
        self.is_setting = True
        if span is None or body.isHidden():  # it was folded meanwhile
            body.clear_selection()
        else:
            body.select(*span)
        self.is_setting = False
