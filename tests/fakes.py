"""Scripted implementations of the app's small Protocols, for tests of what is above them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from minerva_desktop.app.chat_care import SavingTrouble
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.app.generation import AnswerRequest
from minerva_desktop.app.session_listener import QueuedMessage
from minerva_desktop.chat.message import Message
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.memory_messages import DeviceShare
from minerva_desktop.engine.messages import Capabilities, ContextInfo
from minerva_desktop.errors import EngineDied, StoreError


@dataclass
class RecordingEngine:
    """An `AnswerEngine` that notes what it is asked; the test plays the answers itself."""

    started: list[AnswerRequest] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    n_parameters: int | None = None
    n_looks: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def start_answer(self, request: AnswerRequest) -> None:
        """Note the request."""
        self.started.append(request)
        self.changed.set()

    def cancel_answer(self, answer_id: str) -> None:
        """Note the wish."""
        self.cancelled.append(answer_id)
        self.changed.set()

    async def idle_parameters(self, path: Path) -> int | None:
        """As the test set it."""
        self.n_looks += 1
        self.changed.set()
        return self.n_parameters


@dataclass
class RecordingListener:
    """A `SessionListener` that keeps what a view would show."""

    added: list[Message] = field(default_factory=list)
    changed: list[Message] = field(default_factory=list)
    resumed: list[Message] = field(default_factory=list)
    queued: list[str] = field(default_factory=list)
    text: str = ""
    thought: str = ""
    branch: list[Message] = field(default_factory=list)
    errors: list[StoreError] = field(default_factory=list)
    troubles: list[SavingTrouble | None] = field(default_factory=list)
    n_saved: int = 0
    room: bool | Exception = True
    counted: list[str] = field(default_factory=list)
    replied_to: list[str | None] = field(default_factory=list)
    counts: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.counts.set()

    async def has_room(
        self, _session: ChatSession, queued: QueuedMessage, reply_to: str | None
    ) -> bool:
        """As the test set it, once it lets it count."""
        self.counted.append(queued.text)
        self.replied_to.append(reply_to)
        await self.counts.wait()
        if isinstance(self.room, Exception):
            raise self.room
        return self.room

    def on_message_added(self, _session: ChatSession, message: Message) -> None:
        """Note it."""
        self.added.append(message)

    def on_text_added(self, _session: ChatSession, _message_id: str, text: str) -> None:
        """Append it."""
        self.text += text

    def on_thought_added(self, _session: ChatSession, _message_id: str, text: str) -> None:
        """Append it."""
        self.thought += text

    def on_message_changed(self, _session: ChatSession, message: Message) -> None:
        """Note it."""
        self.changed.append(message)

    def on_answer_resumed(self, _session: ChatSession, message: Message) -> None:
        """Note it."""
        self.resumed.append(message)

    def on_queue_changed(self, session: ChatSession) -> None:
        """Note what waits."""
        self.queued = [queued.text for queued in session.queued]

    def on_branch_changed(self, session: ChatSession) -> None:
        """Note the branch."""
        self.branch = session.conversation.active_branch()

    def on_session_saved(self) -> None:
        """Count it."""
        self.n_saved += 1

    def on_disk_trouble(self, trouble: SavingTrouble | None) -> None:
        """Note it."""
        self.troubles.append(trouble)

    def on_store_failed(self, error: StoreError) -> None:
        """Note it."""
        self.errors.append(error)


@dataclass
class RecordingChatPlace:
    """An `OpenChat` that notes which chats are shown; None is an empty one."""

    conversation_id: str | None = None
    opened: list[str | None] = field(default_factory=list)
    message_id: str = ""

    def new_chat(self) -> None:
        """Note it."""
        self.conversation_id = None
        self.opened.append(None)

    async def open_chat(self, conversation_id: str, message_id: str = "") -> None:
        """Note it."""
        self.conversation_id = conversation_id
        self.opened.append(conversation_id)
        self.message_id = message_id


class ScriptedEngine:
    """A `PooledEngine` without a process: it loads and ends once it is allowed to, or fails."""

    _pids = itertools.count(100_000)

    def __init__(
        self,
        needs: Mapping[str, int],
        on_death: Callable[[EngineDied], None],
        failure: Exception | None = None,
    ) -> None:
        """``needs``: bytes by device that it will report to hold; those on the CPU are weights.
        ``failure`` is what its load ends with."""
        self.pid: int | None = None
        self.may_load = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.n_unloads = 0
        self.trims = 0
        self.may_park: int | None = None
        self._needs = needs
        self._on_death = on_death
        self._failure = failure
        self._is_loaded = False

    async def load(
        self, *, options: LoadOptions, on_progress: Callable[[float], None]
    ) -> ContextInfo:
        """Wait for ``may_load``; without a process again if nothing comes of it."""
        self.pid = next(self._pids)
        on_progress(0.5)
        try:
            await self.may_load.wait()
            if self._failure is not None:
                raise self._failure
        except BaseException:
            self.pid = None
            raise
        self._is_loaded = True
        gpus = {name: n_bytes for name, n_bytes in self._needs.items() if name != "CPU"}
        return context_info(
            weights_bytes=sum(self._needs.values()), n_ctx=options.n_ctx or 512, on_gpus=gpus
        )

    async def unload(self) -> None:
        """End its process, if it has one, after other tasks had a turn, and once it may."""
        self._is_loaded = False
        self.n_unloads += 1
        if self.pid is not None:
            await asyncio.sleep(0)
            await self.may_end.wait()
            self.pid = None

    def is_loaded(self) -> bool:
        """Whether it has loaded and not ended."""
        return self._is_loaded

    def limit_parking(self, n_bytes: int) -> None:
        """Remember it."""
        self.may_park = n_bytes

    async def trim(self) -> int:
        """Give back ``trims`` bytes, once."""
        n_bytes, self.trims = self.trims, 0
        return n_bytes

    def die(self, last_words: str = "") -> None:
        """End by itself, as a crashed child does."""
        self._is_loaded, self.pid = False, None
        self._on_death(EngineDied("It died", detail=last_words))


def context_info(
    *, weights_bytes: int, n_ctx: int, on_gpus: Mapping[str, int] = MappingProxyType({})
) -> ContextInfo:
    """What an engine says of a model of that size, with so many bytes of it on GPUs."""
    return ContextInfo(
        name="scripted",
        description="",
        architecture="llama",
        quantisation="Q4_0",
        n_ctx=n_ctx,
        n_ctx_train=n_ctx,
        n_params=1,
        n_layers=1,
        n_gpu_layers=0,
        n_threads=1,
        n_parallel=1,
        n_vocab=1,
        n_embd=1,
        weights_bytes=weights_bytes,
        kv_bytes=0,
        compute_bytes=0,
        shares=tuple(DeviceShare(name, n_bytes) for name, n_bytes in on_gpus.items()),
        flash_attention=True,
        has_chat_template=True,
        load_ms=1.0,
        capabilities=Capabilities(chat=True),
    )
