"""Chats whose states outlive the engine that computed them: for the tests of that."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from minerva_desktop.chat.completion import Completion
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.child_version import child_arguments
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import (
    KvType,
    LoadOptions,
    LoraAdapter,
    SnapshotOptions,
    Speculation,
)

GREEDY = SamplingParameters(temperature=0.0, max_tokens=8)
COUNT = ", ".join(str(number) for number in range(1, 100)) + ","
BUDGET = 1 << 30
# How long an engine that `Chats` starts has to be idle until it saves a chat: a fifth of the usual.
SAVE_AFTER_SECONDS = 0.2
_SOON = (
    "import runpy\n"
    "from minerva_desktop.engine.core import chat_states\n"
    f"chat_states.SAVE_AFTER_SECONDS = {SAVE_AFTER_SECONDS}\n"
    "runpy.run_module('minerva_desktop.engine.child', run_name='__main__')"
)


class Chats:
    """Engines with one snapshot folder, started and ended one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine: LlamaEngine | None = None
        self.died = asyncio.Event()

    async def start(
        self,
        model: Path,
        *,
        max_bytes: int = BUDGET,
        kv_type: KvType = KvType.F16,
        lora: tuple[LoraAdapter, ...] = (),
        speculation: Speculation | None = None,
        n_ctx: int = 2048,
    ) -> LlamaEngine:
        if self.engine is not None:
            await self.engine.unload()
        self.engine = LlamaEngine(
            model,
            on_death=lambda _: self.died.set(),
            command=(sys.executable, "-c", _SOON, *child_arguments()),
        )
        options = LoadOptions(
            n_ctx=n_ctx,
            kv_type_k=kv_type,
            lora=lora,
            speculation=speculation,
            snapshots=SnapshotOptions(bytes(self.folder), max_bytes),
        )
        await self.engine.load(options=options)
        return self.engine

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*/*.kv"))

    async def saved(self, count: int = 1) -> list[Path]:
        """Wait until so many chats are on disk."""
        async with asyncio.timeout(20):
            while len(self.files()) < count:
                await asyncio.sleep(0.05)
        return self.files()

    async def ended(self) -> list[Path]:
        """End the engine, which saves what is not saved yet, a second earlier than one that waits
        for more to do; the chats on disk."""
        assert self.engine is not None
        await self.engine.unload()
        self.engine = None
        return self.files()


async def answer(
    engine: LlamaEngine, prompt: str | list[int], chat: str | None = "chat-1"
) -> tuple[str, Completion]:
    stream = engine.generate(prompt, sampling=GREEDY, snapshot=chat)
    return await stream.text(), await stream.wait_completion()
