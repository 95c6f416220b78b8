"""A conversation: a tree of messages, one branch of which is shown.

Made and changed by `app` on the thread that shows it (the GUI's main thread, or the terminal's);
read from disk and written to it by `store`. No I/O and no locks: a conversation belongs to one
thread.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from minerva_desktop.chat.message import ChatTurn, Message, Role
from minerva_desktop.chat.sampling import SamplingParameters

MAX_TITLE_CHARACTERS = 60
ELLIPSIS = "…"


class ConversationSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the chat list. ``updated_at`` is Unix time in seconds."""

    id: str
    title: str
    updated_at: float
    model: str | None


@dataclass(kw_only=True)
class Conversation:
    """Messages linked by ``parent_id``; editing or regenerating one adds a sibling to it.

    ``created_at`` and ``updated_at`` are Unix time in seconds. ``model`` is the file name, without
    its folder, of the model that this chat last used. Every operation costs at most a walk over
    the branch or subtree it is about, so a chat of 10,000 messages stays quick.
    """

    id: str
    created_at: float
    updated_at: float
    title: str = ""
    model: str | None = None
    system_prompt: str = ""
    sampling: SamplingParameters = field(default_factory=SamplingParameters)
    _active_leaf_id: str | None = field(default=None, init=False)
    _messages: dict[str, Message] = field(default_factory=dict, init=False)
    _children: dict[str | None, list[str]] = field(default_factory=dict, init=False)
    _order: dict[str, int] = field(default_factory=dict, init=False)

    def __len__(self) -> int:
        """Messages in all branches."""
        return len(self._messages)

    def __iter__(self) -> Iterator[Message]:
        """Messages of all branches in the order of their creation: a parent before its children."""
        return iter(self._messages.values())

    def __contains__(self, message_id: str) -> bool:
        """Whether a message of that id is in any branch."""
        return message_id in self._messages

    def __getitem__(self, message_id: str) -> Message:
        """The message of that id; raises `KeyError`."""
        return self._messages[message_id]

    @property
    def active_leaf_id(self) -> str | None:
        """The last message of the branch that is shown; None in an empty conversation."""
        return self._active_leaf_id

    def add(self, message: Message) -> None:
        """Add a message, which becomes the active leaf.

        Raises `ValueError` when its id is taken or its parent is not in this conversation.
        """
        if message.id in self._messages:
            raise ValueError(f"message {message.id} is in the conversation already")
        if message.parent_id is not None and message.parent_id not in self._messages:
            raise ValueError(f"parent {message.parent_id} is not in the conversation")
        self._order[message.id] = len(self._messages)
        self._messages[message.id] = _cleaned(message)
        self._children.setdefault(message.parent_id, []).append(message.id)
        self._active_leaf_id = message.id
        self.updated_at = max(self.updated_at, message.created_at)

    def replace(self, message: Message) -> None:
        """Put a message in the place of the one with its id: more text, another state.

        Raises `KeyError` when there is none, `ValueError` when it would move to another parent.
        """
        if self._messages[message.id].parent_id != message.parent_id:
            raise ValueError(f"message {message.id} cannot move to another parent")
        self._messages[message.id] = _cleaned(message)

    def active_branch(self) -> list[Message]:
        """The messages that are shown, from the root to the active leaf."""
        branch: list[Message] = []
        message_id = self._active_leaf_id
        while message_id is not None:
            message = self._messages[message_id]
            branch.append(message)
            message_id = message.parent_id
        branch.reverse()
        return branch

    def siblings(self, message_id: str) -> list[str]:
        """Ids of the message and its alternatives, oldest first; raises `KeyError`."""
        return list(self._children[self._messages[message_id].parent_id])

    def select_branch(self, message_id: str) -> None:
        """Show the branch through this message that was continued last; raises `KeyError`."""
        subtree = [self._messages[message_id].id]
        for parent_id in subtree:  # grows while it is walked
            subtree.extend(self._children.get(parent_id, ()))
        # A child comes after its parent, so the last message of a subtree is always a leaf.
        self._active_leaf_id = max(subtree, key=self._order.__getitem__)

    def branch_from(self, message_id: str) -> None:
        """End the active branch at this message, so that the next one becomes its child; raises
        `KeyError`."""
        self._active_leaf_id = self._messages[message_id].id

    def turns(self) -> tuple[ChatTurn, ...]:
        """What a model is given: the system prompt, if any, then the active branch.

        Answers without text (one that is about to start, one that failed at once) are left out.
        Two questions that then follow each other become one turn, because many chat templates
        insist that the roles take turns.
        """
        turns: list[ChatTurn] = []
        for message in self.active_branch():
            if not message.text and message.role is Role.ASSISTANT:
                continue
            if turns and turns[-1].role is message.role:
                turns[-1] = ChatTurn(message.role, f"{turns[-1].text}\n\n{message.text}")
            else:
                turns.append(ChatTurn(message.role, message.text))
        if self.system_prompt.strip():
            turns.insert(0, ChatTurn(Role.SYSTEM, clean_text(self.system_prompt)))
        return tuple(turns)


def new_id() -> str:
    """An id for a conversation or a message that no other has: 32 hexadecimal digits."""
    return uuid.uuid4().hex


def title_from(text: str) -> str:
    """The first words of ``text`` on one line of at most `MAX_TITLE_CHARACTERS`; maybe empty."""
    line = " ".join(clean_text(text).split())
    if len(line) <= MAX_TITLE_CHARACTERS:
        return line
    room = MAX_TITLE_CHARACTERS - len(ELLIPSIS)
    words, _, _ = line[: room + 1].rpartition(" ")
    return (words or line[:room]) + ELLIPSIS


def clean_text(text: str) -> str:
    """``text`` as UTF-8 can hold it.

    Qt hands out UTF-16, so pasted text may hold half a surrogate pair, which neither SQLite nor a
    tokenizer takes. Two halves that belong together are joined, a lone one becomes U+FFFD.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _cleaned(message: Message) -> Message:
    text = clean_text(message.text)
    return message if text is message.text else msgspec.structs.replace(message, text=text)
