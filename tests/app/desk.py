"""A library of chats over a real store and a scripted engine, for tests of what people do in it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.message import MessageState, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.snapshot_files import SnapshotFiles
from minerva_desktop.store.chat_store import ChatStore
from tests.fakes import RecordingEngine, RecordingListener

MODEL = Path("/models/tiny.gguf")
DONE = Completion(
    finish_reason=FinishReason.STOP, timings=Timings(completion_tokens=2, decode_ms=10), seed=4
)
CANCELLED = Completion(finish_reason=FinishReason.CANCELLED, timings=Timings(), seed=4)


class Desk:
    """A library over a real store, an engine and a listener."""

    def __init__(self, store: ChatStore, snapshots: Path) -> None:
        self.engine = RecordingEngine()
        self.listener = RecordingListener()
        self.snapshots = SnapshotFiles(snapshots)
        self.store = store
        self.library = ChatLibrary(store, self.engine, self.listener, self.snapshots)

    def new_session(self) -> ChatSession:
        return self.library.new_session("Be brief.", SamplingParameters(seed=7))

    async def answered(self, session: ChatSession, question: str, answer: str) -> str:
        """Ask, and have the engine answer that; the answer's id."""
        await session.send(question, MODEL)
        return await self.says(session, answer)

    async def says(self, session: ChatSession, text: str) -> str:
        """Have the engine say all of the running answer; its id."""
        answer_id = session.answer_id or ""
        self.library.on_answer_text(answer_id, text)
        self.library.on_answer_finished(answer_id, DONE)
        return answer_id

    async def titled(self) -> None:
        """Wait until no title is being looked for, and none waits for that."""
        if self.library.titles.task is not None:
            await asyncio.wait([self.library.titles.task])

    async def reopened(self, session: ChatSession) -> list[tuple[Role, str, MessageState]]:
        """What is on disk of a chat that nothing runs in."""
        fresh = await self.store.load(session.conversation.id)
        return [(m.role, m.text, m.state) for m in fresh.active_branch()]
