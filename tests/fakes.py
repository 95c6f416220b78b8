"""Scripted implementations of the app's small Protocols, for tests of what is above them."""

from __future__ import annotations

from dataclasses import dataclass, field

from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.app.generation import AnswerRequest
from minerva_desktop.chat.message import Message
from minerva_desktop.errors import StoreError


@dataclass
class RecordingEngine:
    """An `AnswerEngine` that notes what it is asked; the test plays the answers itself."""

    started: list[AnswerRequest] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def start_answer(self, request: AnswerRequest) -> None:
        """Note the request."""
        self.started.append(request)

    def cancel_answer(self, answer_id: str) -> None:
        """Note the wish."""
        self.cancelled.append(answer_id)


@dataclass
class RecordingListener:
    """A `SessionListener` that keeps what a view would show."""

    added: list[Message] = field(default_factory=list)
    changed: list[Message] = field(default_factory=list)
    text: str = ""
    branch: list[Message] = field(default_factory=list)
    errors: list[StoreError] = field(default_factory=list)
    n_saved: int = 0

    def on_message_added(self, _session: ChatSession, message: Message) -> None:
        """Note it."""
        self.added.append(message)

    def on_text_added(self, _session: ChatSession, _message_id: str, text: str) -> None:
        """Append it."""
        self.text += text

    def on_message_changed(self, _session: ChatSession, message: Message) -> None:
        """Note it."""
        self.changed.append(message)

    def on_branch_changed(self, session: ChatSession) -> None:
        """Note the branch."""
        self.branch = session.conversation.active_branch()

    def on_session_saved(self) -> None:
        """Count it."""
        self.n_saved += 1

    def on_store_failed(self, error: StoreError) -> None:
        """Note it."""
        self.errors.append(error)
