"""ChatGPT's export (`conversations.json`) to chats. Values, no I/O.

OpenAI publishes no description. The facts here are those on which several open programs agree that
read real exports: mitkury/chatgpt-export-parser (docs/chatgpt-data-export-format.md),
mohamed-chs/convoviz (pull request 49: numbered files, titles that are null), atomantic/PortOS
(server/services/chatgptImport.js: assets) and pionxzh/chatgpt-exporter. In short:

- A file is a list of conversations; since 2026 large exports have `conversations-000.json` and on.
- `mapping` is a tree of nodes (`parent`, `children`, `message` or null), `current_node` the end of
  the branch that is shown; editing and regenerating add children.
- A message has `author.role` (system, user, assistant, tool), `create_time` (Unix seconds or null),
  `recipient` (a tool's name for a call, else "all"), `metadata.model_slug`, and with
  `is_visually_hidden_from_conversation` it is not shown.
- `import_chatgpt_content` tells what `content` may be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from minerva_desktop.chat.conversation import Conversation, TitleSource
from minerva_desktop.chat.import_attachments import Attachments
from minerva_desktop.chat.import_chatgpt_content import Content, content_of, is_hidden, role_of
from minerva_desktop.chat.import_values import (
    MAX_MESSAGES,
    EmptyChat,
    FindAsset,
    ImportedChat,
    Outcome,
    decoded,
    digest_of,
    list_of,
    object_of,
    outcomes,
    seconds_of,
    stable_id,
    text_of,
)
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.names import title_from
from minerva_desktop.chat.parts import Part, ToolCallPart
from minerva_desktop.errors import ChatFileError

_STATES = {"in_progress": MessageState.INTERRUPTED}


def chats_of_chatgpt(
    records: Sequence[msgspec.Raw], find: FindAsset, now: float
) -> Iterator[Outcome]:
    """The conversations ``records``. ``find`` gives an attachment by its file id; ``now`` is Unix
    time in seconds, for a chat that has no date at all."""

    def read(record: msgspec.Raw) -> ImportedChat:
        value = decoded(record, object)
        if not isinstance(value, dict) or not isinstance(value.get("mapping"), dict):
            raise ChatFileError("it has no messages (“mapping”)")
        given_id = text_of(value.get("conversation_id")) or text_of(value.get("id"))
        attachments = Attachments(find)
        tree = _Tree(value, given_id or digest_of(bytes(record)), attachments, now)
        return ImportedChat(tree.conversation(), None, attachments.blobs, attachments.n_missing)

    return outcomes(records, read)


class _Place(msgspec.Struct, frozen=True):
    """What a node hands on to its children: the message that they reply to, thoughts for the answer
    that comes, the last call of a tool, and a time."""

    anchor: str | None = None
    thoughts: tuple[Part, ...] = ()
    call_id: str = ""
    time: float = 0.0


class _Tree:
    """One conversation on its way from nodes to messages."""

    def __init__(
        self, value: dict[str, Any], given_id: str, attachments: Attachments, now: float
    ) -> None:
        self._value = value
        self._given_id = given_id
        self._attachments = attachments
        self._nodes = {
            key: node for key, node in value["mapping"].items() if isinstance(node, dict)
        }
        self._children = self._children_in_order()
        self._created = seconds_of(value.get("create_time")) or self._first_time() or now
        # ChatGPT dates a chat a second behind its first question.
        self._start = min(self._created, self._first_time() or self._created)
        self._places: dict[str, _Place] = {}

    def conversation(self) -> Conversation:
        """All that is shown of it. Raises `ChatFileError` where that is nothing."""
        messages = self._messages()
        if not messages:
            raise EmptyChat("it has no message that is shown")
        if len(messages) > MAX_MESSAGES:
            raise ChatFileError(f"it has {len(messages):,} messages, over {MAX_MESSAGES:,}")
        value = self._value
        title = " ".join(text_of(value.get("title")).split())
        conversation = Conversation(
            id=stable_id("chatgpt", self._given_id),
            created_at=self._created,
            updated_at=self._created,
            title=title or title_from(next((m.text for m in messages if m.text), "")),
            title_source=TitleSource.MODEL if title else TitleSource.FIRST_WORDS,
            is_pinned=value.get("is_starred") is True or value.get("pinned_time") is not None,
            is_archived=value.get("is_archived") is True,
        )
        for message in messages:
            conversation.add(message)
        current = self._places.get(text_of(value.get("current_node")))
        if current is not None and current.anchor is not None:
            conversation.branch_from(current.anchor)
        models = [m.model for m in conversation.active_branch() if m.model]
        conversation.model = (
            models[-1] if models else text_of(value.get("default_model_slug")) or None
        )
        latest = max(message.created_at for message in messages)
        conversation.updated_at = seconds_of(value.get("update_time")) or latest
        return conversation

    def _messages(self) -> list[Message]:
        """In the order of their times, where a reply is never before what it replies to."""
        found: list[Message] = []
        stack = list(reversed(self._children[None]))
        while stack:
            node_id = stack.pop()
            message = self._visit(node_id)
            if message is not None:
                found.append(message)
            stack.extend(reversed(self._children.get(node_id, ())))
        return sorted(found, key=lambda message: message.created_at)

    def _visit(self, node_id: str) -> Message | None:
        node = self._nodes[node_id]
        above = self._places.get(text_of(node.get("parent")), _Place(time=self._start))
        message = object_of(node.get("message"))
        time = max(seconds_of(message.get("create_time")) or above.time, above.time)
        if not message or is_hidden(message):
            self._places[node_id] = _Place(above.anchor, above.thoughts, above.call_id, time)
            return None
        content = content_of(message, self._attachments, above.call_id, self._id(node_id))
        if content.is_thought and self._is_followed_by_answer(node_id):
            thoughts = _joined(above.thoughts, content)
            self._places[node_id] = _Place(above.anchor, thoughts, above.call_id, time)
            return None
        made = self._message(node_id, above, content, time)
        call = next((p.call.id for p in content.parts if isinstance(p, ToolCallPart)), "")
        anchor = above.anchor if made is None else made.id
        self._places[node_id] = _Place(anchor, (), call or above.call_id, time)
        return made

    def _message(
        self, node_id: str, above: _Place, content: Content, time: float
    ) -> Message | None:
        parts = (
            _joined(above.thoughts, content)
            if content.is_thought
            else (*above.thoughts, *content.parts)
        )
        if not content.text.strip() and not parts:
            return None
        message = object_of(self._nodes[node_id]["message"])
        metadata = object_of(message.get("metadata"))
        finish = text_of(object_of(metadata.get("finish_details")).get("type"))
        state = _STATES.get(text_of(message.get("status")), MessageState.COMPLETE)
        if finish == "interrupted":
            state = MessageState.STOPPED
        model = text_of(metadata.get("model_slug"))
        role = content.role
        return Message(
            id=self._id(node_id),
            parent_id=above.anchor,
            role=role,
            text=content.text,
            state=state if role is Role.ASSISTANT else MessageState.COMPLETE,
            created_at=time,
            parts=parts,
            model=model or None if role is Role.ASSISTANT else None,
        )

    def _is_followed_by_answer(self, node_id: str) -> bool:
        following = self._children.get(node_id, ())
        if len(following) != 1:
            return False
        message = object_of(self._nodes[following[0]].get("message"))
        return role_of(message) is Role.ASSISTANT and not is_hidden(message)

    def _children_in_order(self) -> dict[str | None, list[str]]:
        """By `parent`, in the order of `children`; what has no parent here is below None."""
        children: dict[str | None, list[str]] = {None: []}
        for key, node in self._nodes.items():
            parent = text_of(node.get("parent"))
            children.setdefault(parent if parent in self._nodes else None, []).append(key)
        for key, found in children.items():
            if key is not None:
                listed = list_of(self._nodes[key].get("children"))
                ranks = {child: rank for rank, child in enumerate(listed) if isinstance(child, str)}
                found.sort(key=lambda child, ranks=ranks: ranks.get(child, len(ranks)))  # type: ignore[misc]
        return children

    def _first_time(self) -> float | None:
        messages = (object_of(node.get("message")) for node in self._nodes.values())
        times = [seconds_of(message.get("create_time")) for message in messages]
        return min((time for time in times if time is not None), default=None)

    def _id(self, node_id: str) -> str:
        return stable_id("chatgpt", self._given_id, node_id)


def _joined(thoughts: tuple[Part, ...], content: Content) -> tuple[Part, ...]:
    """Thoughts with those of ``content`` behind them; a recap tells how long they took."""
    if not content.recap_ms:
        return (*thoughts, *content.parts)
    if not thoughts:
        return ()
    return (*thoughts[:-1], msgspec.structs.replace(thoughts[-1], milliseconds=content.recap_ms))
