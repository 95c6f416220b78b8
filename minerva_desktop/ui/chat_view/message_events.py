"""What is said about the messages of the transcript, and what holds for all of them.

One of each for a transcript, shared by `ChatView` and all that it is made of. Main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import QObject, QPoint, QRect, Signal
from PySide6.QtGui import QImage

from minerva_desktop.chat.message import Message
from minerva_desktop.ui.chat_view.actions import BranchPlace


class MessageEvents(QObject):
    """A ``str`` is a message's id, but for ``branch_requested``, which carries the alternative's.

    ``action_requested(id, action, place)``: a person wants that; what opens belongs at ``place``
    on the screen. ``edit_submitted(id, text)``: it is to say that instead; ``edit_given_up(id,
    text)``: it is not, though it differs; ``edit_changed``: somebody typed in it, or it is over.
    ``others_requested``: another model is to be chosen; ``selected``: text was;
    ``save_requested(code, name)``: code is to be saved, in a file called so by default;
    ``file_opened(part)``: the text of a `FilePart` is wanted; ``picture_wanted(part)``: an
    `ImagePart` is, small, and comes by ``picture_ready(digest, image)``; ``picture_opened(part)``:
    large;
    ``caret_moved(rect)``: the end of a selection, or an editor's cursor, went to ``rect`` in the
    column; ``scroll_wanted(by)``: so many px further down; ``place_wanted(id, offset)``: to that
    place of a message, as a `ScrollPosition` says it; ``edit_left``: an editor went, and to none.
    ``work_added``: there is something to
    render; ``layout_changed``: or to place anew. ``copy_advanced(done, all)``: so many messages of
    the chat are copied, 0 and 0 where that was given up; ``copy_stopped``: a person gives it up.
    """

    retry_requested = Signal(str)
    details_requested = Signal(str)
    options_requested = Signal(str)
    load_anyway_requested = Signal(str)
    others_requested = Signal()
    cut_requested = Signal(str, bool)
    action_requested = Signal(str, object, QPoint)
    branch_requested = Signal(str)
    edit_requested = Signal(str)
    edit_submitted = Signal(str, str)
    edit_given_up = Signal(str, str)
    edit_changed = Signal()
    save_requested = Signal(str, str)
    file_opened = Signal(object)
    picture_wanted = Signal(object)
    picture_ready = Signal(str, QImage)
    picture_opened = Signal(object)
    selected = Signal()
    caret_moved = Signal(QRect)
    scroll_wanted = Signal(int)
    place_wanted = Signal(str, float)
    edit_left = Signal()
    work_added = Signal()
    layout_changed = Signal()
    copy_advanced = Signal(int, int)
    copy_stopped = Signal()


def no_place(_message_id: str) -> BranchPlace | None:
    """For a chat without branches."""
    return None


def no_answer() -> Message | None:
    """For a chat in which nothing is written."""
    return None


@dataclass
class MessageOptions:
    """``place_of``: what a message is an alternative to. ``answer_so_far``: what there is of the
    one that is being written. ``enter_sends``: Enter alone sends what is edited. ``can_branch``: a
    chat of its own can be made up to a message. ``seen_height``: px of the column that are in
    sight. ``n_hidden``: messages of the chat that have no view; ``messages``: all of them.
    ``model_names``: what to call the models, by file name."""

    place_of: Callable[[str], BranchPlace | None] = no_place
    answer_so_far: Callable[[], Message | None] = no_answer
    enter_sends: bool = True
    can_branch: bool = True
    seen_height: int = 0
    n_hidden: int = 0
    messages: Callable[[], Sequence[Message]] = tuple
    model_names: dict[str, str] = field(default_factory=dict)
