"""Whatever is done to a chat, and whenever the app starts anew, the disk holds the same tree."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from minerva_desktop.chat.conversation import Conversation, Removal
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.parts import ReasoningPart
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.database import Database
from tests.chat.samples import make_conversation, make_message

Result = TypeVar("Result")
TEXT = st.text("ab é", max_size=5)


class ChatOnDisk(RuleBasedStateMachine):
    """`Conversation` in memory against `ChatStore`."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._folder = tempfile.TemporaryDirectory()
        self._path = Path(self._folder.name) / "chats.db"
        self._ticks = itertools.count(1)
        self._removals: list[Removal] = []
        self._edits: list[tuple[str, str]] = []
        self._store = self._run(self._opened())

    @initialize(text=TEXT)
    def begin(self, text: str) -> None:
        self.chat = make_conversation(text, title="x")
        self._run(self._store.create(self.chat))

    @rule(text=TEXT)
    def ask(self, text: str) -> None:
        """Say something below the shown branch."""
        self._add(make_message(text, self._leaf(), created_at=float(next(self._ticks))))

    @rule(text=TEXT, thought=TEXT)
    def answer(self, text: str, thought: str) -> None:
        """An answer streams and ends."""
        answer = make_message("", self._leaf(), role=Role.ASSISTANT, state=MessageState.STREAMING)
        self._add(answer)
        self._run(self._store.flush_text(answer.id, text, (ReasoningPart(thought),)))
        done = msgspec.structs.replace(
            answer, text=text + "!", state=MessageState.COMPLETE, parts=(ReasoningPart(thought),)
        )
        self.chat.replace(done)
        self._run(self._store.update_message(done))

    @precondition(lambda self: len(self.chat) > 0)
    @rule(data=st.data(), text=TEXT)
    def edit_or_regenerate(self, data: st.DataObject, text: str) -> None:
        """Beside a message of any branch."""
        message = self._any(data)
        parent = None if message.parent_id is None else self.chat[message.parent_id]
        self._add(make_message(text, parent, role=message.role))

    @precondition(lambda self: len(self.chat) > 0)
    @rule(data=st.data(), text=TEXT)
    def edit_answer(self, data: st.DataObject, text: str) -> None:
        """Its replies go along with it."""
        before = self._any(data)
        made = make_message(text, role=before.role, created_at=before.created_at)
        made = msgspec.structs.replace(made, parent_id=before.parent_id, edited_at=7.0)
        self.chat.add_version(made, before.id)
        self._run(self._store.add_version(self.chat, made.id, before.id))
        self._edits.append((before.id, made.id))

    @precondition(lambda self: bool(self._edits))
    @rule(is_removed=st.booleans())
    def undo_edit(self, is_removed: bool) -> None:
        before_id, made_id = self._edits.pop()
        if before_id not in self.chat or made_id not in self.chat:
            return
        if self.chat[before_id].parent_id != self.chat[made_id].parent_id:
            return  # what one of them replied to went meanwhile
        replies = self.chat.hand_over(made_id, before_id)
        removal = Removal(messages=(), moved_ids=(), leaf_id=None)
        if is_removed:
            removal = self.chat.remove(made_id, with_replies=False)
        removal = msgspec.structs.replace(removal, moved_ids=replies)
        self._run(self._store.remove_messages(self.chat, removal))

    @precondition(lambda self: len(self.chat) > 0)
    @rule(data=st.data())
    def select_branch(self, data: st.DataObject) -> None:
        self.chat.select_branch(self._any(data).id)
        self._run(self._store.save_details(self.chat))

    @precondition(lambda self: len(self.chat) > 0)
    @rule(data=st.data())
    def branch_from(self, data: st.DataObject) -> None:
        self.chat.branch_from(self._any(data).id)
        self._run(self._store.save_details(self.chat))

    @precondition(lambda self: len(self.chat) > 0)
    @rule(data=st.data(), with_replies=st.booleans())
    def remove(self, data: st.DataObject, with_replies: bool) -> None:
        removal = self.chat.remove(self._any(data).id, with_replies=with_replies)
        self._run(self._store.remove_messages(self.chat, removal))
        self._removals.append(removal)

    @precondition(lambda self: bool(self._removals))
    @rule()
    def undo(self) -> None:
        removal = self._removals.pop()
        try:
            self.chat.put_back(removal)
        except ValueError:
            return  # what it replied to went meanwhile
        self._run(self._store.put_back_messages(self.chat, removal))

    @rule()
    def restart(self) -> None:
        self._run(self._store.close())
        self._store = self._run(self._opened())

    @rule()
    def tidy(self) -> None:
        """Nothing that is shown is destroyed, nor what can be put back."""
        self._run(self._store.purge_trash(10.0))

    @invariant()
    def is_the_same(self) -> None:
        if not hasattr(self, "chat"):
            return
        loaded = self._run(self._store.load(self.chat.id))
        assert _nodes(loaded) == _nodes(self.chat)
        assert loaded.active_branch() == self.chat.active_branch()

    def teardown(self) -> None:
        try:
            assert self._run(self._store.check()) == []
        finally:
            self._run(self._store.close())
            self._run(self._loop.shutdown_default_executor())
            self._loop.close()
            self._folder.cleanup()

    async def _opened(self) -> ChatStore:
        store = ChatStore(Database(self._path), lambda: 1000.0)
        await store.start()
        return store

    def _add(self, message: Message) -> None:
        self.chat.add(message)
        self._run(self._store.add_message(self.chat.id, message))

    def _leaf(self) -> Message | None:
        leaf_id = self.chat.active_leaf_id
        return None if leaf_id is None else self.chat[leaf_id]

    def _any(self, data: st.DataObject) -> Message:
        known = sorted(self.chat, key=lambda message: message.created_at)
        return known[data.draw(st.integers(0, len(known) - 1))]

    def _run(self, work: Coroutine[None, None, Result]) -> Result:
        return self._loop.run_until_complete(work)


def _nodes(chat: Conversation) -> dict[str, tuple[Message, list[str]]]:
    return {message.id: (message, chat.siblings(message.id)) for message in chat}


ChatOnDisk.TestCase.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
TestChatOnDisk = ChatOnDisk.TestCase
