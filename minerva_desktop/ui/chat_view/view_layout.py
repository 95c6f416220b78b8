"""Where the views of messages are, one above the other, and what is still to be laid out anew.

`MessageViews` owns one. Main thread.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from minerva_desktop.ui.chat_view.reading_place import ReadingPlace

if TYPE_CHECKING:
    from minerva_desktop.ui.chat_view.cut_mark import CutMark
    from minerva_desktop.ui.chat_view.message_view import MessageView


class ViewLayout:
    """Views in sight take another ``width`` (px) at once, the others by `work`."""

    def __init__(self) -> None:
        self.width = 0
        self._late: list[MessageView] = []  # laid out for another width
        self._new: set[MessageView] = set()  # put above others, not at full height yet
        self._held: ReadingPlace | None = None  # what is read in a view whose text is moved

    @property
    def has_work(self) -> bool:
        """Whether `work` would find something to do."""
        return bool(self._late)

    def work(self) -> None:
        """Lay out one view that has another width still."""
        self._late.pop().arrange(self.width)

    def add_above(self, view: MessageView) -> None:
        """``view`` comes above the others, and is still to be rendered."""
        self._new.add(view)

    def forget(self, view: MessageView) -> None:
        """``view`` goes."""
        self._new.discard(view)
        self._held = None
        if view in self._late:
            self._late.remove(view)

    def arrange(
        self,
        views: Sequence[MessageView],
        unrendered: Container[str],
        left: int,
        y: int,
        width: int,
        seen: range,
        mark: CutMark,
    ) -> int:
        """Place ``views``, and ``mark``, at ``left``, ``y`` px, in ``width`` px; where the next
        thing goes. At the heights ``seen`` (px) a new width takes effect at once. ``unrendered``
        are the ids of messages whose views will still grow."""
        self.width = width
        self._late.clear()
        cut = mark.first_id
        for view in views:
            near = view.top < seen.stop and view.bottom >= seen.start
            if near or view.arranged_width in {-1, width}:
                height = view.arrange(width)
                if self._new and view.message.id not in unrendered:
                    self._new.discard(view)
            else:
                height = view.bottom - view.top
                self._late.append(view)
            if cut is not None and view.message.id == cut:
                y += mark.place(left, y, width)
            view.place(left, y, width, height)
            y += height + view.gap_below
        return y

    def anchor(self, views: Sequence[MessageView], y: int) -> ReadingPlace | None:
        """What is at height ``y`` of the column. A view that is still to grow above the others is
        passed over."""
        for view in views:
            if view.bottom > y and view not in self._new:
                return (
                    self._held_at(view, y) if view.moves_text else ReadingPlace(view, y - view.top)
                )
        return None

    def _held_at(self, view: MessageView, y: int) -> ReadingPlace:
        """What is written at height ``y``, in ``view``. What was there before stays that, or with
        each slice of what moves it a part of a px would be lost."""
        held = self._held
        if held is None or held.view is not view or held.y != y:
            held = self._held = ReadingPlace(view, y - view.top)
            held.hold()
        return held
