"""Messages in the colours of another theme, or with text of another size: those in sight take it at
once, the others in slices.

To have 300 messages obey another style sheet takes Qt 0.1 s, and to write their text in other
colours takes 0.3 s. Main thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from PySide6.QtCore import QRect

from minerva_desktop.ui.stylesheet import dress_again

if TYPE_CHECKING:
    from minerva_desktop.ui.chat_view.message_view import MessageView


class LateRestyling:
    """Some views have the look of before."""

    def __init__(self) -> None:
        self._undressed: set[MessageView] = set()  # they obey the style sheet before
        self._unstyled: dict[MessageView, None] = {}  # the nearest last
        self._partly: dict[MessageView, None] = {}  # the next first

    @property
    def has_work(self) -> bool:
        """Whether `work` would find something to do."""
        return bool(self._unstyled or self._partly)

    def work(self, seconds: float, width: int, visible: QRect) -> None:
        """Restyle one view, the nearest first, and lay it out in ``width`` px; or of one with other
        colours what ``seconds`` are enough for. Those that are ``visible`` by now go before."""
        waiting = (*reversed(self._unstyled), *self._partly)
        view = next((each for each in waiting if _is_in(each, visible)), waiting[0])
        if view in self._unstyled:
            del self._unstyled[view]
            self._restyle(view)
            view.arrange(width)
        else:
            del self._partly[view]
            if view.recolour_some(seconds):
                self._partly[view] = None  # it is another's turn

    def set_aside(self, views: Iterable[MessageView], visible: QRect) -> set[MessageView]:
        """Another style sheet comes: the views that need not obey it before `restyle` is called,
        for they are not ``visible``."""
        self._undressed |= {view for view in views if not _is_in(view, visible)}
        return self._undressed

    def restyle(self, views: Iterable[MessageView], visible: QRect) -> None:
        """The theme or the size of text is another: restyle what is ``visible`` at once, the rest
        by `work`."""
        late: list[MessageView] = []
        for view in views:
            if _is_in(view, visible):
                self._restyle(view)
            else:
                late.append(view)
        middle = visible.center().y()
        late.sort(key=lambda view: abs(view.top - middle), reverse=True)
        self._unstyled = dict.fromkeys(late)

    def forget(self, view: MessageView) -> None:
        """``view`` goes."""
        self._undressed.discard(view)
        self._unstyled.pop(view, None)
        self._partly.pop(view, None)

    def _restyle(self, view: MessageView) -> None:
        if view in self._undressed:
            self._undressed.discard(view)
            dress_again(view)
        view.restyle()
        self._partly[view] = None


def _is_in(view: MessageView, visible: QRect) -> bool:
    return view.top <= visible.bottom() and view.bottom > visible.top()
