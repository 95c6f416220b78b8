"""What a person can do with a message, and when. Pure values, any thread."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.turns import open_thought


class MessageAction(Enum):
    """One thing to do with a message; the value is what its menu entry says."""

    COPY = "Copy as Markdown"
    EDIT = "Edit"
    ANSWER = "Answer"
    REGENERATE = "Regenerate…"
    CONTINUE = "Continue"
    BRANCH = "New chat up to here"
    DETAILS = "Details"
    DELETE = "Delete this message"
    DELETE_BELOW = "Delete from here on"


# These wait until no answer is being written.
CHANGE_THE_CHAT = frozenset(
    {
        MessageAction.ANSWER,
        MessageAction.REGENERATE,
        MessageAction.CONTINUE,
        MessageAction.DELETE,
        MessageAction.DELETE_BELOW,
    }
)
# What does the same where the message has the keyboard (`RichTextView`), and nothing is selected.
KEYS = {MessageAction.COPY: "Ctrl+C", MessageAction.EDIT: "F2", MessageAction.DELETE: "Del"}
ICONS = {
    MessageAction.COPY: "copy",
    MessageAction.EDIT: "edit",
    MessageAction.ANSWER: "continue",
    MessageAction.REGENERATE: "reset",
    MessageAction.CONTINUE: "continue",
    MessageAction.BRANCH: "branch",
    MessageAction.DETAILS: "info",
    MessageAction.DELETE: "trash",
    MessageAction.DELETE_BELOW: "trash",
}


class AnswerHelp(NamedTuple):
    """What is offered under an answer that failed or was cut off; None: nothing is said of that.
    ``details``: there is more to say than its sentence; ``options``: the model could answer with
    other load options; ``anyway``: if it may take more memory; ``cut``: how the chat fits without
    its oldest messages, which says what goes, empty where that does not help; ``seeks``: that is
    being found out, and until then the answer is not to go on; ``others``: another model could
    answer."""

    details: bool | None = None
    options: bool | None = None
    anyway: bool | None = None
    cut: str | None = None
    seeks: bool | None = None
    others: bool | None = None

    def joined(self, before: AnswerHelp) -> AnswerHelp:
        """With what was offered ``before``, where nothing is said of that now."""
        said = {name: each for name, each in self._asdict().items() if each is not None}
        return before._replace(**said)


class BranchPlace(NamedTuple):
    """Where a message stands among its alternatives: ``ids`` of all, oldest first, and its own
    ``position`` in them."""

    position: int
    ids: tuple[str, ...]


def can_go_on(message: Message) -> bool:
    """Whether an answer broke off in the middle, or a person changed it, so that a model can go on
    with it."""
    if message.role is not Role.ASSISTANT or not (message.text or open_thought(message)):
        return False
    match message.state:
        case MessageState.STOPPED | MessageState.INTERRUPTED | MessageState.FAILED:
            return True
        case MessageState.COMPLETE if message.completion is not None:
            return message.completion.finish_reason is FinishReason.LENGTH
        case MessageState.COMPLETE:
            return message.edited_at is not None  # and no model has gone on with it since
    return False


def actions_for(
    message: Message, *, is_last: bool, can_branch: bool = True
) -> tuple[MessageAction, ...]:
    """What can be done with ``message``, in the order to show it; nothing while it is written."""
    if message.state is MessageState.STREAMING:
        return ()
    answer = message.role is Role.ASSISTANT
    offered = {
        MessageAction.COPY: bool(message.text),
        MessageAction.EDIT: answer or message.role is Role.USER,
        MessageAction.ANSWER: is_last and message.role is Role.USER,
        MessageAction.REGENERATE: answer and message.parent_id is not None,
        MessageAction.CONTINUE: is_last and can_go_on(message),
        MessageAction.BRANCH: can_branch,
        MessageAction.DETAILS: answer,
        MessageAction.DELETE: True,
        MessageAction.DELETE_BELOW: not is_last,
    }
    return tuple(action for action in MessageAction if offered[action])
