"""What a session tells to who shows it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from minerva_desktop.app.chat_care import SavingTrouble
from minerva_desktop.chat.message import Message
from minerva_desktop.chat.parts import Files
from minerva_desktop.errors import StoreError

if TYPE_CHECKING:
    from minerva_desktop.app.chat_session import ChatSession


class QueuedMessage(msgspec.Struct, frozen=True):
    """A message that waits until the running answer is over."""

    id: str
    text: str
    model_path: Path
    files: Files = ()


class SessionListener(Protocol):
    """Who shows sessions. Called on the session's thread, with the session it is about."""

    def on_message_added(self, session: ChatSession, message: Message) -> None:
        """A message was appended to the shown branch."""

    def on_text_added(self, session: ChatSession, message_id: str, text: str) -> None:
        """An answer grew."""

    def on_thought_added(self, session: ChatSession, message_id: str, text: str) -> None:
        """The train of thought of an answer grew."""

    def on_message_changed(self, session: ChatSession, message: Message) -> None:
        """An answer ended: its final text, state and numbers."""

    def on_answer_resumed(self, session: ChatSession, message: Message) -> None:
        """An answer that had ended goes on: more of its text comes."""

    def on_branch_changed(self, session: ChatSession) -> None:
        """Another branch is shown, or messages of it went or came back."""

    def on_queue_changed(self, session: ChatSession) -> None:
        """Other messages wait for the running answer."""

    async def has_room(
        self, session: ChatSession, queued: QueuedMessage, reply_to: str | None
    ) -> bool:
        """Whether the chat up to ``reply_to`` with ``queued`` behind it fits the context, or that
        is not known. ``reply_to`` is None where there is no message yet."""

    def on_session_saved(self) -> None:
        """The chat list may have changed: a new chat, a new title, a new time."""

    def on_store_failed(self, error: StoreError) -> None:
        """The disk did not take something; the conversation goes on in memory."""

    def on_disk_trouble(self, trouble: SavingTrouble | None) -> None:
        """Changes wait in memory until the disk takes them; None: it has all of them now."""
