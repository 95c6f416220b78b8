"""A conversation: a tree of messages, one branch of which is shown.

Made and changed by `app` on the thread that shows it (the GUI's main thread, or the terminal's);
read from disk and written to it by `store`. No I/O and no locks: a conversation belongs to one
thread.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

import msgspec

from minerva_desktop.chat.context_cut import ContextCut, cuts_back, cuts_without, last_cut
from minerva_desktop.chat.message import ChatTurn, Message, MessageState, Role
from minerva_desktop.chat.order import place_among
from minerva_desktop.chat.parts import Files, Part
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.turns import turns_of
from minerva_desktop.chat.waiting_message import Waiting


class TitleSource(StrEnum):
    """Who gave a chat its title: a better one never replaces a person's."""

    FIRST_WORDS = "first_words"
    MODEL = "model"
    PERSON = "person"


class ScrollPosition(msgspec.Struct, frozen=True):
    """Where a transcript was left: at the message ``message_id``, ``offset`` of its height (0.0 to
    1.0) above the upper edge of the view. A chat that was left at its end has none."""

    message_id: str
    offset: float = 0.0


class Folder(msgspec.Struct, frozen=True, kw_only=True):
    """A folder of chats; folders hold no folders."""

    id: str
    name: str


class ConversationSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the chat list. Times are Unix time in seconds; ``deleted_at`` is when it was put
    into the trash."""

    id: str
    title: str
    updated_at: float
    model: str | None
    folder_id: str | None = None
    tags: tuple[str, ...] = ()
    is_pinned: bool = False
    is_archived: bool = False
    deleted_at: float | None = None


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """What `Conversation.remove` took out, for `Conversation.put_back` and the store.

    ``messages`` are those that went, with their places in the order of creation; ``moved_ids``
    are replies to the only one that went, which have another parent now; ``leaf_id`` was the
    active leaf, ``cuts`` were the conversation's, ``n_shifts`` how often places had moved.
    """

    messages: tuple[tuple[int, Message], ...]
    moved_ids: tuple[str, ...]
    leaf_id: str | None
    cuts: tuple[ContextCut, ...] = ()
    n_shifts: int = 0


@dataclass(kw_only=True)
class Conversation:
    """Messages linked by ``parent_id``; editing or regenerating one adds a sibling to it, which
    takes the replies of an edited answer with it.

    ``created_at`` and ``updated_at`` are Unix time in seconds. ``model`` is the file name, without
    its folder, of the model that this chat last used. ``draft`` is what stands in its composer,
    with ``draft_files``; ``waiting`` is to be sent, the first first; ``cuts`` are the places from
    which on a model is given it. Every operation costs at most a walk over the branch or subtree it
    is about, so a chat of 10,000 messages stays quick.
    """

    id: str
    created_at: float
    updated_at: float
    title: str = ""
    title_source: TitleSource = TitleSource.FIRST_WORDS
    model: str | None = None
    system_prompt: str = ""
    sampling: SamplingParameters = field(default_factory=SamplingParameters)
    folder_id: str | None = None
    tags: tuple[str, ...] = ()
    is_pinned: bool = False
    is_archived: bool = False
    draft: str = ""
    draft_files: Files = ()
    waiting: Waiting = ()
    scroll: ScrollPosition | None = None
    cuts: tuple[ContextCut, ...] = ()
    _active_leaf_id: str | None = field(default=None, init=False)
    _messages: dict[str, Message] = field(default_factory=dict, init=False)
    _children: dict[str | None, list[str]] = field(default_factory=dict, init=False)
    _order: dict[str, int] = field(default_factory=dict, init=False)
    _n_added: int = field(default=0, init=False)
    # From which places on those behind them moved by one, in this order.
    _shifts: list[int] = field(default_factory=list, init=False, compare=False, repr=False)
    # The active branch, until something changes: a walk over 10,000 messages takes 5 ms.
    _shown: list[Message] | None = field(default=None, init=False, compare=False, repr=False)

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
        self._order[message.id] = self._n_added
        self._n_added += 1
        self._messages[message.id] = _cleaned(message)
        self._children.setdefault(message.parent_id, []).append(message.id)
        self._active_leaf_id = message.id
        self._shown = None
        self.updated_at = max(self.updated_at, message.created_at)

    def fill(self, messages: Iterable[Message], leaf_id: str | None) -> None:
        """Take in all ``messages`` of an empty conversation as they were read from disk: clean, and
        a parent before its children. The branch to ``leaf_id`` is shown, or to the last of them
        where there is no such; ``updated_at`` stays. For 10,000 messages a third of `add`."""
        by_id, children = self._messages, self._children
        last_id, is_line = None, True
        for message in messages:
            by_id[message.id] = message
            is_line = is_line and message.parent_id == last_id
            last_id = message.id
            if (siblings := children.get(message.parent_id)) is None:
                children[message.parent_id] = [message.id]
            else:
                siblings.append(message.id)
        self._order = dict(zip(by_id, range(len(by_id)), strict=True))
        self._n_added = len(by_id)
        self._active_leaf_id = leaf_id if leaf_id in by_id else last_id
        is_line = is_line and self._active_leaf_id == last_id
        self._shown = list(by_id.values()) if is_line else None

    def reply(
        self,
        role: Role,
        text: str,
        state: MessageState,
        created_at: float,
        parts: tuple[Part, ...] = (),
    ) -> Message:
        """A new message behind the active leaf, to be added; ``created_at`` in seconds."""
        return Message(
            id=new_id(),
            parent_id=self._active_leaf_id,
            role=role,
            text=text,
            state=state,
            created_at=created_at,
            parts=parts,
        )

    def replace(self, message: Message) -> None:
        """Put a message in the place of the one with its id: more text, another state.

        Raises `KeyError` when there is none, `ValueError` when it would move to another parent.
        """
        if self._messages[message.id].parent_id != message.parent_id:
            raise ValueError(f"message {message.id} cannot move to another parent")
        self._messages[message.id] = _cleaned(message)
        self._shown = None

    def active_branch(self) -> list[Message]:
        """The messages that are shown, from the root to the active leaf."""
        if self._shown is None:
            self._shown = self.branch_to(self._active_leaf_id)
        return list(self._shown)

    def branch_to(self, message_id: str | None) -> list[Message]:
        """The messages from the root to that one; none for None. Raises `KeyError`."""
        branch: list[Message] = []
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
        subtree = self._subtree(message_id)
        # A child comes after its parent, so the last message of a subtree is always a leaf.
        self._active_leaf_id = max(subtree, key=self._order.__getitem__)
        self._shown = None

    def branch_from(self, message_id: str | None) -> None:
        """End the active branch at this message, so that the next one becomes its child, or show
        nothing, so that it becomes another first one; raises `KeyError`."""
        self._active_leaf_id = None if message_id is None else self._messages[message_id].id
        self._shown = None

    def remove(self, message_id: str, *, with_replies: bool) -> Removal:
        """Take out a message, and all below it or not; its replies then reply to its parent, those
        of an edited answer to the version before it.

        Where the shown branch ended in what went, a sibling's is shown, or it ends at the parent.
        Raises `KeyError`.
        """
        message = self._messages[message_id]
        gone = self._subtree(message_id) if with_replies else [message_id]
        moved = () if with_replies else tuple(self._children.get(message_id, ()))
        leaf_id = self._active_leaf_id
        removal = Removal(
            messages=tuple((self._order[each], self._messages[each]) for each in gone),
            moved_ids=moved,
            leaf_id=leaf_id,
            cuts=self.cuts,
            n_shifts=len(self._shifts),
        )
        if not with_replies:
            self.cuts = cuts_without(self.cuts, message_id, moved)
        self._move(moved, self._heir(message))
        for each in gone:
            self._children[self._messages[each].parent_id].remove(each)
        for each in gone:
            del self._messages[each], self._order[each]
            self._children.pop(each, None)
        if leaf_id not in self._messages:
            self._show_beside(message.parent_id)
        self._shown = None
        return removal

    def put_back(self, removal: Removal) -> None:
        """Undo `remove`, also where the conversation was read from disk since. Raises `ValueError`
        when the place is not there any more, for a parent went after it, or is taken."""
        (_, first), *_ = removal.messages
        if any(message.id in self._messages for _, message in removal.messages):
            raise ValueError(f"message {first.id} is in the conversation already")
        if first.parent_id is not None and first.parent_id not in self._messages:
            raise ValueError(f"parent {first.parent_id} is not in the conversation")
        places = [order for order, _ in removal.messages]
        for shift in self._shifts[removal.n_shifts :]:
            places = [place + (place >= shift) for place in places]
        if max(places) >= self._n_added or not set(places).isdisjoint(self._order.values()):
            places = self._make_room(removal)
        for order, (_, message) in zip(places, removal.messages, strict=True):
            self._order[message.id] = order
            self._messages[message.id] = message
            self._adopt(message.id, message.parent_id)
        self._sort()
        self._move([each for each in removal.moved_ids if each in self._messages], first.id)
        if removal.leaf_id in self._messages:
            self._active_leaf_id = removal.leaf_id
        self._shown = None
        back = {message.id for _, message in removal.messages}
        self.cuts = cuts_back(self.cuts, removal.cuts, back, removal.moved_ids)

    def _make_room(self, removal: Removal) -> list[int]:
        """Places for what was removed when the messages here had other ones."""
        (_, first), *_ = removal.messages
        n_back = len(removal.messages)
        at = place_among(list(self._messages.values()), first, removal.moved_ids)
        self._order = {each: n + n_back * (n >= at) for n, each in enumerate(self._messages)}
        self._n_added = len(self._messages) + n_back
        return list(range(at, at + n_back))

    def add_version(self, message: Message, other_id: str) -> None:
        """Add a message right behind its alternative ``other_id``, whose replies are its own from
        now on: what is shown below them stays. Raises as `add` does, and `KeyError`."""
        place, leaf_id = self._order[other_id] + 1, self._active_leaf_id
        self.add(message)
        if place < self._order[message.id]:  # its replies come after it, as all do
            self._order |= {each: at + 1 for each, at in self._order.items() if at >= place}
            self._order[message.id] = place
            self._shifts.append(place)
            self._sort()
            self._children[message.parent_id].sort(key=self._order.__getitem__)
        self._active_leaf_id = leaf_id
        self.hand_over(other_id, message.id)

    def hand_over(self, from_id: str, to_id: str) -> tuple[str, ...]:
        """Have what replies to one message reply to an alternative of it, which is older than they
        are, and a branch that ended at it end there; the ids of the replies. Raises `KeyError`."""
        replies = tuple(self._children.get(self._messages[from_id].id, ()))
        self._move(replies, self._messages[to_id].id)
        if self._active_leaf_id == from_id:
            self._active_leaf_id = to_id
        self._shown = None
        return replies

    def active_cut(self) -> ContextCut | None:
        """The last place in the active branch from which on a model is given it."""
        if not self.cuts:
            return None
        return last_cut(self.cuts, (message.id for message in self.active_branch()))

    def prompt(self) -> Callable[[], tuple[ChatTurn, ...]]:
        """Makes what a model is given of the active branch as it is now (`chat.turns`), on whatever
        thread: of 10,000 messages that takes 11 ms."""
        branch, system = self.active_branch(), clean_text(self.system_prompt)
        return partial(turns_of, branch, system, self.active_cut())

    def _subtree(self, message_id: str) -> list[str]:
        """A message and all below it, a parent before its children. Raises `KeyError`."""
        subtree = [self._messages[message_id].id]
        for parent_id in subtree:  # grows while it is walked
            subtree.extend(self._children.get(parent_id, ()))
        return subtree

    def _sort(self) -> None:
        in_order = sorted(self._messages, key=self._order.__getitem__)
        self._messages = {message_id: self._messages[message_id] for message_id in in_order}

    def _show_beside(self, parent_id: str | None) -> None:
        siblings = self._children.get(parent_id)
        if siblings:
            self.select_branch(siblings[-1])
        else:
            self._active_leaf_id = parent_id

    def _heir(self, message: Message) -> str | None:
        """What takes the replies of a message that goes."""
        if message.edited_at is not None:
            siblings = self._children[message.parent_id]
            for each in reversed(siblings[: siblings.index(message.id)]):
                if self._messages[each].role is message.role:
                    return each
        return message.parent_id

    def _move(self, message_ids: Iterable[str], parent_id: str | None) -> None:
        for message_id in message_ids:
            message = self._messages[message_id]
            self._children[message.parent_id].remove(message_id)
            self._messages[message_id] = msgspec.structs.replace(message, parent_id=parent_id)
            self._adopt(message_id, parent_id)

    def _adopt(self, message_id: str, parent_id: str | None) -> None:
        children = self._children.setdefault(parent_id, [])
        children.append(message_id)
        children.sort(key=self._order.__getitem__)


def new_id() -> str:
    """An id for a conversation or a message that no other has: 32 hexadecimal digits."""
    return uuid.uuid4().hex


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
